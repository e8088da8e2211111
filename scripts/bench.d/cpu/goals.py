"""What we promise of our engines, and whether it was kept: medians over the rounds, the worst row of each table."""

import statistics
from dataclasses import dataclass
from typing import Callable

import report


@dataclass(frozen=True)
class Goal:
    """`value` of a run, in the rows of `case` that are `about` it, stays from `least` to `most`."""

    case: str
    name: str
    value: Callable
    least: float = float("-inf")
    most: float = float("inf")
    about: Callable = lambda cell: True
    digits: int = 2

    def judge(self, figures, engine):
        """The line of this goal, and whether it was kept; none for an engine that it is not about."""
        rows = [(cell, runs[engine]) for cell, runs in report.of_case(figures, self.case).items() if engine in runs]
        found = [(statistics.median(map(self.value, runs)), cell.label) for cell, runs in rows if self.about(cell)]
        if not found:
            return None
        worst, where = max(found, key=lambda pair: max(pair[0] - self.most, self.least - pair[0]))
        kept = self.least <= worst <= self.most
        bounds = f"<= {self.most:g}" if self.least == float("-inf") else f">= {self.least:g}"
        if float("inf") not in (-self.least, self.most):
            bounds = f"{self.least:g} to {self.most:g}"
        number = f"{worst:.{self.digits}f}"
        return f"  {word(kept):10}{engine:8}{self.name:62}{bounds:>14}{number:>12}   {where}", kept


def word(kept):
    return "kept" if kept else "NOT KEPT"


def honesty(run):
    """How far what a profile says of its coverage is from what that was."""
    return abs(run["own_coverage"] - run["coverage"]) if run["own_coverage"] is not None else float("inf")


def is_at_20(cell):
    return cell.label == "depth 20"


GOALS = [
    Goal("coverage", "coverage", lambda run: run["coverage"], 0.95, 1.05, digits=3),
    Goal("coverage", "shares of threads, points off", report.worst_thread, most=2, about=report.is_about_threads),
    Goal("coverage", "shares of functions, points off", report.worst_function, most=3, about=report.is_about_functions),
    Goal("coverage", "stacks that reach the root", lambda run: run["rooted"], 0.99, about=report.is_about_roots, digits=3),
    Goal("aliased", "aliased: the profile's own coverage, off the true one", honesty, most=0.1, digits=3),
    Goal("sample", "a sample at depth 20, ns", lambda run: run["ns"], most=1000, about=is_at_20, digits=0),
    Goal("sample", "samples dropped, share", lambda run: run["dropped"], most=0, digits=4),
    Goal("rss", "memory added while sampling, MiB", lambda run: report.added(run, "most"), most=4),
    Goal("rss", "memory that remains, MiB", lambda run: report.added(run, "after"), most=1),
]


def of_throughput(figures, engine):
    """No cost that shows in the noise: the quartiles begin within those of the control, which samples nothing in either
    half of its pairs, or at zero. Of all pairs, not of medians."""
    for runs in report.of_case(figures, "throughput").values():
        if engine in runs:
            (first, _, third), _ = report.overheads(runs[engine])
            (low, _, high), _ = report.overheads(runs["none"]) if "none" in runs else ((0, 0, 0), 0)
            kept = first <= max(high, 0)
            got = f"{first:+.2f} .. {third:+.2f}"
            line = f"  {word(kept):10}{engine:8}{'CPU more for the same work, %, quartiles':62}{'in the noise':>14}{got:>17}"
            return f"{line}   (control {low:+.2f} .. {high:+.2f})", kept
    return None


def judge(figures, engines):
    """The lines of all goals, and how many are missed."""
    judged = [goal.judge(figures, engine) for goal in GOALS for engine in engines]
    judged += [of_throughput(figures, engine) for engine in engines]
    judged = [one for one in judged if one]
    missed = sum(1 for _, kept in judged if not kept)
    lines = ["Goals: the worst row of each, medians"] + [line for line, _ in judged]
    return [*lines, "", f"{len(judged) - missed} of {len(judged)} goals are kept"], missed
