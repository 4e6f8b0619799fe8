"""What the measurements say, as tables for the terminal and for RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Case
from include.exports.engine import THREADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.measure import Run

    Runs = Mapping[Case, Sequence[Run]]

RESULTS = Path(__file__).with_name("RESULTS.md")
MB = 1_000_000
TIMES = 10
"""How many times the records of events memory is measured with once more."""
NAMES = {"json": "NDJSON+gzip", "csv": "CSV+gzip", "parquet": "Parquet+zstd"}
PROGRAMS = ("duckdb", "polars", "isal", "pyarrow", "tpchgen-cli")
SPEED: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("events", "json"): 8,
        ("events", "csv"): 6,
        ("events", "parquet"): 0.9,
        ("lineitem", "json"): 8,
        ("lineitem", "csv"): 10,
        ("lineitem", "parquet"): 0.9,
    }
)
"""How many times as fast as DuckDB's COPY the serializer is meant to be."""
HEAD = """\
# Speed and memory against peers

Written by `make bench` on {cores} cores of {cpu}, each contestant with {threads} threads.
Python {python}, {programs}.

- **serializer** is this project's writer of one format. **stages** is its whole path: validate, extract, serialize,
  deliver with verification, publish the manifest. **copy** is DuckDB's own COPY, **polars** its streaming engine with
  gzip at level 1.
- **events** are 2 million generated records with nested columns, **lineitem** is that of TPC-H at scale factor 1:
  6 million records.
- Each run is a process of its own, which writes 1,000 records first to import what it needs. Contestants take turns.
  One that has used 40 seconds sits out the rounds that are left.
- Seconds are the median, with the fastest and the slowest run. CPU is the median over all threads, which other work on
  the machine disturbs less. Memory is the most that was resident in any run, with Python and all modules.
  MB are 10^6 bytes.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A bound that this project sets itself, and the value that was measured."""

    workload: str
    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def write(runs: Runs) -> None:
    """Write RESULTS.md."""
    text = StringIO()
    Console(file=text, width=200).print(*tables(runs, box.MARKDOWN))
    head = HEAD.format(
        cores=os.cpu_count(),
        cpu=_cpu(),
        threads=THREADS,
        python=platform.python_version(),
        programs=", ".join(f"{program} {version(program)}" for program in PROGRAMS),
    )
    RESULTS.write_text(head + "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines()) + "\n")


def tables(runs: Runs, style: box.Box = box.SIMPLE_HEAD) -> tuple[Table, Table]:
    """The aims, met or not, and the figures."""
    return _aims_table(runs, style), _figures_table(runs, style)


def _aims_table(runs: Runs, style: box.Box) -> Table:
    table = Table("workload", "aim", box=style)
    for name in ("bound", "measured", "met"):
        table.add_column(name, justify="right")
    for aim in _aims(runs):
        bound = f">= {aim.at_least:g}" if aim.at_least is not None else f"<= {aim.at_most:g}"
        table.add_row(aim.workload, aim.what, bound, f"{aim.value:.3g}", "yes" if aim.met else "NO")
    return table


def _aims(runs: Runs) -> Iterator[Aim]:
    for workload, kind in dict.fromkeys((case.workload, case.kind) for case in runs if case.contestant == "copy"):
        serializer, stages, copy, polars = (
            runs[Case(workload, kind, contestant)] for contestant in ("serializer", "stages", "copy", "polars")
        )
        name, speed = NAMES[kind], SPEED[workload, kind]
        yield Aim(
            workload=workload,
            what=f"{name}: speed of serializer / copy",
            value=_ratio(copy, serializer),
            at_least=speed,
        )
        if kind == "json":
            yield Aim(
                workload=workload,
                what=f"{name}: seconds of serializer / polars",
                value=_ratio(serializer, polars),
                at_most=1,
            )
            size = serializer[0].size / polars[0].size
            yield Aim(workload=workload, what=f"{name}: bytes of serializer / polars", value=size, at_most=0.8)
        yield Aim(
            workload=workload,
            what=f"{name}: seconds of stages / serializer",
            value=_ratio(stages, serializer),
            at_most=1.6,
        )
        peak = _peak(stages)
        yield Aim(workload=workload, what=f"{name}: peak MB of stages", value=peak, at_most=512)
        if more := runs.get(Case(f"{workload} x{TIMES}", kind, "stages")):
            what = f"{name}: peak MB of stages with {TIMES} times the records"
            yield Aim(workload=workload, what=what, value=_peak(more), at_most=512)
            yield Aim(workload=workload, what=f"{name}: ratio of these peaks", value=_peak(more) / peak, at_most=1.1)


def _figures_table(runs: Runs, style: box.Box) -> Table:
    table = Table("workload", "format", "contestant", box=style)
    for name in ("seconds", "range", "CPU s", "speed / copy", "MB", "peak MB", "runs"):
        table.add_column(name, justify="right")
    for case, measured in runs.items():
        seconds = [run.seconds for run in measured]
        copy = runs.get(Case(case.workload, case.kind, "copy"))
        table.add_row(
            case.workload,
            NAMES[case.kind],
            case.contestant,
            f"{median(seconds):.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{median(run.cpu_seconds for run in measured):.2f}",
            f"{_ratio(copy, measured):.2f}" if copy else "",
            f"{measured[0].size / MB:.1f}",
            f"{_peak(measured):.0f}",
            str(len(measured)),
        )
    return table


def _ratio(one: Sequence[Run], other: Sequence[Run]) -> float:
    return median(run.seconds for run in one) / median(run.seconds for run in other)


def _peak(runs: Sequence[Run]) -> float:
    return max(run.peak for run in runs) / MB


def _cpu() -> str:
    """The model, which Linux alone says in words."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.machine()
