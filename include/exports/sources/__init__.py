"""Where records come from. One module per kind of source, all of the same shape.

A source module holds its declared model and five functions, called in this order:

    describe(source, request)            the columns it can give, with their types; nothing is read
    newest(source, request)              when its newest record happened, asked cheaply; only where that is declared
    shards(source, request)              the independent pieces of the request; at least one, in a fixed order
    statement(source, request, shard)    what will be asked of the source, for people to read
    records(source, request, shard, con) a context manager: the SQL, valid on `con` while it is open, of exactly the
                                         requested rows and columns, in the requested order

`request.columns` is None when `describe` is called and names at least one column afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    import duckdb
    from duckdb.sqltypes import DuckDBPyType

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "campaign_recipients": "include.exports.campaigns.received",
        "campaign_results": "include.exports.campaigns.figures",
        "lake": "include.exports.sources.lake",
        "sql": "include.exports.sources.sql",
    }
)
"""The module of each `type` of source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a relation."""

    name: str
    type: DuckDBPyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one run asks of a source."""

    start: datetime | None = None
    """First instant of event time, included; None is open to the left. Aware, UTC."""
    end: datetime | None = None
    """First instant that is not included; None is open to the right. Aware, UTC."""
    columns: tuple[str, ...] | None = None
    """Columns of the source, in the order they are wanted."""
    filter: str | None = None
    """A condition in the source's own SQL dialect."""
    order_by: tuple[str, ...] = ()
    """Columns of the source, each optionally followed by ` desc`."""
    timezone: str = "UTC"
    """IANA name of the zone whose days are meant, for sources that have a record a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A piece of a request that is read, serialized and delivered on its own."""

    index: int
    files: tuple[str, ...] = ()
    """The files to read, for sources made of files. They are fixed when the run is planned."""
    size: int | None = None
    """Bytes that will be read, where the source can tell cheaply."""
    rows: int | None = None
    """Rows that will be read, where the source can tell cheaply."""
    row_bytes: float | None = None
    """Uncompressed bytes a row, about, where the source can tell cheaply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is asked of a source."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)


class SourceModule(Protocol):
    """What every module named in `SOURCES` provides."""

    def describe(self, source: Any, request: Request) -> tuple[Column, ...]: ...
    def newest(self, source: Any, request: Request) -> datetime | None: ...
    def shards(self, source: Any, request: Request) -> tuple[Shard, ...]: ...
    def statement(self, source: Any, request: Request, shard: Shard) -> Statement: ...
    def records(
        self, source: Any, request: Request, shard: Shard, con: duckdb.DuckDBPyConnection
    ) -> AbstractContextManager[str]: ...


def module(source: Any) -> SourceModule:
    """The functions for a declared source."""
    return import_module(SOURCES[source.type])
