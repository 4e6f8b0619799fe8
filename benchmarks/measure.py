"""One measurement, in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from benchmarks import data
from benchmarks.contestants import CONTESTANTS
from include.exports.engine import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable
    from resource import struct_rusage

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Linux counts resident memory in kilobytes, macOS in bytes."""
WARM_UP_ROWS = 1000


class Case(NamedTuple):
    """What is measured."""

    workload: str
    kind: str
    """`json`, `csv` or `parquet`."""
    contestant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a contestant took to do a workload once. Programs that it started count as itself."""

    seconds: float
    cpu_seconds: float
    """Of all threads."""
    size: int
    """Bytes written."""
    peak: int
    """The most bytes of memory that were resident at once, Python and its modules included."""
    grown: int
    """How many of them came with the workload itself."""


def measure(case: Case, source: Path) -> Run:
    """Let the contestant write the records of the folder `source`, in a new process."""
    return isolated(_measure, case, source)


def isolated(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """What `function` returns in a new process."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"), initializer=_prepare) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _prepare() -> None:
    os.environ["AIRFLOW_HOME"] = str(data.DATA / "airflow")
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    logging.disable(logging.INFO)


def _measure(case: Case, source: Path) -> Run:
    write = CONTESTANTS[case.contestant]
    with TemporaryDirectory(dir=data.DATA) as folder:
        write(data.events(WARM_UP_ROWS), case.kind, Path(folder))  # imports what the contestant needs
    with TemporaryDirectory(dir=data.DATA) as folder:
        return timed(lambda: write(source, case.kind, Path(folder)))


def timed(work: Callable[[], int]) -> Run:
    """What `work` takes, which returns the bytes that it has written. Imports are to be done."""
    os.sync()  # what the run before has left to be written must not slow this one
    before, programs_before, began = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN), time.perf_counter()
    size = work()
    seconds, own, programs = time.perf_counter() - began, getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    own_cpu, programs_cpu = (
        _cpu_seconds(own) - _cpu_seconds(before),
        _cpu_seconds(programs) - _cpu_seconds(programs_before),
    )
    peak = programs.ru_maxrss if programs_cpu else 0  # without: of a program that an import started
    return Run(
        seconds=seconds,
        cpu_seconds=own_cpu + programs_cpu,
        size=size,
        peak=max(own.ru_maxrss, peak) * MAXRSS_BYTES,
        grown=max(own.ru_maxrss - before.ru_maxrss, peak) * MAXRSS_BYTES,
    )


def _cpu_seconds(used: struct_rusage) -> float:
    return used.ru_utime + used.ru_stime
