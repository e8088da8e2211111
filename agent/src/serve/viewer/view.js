// How a profile is looked at, and the part of a link behind the `#` that says so.

export const DEFAULTS = {
  value: "", view: "icicle", search: "", focus: "", hide: "", label: "", by: "", fold: "own", zoom: "", sort: "",
};

// The view that `hash` says; what it does not say is as by default.
export function parse(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const view = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS)) view[key] = said.get(key) ?? view[key];
  return view;
}

// The other way; empty for what is all by default.
export function write(view) {
  const said = new URLSearchParams();
  for (const [key, value] of Object.entries(DEFAULTS)) {
    if (view[key] !== value) said.set(key, view[key]);
  }
  return said.size ? `#${said}` : "";
}

// What somebody typed, as a regular expression without regard to case; none for nothing, and for what is no expression the
// same letters as they stand.
export function pattern(typed) {
  if (!typed) return null;
  try {
    return new RegExp(typed, "i");
  } catch {
    return new RegExp(literal(typed), "i");
  }
}

// An expression that matches `text` alone.
export const literal = (text) => text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
