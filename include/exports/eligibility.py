"""Decides whether a run may start, and fixes what it will read. Looks at the source; reads no record."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.exports import contract, destinations, formats, sources
from include.exports.columns import HashMask, deliverable
from include.exports.errors import NotEligible
from include.exports.sources import Column, Request, Shard
from include.exports.sources.sql import SqlSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb.sqltypes import DuckDBPyType

    from include.exports.columns import Columns
    from include.exports.definition import Export
    from include.exports.plan import Plan

log = logging.getLogger(__name__)

TIME_TYPES = {
    "timestamptz": ("TIMESTAMP WITH TIME ZONE",),
    "timestamp": ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
    "date": ("DATE",),
    "text": ("VARCHAR",),
    "epoch_seconds": ("INTEGER", "BIGINT", "UINTEGER", "UBIGINT", "DOUBLE"),
    "epoch_milliseconds": ("BIGINT", "UBIGINT", "DOUBLE"),
}
"""Column types that each kind of time column can have. Another one would be compared after a silent conversion. What an
SQL source declares in `types` is how it is read; the database compares the column as it is."""

SHORTEST = timedelta(hours=1)
"""What a destination's credential must still last: a run that is refused half-way has read and sent for nothing."""
SOON = timedelta(days=3)
"""How long before its end people are warned: there is a weekend in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligible:
    """What a run that may start will read."""

    request: Request
    """The plan's request with its columns."""
    columns: tuple[Column, ...]
    """The requested columns with the types the source gives them."""
    shards: tuple[Shard, ...]
    """At least one."""


def check_credential(destination: Any) -> None:
    """Raise `NotEligible` when the destination's credential has ended or will before the run does. Asks no server."""
    ends = destinations.module(destination.type).credential_ends(destination)
    if ends is None:
        return
    left = ends - datetime.now(UTC)
    if left < SHORTEST:
        says = "has ended" if left <= timedelta() else "ends within the hour,"
        raise NotEligible(
            f"the credential of Airflow connection {destination.conn_id!r} {says} at {ends:%Y-%m-%d %H:%M} UTC; get a"
            " new one and put it into the connection, the definition stays as it is"
        )
    if left < SOON:
        log.warning(
            "the credential of Airflow connection %r ends at %s UTC; put a new one into the connection before",
            destination.conn_id,
            f"{ends:%Y-%m-%d %H:%M}",
        )


def validate(plan: Plan) -> Eligible:
    """Check everything about the source that can stop a run. Raises `NotEligible` with every reason found."""
    export = plan.export
    source = sources.module(export.source)
    available = source.describe(export.source, plan.request)
    reasons = list(_reasons(export, plan.request, available))
    if reasons:
        raise NotEligible(f"{export.name} cannot be exported:" + "".join(f"\n  {reason}" for reason in reasons))
    columns = _wanted(export, available)
    request = replace(plan.request, columns=tuple(column.name for column in columns))
    shards = source.shards(export.source, request)
    log.info(
        "window %s: %d columns, %d shard(s), %d file(s) to read",
        plan.window,
        len(columns),
        len(shards),
        sum(len(shard.files) for shard in shards),
    )
    return Eligible(request=request, columns=columns, shards=shards)


def delivered(export: Export, columns: Sequence[Column]) -> list[Column]:
    """The columns as they are delivered: renamed, and with the types of their casts and masks."""
    import duckdb

    result = []
    for column in columns:
        type_ = column.type
        if cast := export.shape.cast.get(column.name):
            type_ = duckdb.sqltype(cast)
        if column.name in export.shape.mask:
            type_ = duckdb.sqltype("VARCHAR")
        result.append(Column(name=export.shape.rename.get(column.name, column.name), type=type_))
    return result


def _wanted(export: Export, available: Sequence[Column]) -> tuple[Column, ...]:
    if export.shape.select is not None:
        by_name = {column.name: column for column in available}
        return tuple(by_name[name] for name in export.shape.select)
    return tuple(column for column in available if column.name not in export.shape.exclude)


def _reasons(export: Export, request: Request, available: Sequence[Column]) -> Iterator[str]:
    declared = export.shape
    types = {column.name: column.type for column in available}
    named = {
        "columns.select": declared.select or (),
        "columns.exclude": declared.exclude,  # a misspelt one would be exported
        "columns.rename": declared.rename,
        "columns.cast": declared.cast,
        "columns.mask": declared.mask,
        "order_by": [term.removesuffix(" desc") for term in request.order_by],
        "source.time_column": [export.source.time_column.name] if export.source.time_column else [],
    }
    unknown = [(field, name) for field, names in named.items() for name in names if name not in types]
    for field, name in unknown:
        close = difflib.get_close_matches(name, types, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(types)}"
        yield f"{field}: the source has no column {name!r}; {hint}"
    if unknown:
        return
    time = export.source.time_column
    read_as_declared = isinstance(export.source, SqlSource) and time and time.name in export.source.types
    if time and not read_as_declared and str(types[time.name]) not in TIME_TYPES[time.kind]:
        yield (
            f"source.time_column: {time.name!r} is {types[time.name]}, not of kind {time.kind!r} "
            f"({' or '.join(TIME_TYPES[time.kind])}); correct the kind"
        )
    columns = delivered(export, _wanted(export, available))
    try:
        deliverable([column.name for column in columns])
    except ValueError as error:
        yield f"columns: {error}"
    for problem in [*contract.problems(columns), *formats.module(export.files).problems(export.files, columns)]:
        yield f"{problem.field}: {problem.message}"
    yield from _changes(declared, types)


def _changes(declared: Columns, types: Mapping[str, DuckDBPyType]) -> Iterator[str]:
    """Why values cannot be cast and masked as declared."""
    import duckdb

    for name, to in declared.cast.items():
        if problem := contract.cast_problem(types[name], duckdb.sqltype(to)):
            yield f"columns.cast: {name!r}: {problem}"
    for name, mask in declared.mask.items():
        if isinstance(mask, HashMask):
            try:
                key(mask)
            except NotEligible as error:
                yield f"columns.mask: {name!r}: {error}"


def key(mask: HashMask) -> str:
    """The key of a keyed hash. Raises `NotEligible` when its connection has none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        password = BaseHook.get_connection(mask.conn_id).password
    except AirflowNotFoundException:
        password = None
    if not password:
        raise NotEligible(f"Airflow connection {mask.conn_id!r} does not exist or has no password; it holds the key")
    return str(password)
