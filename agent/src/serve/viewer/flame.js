// The page of a flame graph: takes the profile, draws it as the link says, and keeps the link true.

import { at, layout, paint, ROW } from "./icicle.js";
import { read } from "./pprof.js";
import { fill } from "./table.js";
import { choices, legend, remarks } from "./tools.js";
import { ancestry, build, children, find, mark, top, width } from "./tree.js";
import { counted, share } from "./units.js";
import { DEFAULTS, literal, parse, pattern, write } from "./view.js";
import { facts, summary } from "./words.js";

const $ = (id) => document.getElementById(id);
const flame = $("flame");
const wait = 150;

let profile;
let view = parse(location.hash);
let tree;
let plan;
let root = 0;
let selected = -1;
let hovered = -1;
let marked = null;

start().catch((error) => {
  $("status").textContent = error.message;
  $("status").className = "problem";
});

async function start() {
  const until = performance.now() + flame.dataset.wait * 1000;
  $("status").textContent = "loading";
  const clock = setInterval(() => {
    const left = Math.ceil((until - performance.now()) / 1000);
    $("status").textContent = left > 0 ? `collecting, ${left} s to go` : "loading";
  }, 250);
  try {
    await load();
  } finally {
    clearInterval(clock);
  }
  remarks(profile);
  choices(profile);
  listen();
  render();
}

async function load() {
  const answer = await fetch(flame.dataset.source, { headers: { accept: "application/octet-stream" } });
  if (!answer.ok) throw new Error((await answer.text()).trim() || `the port answered ${answer.status}`);
  profile = await read(await answer.blob());
  if (!profile.types.length) throw new Error("the profile has no values");
}

// Everything anew, by the view.
function render() {
  const named = profile.types.findIndex(({ name }) => name === view.value);
  const value = named < 0 ? profile.main : named;
  const unit = profile.types[value].unit;
  const [key, ...text] = view.label.split("=");
  const options = {
    value,
    inverted: view.view === "inverted",
    fold: view.fold,
    focus: pattern(view.focus),
    hide: pattern(view.hide),
    label: view.label ? [key, text.join("=")] : null,
    by: view.by,
  };
  const built = build(profile, options);
  tree = { ...built, unit, signed: built.signed || "delta" in flame.dataset };
  root = find(tree, view.zoom ? view.zoom.split(".") : []);
  selected = root > 0 ? root : -1;
  hovered = -1;
  inputs(value);
  search();
  $("tools").hidden = false;
  const empty = !width(tree, 0);
  $("scroll").hidden = empty || view.view === "top";
  $("table").hidden = empty || view.view !== "top";
  $("status").textContent = summary(profile, tree);
  $("legend").hidden = view.view === "top";
  legend(tree);
  if (view.view === "top") rows();
  else arrange();
  // After the next frame it is on the screen.
  requestAnimationFrame(() => requestAnimationFrame(() => (flame.dataset.drawn ??= performance.now())));
}

// The tools as the view has them.
function inputs(value) {
  $("value").value = profile.types[value].name;
  for (const key of ["search", "focus", "hide", "label", "by", "fold"]) {
    if (document.activeElement !== $(key)) $(key).value = view[key];
  }
  for (const radio of document.getElementsByName("view")) radio.checked = radio.value === view.view;
  if (view.focus || view.hide || view.label || view.by || view.fold !== DEFAULTS.fold) $("filters").open = true;
}

function search() {
  const wanted = pattern(view.search);
  marked = wanted && Uint8Array.from(tree.whats, ({ name }) => (wanted.test(name) ? 1 : 0));
  if (!marked) return ($("found").textContent = "");
  let found = 0;
  const { nodes } = tree;
  const below = new Uint8Array(nodes.size);
  for (let node = 1; node < nodes.size; node++) {
    below[node] = marked[nodes.what[node]] || below[nodes.parent[node]];
    if (marked[nodes.what[node]] && !below[nodes.parent[node]]) found += width(tree, node);
  }
  const functions = marked.reduce((sum, one) => sum + one, 0);
  $("found").textContent = found ? `${share(found, width(tree, 0))} in ${counted(functions, "function")}` : "nothing found";
}

function arrange() {
  const across = $("scroll").clientWidth;
  plan = layout(tree, root, across);
  const scroll = $("scroll");
  $("spacer").style.height = `${plan.rows * ROW}px`;
  scroll.style.height = `${Math.min(plan.rows * ROW, Math.max(innerHeight - scroll.offsetTop - 96, 16 * ROW))}px`;
  draw();
  tell(selected);
}

function draw() {
  if ($("scroll").hidden) return;
  const scroll = $("scroll");
  paint($("canvas"), plan, tree, {
    top: scroll.scrollTop,
    height: scroll.clientHeight,
    selected,
    hovered,
    marked,
    whole: width(tree, 0),
  });
}

// Says which frame this is, in the line below the drawing.
function tell(node) {
  $("frame").hidden = view.view === "top";
  const buttons = $("frame").querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = node <= 0));
  if (node < 0) {
    $("name").className = "quiet";
    $("name").textContent = "Point at a frame, or move with the arrow keys. Enter or a click zooms, Esc zooms out, / searches.";
    return ($("amount").textContent = "");
  }
  const what = tree.whats[tree.nodes.what[node]];
  $("name").className = "";
  $("name").textContent = what ? what.name : "all";
  $("amount").textContent = facts(tree, node, view.view === "inverted");
}

function rows() {
  fill($("table"), top(tree), {
    unit: tree.unit,
    whole: width(tree, 0),
    isSigned: tree.signed,
    sort: view.sort,
    marked,
    order: (sort) => change({ sort: sort === "flat" ? "" : sort }),
    chosen: ({ name }) => change({ view: "icicle", search: `^${literal(name)}$` }, true),
  });
  tell(-1);
}

// Changes the view, and the link with it; `step` makes it one to go back from.
function change(changes, step) {
  view = { ...view, ...changes };
  const link = location.pathname + location.search + write(view);
  if (step) history.pushState(null, "", link);
  else history.replaceState(null, "", link);
  render();
}

function zoom(node) {
  if (node < 0) return;
  const marks = ancestry(tree, node).map((above) => mark(tree.whats[tree.nodes.what[above]]));
  root = node;
  view = { ...view, zoom: marks.join(".") };
  history.pushState(null, "", location.pathname + location.search + write(view));
  selected = node;
  arrange();
  $("scroll").scrollTop = Math.max(0, (ancestry(tree, node).length - 2) * ROW);
}

function select(node) {
  if (node === undefined || node < 0) return;
  selected = node;
  const block = plan.blocks.find((block) => block.node === node);
  const scroll = $("scroll");
  if (block) {
    const y = block.row * ROW;
    if (y < scroll.scrollTop) scroll.scrollTop = y;
    else if (y + ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = y + ROW - scroll.clientHeight;
  }
  draw();
  tell(node);
}

// The neighbor of the selected frame on its row that is drawn.
function beside(step) {
  const parent = tree.nodes.parent[selected];
  if (parent < 0) return;
  const family = children(tree, parent).filter((node) => plan.blocks.some((block) => block.node === node));
  select(family[family.indexOf(selected) + step]);
}

const KEYS = {
  ArrowDown: () => select(selected < 0 ? root : children(tree, selected)[0]),
  ArrowUp: () => select(Math.max(tree.nodes.parent[selected] ?? 0, 0)),
  ArrowLeft: () => beside(-1),
  ArrowRight: () => beside(1),
  Home: () => select(0),
  Enter: () => zoom(selected),
};

function listen() {
  const canvas = $("canvas");
  const node = (event) => {
    const box = canvas.getBoundingClientRect();
    const block = at(plan, event.clientX - box.left, event.clientY - box.top + $("scroll").scrollTop);
    return block ? block.node : -1;
  };
  canvas.addEventListener("pointermove", (event) => {
    const over = node(event);
    if (over === hovered) return;
    hovered = over;
    canvas.style.cursor = over >= 0 ? "pointer" : "";
    requestAnimationFrame(draw);
    if (event.pointerType === "mouse") tell(over >= 0 ? over : selected);
  });
  canvas.addEventListener("pointerleave", () => {
    hovered = -1;
    draw();
    tell(selected);
  });
  canvas.addEventListener("click", (event) => zoom(node(event)));
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=search], select");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      $("search").focus();
    } else if (event.key === "Escape") {
      if (view.search) change({ search: "" });
      else if (root > 0) zoom(0);
      if (typing) $("scroll").hidden ? event.target.blur() : canvas.focus();
      $("search").value = view.search;
    }
  });
  $("scroll").addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  new ResizeObserver(() => {
    if (plan && !$("scroll").hidden && $("scroll").clientWidth !== plan.across) arrange();
  }).observe($("scroll"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("popstate", () => {
    view = parse(location.hash);
    render();
  });
  tools();
}

function tools() {
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  let later;
  for (const key of ["search", "focus", "hide"]) {
    $(key).addEventListener("input", () => {
      clearTimeout(later);
      later = setTimeout(() => change({ [key]: $(key).value }), wait);
    });
  }
  for (const key of ["value", "label", "by", "fold"]) $(key).addEventListener("change", () => change({ [key]: $(key).value }));
  for (const radio of document.getElementsByName("view")) {
    radio.addEventListener("change", () => change({ view: radio.value, zoom: "" }));
  }
  $("reset").addEventListener("click", () => {
    $("filters").open = false;
    change({ ...DEFAULTS, value: view.value, view: view.view }, true);
  });
  const name = () => tree.whats[tree.nodes.what[selected]]?.name;
  $("zoomin").addEventListener("click", () => zoom(selected));
  $("only").addEventListener("click", () => change({ focus: `^${literal(name())}$` }, true));
  $("without").addEventListener("click", () => change({ hide: `^${literal(name())}$`, zoom: "" }, true));
  $("copy").addEventListener("click", () => navigator.clipboard?.writeText(name()));
}
