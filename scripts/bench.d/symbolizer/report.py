"""Tables of medians, the ratio to the best peer, and the goals: met, or not."""

import statistics
from dataclasses import dataclass

import tools

MIB = 1024


def value(figure, what):
    """One figure of a run, in the unit it is shown in; none when the run did not give it."""
    before = figure.get("before_kib", 0)
    kib = {"peak": ("peak_kib", 0), "grown": ("peak_kib", before), "held": ("held_kib", before)}
    kib |= {"dropped": ("dropped_kib", before), "purged": ("purged_kib", before)}
    if what in kib:
        name, base = kib[what]
        return (figure[name] - base) / MIB if name in figure else None
    if what == "repeat":
        return statistics.median(figure["repeat_us"]) if figure.get("repeat_us") else None
    return figure.get(what)


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    def __str__(self):
        digits = 0 if self.median >= 100 else 1 if self.median >= 1 else 2
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f} .. {self.most:,.{digits}f})"


def spread(runs, what):
    """Over the rounds; none when any round failed: a tool that fails at times has no figure."""
    values = [value(run, what) for run in runs]
    if not values or None in values:
        return None
    return Spread(statistics.median(values), min(values), max(values))


# Libraries differ by one frame in a hundred, mostly about labels in assembly. Who says less than this share of what
# the others say has not done the work, and its figures count for nothing.
ENOUGH = 0.95


def missing(by_tool, tool):
    """How many frames a library gave and how many there are, when it gave too few."""
    medians = {name: spread(runs, "frames") for name, runs in by_tool.items() if name in tools.LIBRARIES}
    most = max((found.median for found in medians.values() if found), default=0)
    got = medians.get(tool)
    return (got.median, most) if got and got.median < ENOUGH * most else None


def best_peer(by_tool, what):
    """The peer with the least median and that median, or none."""
    peers = [tool for tool in by_tool if tool != "ours" and not missing(by_tool, tool)]
    known = [(found.median, tool) for tool in peers if (found := spread(by_tool[tool], what))]
    return min(known, default=None)


COLUMNS = {
    "cpu_ms": "CPU ms",
    "peak": "peak MiB",
    "grown": "peak growth MiB",
    "dropped": "left, dropped",
    "purged": "left, purged",
    "repeat": "repeat us/address",
    "frames": "frames",
}
SHOWN = {
    "offline": ["cpu_ms", "peak", "frames"],
    "process": ["cpu_ms", "grown", "dropped", "purged", "frames"],
    "compressed": ["cpu_ms", "peak", "frames"],
    "repeat": ["repeat"],
    "curve": ["cpu_ms", "peak"],
}
TITLES = {
    "offline": "Offline, cold: addresses uniform over .text, in no order or sorted",
    "process": "In process, cold: a running executable names its own addresses; growth over the moment before",
    "compressed": "Compressed debug info, 2,000 addresses",
    "repeat": "In process, warm: the same addresses again; CPU time",
    "curve": "How the cost grows: addresses over all units, or in the one with the most code",
}


def tables(made, figures):
    """The tables of all cells, as lines."""
    shown = set()
    for cell in made:
        if cell.case not in shown:
            shown.add(cell.case)
            yield ""
            yield TITLES[cell.case]
            columns = "".join(f"{COLUMNS[what]:>27}" for what in SHOWN[cell.case])
            yield f"  {'':36}{columns}{'CPU against best peer':>24}" if cell.case != "repeat" else f"  {'':36}{columns}"
        for tool, runs in figures[cell.key].items():
            yield f"  {cell.label:19} {tool:16}" + "".join(cells_of(cell, tool, runs, figures[cell.key]))


def cells_of(cell, tool, runs, by_tool):
    errors = [run["error"] for run in runs if "error" in run]
    if errors:
        yield f" FAILED in {len(errors)} of {len(runs)} rounds: {' '.join(errors[0].split())}"
        return
    for what in SHOWN[cell.case]:
        found = spread(runs, what)
        text = f"{found.median:,.0f}" if what == "frames" and found else str(found or "-")
        yield f"{text:>27}"
    best = best_peer(by_tool, "cpu_ms")
    if few := missing(by_tool, tool):
        yield f"   INCOMPLETE: {few[0]:,.0f} of {few[1]:,.0f} frames"
    elif cell.case != "repeat" and best:
        yield f"{spread(runs, 'cpu_ms').median / best[0]:>23.2f}x"


@dataclass(frozen=True)
class Goal:
    """`what` of ours in a cell stays below `most`: an absolute figure, or a share of the best peer's."""

    cell: str
    what: str
    most: float
    share: bool = False

    def judge(self, figures):
        """The line of this goal and whether it is met; a goal that was not measured is not met."""
        by_tool = figures.get(self.cell, {})
        ours, best = spread(by_tool.get("ours", []), self.what), best_peer(by_tool, self.what)
        name = f"{self.cell}: {COLUMNS[self.what]}"
        if not ours or (self.share and not best):
            return f"  {'NOT MEASURED':13}{name}", False
        peer = f"best peer {best[0]:,.1f} ({best[1]})" if best else "no peer"
        got = ours.median / best[0] if self.share else ours.median
        bound = f"<= {self.most:g}{'x best peer' if self.share else ''}"
        if few := missing(by_tool, "ours"):
            return f"  {'NOT MET':13}{name:44}{bound:>20}   gives only {few[0]:,.0f} of {few[1]:,.0f} frames", False
        met = got <= self.most
        return f"  {'met' if met else 'NOT MET':13}{name:44}{bound:>20}{got:>11.2f}   ours {ours}, {peer}", met


GOALS = [
    Goal("process/2,000", "grown", 12),
    Goal("process/2,000", "purged", 4),
    Goal("process/2,000", "cpu_ms", 0.75, share=True),
    Goal("offline/100", "cpu_ms", 0.6, share=True),
    Goal("offline/10,000", "cpu_ms", 0.65, share=True),
    Goal("offline/100,000", "cpu_ms", 0.5, share=True),
    Goal("offline/100", "peak", 16),
    Goal("offline/10,000", "peak", 24),
    Goal("offline/100,000", "peak", 80),
    Goal("compressed/zlib", "peak", 20),
    Goal("compressed/zstd", "peak", 20),
    Goal("repeat/2,000", "repeat", 1),
]


def goals(figures, wanted_cases):
    """The lines of the goals of the cases that were asked for, and how many are missed."""
    asked = [goal for goal in GOALS if goal.cell.split("/")[0] in wanted_cases]
    judged = [goal.judge(figures) for goal in asked]
    lines = ["", "Goals (medians)"] + [line for line, _ in judged]
    missed = sum(1 for _, met in judged if not met)
    if asked:
        lines += ["", f"{len(asked) - missed} of {len(asked)} goals are met"]
    return lines, missed
