"""How many messages days of faults lead to, beside the rules of others."""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]

HELP = """\
The program alert_sim plays days of readings of a process of 16 GiB to flamewatch's rules and to what decides about telling,
as the agent has them, and to the documented rules of others: autopprof (three quarters of the limit, every minute), holmes
(four fifths, or a quarter more than the last 50 s; a minute's cooldown) and Prometheus (0.85 for 2 min; Alertmanager's
defaults, repeated every 4 h). Figures are messages a day, about memory alone. Seeds are fixed and nothing is measured, so
they are the same on every machine. flamewatch keeps what it has told over restarts, as it does with FLAMEWATCH_DIR.
"""

# The most messages a day, or the most new ones.
GOALS = [
    ("steady leak, far from the limit", "posts", 3),
    ("steady slow leak, to the limit", "posts", 3),
    ("steady fast leak, to the limit", "posts", 3),
    ("single spikes", "posts", 0),
    ("repeating spikes", "new", 1),
    ("deploys", "posts", 0),
    ("incident", "posts", 2),
    ("crash loop", "new", 1),
]


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench alerts", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    print("building (release)", file=sys.stderr)
    build = ["cargo", "build", "-q", "--release", "-p", "flamewatch-fixtures", "--bin", "alert_sim", "--no-default-features"]
    subprocess.run(build, cwd=ROOT, check=True)
    program = ROOT / "target" / "release" / "alert_sim"
    output = subprocess.run([program], check=True, stdout=subprocess.PIPE, timeout=600).stdout
    scenarios = {scenario["name"]: scenario for scenario in json.loads(output)["scenarios"]}
    table(scenarios)
    return goals(scenarios)


def table(scenarios):
    lines = [["messages a day", "flamewatch", "(new", "reply", "reminder", "resolved)", "autopprof", "holmes", "Prometheus", "late s"]]
    for name, scenario in scenarios.items():
        ours = scenario["ours"]
        counts = [ours[key] for key in ("posts", "new", "replies", "reminders", "resolved")]
        counts += [scenario[key] for key in ("autopprof", "holmes", "prometheus")]
        late = "-" if ours["delay_s"] is None else f"{ours['delay_s']:.0f}"
        lines.append([name] + [f"{count:.1f}".removesuffix(".0") for count in counts] + [late])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print(line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:])), sep="  ")
    print()


def goals(scenarios):
    rows = [(limit, f"{kind} a day, {name}", scenarios[name]["ours"][kind]) for name, kind, limit in GOALS]
    delays = [scenario["ours"]["delay_s"] for scenario in scenarios.values()]
    rows.append((120, "s after the hold it needs, the latest first message", max(delay for delay in delays if delay is not None)))
    missed = 0
    for limit, words, value in rows:
        missed += value > limit
        print(f"{'held' if value <= limit else 'MISSED':6} at most {limit} {words}: {value:.1f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
