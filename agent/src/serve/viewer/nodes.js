// The nodes of a tree of calls, in arrays that double: as many as a profile has, without an object for each.

// How sure a node is: the variance and the samples of what it did itself, and of it with all that is below.
const ERRORS = ["ownVariance", "ownSamples", "variance", "samples"];

// Nodes in arrays that double. Node 0 is the root.
export class Nodes {
  constructor() {
    this.size = 0;
    this.room = 0;
    this.grow(1 << 14);
    this.add(-1, -1, 0);
  }

  grow(room) {
    const bigger = (old, Kind) => {
      const array = new Kind(room);
      if (old) array.set(old);
      return array;
    };
    for (const name of ["parent", "what", "line", "first", "next"]) this[name] = bigger(this[name], Int32Array);
    for (const name of ["self", "up", "down", ...ERRORS]) this[name] = bigger(this[name], Float64Array);
    this.room = room;
    // Open addressing from (parent, function) to the node, at most half full.
    this.slots = new Int32Array(room * 2).fill(-1);
    for (let node = 1; node < this.size; node++) this.slots[this.slot(this.parent[node], this.what[node])] = node;
  }

  slot(parent, what) {
    const mask = this.slots.length - 1;
    let slot = (Math.imul(parent, 0x9e3779b1) ^ Math.imul(what, 0x85ebca6b)) & mask;
    for (;;) {
      const node = this.slots[slot];
      if (node < 0 || (this.parent[node] === parent && this.what[node] === what)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  add(parent, what, line) {
    if (this.size === this.room) this.grow(this.room * 2);
    const node = this.size++;
    this.parent[node] = parent;
    this.what[node] = what;
    this.line[node] = line;
    this.first[node] = -1;
    this.next[node] = -1;
    if (parent >= 0) {
      this.next[node] = this.first[parent];
      this.first[parent] = node;
      this.slots[this.slot(parent, what)] = node;
    }
    return node;
  }

  child(parent, what, line) {
    const node = this.slots[this.slot(parent, what)];
    return node >= 0 ? node : this.add(parent, what, line);
  }
}
