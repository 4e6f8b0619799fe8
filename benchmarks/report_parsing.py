"""What the measurements of parsing say."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.definitions import OURS, PLAIN
from benchmarks.report import MB, Aim, Report, peak, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich import box

    from benchmarks.measure import Run
    from benchmarks.report import Runs

HEAD = """\
# Parsing of 1,000 exports against plain DAGs

Written by `make bench` on {machine}, with {programs}.

- **exports** are definitions as people write them: datasets, results and recipients of campaigns, with all kinds of
  destinations and schedules, masks, labels, alerts, conditions. **plain** are DAGs of the same names, tasks, schedules
  and callbacks, written by hand against Airflow alone; they declare fewer parameters and no deadline.
- **files** are 1,000 files of a DAG each, **one file** has all of them; Airflow's limits of 30 and 50 seconds for one
  are lifted. With each DAG Airflow stores the text of its whole file, 0.8 MB here and 1.4 MB of the plain ones: that is
  the memory of the one file, and as much of the database.
- Each run is `airflow dag-processor --num-runs 1` with a database of its own that knows no DAG, from its start to its
  end: a process for each file, two at a time, whose DAGs it writes to the database. Contestants take turns; one that
  has used 40 seconds sits out the rounds that are left.
- Seconds are the median. CPU is that of all processes. Memory is the most in any run: of the largest process, and of
  all together, what they share counted once. **stored MB** is the text of the serialized DAGs. MB are 10^6 bytes.

"""


def _aims(runs: Runs) -> Iterator[Aim]:
    for case, ours in runs.items():
        if case.contestant != OURS:
            continue
        plain = runs[case._replace(contestant=PLAIN)]
        for what, value, bound in (
            ("seconds", ratio(ours, plain), 1.2),
            ("MB together", _together(ours) / _together(plain), 1.2),
            ("stored MB", ours[0].size / plain[0].size, 1.5),
        ):
            yield Aim(
                workload=case.workload, what=f"{case.kind}: {what} of exports / plain", value=value, at_most=bound
            )


def _figures(runs: Runs, style: box.Box) -> Table:
    table = Table("workload", "kind", "contestant", box=style)
    for name in ("seconds", "times as long as plain", "CPU s", "largest MB", "MB together", "stored MB", "runs"):
        table.add_column(name, justify="right")
    for case, measured in runs.items():
        table.add_row(
            case.workload,
            case.kind,
            case.contestant,
            f"{median(run.seconds for run in measured):.1f}",
            f"{ratio(measured, runs[case._replace(contestant=PLAIN)]):.2f}",
            f"{median(run.cpu_seconds for run in measured):.1f}",
            f"{peak(measured):.0f}",
            f"{_together(measured):.0f}",
            f"{measured[0].size / MB:.1f}",
            str(len(measured)),
        )
    return table


def _together(runs: Sequence[Run]) -> float:
    return max(run.together for run in runs) / MB


REPORT = Report(head=HEAD, programs=("apache-airflow",), aims=_aims, figures=_figures)
