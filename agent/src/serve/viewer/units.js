// Numbers for people, written as the pages of the port and the alerts write them.

const SCALES = {
  bytes: [1024, ["B", "KiB", "MiB", "GiB", "TiB"]],
  nanoseconds: [1000, ["ns", "µs", "ms", "s"]],
};

// `1.4 GiB`, `12.3 s`, `4,711`, `87 %`.
export function show(unit, value) {
  if (unit === "ratio") return `${(value * 100).toFixed(0)} %`;
  const scale = SCALES[unit];
  return scale ? scaled(value, ...scale) : grouped(value);
}

// The same with its sign, for a difference.
export const signed = (unit, value) => (value > 0 ? "+" : "") + show(unit, value);

// `41%`, `0.4%`; what is there is never 0.
export function share(part, whole) {
  const percent = whole ? (Math.abs(part) / Math.abs(whole)) * 100 : 0;
  if (percent > 0 && percent < 0.1) return "<0.1%";
  return `${percent.toFixed(percent < 9.95 ? 1 : 0)}%`;
}

// A relative error: `±3%`, `±>100%` where the number says nothing; empty for a number that was counted.
export function give(error) {
  if (error === null) return "";
  if (error > 1) return "±>100%";
  return error < 0.01 ? "±<1%" : `±${(error * 100).toFixed(0)}%`;
}

// `3 stacks`, `1 stack`.
export const counted = (number, what) => `${grouped(number)} ${what}${number === 1 ? "" : "s"}`;

function scaled(value, step, units) {
  let index = 0;
  for (; Math.abs(value) >= step && index < units.length - 1; index++) value /= step;
  const whole = Math.abs(value) >= 100 || value === Math.trunc(value);
  return `${value.toFixed(whole ? 0 : 1)} ${units[index]}`;
}

function grouped(value) {
  if (value !== Math.trunc(value) && Math.abs(value) < 100) return value.toFixed(1);
  return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
}
