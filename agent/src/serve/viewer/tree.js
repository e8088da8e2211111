// Stacks merged into a tree of calls, by what a reader wants to see of them. Pure: no page, no drawing.

import { Nodes } from "./nodes.js";
import { GROUND, LABEL, OWN } from "./owners.js";

// The one frame that stands for those that are folded.
const RUNTIME = { name: "(runtime)", short: "(runtime)", file: "", owner: 0 };

// The tree of `profile`. Options: `value` (index), `inverted`, `fold` ("own", "runtime" or "none"), `focus` and `hide`
// (regular expressions on names), `label` (`[key, value]`), `by` (a label's key).
export function build(profile, options) {
  const nodes = new Nodes();
  const whats = profile.functions.slice();
  const synthetic = new Map();
  const extra = (key, what) => {
    if (!synthetic.has(key)) synthetic.set(key, whats.push(what) - 1);
    return synthetic.get(key);
  };
  const matching = (regexp) => Uint8Array.from(profile.functions, ({ name }) => (regexp.test(name) ? 1 : 0));
  const focused = options.focus && matching(options.focus);
  const hidden = options.hide && matching(options.hide);
  const depth = foldDepth(profile, options.fold);
  const tree = { nodes, whats, signed: false, all: 0, stacks: 0 };
  const frames = [];
  const lines = [];
  const path = [];
  const places = [];
  for (let sample = 0; sample < profile.size; sample++) {
    const at = sample * profile.types.length + options.value;
    const value = profile.values[at];
    if (!value) continue;
    tree.all += Math.abs(value);
    tree.signed ||= value < 0;
    const labels = profile.labels[sample];
    if (options.label && !has(labels, ...options.label)) continue;
    outermostFirst(profile, sample, frames, lines);
    if (focused && !frames.some((frame) => focused[frame])) continue;
    tree.stacks++;
    let from = depth(frames);
    if (from < 2) from = 0;
    path.length = places.length = 0;
    if (options.by) {
      const value = labels.find(([key]) => key === options.by)?.[1] ?? "(none)";
      path.push(extra(`=${value}`, labelFrame(options.by, value)));
      places.push(0);
    }
    if (from) {
      path.push(extra("", RUNTIME));
      places.push(0);
    }
    for (let index = from; index < frames.length; index++) {
      if (hidden && hidden[frames[index]]) continue;
      path.push(frames[index]);
      places.push(lines[index]);
    }
    if (options.inverted) {
      path.reverse();
      places.reverse();
    }
    let node = 0;
    for (let index = 0; index < path.length; index++) node = nodes.child(node, path[index], places[index]);
    nodes.self[node] += value;
    nodes.ownVariance[node] += profile.variances[at];
    nodes.ownSamples[node] += profile.samples[sample];
  }
  sum(nodes);
  return tree;
}

const has = (labels, key, value) => labels.some(([k, v]) => k === key && v === value);

const labelFrame = (key, value) => ({ name: `${key}=${value}`, short: `${key}=${value}`, file: "", owner: LABEL });

export function outermostFirst(profile, sample, frames, lines) {
  frames.length = 0;
  lines.length = 0;
  for (let at = profile.starts[sample + 1] - 1; at >= profile.starts[sample]; at--) {
    const inside = profile.inside[profile.stacks[at]];
    for (let index = inside.length - 1; index >= 0; index--) {
      frames.push(inside[index]);
      lines.push(profile.lines[profile.stacks[at]][index] ?? 0);
    }
  }
}

// How many of the outermost frames of a stack become one; 0 or 1 for none. A stack of the runtime alone stays whole: then it
// is what the stack is about.
export function foldDepth({ functions }, fold) {
  if (fold === "none") return () => 0;
  const ground = Uint8Array.from(functions, ({ owner, bare }) => (bare || GROUND.has(owner) ? 1 : 0));
  const own = Uint8Array.from(functions, ({ owner, name }) => {
    return owner === OWN ? (name.split("::").includes("main") ? 1 : 2) : 0;
  });
  const prelude = (frames) => Math.max(0, frames.findIndex((frame) => !ground[frame]));
  if (fold === "runtime") return prelude;
  return (frames) => {
    for (const least of [2, 1]) {
      const first = frames.findIndex((frame) => own[frame] >= least);
      if (first >= 0) return first;
    }
    return prelude(frames);
  };
}

// Adds up what is below each node, what grew and what shrank apart. Stacks that are one here have canceled out before: the
// same code at another address has not shrunk there and grown here.
function sum({ size, parent, self, up, down, ownVariance, ownSamples, variance, samples }) {
  for (let node = size - 1; node >= 0; node--) {
    up[node] += Math.max(self[node], 0);
    down[node] += Math.max(-self[node], 0);
    variance[node] += ownVariance[node];
    samples[node] += ownSamples[node];
    if (node === 0) return;
    up[parent[node]] += up[node];
    down[parent[node]] += down[node];
    variance[parent[node]] += variance[node];
    samples[parent[node]] += samples[node];
  }
}

// How wide a node is: all change in it, growth and shrinkage alike.
export const width = ({ nodes }, node) => nodes.up[node] + nodes.down[node];

// What it comes to.
export const net = ({ nodes }, node) => nodes.up[node] - nodes.down[node];

// The relative standard error of a sum, 0.1 for ±10 %; null for what was counted. As `certainty::Tally` has it: variances add
// up where values are added and where they are subtracted.
export function error(value, variance, samples) {
  if (!samples) return null;
  return value ? Math.sqrt(variance) / Math.abs(value) : Infinity;
}

// How sure it is what a node comes to, and what it did itself.
export const certainty = (tree, node) => error(net(tree, node), tree.nodes.variance[node], tree.nodes.samples[node]);
export const ownCertainty = ({ nodes }, node) => error(nodes.self[node], nodes.ownVariance[node], nodes.ownSamples[node]);

// True for a difference of less than two standard errors: one in twenty is that large by chance.
export const isNoise = (error) => error !== null && error > 0.5;

// The children of `node`, the widest first.
export function children(tree, node) {
  const { first, next, what } = tree.nodes;
  const found = [];
  for (let child = first[node]; child >= 0; child = next[child]) found.push(child);
  return found.sort((a, b) => width(tree, b) - width(tree, a) || what[a] - what[b]);
}

// The nodes from below the root to `node`.
export function ancestry({ nodes }, node) {
  const path = [];
  for (; node > 0; node = nodes.parent[node]) path.push(node);
  return path.reverse();
}

// Every function of a tree that is not inverted: what it did itself, and what happened below it, recursion counted once.
export function top(tree) {
  const { nodes, whats } = tree;
  const rows = new Map();
  for (let node = 1; node < nodes.size; node++) {
    const what = nodes.what[node];
    let row = rows.get(what);
    if (!row) rows.set(what, (row = { what, flat: 0, flatWidth: 0, cum: 0, cumWidth: 0, line: 0, heaviest: 0, ...SURE }));
    row.flat += nodes.self[node];
    row.flatVariance += nodes.ownVariance[node];
    row.flatSamples += nodes.ownSamples[node];
    row.flatWidth += Math.abs(nodes.self[node]);
    if (width(tree, node) > row.heaviest) {
      row.heaviest = width(tree, node);
      row.line = nodes.line[node];
    }
    let above = nodes.parent[node];
    while (above > 0 && nodes.what[above] !== what) above = nodes.parent[above];
    if (above <= 0) {
      row.cum += net(tree, node);
      row.cumWidth += width(tree, node);
      row.cumVariance += nodes.variance[node];
      row.cumSamples += nodes.samples[node];
    }
  }
  return [...rows.values()].map((row) => ({ ...row, ...whats[row.what], error: rowError(row) }));
}

const SURE = { flatVariance: 0, flatSamples: 0, cumVariance: 0, cumSamples: 0 };

// Of what the function did itself; of one that only calls, of what happened below it.
const rowError = (row) =>
  row.flat ? error(row.flat, row.flatVariance, row.flatSamples) : error(row.cum, row.cumVariance, row.cumSamples);

// The labels of `profile` by key: for each the values, the heaviest first.
export function labels(profile, value) {
  const keys = new Map();
  for (let sample = 0; sample < profile.size; sample++) {
    const weight = Math.abs(profile.values[sample * profile.types.length + value]);
    for (const [key, text] of profile.labels[sample]) {
      if (!keys.has(key)) keys.set(key, new Map());
      const values = keys.get(key);
      values.set(text, (values.get(text) ?? 0) + weight);
    }
  }
  return [...keys].map(([key, values]) => [key, [...values].sort((a, b) => b[1] - a[1])]);
}

// A frame's mark in a link: it stays when the same profile is taken again.
export function mark({ name }) {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(36);
}

// The node that `marks` lead to, as far as they lead.
export function find(tree, marks) {
  let node = 0;
  for (const wanted of marks) {
    const next = children(tree, node).find((child) => mark(tree.whats[tree.nodes.what[child]]) === wanted);
    if (next === undefined) break;
    node = next;
  }
  return node;
}
