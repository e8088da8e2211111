// Tables on pages: a click on a head sorts by its column, a field keeps the rows in which something stands. Both stand in the
// link behind the `#`: the sorting by the name of its table, with a minus for the largest first.

import { pattern } from "./view.js";

const tables = [...document.querySelectorAll("table.sheet")];
// Fewer rows are found without a search.
const SEARCHED = 8;

const said = () => new URLSearchParams(location.hash.replace(/^#/, ""));

function say(key, value) {
  const all = said();
  if (value) all.set(key, value);
  else all.delete(key);
  history.replaceState(null, "", location.pathname + location.search + (all.size ? `#${all}` : ""));
}

const words = (cell) => cell.textContent.trim();
const number = (cell) => (cell.dataset.order === undefined ? null : Number(cell.dataset.order));

// What is not known comes last, whichever way.
function compared(one, other, down) {
  const [a, b] = [number(one), number(other)];
  if (a !== null && b !== null) return down ? b - a : a - b;
  if (a !== null || b !== null) return a === null ? 1 : -1;
  const [left, right] = [words(one), words(other)];
  if (!left || !right) return (left ? 0 : 1) - (right ? 0 : 1);
  return left.localeCompare(right, "en", { numeric: true }) * (down ? -1 : 1);
}

function sort(table, column, down) {
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => compared(a.cells[column], b.cells[column], down));
  body.append(...rows);
  [...table.tHead.rows[0].cells].forEach((head, index) => {
    if (head.querySelector("button")) head.ariaSort = index !== column ? "none" : down ? "descending" : "ascending";
  });
}

function dress(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.classList.contains("look")) return;
    const button = document.createElement("button");
    const name = words(head);
    button.type = "button";
    button.textContent = name;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const before = head.ariaSort;
      const down = before === "descending" ? false : before === "ascending" ? true : head.classList.contains("n");
      sort(table, column, down);
      say(table.id, (down ? "-" : "") + name);
    });
  });
  table.classList.add("sortable");
  const [, down, name] = /^(-?)(.*)$/.exec(said().get(table.id) ?? "");
  const column = heads.findIndex((head) => name && words(head) === name);
  if (column >= 0) sort(table, column, Boolean(down));
}

function keep(typed, found) {
  const wanted = pattern(typed);
  let kept = 0;
  for (const row of tables.flatMap((table) => [...table.tBodies[0].rows])) {
    row.hidden = wanted !== null && !wanted.test(row.textContent);
    kept += row.hidden ? 0 : 1;
  }
  found.textContent = wanted ? `${kept} ${kept === 1 ? "row" : "rows"}` : "";
}

function searching() {
  const form = document.createElement("form");
  form.className = "tools";
  const field = form.appendChild(document.createElement("input"));
  Object.assign(field, { type: "search", id: "search", placeholder: "find in rows  /", spellcheck: false, autocomplete: "off" });
  field.ariaLabel = "find in rows, a regular expression";
  const found = form.appendChild(document.createElement("output"));
  found.id = "found";
  tables[0].closest(".wide").before(form);
  field.addEventListener("input", () => {
    keep(field.value, found);
    say("find", field.value);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, select")) {
      event.preventDefault();
      field.focus();
    }
  });
  field.value = said().get("find") ?? "";
  if (field.value) keep(field.value, found);
}

tables.forEach(dress);
if (tables.some((table) => table.tBodies[0].rows.length > SEARCHED)) searching();
