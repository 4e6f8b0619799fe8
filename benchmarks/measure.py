"""One measurement, in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import logging
import os
import re
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

import psutil

from benchmarks import data
from benchmarks.contestants import CONTESTANTS
from include.exports.engine import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

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
    together: int
    """The most bytes that it and all programs had at once, what they share counted once, where the system says so."""


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
    with _programs_watched() as watched:
        before, cpu, began = _peak(), _cpu_seconds(), time.perf_counter()
        size = work()
        seconds, cpu_seconds, own = time.perf_counter() - began, _cpu_seconds() - cpu, _peak()
    return Run(
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        size=size,
        peak=max(own, watched.largest),
        grown=max(own - before, watched.largest),
        together=max(own, watched.together),
    )


def _cpu_seconds() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))


def _peak() -> int:
    """The most memory that this process has had. Linux counts into `ru_maxrss` what its parent had when it began."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(found[1]) * 1024 if found else getrusage(RUSAGE_SELF).ru_maxrss


@dataclass(slots=True)
class _Watched:
    """The most memory that the programs which this process has started, and those that they have, were seen with."""

    largest: int = 0
    together: int = 0

    def look(self) -> None:
        shares = [0]
        for program in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                used = program.memory_full_info()
                self.largest = max(self.largest, used.rss)
                shares.append(getattr(used, "pss", used.rss))
        self.together = max(self.together, sum(shares))


@contextmanager
def _programs_watched() -> Iterator[_Watched]:
    """The memory of the programs that are started meanwhile, looked at often; more often would slow them."""
    watched, done = _Watched(), Event()

    def watch() -> None:
        while not done.wait(0.25):
            watched.look()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield watched
    finally:
        done.set()
        watcher.join()
