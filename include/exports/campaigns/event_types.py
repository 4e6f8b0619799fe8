"""The types of message events, with their columns: those of Braze's Currents, and two that only its SQL share has.

`event_types.txt` holds a type a line: its name, then `column:type` with `*` for personal data and `?` for a column that
may be NULL. The types are Avro's; `array` is one of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

FILE = Path(__file__).with_suffix(".txt")

DUCKDB = {
    "string": "VARCHAR",
    "int": "BIGINT",  # `time` is int in most types of event and long in others; one type for both
    "long": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "array": "VARCHAR[]",
}
"""The DuckDB type in which each is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One type of event."""

    name: str
    """Its full dotted name, such as `users.messages.email.Open`."""
    columns: dict[str, str]
    """Every documented column, with its DuckDB type."""
    personal: frozenset[str]
    """Columns that identify a person."""

    @property
    def relation(self) -> str:
        """What its events are called in SQL, such as `email_open`."""
        return "_".join(self.name.lower().split(".")[-2:])

    @property
    def table(self) -> str:
        """Its table in the SQL share."""
        return f"{self.name.upper().replace('.', '_')}_SHARED"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRequest:
    """What is asked of a source of events."""

    kind: EventType
    columns: tuple[str, ...]
    files: tuple[str, ...]
    """The files, or the one table, that hold the events of this type; none when there are none."""
    start: datetime
    """First instant of an event's time, included; aware, whole seconds."""
    end: datetime
    """First instant that is not included."""

    @property
    def types(self) -> dict[str, str]:
        """The DuckDB type of each column."""
        return {column: self.kind.columns[column] for column in self.columns}


@cache
def event_types() -> dict[str, EventType]:
    """Every known type by its name."""
    return {found.name: found for found in map(_parse, FILE.read_text(encoding="utf-8").splitlines())}


def _parse(line: str) -> EventType:
    name, *fields = line.split()
    columns = dict(field.split(":") for field in fields)
    return EventType(
        name=name,
        columns={column.rstrip("*"): DUCKDB[type_.rstrip("?")] for column, type_ in columns.items()},
        personal=frozenset(column.rstrip("*") for column in columns if column.endswith("*")),
    )
