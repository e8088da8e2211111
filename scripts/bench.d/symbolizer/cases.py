"""What is measured: the cases, their addresses, and the rounds in which the tools take turns."""

import json
import random
import sys
from dataclasses import dataclass

import tools
from elf import Elf, draw

CASES = ["offline", "process", "compressed", "repeat", "curve"]
CURVE = [1, 10, 100, 1_000, 10_000]
CURVE_TOOLS = ["ours", "blazesym", "addr2line"]
READERS = ["ours", "blazesym", "addr2line", "wholesym", "llvm-symbolizer"]


@dataclass(frozen=True)
class Cell:
    """One row of figures per tool: the same addresses of the same file, asked in the same way."""

    case: str
    label: str
    elf: Elf
    count: int
    tools: tuple
    ranges: tuple
    repeat: int = 0
    in_process: bool = False
    in_order: bool = False

    @property
    def key(self):
        return f"{self.case}/{self.label}"


def cells(elf, wanted_cases, wanted_tools, sizes):
    """The cells of the cases, without tools nobody asked for. GNU addr2line takes 10 s for any number: one size."""
    made = []
    text = (elf.text,)

    def add(case, label, count, able, **how):
        chosen = tuple(name for name in able if name in wanted_tools)
        if case in wanted_cases and chosen:
            file, ranges = how.pop("elf", elf), how.pop("ranges", text)
            made.append(Cell(case, label, file, count, chosen, tuple(ranges), **how))

    for size in sizes:
        able = READERS + ["gnu-addr2line"] if size == min(sizes) else READERS
        add("offline", f"{size:,}", size, able)
        add("offline", f"{size:,} sorted", size, READERS, in_order=True)
    add("process", "2,000", 2_000, tools.LIBRARIES, in_process=True)
    for form in ("zlib", "zstd") if "compressed" in wanted_cases else ():
        copy = tools.compressed(elf.path, form)
        if copy:
            add("compressed", form, 2_000, READERS, elf=Elf(copy))
        else:
            tools.say(f"no {form} case: this objcopy cannot compress that way")
    add("repeat", "2,000", 2_000, tools.LIBRARIES, in_process=True, repeat=5)
    unit = elf.widest_unit()
    for size in CURVE:
        add("curve", f"all units, {size:,}", size, CURVE_TOOLS)
        if unit and size <= sum(end - start for start, end in unit):
            add("curve", f"one unit, {size:,}", size, CURVE_TOOLS, ranges=unit)
    return made


def addresses_of(cell, seed):
    """The file with the cell's addresses. The same seed gives the same addresses, whatever else is measured.

    In no order, as stacks bring them, but where the cell says otherwise: whoever sorts for a tool that answers one
    address at a time spares it a third of the time at 100,000."""
    path = tools.TARGET / "addresses" / f"{cell.elf.path.name}-{cell.case}-{cell.label.replace(' ', '-')}-{seed}"
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = draw(list(cell.ranges), cell.count, f"{seed}/{cell.count}")
    if not cell.in_order:
        random.Random(seed).shuffle(drawn)
    path.write_text("".join(f"{address:x}\n" for address in drawn))
    return path


def measure(cell, tool, addresses):
    if tool in tools.PROGRAMS:
        return tools.measure_program(tool, cell.elf, addresses)
    return tools.measure_library(tool, cell.elf, addresses, cell.repeat, cell.in_process)


def run(made, rounds, seed, raw):
    """All figures by cell and tool. The tools take turns within each round, so that a busy minute hits them all."""
    addresses = {cell.key: addresses_of(cell, seed) for cell in made}
    figures = {}
    total, done = rounds * sum(len(cell.tools) for cell in made), 0
    for number in range(1, rounds + 1):
        for cell in made:
            for tool in cell.tools:
                done += 1
                progress(f"[{done}/{total}] round {number} of {rounds}: {cell.case}, {cell.label}: {tool}")
                figure = measure(cell, tool, addresses[cell.key])
                figures.setdefault(cell.key, {}).setdefault(tool, []).append(figure)
                line = {"case": cell.case, "label": cell.label, "round": number} | figure | {"tool": tool}
                raw.write(json.dumps(line) + "\n")
                raw.flush()
    progress("")
    return figures


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
