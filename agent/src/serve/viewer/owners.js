// Written by a test from what `profile::owner` says, which holds this file to it; `BLESS=1` rewrites it.

// Whose code a function is, by the number in the profile.
export const OWNERS = ["unknown", "own code", "dependency", "runtime", "std", "allocator", "system", "flamewatch"];

// What every service stands on, there in every stack.
export const GROUND = new Set([3, 4, 6, 7]);

// The service's own code, and what stands for a label among the frames.
export const OWN = 1;
export const LABEL = -1;
