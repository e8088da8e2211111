"""The tables, as lines of text."""

import statistics
from dataclasses import dataclass

import tools

FUNCTIONS = [0.1, 0.2, 0.3, 0.4]


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    def text(self, digits):
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f} .. {self.most:,.{digits}f})"


def spread(values):
    """Over the rounds; none without any."""
    values = [value for value in values if value is not None]
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def of_case(figures, case):
    return {cell: runs for cell, runs in figures.items() if cell.case == case}


def worst_thread(run):
    """The largest error of a thread's share, in percentage points."""
    return 100 * max(abs(thread["seen"] - thread["true"]) for thread in run["threads"])


def worst_function(run):
    return 100 * max(abs(seen - true) for seen, true in zip(run["functions"], FUNCTIONS))


def is_about_threads(cell):
    """Shares of threads at 99 Hz, of those that have more than one by name."""
    return cell.label in ("99 Hz, busy 2", "99 Hz, busy 8", "99 Hz, skew 4")


def is_about_functions(cell):
    return cell.label == "99 Hz, busy 2"


def is_about_roots(cell):
    return cell.label.startswith("99 Hz, ") and "skew" not in cell.label


def table(title, rows, engines, value, digits):
    """A line for each cell, a column for each engine, and what ours are to the peer's."""
    ours = [engine for engine in engines if engine != tools.PEER]
    yield title
    ratios = "".join(f"{engine + '/' + tools.PEER:>14}" for engine in ours)
    yield f"  {'':20}" + "".join(f"{engine:>26}" for engine in engines) + ratios
    for cell, runs in rows.items():
        found = {engine: spread(map(value, runs.get(engine, []))) for engine in engines}
        line = f"  {cell.label:20}"
        line += "".join(f"{found[engine].text(digits) if found[engine] else '-':>26}" for engine in engines)
        peer = found[tools.PEER]
        for engine in ours:
            has_ratio = found[engine] and peer and peer.median
            line += f"{found[engine].median / peer.median:>13.2f}x" if has_ratio else f"{'-':>14}"
        yield line


def tables(figures, engines):
    """Every table of what was measured, each a list of lines."""
    covered, aliased = of_case(figures, "coverage"), of_case(figures, "aliased")
    if covered:
        title = "Coverage of the CPU time: sampled, of what the threads' clocks say; 1 is right"
        yield list(table(title, covered, engines, lambda run: run["coverage"], 3))
        rows = {cell: runs for cell, runs in covered.items() if is_about_threads(cell)}
        title = "Shares of threads: the worst error of a run, in percentage points; 0 is right"
        yield list(table(title, rows, engines, worst_thread, 2))
        rows = {cell: runs for cell, runs in covered.items() if is_about_functions(cell)}
        title = "Shares of functions that are as 1:2:3:4, over 30 s: the worst error of a run, in percentage points"
        yield [*table(title, rows, engines, worst_function, 2), *function_shares(rows, engines)]
        rows = {cell: runs for cell, runs in covered.items() if is_about_roots(cell)}
        title = "Stacks that reach the root of their thread, built without frame pointers; pprof does not say"
        yield list(table(title, rows, engines, lambda run: run["rooted"], 3))
    if aliased:
        yield list(aliasing(aliased, engines))
    if rows := of_case(figures, "sample"):
        yield list(costs(rows))
    if rows := of_case(figures, "throughput"):
        yield list(throughput(rows))
    if rows := of_case(figures, "rss"):
        yield list(memory(rows, engines))


def function_shares(rows, engines):
    for runs in rows.values():
        for engine in engines:
            shares = [statistics.median(run["functions"][at] for run in runs[engine]) for at in range(4)]
            yield f"  {engine:8} " + " ".join(f"{100 * share:.1f} %" for share in shares) + " (medians)"


def aliasing(rows, engines):
    title = "Work in step with the kernel's tick, 1 ms every 20 ms on four threads: how much is seen"
    yield from table(title, rows, engines, lambda run: run["coverage"], 3)
    yield "  the profile's own word for it:"
    yield from list(table(title, rows, engines, lambda run: run["own_coverage"], 3))[2:]
    yield "  samples taken, of those to be expected: fewer, each for more time, show fewer of the places"
    yield from list(table(title, rows, engines, taken, 3))[2:]
    for runs in rows.values():
        for engine in engines:
            last = runs[engine][-1]
            said = last["comments"] or ["nothing"]
            yield f"  {engine} saw {100 * last['coverage']:.0f} % in the last round, and its profile says:"
            yield from (f"      {line}" for line in said)


def taken(run):
    return run["samples"] / (run["used"] * run["hertz"])


def costs(rows):
    yield "CPU time of one sample, hot, in nanoseconds, beyond that of a signal that does nothing"
    yield f"  {'':12}{'frames':>8}{'timers':>26}{'pprof':>30}{'timers/pprof':>14}{'dropped':>20}"
    for cell, runs in rows.items():
        ours, peer = (spread(run["ns"] for run in runs[engine]) for engine in ("timers", tools.PEER))
        frames = statistics.median(run["frames"] for run in runs["timers"])
        dropped = " and ".join(f"{100 * max(run['dropped'] for run in runs[e]):.1f} %" for e in ("timers", tools.PEER))
        ratio = f"{ours.median / peer.median:>13.2f}x"
        yield f"  {cell.label:12}{frames:>8.0f}{ours.text(0):>26}{peer.text(0):>30}{ratio}{dropped:>20}"


def overheads(runs):
    """Of all pairs of all rounds: the quartiles."""
    pairs = [pair for run in runs for pair in run["overheads"]]
    return statistics.quantiles(pairs, n=4, method="inclusive"), len(pairs)


def throughput(rows):
    yield "CPU time that the same work takes more with sampling at 99 Hz, in percent; quartiles of all pairs"
    yield f"  {'':10}{'first':>10}{'median':>10}{'third':>10}{'pairs':>8}"
    for runs in rows.values():
        for engine in ("none", "timers", "perf", tools.PEER):
            if engine in runs:
                quartiles, count = overheads(runs[engine])
                name = "control" if engine == "none" else engine
                yield f"  {name:10}" + "".join(f"{value:>+10.2f}" for value in quartiles) + f"{count:>8}"


def added(run, when):
    """MiB over what was there before."""
    return (run[when] - run["before"]) / 1024


def remains_anonymous(run):
    return (run["anonymous_after"] - run["anonymous_before"]) / 1024


def memory(rows, engines):
    yield "Resident memory, MiB: before, and over that while sampling at 99 Hz and 20 s after the last reader left"
    heads = "".join(f"{head:>26}" for head in ("before", "most, added", "remains", "of which anonymous"))
    yield f"  {'':10}{heads}"
    for runs in rows.values():
        for engine in engines:
            values = (
                [run["before"] / 1024 for run in runs[engine]],
                [added(run, "most") for run in runs[engine]],
                [added(run, "after") for run in runs[engine]],
                [remains_anonymous(run) for run in runs[engine]],
            )
            yield f"  {engine:10}" + "".join(f"{spread(column).text(2):>26}" for column in values)
