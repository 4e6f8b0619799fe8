"""What the measurements of serialization say."""

from __future__ import annotations

from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.measure import Case
from benchmarks.report import MB, Aim, Report, peak, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich import box

    from benchmarks.report import Runs

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

Written by `make bench` on {machine}, with {programs}.

- **serializer** is this project's writer of one format. **stages** is its whole path: validate, extract, serialize,
  deliver with verification, publish the manifest. **copy** is DuckDB's own COPY, **polars** its streaming engine with
  gzip at level 1.
- **events** are 2 million generated records with nested columns, **lineitem** is that of TPC-H at scale factor 1:
  6 million records.
- Each contestant has as many threads as there are cores. Each run is a process of its own, which writes 1,000 records
  first to import what it needs. Contestants take turns. One that has used 40 seconds sits out the rounds that are left.
- Seconds are the median, with the fastest and the slowest run. CPU is the median over all threads, which other work on
  the machine disturbs less. Memory is the most that was resident in any run, with Python and all modules.
  MB are 10^6 bytes.

"""


def _aims(runs: Runs) -> Iterator[Aim]:
    for workload, kind in dict.fromkeys((case.workload, case.kind) for case in runs if case.contestant == "copy"):
        serializer, stages, copy, polars = (
            runs[Case(workload, kind, contestant)] for contestant in ("serializer", "stages", "copy", "polars")
        )
        name, speed = NAMES[kind], SPEED[workload, kind]
        yield Aim(
            workload=workload,
            what=f"{name}: speed of serializer / copy",
            value=ratio(copy, serializer),
            at_least=speed,
        )
        if kind == "json":
            yield Aim(
                workload=workload,
                what=f"{name}: seconds of serializer / polars",
                value=ratio(serializer, polars),
                at_most=1,
            )
            size = serializer[0].size / polars[0].size
            yield Aim(workload=workload, what=f"{name}: bytes of serializer / polars", value=size, at_most=0.8)
        yield Aim(
            workload=workload,
            what=f"{name}: seconds of stages / serializer",
            value=ratio(stages, serializer),
            at_most=1.6,
        )
        most = peak(stages)
        yield Aim(workload=workload, what=f"{name}: peak MB of stages", value=most, at_most=512)
        if more := runs.get(Case(f"{workload} x{TIMES}", kind, "stages")):
            what = f"{name}: peak MB of stages with {TIMES} times the records"
            yield Aim(workload=workload, what=what, value=peak(more), at_most=512)
            yield Aim(workload=workload, what=f"{name}: ratio of these peaks", value=peak(more) / most, at_most=1.1)


def _figures(runs: Runs, style: box.Box) -> Table:
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
            f"{ratio(copy, measured):.2f}" if copy else "",
            f"{measured[0].size / MB:.1f}",
            f"{peak(measured):.0f}",
            str(len(measured)),
        )
    return table


REPORT = Report(head=HEAD, programs=PROGRAMS, aims=_aims, figures=_figures)
