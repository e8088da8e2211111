"""What it takes to tell all tasks of a service, and whether what is told is right."""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]

HELP = """\
Starts the service census, whose tasks are known, and asks its goroutine profile.
  counts  in a quiet runtime the profile counts as many as tokio's own number, and each kind is as it must be;
  stacks  tasks of flamewatch::spawn are told twice: by the walk, and by themselves, when their waker is cloned on a stack
          that is then unwound (/debug/pprof/awaits). Both are reduced to functions of the service with file and line; a task
          agrees when it has told the stack that the walk tells of it. One that waits for several things tells of each;
  deep    100,000 tasks more, each in four functions, one of them boxed; time of a request for the profile, names and all,
          of the walk in it as the profile says it, and of the processor, the ticker's included; the longest gap of a 1 ms ticker on the workers meanwhile, less the
          longest in as long without, in turns; how much the process grew;
  flat    the same of a million tasks, in one function each;
  blocked the same while every worker sleeps;
  peer    100,000 deep tasks told by tokio's own dump, in a build with tokio_unstable and taskdump, and by the walk in the same
          process, in turns (names of functions are not counted in the dump): how much longer the dump takes, and the longest gap of the ticker in each.
Figures are medians, with the least and the most. Machines are noisy: the load is printed before and after.
"""

DEEP, FLAT = 100_000, 1_000_000
# figure, the most, unit
GOALS = [("deep", "walk ms", 250), ("deep", "gap ms", 1), ("deep", "grown MiB", 16), ("flat", "walk ms", 1_000)]


def load():
    return open("/proc/loadavg").read().split()[0]


class Service:
    def __init__(self, program):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLAMEWATCH")}
        environment |= {"FLAMEWATCH_BIND": "127.0.0.1:7399", "FLAMEWATCH_TASK_GROWTH": "off"}
        self.process = subprocess.Popen([program], env=environment, stdout=subprocess.PIPE, text=True)
        self.control = "http://" + self.process.stdout.readline().split()[1]
        self.port = "http://127.0.0.1:7399"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def tell(self, path):
        with urllib.request.urlopen(self.control + path, timeout=120) as answer:
            return json.load(answer)

    def profile(self, name="goroutine"):
        begun = time.monotonic()
        with urllib.request.urlopen(f"{self.port}/debug/pprof/{name}?format=json", timeout=120) as answer:
            text = answer.read()
        return json.loads(text), (time.monotonic() - begun) * 1e3

    def mib(self, line):
        for text in open(f"/proc/{self.process.pid}/status"):
            if text.startswith(line + ":"):
                return int(text.split()[1]) / 1024
        return 0

    def cpu_ms(self):
        """Of all threads, also those that have ended. Its tasks are idle."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")

    def forget_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")


def labels(stack):
    return {frame["label"]: frame["value"] for frame in stack["frames"] if "label" in frame}


def walked_ms(profile):
    """How long the walk took, by the profile's own account."""
    for comment in profile["comments"]:
        if "tasks were read from tokio's lists in" in comment:
            return float(comment.split(" in ")[1].split()[0]), int(comment.split()[0])
    sys.exit(f"nothing was read: {profile['comments']}")


# The futures of those that libraries have spawned, of which some wait in no function of the fixture.
LIBRARIES = ["axum::serve::handle_connection", "hyper::client::conn"]


def census(profile):
    found = collections.Counter()
    for stack in profile["stacks"]:
        ours = [
            f"{frame['name'].removesuffix('::{async fn}')}:{frame['line']}"
            for frame in stack["frames"]
            if frame.get("name", "").startswith("census::") and frame["name"].endswith("::{async fn}")
            and "::stamp::" not in frame["name"]
        ]
        if not ours:
            names = [frame.get("name", "") for frame in stack["frames"]]
            ours = [of for of in LIBRARIES if any(of in name for name in names)][:1]
        told = labels(stack)
        found[told.get("runtime"), told.get("state"), tuple(ours)] += stack["values"][0]
    return found


def truth(service):
    told = service.tell("/truth")
    expected = collections.Counter()
    for kind in told["kinds"]:
        stack = tuple(f"{place['function']}:{place['line']}" for place in kind["stack"]) or (kind["of"],)
        expected[kind["runtime"], kind["state"].replace("idle", "waiting"), stack] += kind["count"]
    return expected, sum(told["alive"].values())


def counts(service):
    for _ in range(50):
        expected, alive = truth(service)
        profile, _ = service.profile()
        if census(profile) == expected and sum(stack["values"][0] for stack in profile["stacks"]) == alive:
            return alive, len(expected)
        time.sleep(0.1)
    return None


def user(stack, closing):
    """The service's own functions of a stack, with the lines they wait in, the innermost first."""
    frames = []
    for frame in stack["frames"]:
        name = frame.get("name", "")
        if not name.startswith("census::") or not name.endswith(closing):
            continue
        frames.append((name.removesuffix(closing), pathlib.PurePath(frame["file"]).name, frame["line"]))
    return tuple(frames)


def agreement(service):
    """Of the tasks of flamewatch::spawn, how many are told alike both ways."""
    ways = []
    for name, closing in (("goroutine", "::{async fn}"), ("awaits", "::{closure}")):
        profile, _ = service.profile(name)
        found = collections.Counter()
        for stack in profile["stacks"]:
            frames = user(stack, closing)
            if any(frame[0].startswith("census::many::") for frame in frames):
                found[frames] += stack["values"][0]
        ways.append(found)
    walk, waker = ways
    return sum((walk & waker).values()), sum(walk.values()), sum(waker.values()), walk - waker, waker - walk


def timed(service, rounds, blocked):
    rows = []
    for _ in range(1 if blocked else rounds):
        if blocked:
            service.tell("/block?ms=20000")
        service.forget_peak()
        before = service.mib("VmRSS")
        service.tell("/ticker")
        cpu = service.cpu_ms()
        profile, took = service.profile()
        cpu = service.cpu_ms() - cpu
        gap = service.tell("/ticker")["longest_us"] / 1e3
        time.sleep(took / 1e3)
        quiet = service.tell("/ticker")["longest_us"] / 1e3
        walk, tasks = walked_ms(profile)
        rows.append({
            "request ms": took, "walk ms": walk, "cpu ms": cpu, "gap ms": gap - quiet, "quiet gap ms": quiet,
            "grown MiB": service.mib("VmHWM") - before, "tasks": tasks,
        })
    return rows


def beside_dump(service, rounds):
    """The rounds in which the ticker ticked, and how many there were in which it did not at all."""
    rows = []
    for _ in range(rounds):
        row = {}
        for way in ("walk", "dump"):
            service.forget_peak()
            before = service.mib("VmRSS")
            service.tell("/ticker")
            if way == "walk":
                profile, _ = service.profile()
                row["walk ms"], row["walk tasks"] = walked_ms(profile)
            else:
                dump = service.tell("/dump")
                row["dump ms"], row["dump tasks"] = dump["ms"], dump["tasks"]
            # A gap counts when it is over, and after a dump every task is polled first.
            time.sleep(0.5)
            row[f"{way} gap ms"] = service.tell("/ticker")["longest_us"] / 1e3
            row[f"{way} grown MiB"] = service.mib("VmHWM") - before
        row["dump / walk"] = row["dump ms"] / row["walk ms"]
        if row["walk gap ms"] and row["dump gap ms"]:
            row["dump / walk, gap"] = row["dump gap ms"] / row["walk gap ms"]
            rows.append(row)
    return rows, rounds - len(rows)


def shown(rows, name):
    values = sorted(row[name] for row in rows)
    return statistics.median(values), f"{statistics.median(values):9.1f} ({values[0]:.1f} .. {values[-1]:.1f})"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench walk", description=__doc__, epilog=HELP,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each profile is asked for (9)")
    parser.add_argument("--no-peer", action="store_true", help="without tokio's own dump, whose build takes a while")
    parser.add_argument("--watched", type=int, default=2_000, help="tasks of flamewatch::spawn of each of four kinds (2000)")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "-q", "--release", "--locked", "-p", "flamewatch-fixtures", "--bin", "census"],
                   cwd=ROOT, check=True)
    program = ROOT / "target/release/census"
    if not options.no_peer:
        subprocess.run(["cargo", "build", "-q", "--release", "--locked", "-p", "flamewatch-fixtures", "--bin", "census",
                        "--features", "dump", "--target-dir", "target/unstable"],
                       cwd=ROOT, check=True, env={**os.environ, "RUSTFLAGS": "--cfg tokio_unstable"})
    print(f"load {load()}, {os.cpu_count()} processors")
    failed = False
    with Service(program) as service:
        found = counts(service)
        failed |= found is None
        print("counts   " + (f"{found[0]} tasks of {found[1]} kinds, all as they must be" if found else "WRONG"))
        for kind in ("deep", "boxed", "locked", "limited"):
            service.tell(f"/many?kind={kind}&n={options.watched}&watched=1")
        time.sleep(0.5)
        same, walk, waker, only_walk, only_waker = agreement(service)
        share = same / (4 * options.watched)
        failed |= share < 0.999
        print(f"stacks   {same} of {4 * options.watched} tasks agree: {share:.2%}; the walk tells {walk}, the wakers {waker} stacks")
        for name, rest in (("walk", only_walk), ("wakers", only_waker)):
            for frames, count in list(rest.items())[:3]:
                print(f"         only by the {name}: {count} {frames}")
    cases = {}
    for name, kind, count, blocked in (("deep", "deep", DEEP, False), ("deep blocked", "deep", DEEP, True),
                                       ("flat", "flat", FLAT, False), ("flat blocked", "flat", FLAT, True)):
        with Service(program) as service:
            service.tell("/ticker")
            service.profile()
            service.tell(f"/many?kind={kind}&n={count}")
            time.sleep(1)
            rows = timed(service, options.rounds, blocked)
            cases[name] = rows
            print(f"{name:13} {rows[0]['tasks']} tasks, {len(rows)} rounds")
            for figure in ("request ms", "walk ms", "cpu ms", "gap ms", "quiet gap ms", "grown MiB"):
                if not (blocked and "gap" in figure):
                    print(f"    {figure:14} {shown(rows, figure)[1]}")
    if not options.no_peer:
        with Service(ROOT / "target/unstable/release/census") as service:
            service.tell("/ticker")
            service.profile()
            service.tell(f"/many?kind=deep&n={DEEP}")
            time.sleep(1)
            rows, without = beside_dump(service, options.rounds)
            if without:
                print(f"peer          in {without} rounds the ticker did not tick at all, and they are left out")
            if rows:
                print(f"peer          {rows[0]['walk tasks']} tasks by the walk, {rows[0]['dump tasks']} by tokio's dump, {len(rows)} rounds")
                for figure in ("walk ms", "dump ms", "dump / walk", "walk gap ms", "dump gap ms", "dump / walk, gap", "walk grown MiB", "dump grown MiB"):
                    print(f"    {figure:17} {shown(rows, figure)[1]}")
    for name, figure, most in GOALS:
        value = shown(cases[name], figure)[0]
        met = value <= most
        failed |= not met
        print(f"{'met   ' if met else 'MISSED'} {name}: {figure} {value:.1f}, at most {most}")
    print(f"load {load()}")
    sys.exit(failed)


main()
