"""Measures this project against its peers, side by side in one run: `make bench`.

A part of it, which leaves RESULTS.md as it is:

    python -m benchmarks.run --rounds 1 --workload events --kind json --rows 100000
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections import defaultdict
from functools import partial
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import data
from benchmarks.contestants import CONTESTANTS, FILES
from benchmarks.measure import Case, isolated, measure
from benchmarks.report import MB, TIMES, tables, write

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Run

ROUNDS = 5
PATIENCE = 40.0
"""Seconds after which a contestant sits out the rounds that are left: DuckDB's own gzip takes a minute."""

WIDTH = 120
"""Columns at least, which the tables need."""


def main() -> None:
    """Measure, print, and write RESULTS.md when all of it was measured."""
    parser = ArgumentParser("python -m benchmarks.run", formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contestant writes")
    parser.add_argument("--rows", type=int, default=data.EVENTS_ROWS, help="of events")
    parser.add_argument("--workload", choices=("events", "lineitem"), help="only this one")
    parser.add_argument("--kind", choices=tuple(FILES), help="only this kind of file")
    options = parser.parse_args()

    console = Console(highlight=False, width=max(WIDTH, get_terminal_size().columns))
    runs: dict[Case, list[Run]] = defaultdict(list)

    def take_turn(turn: str, case: Case, source: Path) -> None:
        run = measure(case, source)
        runs[case].append(run)
        name = f"{case.workload:12} {case.kind:8} {case.contestant:11}"
        console.print(f"{turn:10} {name} {run.seconds:6.2f} s {run.cpu_seconds:6.2f} s CPU {run.peak / MB:6.0f} MB")

    sources = {"events": partial(data.events, options.rows), "lineitem": data.lineitem}
    folders = {name: isolated(make) for name, make in sources.items() if options.workload in {name, None}}
    kinds = [kind for kind in FILES if options.kind in {kind, None}]
    for number in range(1, options.rounds + 1):
        for name, folder in folders.items():
            # Those that are compared follow each other, so that whatever else the machine does hits them alike.
            for case in (Case(name, kind, contestant) for kind in kinds for contestant in CONTESTANTS):
                if sum(run.seconds for run in runs[case]) < PATIENCE:
                    take_turn(f"{number}/{options.rounds}", case, folder)
    if "events" in folders:
        for kind in kinds:
            take_turn("memory", Case(f"events x{TIMES}", kind, "stages"), data.times(folders["events"], TIMES))

    console.print(*tables(runs))
    if options == parser.parse_args([]):
        write(runs)


if __name__ == "__main__":
    main()
