"""The files of a folder, and the hive-style levels `column=time` that say which of them a window can need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from include.exports.errors import ExportError, NotEligible, SourceInterrupted, SourceRefused
from include.exports.model import Part
from include.exports.paths import TimeZone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec import AbstractFileSystem

NULL = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and Spark write after the `=` for a value that is NULL."""

UNITS = ("YmdHM", "YjHM")
"""strftime directives from the coarsest to the finest: a date by month and day, or by day of the year."""


class HivePartition(Part):
    """Folders named `column=time`, from which a run takes only those that its window touches."""

    column: str = Field(min_length=1)
    """The name before the `=`. Time in several levels is written level by level, such as `year/month/day`."""
    format: str = "%Y-%m-%d"
    """strftime format of the value after the `=`, level by level as in `column`, such as `%Y/%m/%d`. Its finest unit,
    year, month, day or hour, is how much time a folder holds; one with minutes holds up to an hour from then on."""
    timezone: TimeZone = "UTC"
    """IANA time zone in which the folders are named."""

    @model_validator(mode="after")
    def _from_the_year_down(self) -> Self:
        """`day=24` alone is a folder of every month: reading it by its name would leave records out."""
        levels = self.format.split("/")
        if len(levels) != len(self.columns) or "" in self.columns:
            raise ValueError(f"column {self.column!r} and format {self.format!r} must have equally many levels")
        if not all(_finest("/".join(levels[:depth])) for depth in range(1, len(levels) + 1)):
            raise ValueError(
                f"format {self.format!r} must begin with the year and leave no unit out, level by level; write one such"
                " as '%Y-%m-%d', '%Y-%m-%d-%H' or '%Y/%m/%d'"
            )
        return self

    @property
    def columns(self) -> list[str]:
        """The name of each level."""
        return self.column.split("/")

    def span(self, values: tuple[str, ...]) -> tuple[datetime, datetime]:
        """The time that a folder can hold, half-open, in UTC; `values` are those of the levels that lead to it.

        Raises ValueError for values that are not of the format.
        """
        form = "/".join(self.format.split("/")[: len(values)])
        begin = datetime.strptime("/".join(values), form)  # noqa: DTZ007  # the zone is declared beside the format
        match _finest(form):
            case "Y":
                after = begin.replace(year=begin.year + 1)
            case "m":
                after = (begin + timedelta(days=32)).replace(day=1)
            case "d" | "j":
                after = begin + timedelta(days=1)
            case _:
                after = begin + timedelta(hours=1)
        # A clock change shows a time twice, or never: then the folder may hold all that one could call by its name.
        return min(_instants(begin, self.timezone)), max(_instants(after, self.timezone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """A way through folders and the folders in them, to the files that can hold a record of a window."""

    fs: AbstractFileSystem
    suffixes: tuple[str, ...]
    """How the names of wanted files end. Names that begin with `_` or `.` are never wanted, as in Hive."""
    partition: HivePartition | None
    start: datetime | None
    end: datetime | None
    last_first: bool = False
    """Go through each folder backwards."""

    def files(self, root: str) -> Iterator[tuple[str, int]]:
        """Path and size of each file. Folders that the window does not touch are not listed.

        Raises `NotEligible` for a root that is not there or may not be read, `SourceRefused` for a partition that is
        not of its format, `SourceInterrupted` when the store does not answer.
        """
        try:
            yield from self._below(root, ())
        except FileNotFoundError:
            raise NotEligible(
                f"{root} does not exist; check source.path, and that it is mounted on the worker"
            ) from None
        except PermissionError as error:
            raise NotEligible(f"{root}: {error}; let the worker, or source.conn_id, list and read it") from error
        except ExportError:
            raise
        except Exception as error:  # the client of each store has errors of its own
            raise SourceInterrupted(f"{root} cannot be listed: {error}; the task is tried again") from error

    def _below(self, folder: str, values: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        """`values` are those of the partition's levels that lead to `folder`."""
        items = sorted(self.fs.ls(folder, detail=True), key=lambda item: str(item["name"]), reverse=self.last_first)
        for item in items:
            path = item["name"].rstrip("/")
            name = path.rpartition("/")[2]
            if name.startswith(("_", ".")):
                continue
            if item["type"] == "directory" or (item.get("islink") and self.fs.isdir(path)):
                below = self._values(name, values)
                if below == values or self._touches(path, below):
                    yield from self._below(path, below)
            elif name.endswith(self.suffixes):
                yield path, item["size"]

    def _values(self, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
        """`values` and that of the folder `name`, if it is of the partition's next level."""
        levels = self.partition.columns if self.partition else []
        if len(values) < len(levels) and name.startswith(f"{levels[len(values)]}="):
            return (*values, unquote(name.partition("=")[2]))
        return values

    def _touches(self, folder: str, values: tuple[str, ...]) -> bool:
        if self.partition is None or (self.start is None and self.end is None):
            return True
        if NULL in values:  # records without a time belong to no window
            return False
        try:
            begin, after = self.partition.span(values)
        except (ValueError, OverflowError):
            raise SourceRefused(
                f"{folder}: {'/'.join(values)!r} is not of the partition's format {self.partition.format!r}; correct"
                " the format, or move the folder out of the dataset"
            ) from None
        return (self.end is None or begin < self.end) and (self.start is None or after > self.start)


def _finest(form: str) -> str | None:
    """The finest unit of a format; None when it has others than those of `UNITS`, or leaves one out."""
    letters = re.findall("%(.?)", form)
    for units in UNITS:
        if letters and sorted(letters) == sorted(units[: len(letters)]):
            return units[len(letters) - 1]
    return None


def _instants(wall: datetime, timezone: str) -> list[datetime]:
    return [wall.replace(tzinfo=ZoneInfo(timezone), fold=fold).astimezone(UTC) for fold in (0, 1)]
