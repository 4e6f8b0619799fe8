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
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.measure import Case, Run

    Runs = Mapping[Case, Sequence[Run]]

RESULTS = Path(__file__).with_name("RESULTS.md")
MB = 1_000_000


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A part of RESULTS.md."""

    head: str
    """Its title, which no other part has, and what a reader has to know. `{machine}` and `{programs}` are filled in."""
    programs: tuple[str, ...]
    """The packages whose versions it names."""
    aims: Callable[[Runs], Iterable[Aim]]
    figures: Callable[[Runs, box.Box], Table]

    def tables(self, runs: Runs, style: box.Box = box.SIMPLE_HEAD) -> tuple[Table, Table]:
        """The aims, met or not, and the figures."""
        return _aims_table(self.aims(runs), style), self.figures(runs, style)

    def write(self, runs: Runs) -> None:
        """Write it into RESULTS.md in place of what it said before; other parts stay as they are."""
        programs = ", ".join(f"{program} {version(program)}" for program in self.programs)
        text = StringIO()
        Console(file=text, width=200).print(*self.tables(runs, box.MARKDOWN))
        tables = "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())
        written = f"{self.head.format(machine=_machine(), programs=programs)}{tables}\n"
        before = RESULTS.read_text() if RESULTS.exists() else ""
        parts = {part.partition("\n")[0]: part for part in re.split(r"^(?=# )", before, flags=re.MULTILINE) if part}
        parts[written.partition("\n")[0]] = written
        RESULTS.write_text("\n".join(part.rstrip("\n") + "\n" for part in parts.values()))


def _aims_table(aims: Iterable[Aim], style: box.Box) -> Table:
    table = Table("workload", "aim", box=style)
    for name in ("bound", "measured", "met"):
        table.add_column(name, justify="right")
    for aim in aims:
        bound = f">= {aim.at_least:g}" if aim.at_least is not None else f"<= {aim.at_most:g}"
        table.add_row(aim.workload, aim.what, bound, f"{aim.value:.3g}", "yes" if aim.met else "NO")
    return table


def ratio(one: Sequence[Run], other: Sequence[Run]) -> float:
    """How many times as long `one` took, by the medians."""
    return median(run.seconds for run in one) / median(run.seconds for run in other)


def peak(runs: Sequence[Run]) -> float:
    """The most memory of any run, in MB."""
    return max(run.peak for run in runs) / MB


def _machine() -> str:
    return f"{os.cpu_count()} cores of {_cpu()}, Python {platform.python_version()}"


def _cpu() -> str:
    """The model, which Linux alone says in words."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.machine()
