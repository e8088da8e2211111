// The drawing: rectangles laid out from a tree, painted on a canvas that is as large as what is seen of it.

import { certainty, children, isNoise, net, width } from "./tree.js";
import { share, signed } from "./units.js";

export const ROW = 20;
const FONT = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

// Narrower ones are drawn together.
const NARROWEST = 0.8;

// By owner, as in the pictures of the port and of alerts: black text on all of them has a contrast of 7 to 1 and more.
const COLORS = [
  [205, 210, 205], [255, 158, 84], [250, 208, 110], [170, 205, 232],
  [178, 218, 186], [226, 176, 196], [196, 216, 196], [170, 205, 232],
];
const LABEL = [214, 196, 240];
const FOUND = [255, 130, 250];
const GREW = [255, 128, 116];
const SHRANK = [120, 176, 255];
const SAME = [222, 224, 226];
// How much of its color a difference keeps that may be chance.
const FAINT = 0.3;

// Every rectangle to draw: `root` over the whole width, those above it, and what is below.
export function layout(tree, root, across) {
  const blocks = [];
  const above = [];
  for (let node = root; node > 0; node = tree.nodes.parent[node]) above.push(node);
  above.push(0);
  above.reverse().forEach((node, row) => blocks.push({ node, x: 0, w: across, row, above: node !== root }));
  const scale = width(tree, root) ? across / width(tree, root) : 0;
  const stack = [[root, 0, above.length]];
  let rows = above.length;
  while (stack.length) {
    const [parent, start, row] = stack.pop();
    let x = start;
    let rest = 0;
    let merged = 0;
    for (const node of children(tree, parent)) {
      const w = width(tree, node) * scale;
      if (w < NARROWEST) {
        rest += w;
        merged++;
        continue;
      }
      blocks.push({ node, x, w, row });
      stack.push([node, x, row + 1]);
      x += w;
    }
    if (rest >= NARROWEST) blocks.push({ node: -1, merged, x, w: rest, row });
    if (x > start || rest >= NARROWEST) rows = Math.max(rows, row + 1);
  }
  return { blocks, rows, across };
}

// The block at a point, if any.
export const at = ({ blocks }, x, y) => {
  const row = Math.floor(y / ROW);
  return blocks.find((block) => block.row === row && x >= block.x && x < block.x + block.w);
};

// Paints what of `plan` is in sight. `marked` says of a function whether it was searched for; null when nothing is.
export function paint(canvas, plan, tree, { top, height, selected, hovered, marked, whole }) {
  const ratio = window.devicePixelRatio || 1;
  const pixels = [Math.round(plan.across * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  canvas.style.width = `${plan.across}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, -top * ratio);
  context.clearRect(0, top, plan.across, height);
  context.font = FONT;
  context.textBaseline = "middle";
  const letter = context.measureText("0123456789").width / 10;
  const edge = getComputedStyle(canvas).color;
  for (const block of plan.blocks) {
    const y = block.row * ROW;
    if (y + ROW < top || y > top + height) continue;
    const what = tree.whats[tree.nodes.what[block.node]];
    const found = marked && block.node > 0 && marked[tree.nodes.what[block.node]];
    context.globalAlpha = block.above ? 0.55 : marked && !found ? 0.4 : 1;
    context.fillStyle = `rgb(${found ? FOUND : color(tree, block, what)})`;
    const gap = block.w > 3 ? 1 : 0;
    context.fillRect(block.x, y, block.w - gap, ROW - 1);
    const room = Math.floor((block.w - 7) / letter);
    if (room >= 3) {
      context.globalAlpha = block.above ? 0.9 : marked && !found ? 0.75 : 1;
      // On a block that is drawn faint the page shines through, and black may be hard to read on it.
      context.fillStyle = context.globalAlpha < 1 ? edge : "#000";
      context.fillText(label(tree, block, what, room, whole), block.x + 4, y + ROW / 2);
    }
    context.globalAlpha = 1;
    if (block.node >= 0 && (block.node === selected || block.node === hovered)) {
      context.strokeStyle = edge;
      context.lineWidth = block.node === selected ? 2 : 1;
      context.strokeRect(block.x + 1, y + 1, Math.max(block.w - gap - 2, 1), ROW - 3);
    }
  }
}

function color(tree, { node }, what) {
  if (tree.signed && node >= 0) {
    const all = width(tree, node);
    const part = all ? net(tree, node) / all : 0;
    const to = part > 0 ? GREW : SHRANK;
    const strength = Math.abs(part) * (isNoise(certainty(tree, node)) ? FAINT : 1);
    return SAME.map((from, index) => Math.round(from + (to[index] - from) * strength));
  }
  if (!what) return COLORS[0];
  return what.owner < 0 ? LABEL : COLORS[what.owner];
}

// What to write where there is room for so many letters.
function label(tree, { node, merged }, what, room, whole) {
  if (node < 0) return fitting([`${merged} more`, `+${merged}`], "", room);
  const amount = tree.signed ? signed(tree.unit, net(tree, node)) : share(width(tree, node), whole);
  if (!what) return fitting(["all"], amount, room);
  const last = lastPart(what.short);
  return fitting([what.name, what.short, last, last.split("::{")[0]], amount, room);
}

// The first of `names` that fits with `amount`, else the last alone, else as much of it as fits.
export function fitting(names, amount, room) {
  const whole = names.find((name) => name.length + 1 + amount.length <= room);
  if (whole) return amount ? `${whole} ${amount}` : whole;
  const last = names[names.length - 1];
  return last.length <= room ? last : `${last.slice(0, Math.max(room - 1, 0))}…`;
}

// `place` of `orders::place`, `place::{closure}` of `orders::place::{closure}`: what says most of a short name.
export function lastPart(name) {
  const parts = name.split("::");
  const from = parts[parts.length - 1].startsWith("{") ? 2 : 1;
  return parts.slice(-from).join("::");
}
