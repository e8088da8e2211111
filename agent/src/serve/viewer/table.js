// The functions as a table: what each did itself, and what happened below it.

import { isNoise } from "./tree.js";
import { give, share, show, signed } from "./units.js";

// The most rows shown; how many more there are is said below them.
const ROWS = 200;

// Fills `place` with `rows`. `chosen` is told which function was picked.
export function fill(target, rows, { unit, whole, isSigned, sort, marked, order, chosen }) {
  const value = (number) => (isSigned ? signed(unit, number) : show(unit, number));
  const key = sort === "cum" ? "cumWidth" : "flatWidth";
  const other = sort === "cum" ? "flatWidth" : "cumWidth";
  const shown = rows.filter((row) => !marked || marked[row.what]);
  shown.sort((a, b) => b[key] - a[key] || b[other] - a[other]);
  const table = document.createElement("table");
  table.className = "numbers";
  const head = table.createTHead().insertRow();
  for (const [name, by] of [["flat", "flat"], ["flat%"], ["±"], ["cum", "cum"], ["cum%"], ["function"], ["place"]]) {
    const cell = head.appendChild(document.createElement("th"));
    cell.scope = "col";
    if (!by) {
      cell.textContent = name;
      continue;
    }
    const button = cell.appendChild(document.createElement("button"));
    button.textContent = name;
    cell.ariaSort = (sort || "flat") === by ? "descending" : "none";
    button.addEventListener("click", () => order(by));
  }
  const body = table.createTBody();
  for (const row of shown.slice(0, ROWS)) {
    const line = body.insertRow();
    if (isSigned && isNoise(row.error)) line.className = "noise";
    const flat = [value(row.flat), share(row.flatWidth, whole), give(row.error)];
    const numbers = [...flat, value(row.cum), share(row.cumWidth, whole)];
    for (const number of numbers) line.insertCell().textContent = number;
    const button = line.insertCell().appendChild(document.createElement("button"));
    button.className = `name owner-${row.owner < 0 ? "label" : row.owner}`;
    button.textContent = row.name;
    button.addEventListener("click", () => chosen(row));
    line.insertCell().textContent = place(row.file, row.line);
  }
  const more = shown.length - ROWS;
  const parts = [table];
  if (more > 0) {
    const rest = document.createElement("p");
    rest.className = "quiet";
    rest.textContent = `... and ${more} more functions; search to see them`;
    parts.push(rest);
  }
  target.replaceChildren(...parts);
}

// `file:line` from the folder of its crate on.
export function place(file, line) {
  if (!file) return "";
  const source = file.lastIndexOf("/src/");
  const start = file.lastIndexOf("/", Math.max(source, 1) - 1) + 1;
  return (source < 0 ? file : file.slice(start)) + (line ? `:${line}` : "");
}
