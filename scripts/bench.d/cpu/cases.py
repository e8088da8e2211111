"""What is measured: the runs of a round, and how they are made."""

import json
from dataclasses import dataclass

import tools

CASES = ["coverage", "aliased", "sample", "throughput", "rss"]
DEPTHS = [5, 20, 50, 100]

# Coverage and shares of fewer samples than this say more about chance than about the sampler: shares of functions,
# whose place in a stretch of work is chance, need more.
ENOUGH = 250
ENOUGH_FOR_FUNCTIONS = 1500
ENOUGH_ALIASED = 80

# How often a run that got too little CPU is made again, at most three times as long each time.
ATTEMPTS = 4


@dataclass(frozen=True)
class Cell:
    """A row of a table: one run by each engine in each round."""

    case: str
    label: str
    program: str
    # Before and after the engine's name.
    before: tuple = ()
    after: tuple = ()
    # Of CPU time multiplied by hertz, for cpu_truth, whose second argument after the engine is the length.
    enough: int = 0
    engines: tuple = ()
    # With all engines at a time: for what needs no processor to itself.
    together: bool = False


def truth(case, hertz, scenario, threads, seconds, enough=ENOUGH):
    name = "tokio" if scenario == "tokio" else f"{scenario} {threads}"
    return Cell(case, f"{hertz} Hz, {name}", "cpu_truth", (), (hertz, seconds, scenario, threads), enough)


def cells(chosen, quick):
    """The rows of the cases that were asked for."""
    window = 3 if quick else 4
    made = []
    for hertz in (99, 999):
        for threads in (1, 2, 4, 8):
            # The one that also shows the functions.
            long = (hertz, threads) == (99, 2)
            enough = ENOUGH_FOR_FUNCTIONS if long else ENOUGH
            made.append(truth("coverage", hertz, "busy", threads, 30 if long else window, enough))
        made.append(truth("coverage", hertz, "tokio", 8, window))
        if hertz == 99:
            made.append(truth("coverage", hertz, "skew", 4, window))
    made.append(truth("aliased", 99, "aliased", 4, 8, ENOUGH_ALIASED))
    for depth in DEPTHS:
        made.append(Cell("sample", f"depth {depth}", "cpu_cost", ("sample",), (2.5, depth), engines=("timers", tools.PEER)))
    pairs = 5 if quick else 10
    engines = ("none", "timers", "perf", tools.PEER)
    made.append(Cell("throughput", "two threads", "cpu_cost", ("throughput",), (pairs,), engines=engines))
    made.append(Cell("rss", "two threads", "cpu_cost", ("rss",), (5 if quick else 10, 20), together=True))
    return [cell for cell in made if cell.case in chosen]


def run(made, engines, rounds, raw):
    """The figures by cell and engine, one a round."""
    figures = {cell: {} for cell in made}
    for number in range(1, rounds + 1):
        for at, cell in enumerate(made):
            mine = [engine for engine in cell.engines or engines if engine in (*engines, "none")]
            # Not always in the same order.
            turn = number % len(mine)
            mine = mine[turn:] + mine[:turn]
            tools.say(f"round {number} of {rounds}, {at + 1} of {len(made)}: {cell.case}, {cell.label}")
            for engine, found in once(cell, mine):
                figures[cell].setdefault(engine, []).append(found)
                line = {"round": number, "case": cell.case, "label": cell.label, **found, "engine": engine}
                raw.write(json.dumps(line) + "\n")
    return figures


def once(cell, engines):
    if cell.together:
        return list(zip(engines, tools.run_together(cell.program, [(*cell.before, e, *cell.after) for e in engines])))
    return [(engine, until_enough(cell, engine)) for engine in engines]


def until_enough(cell, engine):
    after = list(cell.after)
    for attempt in range(ATTEMPTS):
        found = tools.run(cell.program, *cell.before, engine, *after)
        if not cell.enough or attempt + 1 == ATTEMPTS:
            break
        hertz, seconds = after[0], after[1]
        samples = found["used"] * hertz
        if samples >= cell.enough:
            break
        after[1] = round(seconds * min(3.0, 1.3 * cell.enough / max(samples, 1)), 1)
    return found
