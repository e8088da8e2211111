"""How long it takes from a threshold that is crossed to the message in Slack, and to the picture under it."""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
RELEASE = ROOT / "target" / "release"

HELP = """\
Each run starts the fixtures fake_slack and leaky_shop (optimized, with jemalloc and debug info) and load that leaks 10,007
bytes with each of 200 orders a second, and waits for the alert: over the webhook, as a bot
alone, as a bot among replicas, and as one among replicas whose memory ends soon. The parts:

  hold           from the tick that saw the threshold crossed to the alert; HOLD says how long a rule must hold
  investigation  the heap profile, its names, its drawings and its snapshot, up to the first call of Slack's; with a webhook
                 that call is the message
  post           from the look into the channel's history to the message (bots alone)
  upload         the three steps of a picture, up to its place in the thread (bots alone)

A bot that may have replicas waits for a moment of its own within the spread (15 s) before it looks, which counts as
investigation here; but not when memory ends within 10 minutes.

The crossing is known to a tick (TICK), everything else to a few milliseconds. The fake Slack answers at once, and real ones
do not: add what your network takes. Machines are noisy: trust the order of magnitude.
"""

TICK, HOLD = 0.5, 3.0
PATIENCE = 90
RULE = "heap.allocated growing"

WAYS = {
    "webhook": {"FLAMEWATCH_SLACK_WEBHOOK": "{fake}/services/T0/B0/SECRET"},
    "bot, no replicas": {"FLAMEWATCH_SLACK_SPREAD": "0s"},
    "bot with replicas": {},
    "bot, memory ends": {"FLAMEWATCH_MEMORY_LIMIT": "700MiB"},
}
BOT = {
    "FLAMEWATCH_SLACK_TOKEN": "xoxb-SECRET-TOKEN",
    "FLAMEWATCH_SLACK_CHANNEL": "C0FLAMES",
    "FLAMEWATCH_SLACK_API": "{fake}/api",
}
PARTS = ["hold", "investigation", "post", "upload", "to the message", "to the picture"]

# A proxy in the environment is no way to loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench alert", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each way, 1 to 50 (default 5)")
    options = parser.parse_args()
    if not 1 <= options.runs <= 50:
        parser.error(f"--runs is {options.runs}, but must be a whole number from 1 to 50")
    print("building (release)", file=sys.stderr)
    programs = ["--bin", "fake_slack", "--bin", "leaky_shop", "--bin", "shop_load"]
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "flamewatch-fixtures", *programs], cwd=ROOT, check=True)
    found = {way: [] for way in WAYS}
    for number in range(options.runs):
        for way in WAYS:
            print(f"\rrun {number + 1} of {options.runs}: {way:20}", end="", file=sys.stderr)
            found[way].append(run(way))
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr)
    for way, runs in found.items():
        table(way, runs)
    print(f"HOLD is {HOLD} s, TICK {TICK} s; load average {os.getloadavg()[0]:.1f} at the end")


def run(way):
    """The parts of one alert, in seconds."""
    with tempfile.TemporaryDirectory() as folder, Programs() as programs:
        fake = "http://" + programs.start("fake_slack")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "LEAK": "orders",
            "FLAMEWATCH_BIND": f"127.0.0.1:{port}",
            "FLAMEWATCH_DIR": folder,
            "FLAMEWATCH_TICK": f"{TICK * 1000:.0f}ms",
            "FLAMEWATCH_WARM_UP": "2s",
            "FLAMEWATCH_HOLD": f"{HOLD:.0f}s",
            "FLAMEWATCH_GROWTH_WINDOW": "12s",
            "FLAMEWATCH_HEAP_GROWTH": "8MiB",
        }
        ours = WAYS[way] if way == "webhook" else {**BOT, **WAYS[way]}
        settings |= {name: value.format(fake=fake) for name, value in ours.items()}
        shop = programs.start("leaky_shop", settings=settings)
        programs.run("shop_load", "--target", shop, "--seconds", str(PATIENCE), "--rate", "200", "--mix", "orders=1")
        crossed = wait(lambda: is_crossed(f"http://127.0.0.1:{port}/debug/pprof/"), 0.05, "a crossed threshold")
        if way == "webhook":
            posted = wait(lambda: ask(fake + "/sent"), 0.02, "a message")[0]["at"]
            return parts(crossed, fired(folder), first=posted, posted=posted)
        state = wait(lambda: with_picture(ask(fake + "/state")), 0.02, "a picture")
        called = {}
        for call in state["calls"]:
            called.setdefault(call["method"], call["at"])
        times = {bool(message["thread_ts"]): message["at"] for message in reversed(state["messages"])}
        return parts(crossed, fired(folder), called["conversations.history"], times[False], times[True])


def parts(crossed, fired, first, posted, picture=None):
    return {
        "hold": fired - crossed,
        "investigation": first - fired,
        "post": None if picture is None else posted - first,
        "upload": picture and picture - posted,
        "to the message": posted - crossed,
        "to the picture": picture and picture - crossed,
    }


def fired(folder):
    """When the alert was opened, from the file that the folder's sink writes."""
    files = wait(lambda: list(pathlib.Path(folder).glob("*.alert/alert.json")), 0.02, "a file")
    return json.loads(files[0].read_text())["unix_seconds"]


def with_picture(state):
    return state if any(message["thread_ts"] for message in state["messages"]) else None


def is_crossed(url):
    """The time at which the rule is seen to hold for the first time."""
    with OPENER.open(url, timeout=5) as answer:
        page = answer.read().decode()
    row = re.search(rf"<tr><th>rule: {re.escape(RULE)}<td>([^<]*)", page)
    return time.time() if row and row[1].startswith(("broken", "firing")) else None


def ask(url):
    with OPENER.open(url, timeout=5) as answer:
        return json.load(answer)


def wait(ready, pause, what):
    end = time.time() + PATIENCE
    while time.time() < end:
        try:
            found = ready()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(pause)
    raise SystemExit(f"no {what} after {PATIENCE} s")


class Programs:
    """Fixtures that end with the run."""

    def __init__(self):
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.running):
            program.send_signal(signal.SIGKILL)
            program.wait()
            program.stdout.close()

    def run(self, name, *arguments, settings=None):
        own = {key: value for key, value in os.environ.items() if not key.startswith("FLAMEWATCH")}
        command = [RELEASE / name, *arguments]
        self.running.append(subprocess.Popen(command, env={**own, **(settings or {})}, stdout=subprocess.PIPE, text=True))
        return self.running[-1]

    def start(self, name, *arguments, settings=None):
        """Starts one that says where it listens."""
        return self.run(name, *arguments, settings=settings).stdout.readline().removeprefix("listening ").strip()


def table(way, runs):
    print(f"{way:18} {'median':>9} {'least':>9} {'most':>9}   seconds, {len(runs)} runs")
    for part in PARTS:
        values = [run[part] for run in runs if run[part] is not None]
        if values:
            print(f"  {part:16} {statistics.median(values):9.3f} {min(values):9.3f} {max(values):9.3f}")
    print()


if __name__ == "__main__":
    sys.exit(main())
