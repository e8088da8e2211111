// What is said in words of a profile and of a frame. Pure.

import { OWNERS } from "./owners.js";
import { place } from "./table.js";
import { certainty, isNoise, net, ownCertainty, width } from "./tree.js";
import { counted, give, share, show, signed } from "./units.js";

// The line above the drawing: how much it is, of what, over which time.
export function summary(profile, tree) {
  const seen = width(tree, 0);
  const { unit } = tree;
  const when = profile.time ? ` ${profile.duration ? "from" : "at"} ${moment(profile.time)}` : "";
  const over = profile.duration ? ` over ${show("nanoseconds", profile.duration)}` : "";
  if (!seen) return profile.size ? "no stack is left; reset the filters" : `nothing was counted${over}${when}`;
  const amount = tree.signed ? signed(unit, net(tree, 0)) : show(unit, seen);
  const sure = give(certainty(tree, 0));
  const part = !tree.signed && seen < tree.all ? `, ${share(seen, tree.all)} of ${show(unit, tree.all)}` : "";
  const change = tree.signed && seen > Math.abs(net(tree, 0)) ? `, of ${show(unit, seen)} growth and shrinkage together` : "";
  return `${amount}${sure && ` ${sure}`}${change}${part} in ${counted(tree.stacks, "stack")}${over}${when}`;
}

const moment = (nanoseconds) => new Date(nanoseconds / 1e6).toISOString().replace("T", " ").slice(0, 19) + "Z";

// What there is to know of the frame at `node`, and how sure that is.
export function facts(tree, node, inverted) {
  const { nodes, unit } = tree;
  const what = tree.whats[nodes.what[node]];
  const parent = nodes.parent[node];
  const own = nodes.self[node];
  const amount = (value, error) => {
    const sure = give(error);
    return (tree.signed ? signed(unit, value) : show(unit, value)) + (sure && ` ${sure}`);
  };
  const error = certainty(tree, node);
  const told = [amount(net(tree, node), error), `${share(width(tree, node), width(tree, 0))} of all`];
  if (parent > 0) told.push(`${share(width(tree, node), width(tree, parent))} of its ${inverted ? "callee" : "caller"}`);
  if (own && what) told.push(`${amount(own, ownCertainty(tree, node))} itself`);
  if (error !== null) told.push(counted(nodes.samples[node], "sample"));
  if (tree.signed && isNoise(error)) told.push("within noise: less than 2 standard errors");
  if (what && what.owner >= 0) told.push(OWNERS[what.owner]);
  if (what?.file) told.push(place(what.file, nodes.line[node]));
  return told.join(" · ");
}
