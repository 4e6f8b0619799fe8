"""The export of a dataset: a table or a lake, all of it or what is new."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from include.exports.columns import Columns, Order
from include.exports.definition import Export
from include.exports.errors import Problem
from include.exports.schedules import Cron, Every, OnAsset, Once, Schedule
from include.exports.sources import Request
from include.exports.sources.lake import LakeSource
from include.exports.sources.query import condition_problem
from include.exports.sources.sql import SqlSource

Source = Annotated[LakeSource | SqlSource, Field(discriminator="type")]


class DatasetExport(Export):
    """Exports a dataset, all of it or what is new, on a schedule, as files with a manifest."""

    type: Literal["dataset"] = "dataset"
    source: Source
    """Where the records come from."""
    columns: Columns = Columns()
    """Which columns are exported, and how they are renamed, cast and masked."""
    filter: str | None = Field(default=None, min_length=1)
    """A condition on source columns, in the source's SQL dialect; only records that meet it are exported."""
    order_by: Order = ()
    """Source columns that order the records, each optionally followed by ` desc`. A lake has an order of its own (files
    by path, rows as they lie); an SQL source has none and needs one. An ordered export is one shard."""
    mode: Literal["incremental", "full"]
    """`incremental`: records whose time column lies in the run's window. `full`: all records as of the run."""
    STAGED: ClassVar[frozenset[str]] = frozenset({"source", "columns", "filter", "order_by", "mode", "files"})
    FROM_THE_BEGINNING: ClassVar[bool] = True

    @property
    def shape(self) -> Columns:
        return self.columns

    def request(self, start: datetime | None, end: datetime | None) -> Request:
        return Request(start=start, end=end, filter=self.filter, order_by=self.order_by)

    def problems(self) -> list[Problem]:
        return [*self._incremental_problems(), *self._source_problems(), *super().problems()]

    def _incremental_problems(self) -> list[Problem]:
        if self.mode == "full":
            return []
        found = []
        if isinstance(self.schedule, Once):
            found.append(Problem("schedule", "'once' has no windows; use mode 'full', or a schedule that repeats"))
        if self.source.time_column is None:
            found.append(
                Problem("source.time_column", "is required by mode 'incremental': which column tells the time?")
            )
        column = self.source.time_column
        if column and column.kind == "date" and not _at_midnight(self.schedule, column.timezone):
            message = (
                f"windows must begin at midnight in {column.timezone}, the zone of {column.name!r}, which has dates"
            )
            found.append(Problem("schedule", f"{message}; use a daily schedule of this time zone without 'at'"))
        if isinstance(self.source, SqlSource) and self.source.query and not self.source.uses_window:
            found.append(
                Problem(
                    "source.query",
                    "does not use :window_start and :window_end, so every window would have all records; add"
                    " 'where <time> >= :window_start and <time> < :window_end', or use mode 'full'",
                )
            )
        return found

    def _source_problems(self) -> list[Problem]:
        found = []
        if isinstance(self.source, SqlSource) and not self.order_by:
            found.append(
                Problem(
                    "order_by",
                    "is required for an SQL source: without it the same rows come in another order on a re-run, which"
                    " makes other files; name the primary key",
                )
            )
        if self.filter and (problem := condition_problem(self.filter)):
            found.append(Problem("filter", problem))
        return found


def _at_midnight(schedule: Schedule, timezone: str) -> bool:
    """Whether windows can begin at midnight of a time zone. Of cron and of an asset that is known when they are run."""
    if isinstance(schedule, Every):
        return False
    if isinstance(schedule, Cron | OnAsset | Once):
        return True
    days = (datetime(2024, month, 1, int(schedule.at[:2]), int(schedule.at[3:])) for month in (1, 7))  # noqa: DTZ001
    begins = (day.replace(tzinfo=ZoneInfo(schedule.timezone)).astimezone(ZoneInfo(timezone)) for day in days)
    return all(begin.time() == time.min for begin in begins)
