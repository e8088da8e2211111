"""The two programs: built, and run once for one figure."""

import json
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RELEASE = ROOT / "target" / "release"

PEER = "pprof"
OURS = ["timers", "perf"]


class Failed(Exception):
    """A program that ended with an error, and what it said."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def build():
    """Builds what runs, with the peer."""
    say("building (release, with the peer)")
    command = ["cargo", "build", "-q", "--release", "-p", "flamewatch-fixtures", "--features", "peers"]
    subprocess.run([*command, "--bin", "cpu_truth", "--bin", "cpu_cost"], cwd=ROOT, check=True)


def run(program, *arguments):
    """What one run of a program found."""
    command = [str(RELEASE / program), *map(str, arguments)]
    # Flags of the environment must not reach the program's own settings.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLAMEWATCH_")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode or not done.stdout:
        raise Failed(f"{' '.join(map(str, (program, *arguments)))}: {done.stderr.strip()[-500:] or done.returncode}")
    return json.loads(done.stdout)


def engines():
    """Ours and the peer; says which of ours is not allowed here."""
    found = []
    for engine in OURS:
        try:
            run("cpu_truth", engine, 99, 0.1, "busy", 1)
            found.append(engine)
        except Failed as why:
            say(f"left out: {why}")
    return [*found, PEER]


def peer_version():
    lock = (ROOT / "Cargo.lock").read_text()
    return re.search(rf'name = "{PEER}"\nversion = "([^"]+)"', lock)[1]


def system():
    """What the results depend on: the kernel, and how often it ticks."""
    config = Path("/boot") / f"config-{platform.release()}"
    ticks = re.search(r"^CONFIG_HZ=(\d+)", config.read_text(), re.M) if config.exists() else None
    return f"{platform.system()} {platform.release()}" + (f", {ticks[1]} ticks a second" if ticks else "")


def run_together(program, commands):
    """The same for several runs at a time."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda arguments: run(program, *arguments), commands))
