"""What the measurements of a campaign's results say."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.campaign import OURS
from benchmarks.report import Aim, Report, peak, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich import box

    from benchmarks.report import Runs

HEAD = """\
# Results of a campaign of 20 million message events

Written by `make bench` on {machine}, with {programs}.

- **results** is this project's whole path: the events of one campaign, about 20 million in an hour's Parquet files of
  ten days, each of a hundred delivered twice, become all files of its results. Staging, verification and manifest are
  included.
- **read** is DuckDB reading every value of the same files once, **count** its `count(*)`, which looks at the end of
  each file alone. Each has the memory and the threads that this project's DuckDB has.
- Seconds are the median. Memory is the most in any run, Python and its modules included. MB are 10^6 bytes.

"""


def _aims(runs: Runs) -> Iterator[Aim]:
    for case, measured in runs.items():
        if case.contestant == OURS:
            yield Aim(workload=case.workload, what="MB of results", value=peak(measured), at_most=512)


def _figures(runs: Runs, style: box.Box) -> Table:
    table = Table("workload", "contestant", box=style)
    for name in ("seconds", "range", "times as long: results", "CPU s", "peak MB", "runs"):
        table.add_column(name, justify="right")
    ours = next(measured for case, measured in runs.items() if case.contestant == OURS)
    for case, measured in runs.items():
        seconds = [run.seconds for run in measured]
        table.add_row(
            case.workload,
            case.contestant,
            f"{median(seconds):.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{ratio(ours, measured):.1f}",
            f"{median(run.cpu_seconds for run in measured):.2f}",
            f"{peak(measured):.0f}",
            str(len(measured)),
        )
    return table


REPORT = Report(head=HEAD, programs=("duckdb",), aims=_aims, figures=_figures)
