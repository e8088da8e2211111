"""The tools: built or found, and run once for one figure."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = ROOT / "target" / "bench"
LIBRARIES = ["ours", "blazesym", "addr2line", "backtrace", "wholesym"]
PROGRAMS = ["llvm-symbolizer", "gnu-addr2line"]

# The binary that is built when none is given: a real program, as it is released, but with full debug info.
HOST = ("cargo-nextest", "0.9.151")
HOST_PROFILE = {"CARGO_PROFILE_RELEASE_DEBUG": "2", "CARGO_PROFILE_RELEASE_STRIP": "none"}

# A line that says where, as both programs print it, and not `??:0`.
LOCATION = re.compile(rb"^(?:/|\.|\w+/).*:[1-9]\d*(?::\d+)?(?: \(discriminator \d+\))?$", re.MULTILINE)


def say(text):
    print(text, file=sys.stderr, flush=True)


def host_binary():
    """The large binary, built on first use (20 minutes on 2 busy cores)."""
    name, version = HOST
    binary = TARGET / "host" / "bin" / name
    if not binary.exists():
        say(f"building {name} {version} with debug info, once; 20 minutes on 2 busy cores")
        environment = os.environ | HOST_PROFILE | {"CARGO_TARGET_DIR": str(TARGET / "host" / "target")}
        command = ["cargo", "install", "-q", "--locked", "--version", version, "--root", str(TARGET / "host"), name]
        subprocess.run(command, env=environment, check=True)
    return binary


def compressed(binary, form):
    """A copy of `binary` whose debug info is compressed; none when this objcopy cannot."""
    copy = TARGET / f"{binary.name}.{form}"
    if copy.exists() and copy.stat().st_mtime >= binary.stat().st_mtime:
        return copy
    say(f"compressing the debug info ({form})")
    done = subprocess.run(["objcopy", f"--compress-debug-sections={form}", str(binary), str(copy)], check=False)
    return copy if done.returncode == 0 else None


def build(names):
    """Builds the harness once for each library: its program, and the library that is preloaded."""
    for name in (name for name in names if name in LIBRARIES):
        say(f"building the harness with {name}")
        # Not --locked: the lock file pins the peers, and takes over what our own manifest changes.
        command = ["cargo", "build", "-q", "--release", "--features", name]
        command += ["--target-dir", str(TARGET / "build")]
        subprocess.run(command, cwd=ROOT / "bench", check=True)
        home = TARGET / "tools" / name
        home.mkdir(parents=True, exist_ok=True)
        for artifact in ("offline", "libflamewatch_bench.so"):
            shutil.copy2(TARGET / "build" / "release" / artifact, home / artifact)


def program_path(name):
    """Where the program is: the newest llvm-symbolizer, and binutils' addr2line."""
    if name == "gnu-addr2line":
        return shutil.which("addr2line")
    newest = (shutil.which(f"llvm-symbolizer-{version}") for version in range(30, 13, -1))
    return next(filter(None, newest), shutil.which("llvm-symbolizer"))


def versions(names):
    """What each tool calls itself."""
    found = {}
    lock = (ROOT / "bench" / "Cargo.lock").read_text()
    for name in names:
        if name in PROGRAMS:
            said = subprocess.run([program_path(name), "--version"], capture_output=True, text=True, check=True).stdout
            found[name] = re.search(r"\d+\.\d[\w.]*", said)[0]
        else:
            package = "flamewatch-symbolizer" if name == "ours" else name
            found[name] = re.findall(rf'name = "{package}"\nversion = "([^"]+)"', lock)[-1]
    return found


def measure_library(name, elf, addresses, repeat=0, in_process=False, dump=None):
    """The figures of one run of a library, or an `error`."""
    with tempfile.NamedTemporaryFile("r", dir=TARGET, suffix=".json") as out:
        environment = os.environ | {
            "BENCH_BINARY": str(elf.path),
            "BENCH_SEGMENT": ":".join(f"{part:x}" for part in elf.segment),
            "BENCH_ADDRESSES": str(addresses),
            "BENCH_REPEAT": str(repeat),
            "BENCH_OUT": out.name,
        }
        if dump:
            environment["BENCH_DUMP"] = str(dump)
        command = [str(TARGET / "tools" / name / "offline")]
        if in_process:
            environment |= {"BENCH_PRELOAD": "1", "LD_PRELOAD": str(TARGET / "tools" / name / "libflamewatch_bench.so")}
            command = [str(elf.path), "--version"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        text = out.read()
        if done.returncode or not text:
            return {"error": done.stderr.strip()[-300:] or f"exit status {done.returncode}"}
        return json.loads(text)


def program_command(name, elf):
    if name == "gnu-addr2line":
        return [program_path(name), "-f", "-i", "-C", "-e", str(elf.path)]
    return [program_path(name), f"--obj={elf.path}", "--inlines", "--demangle"]


def measure_program(name, elf, addresses):
    """The figures of one run of a program: of the whole process, as that is what one pays."""
    begun = time.monotonic()
    with open(addresses) as lines, tempfile.TemporaryFile() as out:
        text = "".join(f"0x{line}" for line in lines)
        with tempfile.TemporaryFile("w+") as asked:
            asked.write(text)
            asked.seek(0)
            child = subprocess.Popen(program_command(name, elf), stdin=asked, stdout=out, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        with_line = len(LOCATION.findall(out.read()))
    if child.returncode or not with_line:
        return {"error": f"exit status {child.returncode}, {with_line} lines"}
    return {
        "tool": name,
        "addresses": text.count("\n"),
        "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3,
        "wall_ms": (time.monotonic() - begun) * 1e3,
        "peak_kib": usage.ru_maxrss,
        "frames": with_line,
    }
