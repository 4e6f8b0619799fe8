"""Message events in the layout of Braze's Currents: `event_type=<type>/date=YYYY-MM-DD-HH/…`, Avro by default.

The hour in a folder's name is when events were processed, in UTC, so one can lie in a later folder than its time. The
same columns as Parquet or NDJSON in the same folders are read as well.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from include.exports.campaigns import avro
from include.exports.engine import identifier
from include.exports.model import Part
from include.exports.paths import local_path
from include.exports.sources import hive, lake, parquet_files, store, text_files
from include.exports.sources.hive import HivePartition
from include.exports.sources.stream import stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from include.exports.campaigns.event_types import EventRequest

SUFFIXES = {"avro": (".avro",), "ndjson": lake.SUFFIXES["ndjson"], "parquet": lake.SUFFIXES["parquet"]}
HOURS = HivePartition(column="date", format="%Y-%m-%d-%H")
LEVEL = "event_type="
EARLY = timedelta(hours=1)
"""How far before its time an event can be processed: clocks differ, and the folder holds a whole hour."""


class EventLake(Part):
    """A folder of message events in the layout of Currents."""

    type: Literal["lake"] = "lake"
    path: str = Field(min_length=1)
    """The folder that holds `event_type=…`: a path (relative to the project's folder, or absolute), or an URL."""
    conn_id: str | None = None
    """Airflow connection that opens the URL; not for local paths."""
    format: Literal["avro", "ndjson", "parquet"] = "avro"
    """What the files are. Currents writes Avro."""
    lateness: timedelta = Field(default=timedelta(days=14), ge=timedelta(hours=1))
    """How long after its time an event may be processed and still be counted. Folders up to so long after the last day
    of a run are read."""


def files(source: EventLake, start: datetime, end: datetime) -> tuple[str, ...]:
    """Every file that can hold an event whose time is in `[start, end)`, ordered by path; aware, UTC.

    Raises `NotEligible` for a folder that is not there, `SourceInterrupted` when the store does not answer.
    """
    fs = store.open_store(source.path, source.conn_id)
    root = source.path if "://" in source.path else str(local_path(source.path))
    fs.invalidate_cache()
    folders = hive.Folders(
        fs=fs, suffixes=SUFFIXES[source.format], partition=HOURS, start=start - EARLY, end=end + source.lateness
    )
    return tuple(sorted(store.address(fs, path) for path, _ in folders.files(root) if f"/{LEVEL}" in path))


def type_of(file: str) -> str:
    """The type of the events in a file."""
    return str(text_files.levels(file)["event_type"])


@contextmanager
def relation(source: EventLake, con: duckdb.DuckDBPyConnection, request: EventRequest) -> Iterator[str]:
    """SQL of the events in the files that were processed in time; several times if they lie so.

    Their time is not looked at: folders hold more than was asked for.
    """
    files, types = request.files, request.types
    fs = store.open_store(source.path, source.conn_id)
    schema = text_files.schema([*types, HOURS.column], types)
    match source.format:
        case "avro":
            hours = [{HOURS.column: str(text_files.levels(file)[HOURS.column])} for file in files]
            read = partial(avro.batches, fs, files, schema, hours)
        case "ndjson":
            read = partial(text_files.batches, fs, files, schema.names, types, None, undeclared="ignore")
        case "parquet":
            store.register(fs, con)
            scan = parquet_files.scan(files)
            yield _in_time(source, types, scan, con.sql(f"select * from {scan}").columns)
            return
    with stream(con, "event_files", schema, read):
        yield _in_time(source, types, "event_files", schema.names)


def _in_time(source: EventLake, types: dict[str, str], relation: str, present: Sequence[str]) -> str:
    values = ", ".join(
        f"cast({identifier(name) if name in present else 'null'} as {type_}) as {identifier(name)}"
        for name, type_ in types.items()
    )
    hour = f"epoch(strptime({identifier(HOURS.column)}, '%Y-%m-%d-%H'))"
    return f'select {values} from {relation} where {hour} < "time" + {int(source.lateness.total_seconds())}'
