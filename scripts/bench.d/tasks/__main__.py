"""What watched tasks cost, beside the crates a service would use instead, in one run."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]

ROWS = {
    "bare": "tokio::spawn",
    "crowded": "tokio::spawn, beside 2,097,152 tasks",
    "counted": "flamewatch::spawn, beside as many",
    "flamewatch": "flamewatch::spawn, with ages and states",
    "tokio-metrics": "tokio-metrics, TaskMonitor",
    "async-backtrace": "async-backtrace, one frame a task",
    "await-tree": "await-tree, one root a task",
    "bare-unstable": "tokio::spawn, with tokio_unstable",
    "hooks": "tokio::spawn, told of by the hooks",
    "hooks-ours": "flamewatch::spawn, on a hooked runtime",
    "console": "console-subscriber, nobody looks",
}

# Rows of the program that is built with tokio_unstable; the first is what the others are compared with.
UNSTABLE = ["bare-unstable", "hooks", "hooks-ours", "console"]

HELP = """\
Each round starts the program task_cost once per row, in turn. In each process
  spawn  is spawning, running and joining an empty task, on one thread, in the quickest of 400 slices;
  waits  is the same of a task that waits once, and is woken, in between;
  poll   is one poll of a task that only yields, likewise;
  task   is the memory of a task that waits, of 1,000,000;
  list   is how long it takes to say what those million are, where it can: flamewatch by line, async-backtrace and
         await-tree one by one, which is what they have;
  gap    is the longest pause of a 1 ms ticker on the service's runtime meanwhile, less the longest in as long without.
Figures over `tokio::spawn` are differences to the same in the same build and round. The table shows the median, and the
least and the most. Beyond 2,097,152 live tasks flamewatch counts a task by its line alone, which is the row `counted`;
its figures are differences to `crowded`, tokio::spawn with as many live tasks. Machines are noisy: trust the
differences, not the absolute figures.

The last four rows are of a second program, built with `--cfg tokio_unstable`: it changes the runtime that all others are
measured on, and without it there are neither hooks nor console-subscriber. It has tokio's feature `tracing` as well, which
console-subscriber brings with it: tasks are larger there, and spawned and polled slower, whoever watches.
`hooks` lists 131,072 of the million one by one and counts the rest by line. `console` takes
24 µs a spawn and 59 KB a task: it has a fortieth of the spawns and polls, and 10,000 tasks for a million.
"""

# What flamewatch is held to: row, figure, the most, unit.
GOALS = [
    ("counted", "spawn", 10, "ns a spawn, counted only"),
    ("flamewatch", "spawn", 30, "ns a spawn, with ages"),
    ("flamewatch", "poll", 10, "ns a poll"),
    ("flamewatch", "task", 64, "bytes a live task"),
    ("flamewatch", "list", 20, "ms for a list of a million"),
    ("flamewatch", "gap", 1, "ms of a longer pause meanwhile"),
]


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench tasks", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds, 1 to 50 (default 5)")
    options = parser.parse_args()
    if not 1 <= options.rounds <= 50:
        parser.error(f"--rounds is {options.rounds}, but must be a whole number from 1 to 50")
    print("building (release, with the peers; once more with tokio_unstable)", file=sys.stderr)
    build = ["cargo", "build", "-q", "--release", "-p", "flamewatch-fixtures", "--bin", "task_cost", "--features", "peers"]
    subprocess.run(build, cwd=ROOT, check=True)
    flags = {**os.environ, "RUSTFLAGS": "--cfg tokio_unstable"}
    subprocess.run([*build, "--target-dir", "target/unstable"], cwd=ROOT, check=True, env=flags)
    rounds = []
    for number in range(1, options.rounds + 1):
        found = {}
        for row in ROWS:
            print(f"\rround {number} of {options.rounds}: {row:20}", end="", file=sys.stderr)
            found[row] = measure(row)
        rounds.append(found)
    print(f"\r{'':60}\r", end="", file=sys.stderr)
    table(rounds)
    return goals(rounds)


def measure(row):
    target = ROOT / "target" / ("unstable" if row in UNSTABLE else "")
    program = target / "release" / "task_cost"
    output = subprocess.run([program, row.removesuffix("-unstable")], check=True, stdout=subprocess.PIPE, timeout=300).stdout
    return json.loads(output)


def base_of(row):
    """The row that `row` is compared with; itself for one that others are."""
    if row in UNSTABLE:
        return UNSTABLE[0]
    return "crowded" if row in ("crowded", "counted") else "bare"


def figures(rounds, row, what):
    """One figure a round, over plain tokio where that says something; empty where there is none."""
    if what == "list":
        return [statistics.median(found[row]["list_ms"]) for found in rounds if found[row].get("list_ms")]
    if what == "gap":
        pairs = [(found[row].get("gap_ms"), found[row].get("quiet_gap_ms")) for found in rounds]
        return [statistics.median(a - b for a, b in zip(*pair)) for pair in pairs if pair[0]]
    key = {"spawn": "spawn_ns", "waits": "waits_ns", "poll": "poll_ns", "task": "task_bytes"}[what]
    if any(key not in found[row] for found in rounds):
        return []
    base = [0 if row == base_of(row) else found[base_of(row)][key] for found in rounds]
    return [found[row][key] - bare for found, bare in zip(rounds, base)]


def shown(values, row):
    if not values:
        return "-"
    sign = "" if row == base_of(row) else "+"
    return f"{statistics.median(values):{sign}.1f} ({min(values):{sign}.1f} .. {max(values):{sign}.1f})"


def times(rounds, row, what):
    """How many times the cost of flamewatch in the same build, on top of tokio's."""
    own = "hooks" if row in UNSTABLE else "flamewatch"
    ours, theirs = figures(rounds, own, what), figures(rounds, row, what)
    if row in (base_of(row), own, "hooks-ours") or not theirs or not ours or statistics.median(ours) < 1:
        return ""
    return f" {statistics.median(theirs) / statistics.median(ours):.1f}x"


def table(rounds):
    heads = {"spawn": "spawn ns", "waits": "waits ns", "poll": "poll ns", "task": "task bytes", "list": "list ms", "gap": "gap ms"}
    lines = [["", *heads.values()]]
    for row, name in ROWS.items():
        lines.append([name] + [shown(figures(rounds, row, what), row) + times(rounds, row, what) for what in heads])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print("\n`+` is over tokio::spawn in the same build and round (list and gap: as they are); `x`: times what flamewatch takes,")
    print("its hooks where the build has them. console-subscriber: a fortieth of the spawns, 10,000 tasks (see --help).\n")


def goals(rounds):
    """Held or missed in every round; in between nobody can tell, on this machine at this hour."""
    missed = 0
    for row, what, most, words in GOALS:
        values = figures(rounds, row, what)
        verdict = "held" if max(values) <= most else "MISSED" if min(values) > most else "unsure"
        missed += verdict == "MISSED"
        print(f"{verdict:6} at most {most} {words}: {shown(values, row)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
