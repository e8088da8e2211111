// What stands around the drawing and depends on the profile alone: what can be chosen, what it says of itself, the colors.

import { OWNERS } from "./owners.js";
import { labels } from "./tree.js";

const $ = (id) => document.getElementById(id);

// What the profile says of itself; what it lost stands first.
export function remarks(profile) {
  const lost = (text) => text.startsWith("losses: ");
  for (const text of [...profile.comments].sort((a, b) => lost(b) - lost(a))) {
    const line = $("remarks").appendChild(document.createElement("li"));
    line.textContent = text;
    if (lost(text) && !text.includes("nothing known")) line.className = "lossy";
  }
}

function option(select, value, words) {
  const made = select.appendChild(document.createElement("option"));
  made.value = value;
  made.textContent = words;
}

export function choices(profile) {
  for (const { name } of profile.types) option($("value"), name, name);
  $("value").parentElement.hidden = profile.types.length < 2;
  const keys = labels(profile, profile.main);
  option($("label"), "", "all stacks");
  option($("by"), "", "nothing");
  for (const [key, values] of keys) {
    option($("by"), key, key);
    const group = $("label").appendChild(document.createElement("optgroup"));
    group.label = key;
    for (const [text] of values.slice(0, 50)) option(group, `${key}=${text}`, `${key}=${text}`);
  }
  for (const id of ["label", "by"]) $(id).parentElement.hidden = !keys.length;
}

export function legend(tree) {
  const entry = (kind, words) => {
    const made = document.createElement("span");
    made.className = kind;
    made.textContent = words;
    return made;
  };
  const entries = tree.signed
    ? [entry("grew", "grew"), entry("shrank", "shrank"), entry("faint", "pale: within noise, less than 2 standard errors")]
    : [1, 2, 3, 4, 5, 6, 0].map((owner) => entry(`owner-${owner}`, OWNERS[owner]));
  $("legend").replaceChildren(...entries);
}
