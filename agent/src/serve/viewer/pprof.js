// Reads gzipped `profile.proto`. The input is not trusted: whatever it says, this ends, with a profile or with an error.
// Two fields of a function are ours (owner, short name), and two of a stack (how many samples are behind it, and the variance
// of each value where it is not that of so many equal samples); in a file of others they are absent.

import { OWNERS } from "./owners.js";

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.end = bytes.length;
  }

  // A 64-bit number; exact up to 2^53, which is eight petabytes.
  varint() {
    const { bytes } = this;
    let low = 0;
    let byte;
    for (let shift = 0; shift < 28; shift += 7) {
      byte = bytes[this.at++];
      low |= (byte & 127) << shift;
      if (byte < 128) return low;
    }
    byte = bytes[this.at++];
    low |= (byte & 127) << 28;
    let high = (byte & 127) >> 4;
    for (let shift = 3; byte >= 128 && shift < 32; shift += 7) {
      byte = bytes[this.at++];
      high |= (byte & 127) << shift;
    }
    if (!(byte < 128)) throw new Error("it is not a profile: a number has no end");
    return high * 2 ** 32 + (low >>> 0);
  }

  // The end of what is as long as it says.
  length() {
    const length = this.varint();
    const end = this.at + length;
    if (!(length >= 0 && end <= this.end)) throw new Error("the profile is not whole");
    return end;
  }

  skip(wire) {
    if (wire === 0) this.varint();
    else if (wire === 2) this.at = this.length();
    else if (wire === 1) this.at += 8;
    else if (wire === 5) this.at += 4;
    else throw new Error("it is not a profile: a field of no known form");
  }

  // Calls `take(reader, into, field, wire)` for every field; what it does not read is passed over.
  fields(take, into) {
    while (this.at < this.end) {
      const key = this.varint();
      const start = this.at;
      take(this, into, key >>> 3, key & 7);
      if (this.at === start) this.skip(key & 7);
    }
    if (this.at !== this.end) throw new Error("the profile is not whole");
    return into;
  }

  // The same for a message within this one.
  inner(take, into) {
    const { end } = this;
    this.end = this.length();
    this.fields(take, into);
    this.end = end;
    return into;
  }

  // One number or a packed list of them, appended to `list`.
  numbers(wire, list) {
    if (wire !== 2) return list.push(this.varint());
    const end = this.length();
    while (this.at < end) list.push(this.varint());
  }

  // A packed list of 32-bit floats.
  floats() {
    const end = this.length();
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset);
    const list = [];
    for (; this.at + 4 <= end; this.at += 4) list.push(view.getFloat32(this.at, true));
    this.at = end;
    return list;
  }
}

// Reads messages of numbers alone; `names` are by field number.
const record = (names) => {
  const none = Object.fromEntries(Object.values(names).map((name) => [name, 0]));
  const take = (reader, into, field, wire) => {
    if (wire === 0 && names[field]) into[names[field]] = reader.varint();
  };
  return (reader) => reader.inner(take, { ...none });
};

const valueType = record({ 1: "name", 2: "unit" });
const label = record({ 1: "key", 2: "text", 3: "number", 4: "unit" });
const func = record({ 1: "id", 2: "name", 4: "file", 100: "owner", 101: "short" });
const line = record({ 1: "id", 2: "line" });
const mapping = record({ 1: "id", 5: "file" });

// Unpacks and reads a profile.
export async function read(blob) {
  const magic = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  const zipped = magic[0] === 0x1f && magic[1] === 0x8b;
  const body = zipped ? new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))) : blob;
  return decode(new Uint8Array(await body.arrayBuffer()));
}

// The profile in `bytes`. Stacks are flat: sample `s` has the locations `stacks[starts[s]..starts[s + 1]]`, innermost first,
// and location `l` the functions `inside[l]` at `lines[l]`.
export function decode(bytes) {
  const raw = { types: [], stacks: [], starts: [0], values: [], labels: [], locations: [], functions: [], strings: [] };
  Object.assign(raw, { mappings: [], comments: [], time: 0, duration: 0, main: 0, samples: [], told: new Map() });
  return linked(new Reader(bytes).fields(message, raw));
}

function message(reader, raw, field, wire) {
  if (wire === 2) part(reader, raw, field);
  else if (field === 9) raw.time = reader.varint();
  else if (field === 10) raw.duration = reader.varint();
  else if (field === 13) raw.comments.push(reader.varint());
  else if (field === 14) raw.main = reader.varint();
}

function part(reader, raw, field) {
  if (field === 1) raw.types.push(valueType(reader));
  else if (field === 2) sample(reader, raw);
  else if (field === 3) raw.mappings.push(mapping(reader));
  else if (field === 4) raw.locations.push(reader.inner(location, { id: 0, mapping: 0, address: 0, lines: [] }));
  else if (field === 5) raw.functions.push(func(reader));
  else if (field === 13) reader.numbers(2, raw.comments);
  else if (field === 6) {
    const end = reader.length();
    raw.strings.push(text.decode(reader.bytes.subarray(reader.at, end)));
    reader.at = end;
  }
}

const text = new TextDecoder();

function sample(reader, raw) {
  const before = raw.values.length;
  raw.labels.push([]);
  raw.samples.push(0);
  reader.inner(stack, raw);
  if (raw.values.length - before !== raw.types.length) throw new Error("a stack has not as many values as the profile");
  raw.starts.push(raw.stacks.length);
}

function stack(reader, raw, field, wire) {
  if (field === 1) reader.numbers(wire, raw.stacks);
  else if (field === 2) reader.numbers(wire, raw.values);
  else if (field === 3 && wire === 2) raw.labels[raw.labels.length - 1].push(label(reader));
  else if (field === 100 && wire === 0) raw.samples[raw.samples.length - 1] = reader.varint();
  else if (field === 101 && wire === 2) raw.told.set(raw.samples.length - 1, reader.floats());
}

function location(reader, into, field, wire) {
  if (field === 4 && wire === 2) into.lines.push(line(reader));
  else if (wire === 0 && field === 1) into.id = reader.varint();
  else if (wire === 0 && field === 2) into.mapping = reader.varint();
  else if (wire === 0 && field === 3) into.address = reader.varint();
}

// Puts indices in place of ids. Functions of one name and file are one, whatever their mangled names.
function linked(raw) {
  const string = (index) => raw.strings[index] ?? "";
  const functions = [];
  const known = new Map();
  const add = (name, file, rest) => {
    const key = `${name}\n${file}`;
    if (!known.has(key)) known.set(key, functions.push({ name, file, ...rest }) - 1);
    return known.get(key);
  };
  const byId = new Map();
  for (const { id, name, file, owner, short } of raw.functions) {
    const whole = string(name);
    byId.set(id, add(whole, string(file), { short: string(short) || whole, owner: OWNERS[owner] ? owner : 0 }));
  }
  const modules = new Map(raw.mappings.map(({ id, file }) => [id, string(file).split("/").pop()]));
  const places = new Map();
  const inside = [];
  const lines = [];
  for (const { id, mapping, address, lines: here } of raw.locations) {
    const bare = () => add(`0x${address.toString(16)}`, modules.get(mapping) ?? "", bareness(address));
    const found = here.map((line) => byId.get(line.id)).filter((index) => index !== undefined);
    inside.push(found.length ? found : [bare()]);
    lines.push(here.map((line) => line.line));
    places.set(id, inside.length - 1);
  }
  const stacks = Uint32Array.from(raw.stacks, (id) => {
    const place = places.get(id);
    if (place === undefined) throw new Error("a stack is at a place that is not there");
    return place;
  });
  const types = raw.types.map(({ name, unit }) => ({ name: string(name), unit: string(unit) }));
  const main = types.findIndex(({ name }) => name === string(raw.main));
  return {
    types,
    main: main < 0 ? types.length - 1 : main,
    size: raw.labels.length,
    starts: Uint32Array.from(raw.starts),
    stacks,
    values: Float64Array.from(raw.values),
    samples: Float64Array.from(raw.samples),
    variances: variances(raw, types.length),
    labels: raw.labels.map((labels) => labels.map((label) => named(label, string))),
    inside,
    lines,
    functions,
    comments: raw.comments.map(string),
    time: raw.time,
    duration: raw.duration,
  };
}

// Of each value of each stack: of n samples of equal weight it is the value squared over n, of what was counted none.
function variances({ values, samples, told }, types) {
  const found = new Float64Array(values.length);
  samples.forEach((count, sample) => {
    const known = told.get(sample);
    for (let type = 0; count && type < types; type++) {
      const at = sample * types + type;
      found[at] = known ? (known[type] ?? 0) : values[at] ** 2 / count;
    }
  });
  return found;
}

const bareness = (address) => ({ short: `0x${address.toString(16)}`, owner: 0, bare: true });

function named({ key, text, number, unit }, string) {
  return [string(key), text ? string(text) : `${number} ${string(unit)}`.trim()];
}
