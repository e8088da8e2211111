"""How many messages twenty replicas post that have the same fault at the same moment."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
RELEASE = ROOT / "target" / "release"

HELP = """\
Each run starts the fixture fake_slack, whose history shows a message only LATE seconds after it was posted and which takes
one message a second, and the fixture slack_replicas: REPLICAS sinks, each with the delivery that the agent has, which
tell of one fault and then of its end. It fails unless each run leaves one message in the channel, with an answer from
each of the others, nobody lost and nobody twice, that is green in the end. A run takes about two minutes; nothing is
measured but that time and the calls, so other load does not matter.
"""

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench replicas", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="1 to 100 (default 10)")
    parser.add_argument("--replicas", type=int, default=20, metavar="N", help="2 to 100 (default 20)")
    parser.add_argument("--late", type=int, default=10, metavar="S", help="0 to 50 seconds (default 10)")
    options = parser.parse_args()
    bounds = {"runs": (1, 100), "replicas": (2, 100), "late": (0, 50)}
    for name, (least, most) in bounds.items():
        if not least <= getattr(options, name) <= most:
            parser.error(f"--{name} must be a whole number from {least} to {most}")
    print("building (release)", file=sys.stderr)
    programs = ["--bin", "fake_slack", "--bin", "slack_replicas"]
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "flamewatch-fixtures", *programs], cwd=ROOT, check=True)
    print(f"{'run':>3} {'messages':>9} {'posted first':>13} {'answers':>8} {'lost':>5} {'green':>6} {'calls each':>11} {'seconds':>8}")
    runs = [run(number + 1, options) for number in range(options.runs)]
    good = sum(runs)
    print(f"\n{good} of {len(runs)} runs are as they should be; load average {os.getloadavg()[0]:.1f} at the end")
    return 0 if good == len(runs) else 1


def run(number, options):
    fake = subprocess.Popen(
        [RELEASE / "fake_slack", "--control", json.dumps({"late": options.late})], stdout=subprocess.PIPE, text=True
    )
    try:
        url = "http://" + fake.stdout.readline().removeprefix("listening ").strip()
        command = [RELEASE / "slack_replicas", "--api", url + "/api", "--replicas", str(options.replicas)]
        command += ["--spread", str(options.late + 2), "--resolve", "yes"]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=500).stdout)
        with OPENER.open(url + "/state", timeout=5) as answer:
            state = json.load(answer)
    finally:
        fake.kill()
        fake.wait()
        fake.stdout.close()
    first = [message for message in state["messages"] if message["thread_ts"] is None]
    shown = [message for message in first if message["shown"]]
    thread = [message["text"] for message in state["messages"] if message["thread_ts"] == shown[0]["ts"] and message["shown"]]
    also = sorted(text.split(",")[0] for text in thread if text.startswith("Also on "))
    over = sorted(text.split(",")[0] for text in thread if text.startswith("\N{LARGE GREEN CIRCLE}"))
    lost = 2 * options.replicas - report["sent"]
    green = "RESOLVED" in shown[0]["blocks"][0]["text"]["text"]
    calls = len(state["calls"]) / options.replicas
    print(
        f"{number:3} {len(shown):9} {len(first):13} {len(also):8} {lost:5} {'yes' if green else 'no':>6} {calls:11.1f}"
        f" {report['seconds']:8.1f}",
        flush=True,
    )
    once = len(set(also)) == len(also) == options.replicas - 1 and len(set(over)) == len(over) == options.replicas
    return len(shown) == 1 and once and lost == 0 and green


if __name__ == "__main__":
    sys.exit(main())
