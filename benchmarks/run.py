"""Measures this project against its peers, side by side in one run: `make bench`.

A part of it; RESULTS.md has `--workload delivery`, `campaign` and `parsing` as parts of their own, and is left as it is
by other choices:

    python -m benchmarks.run --workload delivery
    python -m benchmarks.run --rounds 1 --workload campaign --messages 1000000
    python -m benchmarks.run --rounds 1 --workload parsing --exports 50
    python -m benchmarks.run --rounds 1 --workload events --kind json --rows 100000
    python -m benchmarks.run --rounds 1 --workload delivery --kind s3 --bytes 100000000 --files 500
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections import defaultdict
from functools import partial
from itertools import product
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import (
    campaign,
    data,
    definitions,
    delivery,
    measure,
    parsing,
    report_campaign,
    report_delivery,
    report_parsing,
    report_serialization,
)
from benchmarks.contestants import CONTESTANTS, FILES
from benchmarks.measure import Case
from benchmarks.report import MB
from benchmarks.report_serialization import TIMES
from include.local import stores

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.measure import Run

ROUNDS = 5
PATIENCE = 40.0
"""Seconds after which a contestant sits out the rounds that are left: DuckDB's own gzip takes a minute."""

WIDTH = 120
"""Columns at least, which the tables need."""


class Turns:
    """Lets contestants take turns, and keeps what they took."""

    def __init__(self, console: Console, measure: Callable[[Case, Path], Run]) -> None:
        self.console, self.measure = console, measure
        self.runs: dict[Case, list[Run]] = defaultdict(list)

    def take(self, turn: str, case: Case, source: Path) -> None:
        """One run, unless the contestant has had its time."""
        if sum(run.seconds for run in self.runs[case]) >= PATIENCE:
            return
        run = self.measure(case, source)
        self.runs[case].append(run)
        name = f"{case.workload:12} {case.kind:8} {case.contestant:11}"
        figures = f"{run.seconds:6.2f} s {run.cpu_seconds:6.2f} s CPU {run.peak / MB:6.0f} MB"
        self.console.print(f"{turn:10} {name} {figures}")

    def rounds(self, count: int, compared: Iterable[tuple[Case, Path]]) -> None:
        """Let those that are compared follow each other: whatever else the machine does hits them alike."""
        cases = list(compared)
        for number, (case, source) in product(range(1, count + 1), cases):
            self.take(f"{number}/{count}", case, source)


def main() -> None:
    """Measure, print, and write those parts of RESULTS.md of which all was measured."""
    parser = ArgumentParser("python -m benchmarks.run", formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contestant writes")
    parser.add_argument("--rows", type=int, default=data.EVENTS_ROWS, help="of events")
    parser.add_argument("--bytes", type=int, default=delivery.BYTES, help="of the large file that is delivered")
    parser.add_argument("--files", type=int, default=delivery.FILES, help="small ones that are delivered")
    parser.add_argument("--messages", type=int, default=campaign.ROWS, help="message events of the campaign")
    parser.add_argument("--exports", type=int, default=parsing.EXPORTS, help="that are parsed")
    workloads = ("events", "lineitem", "delivery", "campaign", "parsing")
    parser.add_argument("--workload", choices=workloads, help="only this one")
    parser.add_argument("--kind", choices=(*FILES, *stores.KINDS), help="only this kind of file or store")
    options = parser.parse_args()
    chosen, complete = options.workload, vars(options) == vars(parser.parse_args([])) | {"workload": options.workload}
    console = Console(highlight=False, width=max(WIDTH, get_terminal_size().columns))
    if chosen not in {"delivery", "campaign", "parsing"} and options.kind not in stores.KINDS:
        runs = _serialization(options, console)
        console.print(*report_serialization.REPORT.tables(runs))
        if complete and chosen is None:
            report_serialization.REPORT.write(runs)
    if chosen in {"delivery", None} and options.kind not in FILES:
        runs = _delivery(options, console)
        console.print(*report_delivery.REPORT.tables(runs))
        if complete:
            report_delivery.REPORT.write(runs)
    if chosen in {"campaign", None} and options.kind in {campaign.KIND, None}:
        runs = _campaign(options, console)
        console.print(*report_campaign.REPORT.tables(runs))
        if complete:
            report_campaign.REPORT.write(runs)
    if chosen in {"parsing", None} and options.kind is None:
        runs = _parsing(options, console)
        console.print(*report_parsing.REPORT.tables(runs))
        if complete:
            report_parsing.REPORT.write(runs)


def _serialization(options: Namespace, console: Console) -> dict[Case, list[Run]]:
    turns = Turns(console, measure.measure)
    sources = {"events": partial(data.events, options.rows), "lineitem": data.lineitem}
    folders = {name: measure.isolated(make) for name, make in sources.items() if options.workload in {name, None}}
    kinds = [kind for kind in FILES if options.kind in {kind, None}]
    compared = product(folders.items(), kinds, CONTESTANTS)
    turns.rounds(options.rounds, [(Case(name, kind, who), folder) for (name, folder), kind, who in compared])
    if "events" in folders:
        for kind in kinds:
            turns.take("memory", Case(f"events x{TIMES}", kind, "stages"), data.times(folders["events"], TIMES))
    return turns.runs


def _delivery(options: Namespace, console: Console) -> dict[Case, list[Run]]:
    turns = Turns(console, delivery.measure)
    folders = {
        delivery.LARGE: data.files(1, options.bytes),
        delivery.SMALL: data.files(options.files, delivery.SMALL_BYTES),
    }
    kinds = [kind for kind in stores.KINDS if options.kind in {kind, None}]
    turns.rounds(
        options.rounds,
        [
            (Case(name, kind, who), folder)
            for (name, folder), kind in product(folders.items(), kinds)
            for who in delivery.CONTESTANTS[kind]
        ],
    )
    return turns.runs


def _campaign(options: Namespace, console: Console) -> dict[Case, list[Run]]:
    turns = Turns(console, campaign.measure)
    folder = measure.isolated(campaign.events, options.messages)
    turns.rounds(options.rounds, [(Case(campaign.NAME, campaign.KIND, who), folder) for who in campaign.CONTESTANTS])
    return turns.runs


def _parsing(options: Namespace, console: Console) -> dict[Case, list[Run]]:
    turns = Turns(console, partial(parsing.measure, options.exports))
    compared = product(parsing.KINDS, definitions.DAGS)
    cases = [Case(parsing.NAME, kind, who) for kind, who in compared]
    turns.rounds(options.rounds, [(case, parsing.folder(case, options.exports)) for case in cases])
    return turns.runs


if __name__ == "__main__":
    main()
