"""scripts/bench cpu: see --help."""

import argparse
import os
import sys
from pathlib import Path

import cases
import goals
import report
import tools

DESCRIPTION = """\
Measures flamewatch's CPU sampler beside the pprof crate, in one run: what it sees, and what it costs.

Cases:
  coverage    the share of the CPU time that samples account for, at 99 and 999 Hz: on 1 to 8 busy threads, on
              threads busy for 5 to 55 % of the time, on tokio. The same runs give the shares of the threads, the
              shares of four functions that are as 1 to 2 to 3 to 4, and how many stacks reach the root of their thread
  aliased     threads that work for 1 ms every 20 ms, in step with the kernel's tick: what is missed, and whether the
              profile says so
  sample      CPU time of one sample, hot, by the depth of the stack; what delivering a signal costs is taken off
  throughput  work for each second of the process's CPU, with sampling at 99 Hz and without, by turns; beside a control
              whose pairs are both without
  rss         resident memory while sampling and a while after, over what it was before; nothing is named

The engines are `timers`, `perf` where the system allows it, and `pprof`, the peer. Each run is a process of its own,
and engines take turns within a round. Right answers come from the CPU clocks of the threads. The programs are built
as services are: optimized, and so without frame pointers.
"""
EPILOG = """\
Tables show median (least .. most) over the rounds, and the ratio of our medians to the peer's. A run that got too
little CPU to judge by is made again, longer, so a busy machine takes longer. Machines are noisy: trust the ratios.
Three rounds take about 20 minutes on two cores, --quick 5. Exit status 1 when a goal is missed.
"""


def words(text):
    chosen = text.split(",")
    unknown = [word for word in chosen if word not in cases.CASES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such case: {', '.join(unknown)}; there are {', '.join(cases.CASES)}")
    return chosen


def count(text):
    number = int(text)
    if not 1 <= number <= 50:
        raise argparse.ArgumentTypeError("must be from 1 to 50")
    return number


def arguments():
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("scripts/bench cpu", None, DESCRIPTION, EPILOG, formatter_class=formatter)
    parser.add_argument("--rounds", type=count, metavar="N", help="default: 3; with --quick 1")
    parser.add_argument("--quick", action="store_true", help="one round with short windows")
    parser.add_argument("--case", type=words, default=cases.CASES, metavar="CASE,...", help="default: all")
    parser.add_argument("--json", type=Path, default=os.devnull, metavar="FILE", help="every figure, a line each")
    return parser.parse_args()


def main():
    asked = arguments()
    rounds = asked.rounds or (1 if asked.quick else 3)
    tools.build()
    engines = tools.engines()
    made = cases.cells(asked.case, asked.quick)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start, {tools.system()}")
    print(f"pprof {tools.peer_version()}; {rounds} {'round' if rounds == 1 else 'rounds'}")
    with open(asked.json, "w") as raw:
        figures = cases.run(made, engines, rounds, raw)
    for table in report.tables(figures, engines):
        print("\n".join(["", *table]))
    lines, missed = goals.judge(figures, [engine for engine in engines if engine != tools.PEER])
    print("\n".join(["", *lines]))
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
