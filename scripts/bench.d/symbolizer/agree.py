"""Who says what: the answers of all tools for the same addresses, compared frame by frame. Names are compared by the
function they mean; that ours are spelled shorter is on purpose."""

import json
import os.path
import re
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass

import tools
from elf import draw

READERS = ["blazesym", "addr2line", "wholesym", "llvm-symbolizer"]
NOTHING = ("", "??")


@dataclass(frozen=True)
class Frame:
    name: str
    file: str
    line: int


def compare(elf, names, count, seed, examples):
    """The report on how far each tool agrees with ours, as lines."""
    drawn = draw([elf.text], count, f"{seed}/{count}")
    path = tools.TARGET / "addresses" / f"{elf.path.name}-agree-{count}-{seed}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{address:x}\n" for address in drawn))
    answers = {}
    for name in ["ours"] + [name for name in READERS if name in names]:
        tools.say(f"asking {name} for {len(drawn):,} addresses")
        answers[name] = by_program(elf, path) if name in tools.PROGRAMS else by_library(name, elf, path)
    ours = answers.pop("ours")
    lines = ["", f"Agreement with ours, {len(drawn):,} addresses: share of all addresses"]
    lines.append(f"  {'':18}{'chain length':>14}{'first line':>12}{'all lines':>12}{'all files':>12}{'all names':>12}")
    for name, theirs in answers.items():
        lines.append(f"  {name:18}" + shares(ours, theirs))
    for name, theirs in answers.items():
        judges = {other: said for other, said in answers.items() if other != name}
        lines += differences(name, drawn, ours, theirs, judges, examples)
    return lines


def by_library(name, elf, addresses):
    dump = tools.TARGET / f"answers.{name}"
    figure = tools.measure_library(name, elf, addresses, dump=dump)
    if "error" in figure:
        raise SystemExit(f"{name}: {figure['error']}")
    with open(dump, newline="\n") as lines:
        split = [[part.split("\t") for part in line.rstrip("\n").split("\x1e") if part] for line in lines]
    names = readable(name for frames in split for name, _, _ in frames)
    return [chain((names[name], file, line) for name, file, line in frames) for frames in split]


def by_program(elf, addresses):
    """llvm-symbolizer, with raw names."""
    command = [tools.program_path("llvm-symbolizer"), f"--obj={elf.path}", "--inlines", "--no-demangle"]
    text = "".join(f"0x{line}" for line in open(addresses))
    command.append("--output-style=JSON")
    said = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    symbols = [json.loads(line).get("Symbol", []) for line in said.splitlines()]
    names = readable(symbol["FunctionName"] for found in symbols for symbol in found)
    return [chain((names[s["FunctionName"]], s["FileName"], s["Line"]) for s in found) for found in symbols]


def readable(raw):
    """Names by raw names, from one demangler for all: how a tool spells names is not compared here, only which
    function it means. One that is readable already stays as it is."""
    raw = sorted(set(raw))
    demangler = [str(tools.TARGET / "tools" / "ours" / "offline"), "demangle"]
    said = subprocess.run(demangler, input="\n".join(raw), capture_output=True, text=True, check=True).stdout
    return dict(zip(raw, said.split("\n")))


def chain(parts):
    """An answer in one form for all: nothing at all for a tool that says it does not know."""
    frames = tuple(Frame(tidy(name), path(file), int(line)) for name, file, line in parts)
    known = any(frame.name not in NOTHING or frame.line for frame in frames)
    return frames if known else ()


def tidy(name):
    """Without what only some strip: the hash, the suffix of a copy made by LLVM, a place for a name."""
    name = re.sub(r"(::h[0-9a-f]{16}|\.llvm\.\d+)+$", "", name)
    return "" if name == "??" or re.fullmatch(r"\S+\+0x[0-9a-f]+", name) else name


def path(file):
    return "" if file in NOTHING else os.path.normpath(file)


def same(ours, theirs, what):
    return [getattr(frame, what) for frame in ours] == [getattr(frame, what) for frame in theirs]


def shares(ours, theirs):
    counts = Counter()
    for mine, other in zip(ours, theirs, strict=True):
        counts["length"] += len(mine) == len(other)
        counts["first"] += mine[:1] == other[:1] or bool(mine and other and mine[0].line == other[0].line)
        for what in ("line", "file", "name"):
            counts[what] += same(mine, other, what)
    return "".join(f"{100 * counts[what] / len(ours):>{width}.3f}%"
                   for what, width in [("length", 13), ("first", 11), ("line", 11), ("file", 11), ("name", 11)])


def kind(ours, theirs):
    """The class of a difference, or none."""
    if ours == theirs:
        return None
    if not theirs or not ours:
        return f"{'they say' if ours else 'we say'} nothing" + lines_of(ours or theirs)
    if len(ours) != len(theirs):
        more = "we have more frames" if len(ours) > len(theirs) else "they have more frames"
        return more + ("" if ours[0].line and theirs[0].line else ", one side has no line")
    for what in ("line", "file"):
        if not same(ours, theirs, what):
            first = getattr(ours[0], what) != getattr(theirs[0], what)
            return f"{what} differs" + (" in the first frame" + lines_of(ours) if first else "")
    return name_kind(*next((a.name, b.name) for a, b in zip(ours, theirs) if a.name != b.name), ours)


def name_kind(mine, other, ours):
    if not mine or not other:
        return f"name: {'they have' if mine else 'we have'} none"
    if mine.lstrip("_") == other.lstrip("_"):
        return "name: leading underscores"
    if plain(mine) == plain(other):
        return "name: generic arguments"
    return "name: another one" + lines_of(ours)


def plain(name):
    """Without what stands in angle brackets or parentheses, from the inside out."""
    before = None
    while before != name:
        before, name = name, re.sub(r"(::)?<[^<>]*>|\([^()]*\)", "", name)
    return name.split()[-1] if name.split() else name


def lines_of(frames):
    return "" if frames[0].line else " (no line: from the symbol table)"


def differences(name, addresses, ours, theirs, judges, examples):
    """The classes of difference with one tool, how many each has, whom the others side with, and examples."""
    found = defaultdict(list)
    for index, (mine, other) in enumerate(zip(ours, theirs)):
        if found_kind := kind(mine, other):
            found[found_kind].append(index)
    total = sum(map(len, found.values()))
    yield ""
    yield f"Differences with {name}: {total:,} of {len(ours):,}"
    for what, indexes in sorted(found.items(), key=lambda item: -len(item[1])):
        sides = Counter()
        for index in indexes:
            for said in judges.values():
                sides["us" if said[index] == ours[index] else "them" if said[index] == theirs[index] else "nobody"] += 1
        verdict = ", ".join(f"{side} {count:,}" for side, count in sides.most_common())
        yield f"  {len(indexes):>7,}  {what}; the other tools side with: {verdict or '-'}"
        for index in indexes[:: max(1, len(indexes) // examples)][:examples] if examples else ():
            yield f"           {addresses[index]:#x}"
            yield f"             ours  {shown(ours[index])}"
            yield f"             {name:5} {shown(theirs[index])}"


def shown(frames):
    text = " < ".join(f"{frame.name} {os.path.basename(frame.file)}:{frame.line}" for frame in frames)
    return text[:400] or "(nothing)"
