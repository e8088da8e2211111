"""scripts/bench symbolizer: see --help."""

import argparse
import os
import sys
from pathlib import Path

import agree
import cases
import report
import tools
from elf import Elf

DESCRIPTION = """\
Measures flamewatch-symbolizer beside its peers on one large binary with debug info, in one run.

Cases:
  offline     cold, 100 to 100,000 addresses of a file
  process     cold, 2,000 addresses of the process's own executable, from a preloaded library
  compressed  2,000 addresses of copies with zlib and zstd debug info
  repeat      the same 2,000 addresses again
  curve       1 to 10,000 addresses, over all units and in one unit

Every library runs in a process of its own, built alone, with jemalloc, and writes into the same store. CPU time is
user and system: of the library from opening the file to the last name stored, of a program (llvm-symbolizer, GNU
addr2line) from start to end. Peak is the whole process's resident memory; growth is over the moment before the
library is asked. The tools take turns within a round; the tables show medians (least .. most).
"""
EPILOG = """\
Without --binary, cargo-nextest is built once with full debug info (20 minutes on 2 busy cores). Debian: llvm
and binutils have the programs; one that is missing is left out and said so. Exit status 1 when a goal is missed.
"""


def words(known):
    def parse(text):
        chosen = text.split(",")
        unknown = [word for word in chosen if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no such name: {', '.join(unknown)}; there are {', '.join(known)}")
        return chosen

    return parse


def positive(text):
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def arguments():
    everything = tools.LIBRARIES + tools.PROGRAMS
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("scripts/bench symbolizer", None, DESCRIPTION, EPILOG, formatter_class=formatter)
    parser.add_argument("--binary", type=Path, help="the ELF executable to name addresses of; it must know --version")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="default: 3")
    parser.add_argument("--case", type=words(cases.CASES), default=cases.CASES, metavar="CASE,...", help="default: all")
    parser.add_argument("--tool", type=words(everything), default=everything, metavar="TOOL,...",
                        help=f"default: {','.join(everything)}")
    parser.add_argument("--sizes", default="100,2000,10000,100000", metavar="N,...", help="addresses of case offline")
    parser.add_argument("--seed", default="flamewatch", help="draws the addresses; default: flamewatch")
    parser.add_argument("--json", type=Path, default=os.devnull, metavar="FILE", help="every figure, a line each")
    parser.add_argument("--agree", type=positive, nargs="?", const=100_000, metavar="N",
                        help="compare the answers for N addresses (100,000) instead of the cost")
    parser.add_argument("--examples", type=int, default=3, metavar="N", help="shown of each class of difference")
    return parser.parse_args()


def present(names):
    """The tools that are here; says which are not."""
    missing = [name for name in names if name in tools.PROGRAMS and not tools.program_path(name)]
    for name in missing:
        tools.say(f"{name} is not installed and left out (Debian: apt-get install llvm binutils)")
    return [name for name in names if name not in missing]


def main():
    asked = arguments()
    elf = Elf((asked.binary or tools.host_binary()).resolve())
    names = present(asked.tool)
    tools.TARGET.mkdir(parents=True, exist_ok=True)
    tools.build(names)
    sizes = (elf.path.stat().st_size, elf.debug_bytes, elf.text[1] - elf.text[0])
    file, debug, text = (f"{size / 2**20:,.1f} MiB" for size in sizes)
    units = sum(1 for _ in elf.units())
    print(f"{elf.path.name}: {file}, debug info {debug}, text {text}, {units:,} units with code")
    print("tools: " + ", ".join(f"{name} {version}" for name, version in tools.versions(names).items()))
    if asked.agree:
        print("\n".join(agree.compare(elf, names, asked.agree, asked.seed, asked.examples)))
        return 0
    sizes = [positive(size) for size in asked.sizes.split(",")]
    made = cases.cells(elf, asked.case, names, sizes)
    with open(asked.json, "w") as raw:
        figures = cases.run(made, asked.rounds, asked.seed, raw)
    lines, missed = report.goals(figures, asked.case)
    print("\n".join([*report.tables(made, figures), *lines]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
