// The cards of the overview: an hour of every gauge with the limits of its rules, kept up to date while somebody looks.

import { show } from "./units.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 64;
const HOUR = 3600;
const EVERY = 5000;

const gauges = new Map();
let since = 0;
let timer;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const answer = await fetch("/debug/history?format=json" + (since ? `&since=${Math.max(0, Math.floor(since - 30))}` : ""));
    if (answer.ok) take(await answer.json());
    document.body.classList.toggle("stale", !answer.ok);
  } catch {
    document.body.classList.add("stale");
  }
  timer = setTimeout(refresh, EVERY);
}

function take(history) {
  if (history.now < since) gauges.clear();
  since = history.now;
  for (const gauge of history.gauges) {
    const before = gauges.get(gauge.name)?.points ?? [];
    const first = gauge.points[0]?.[0] ?? Infinity;
    // The last slot is still being filled and comes again.
    const points = before.filter(([at]) => at < first - 1 && at > since - HOUR).concat(gauge.points);
    // Slots are dated by their middle: the line ends with what is there now.
    const seen = gauge.value === null ? points : [...points, [since, gauge.value]];
    gauges.set(gauge.name, { ...gauge, points, seen });
    const card = cards.find((card) => card.dataset.gauge === gauge.name);
    if (card) update(card, gauges.get(gauge.name));
  }
}

const cards = [...document.querySelectorAll("[data-gauge]")];

function update(card, gauge) {
  const now = card.querySelector(".now");
  if (now && gauge.shown) now.textContent = gauge.shown;
  card.classList.toggle("fires", gauge.rules.some(({ fires }) => fires));
  let chart = card.querySelector("svg");
  if (!chart) {
    chart = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    card.querySelector(".range").before(chart);
    chart.addEventListener("pointermove", (event) => point(card, chart, event));
    chart.addEventListener("pointerleave", () => rest(card));
    card.append(Object.assign(document.createElement("p"), { className: "at", hidden: true }));
  }
  draw(chart, gauge);
  rest(card);
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// The hour as a line over a filled ground, and each limit as a broken line: where it is in sight, or just above what was.
function draw(chart, gauge) {
  const values = gauge.seen.map(([, value]) => value);
  const most = Math.max(...values);
  const limits = gauge.rules.map(({ limit }) => limit).filter((limit) => limit !== null);
  const near = limits.filter((limit) => limit > 0 && most > limit * 0.4);
  const high = Math.max(most, ...near, 0) * 1.08 || 1;
  const low = Math.min(...values, 0);
  const x = (at) => WIDTH - ((since - at) / span(gauge)) * WIDTH;
  const y = (value) => HEIGHT - 1 - ((value - low) / (high - low)) * (HEIGHT - 2);
  chart.replaceChildren();
  chart.setAttribute("aria-label", `${gauge.name}: ${words(gauge, values)}`);
  if (values.length) {
    const line = gauge.seen.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
    const [first, last] = [x(gauge.seen[0][0]), x(gauge.seen.at(-1)[0])];
    const ground = `${first.toFixed(1)},${HEIGHT} ${line.join(" ")} ${last.toFixed(1)},${HEIGHT}`;
    chart.append(element("polygon", { points: ground, class: "ground" }));
    chart.append(element("polyline", { points: line.join(" "), class: "line", "vector-effect": "non-scaling-stroke" }));
  }
  for (const limit of near) {
    const at = { x1: 0, x2: WIDTH, y1: y(limit), y2: y(limit) };
    chart.append(element("line", { ...at, class: "limit", "vector-effect": "non-scaling-stroke" }));
  }
}

// An hour, or what there is of it.
const span = ({ seen }) => Math.min(HOUR, Math.max(120, since - (seen[0]?.[0] ?? since)));

const words = ({ unit, seen }, values) => {
  if (!values.length) return "nothing read yet";
  const minutes = Math.max(1, Math.ceil((since - seen[0][0]) / 60));
  return `${show(unit, Math.min(...values))} to ${show(unit, Math.max(...values))} in ${minutes} min`;
};

// What the gauge was where the pointer is.
function point(card, chart, event) {
  const gauge = gauges.get(card.dataset.gauge);
  const { seen, unit } = gauge;
  const box = chart.getBoundingClientRect();
  const wanted = since - span(gauge) * (1 - (event.clientX - box.left) / box.width);
  const near = seen.reduce((a, b) => (Math.abs(b[0] - wanted) < Math.abs(a[0] - wanted) ? b : a), seen[0]);
  if (!near) return;
  const ago = Math.round((since - near[0]) / 60);
  swap(card, `${show(unit, near[1])}, ${ago ? `${ago} min ago` : "now"}`);
}

function rest(card) {
  const gauge = gauges.get(card.dataset.gauge);
  card.querySelector(".range").textContent = words(gauge, gauge.seen.map(([, value]) => value));
  swap(card, "");
}

function swap(card, text) {
  const line = card.querySelector(".at");
  line.textContent = text;
  line.hidden = !text;
  card.querySelector(".range").hidden = Boolean(text);
}

document.addEventListener("visibilitychange", () => !document.hidden && refresh());
refresh();
