"""Whether the columns of the source can be exported as declared, and as what they are delivered."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from include.exports import contract, formats
from include.exports.columns import HashMask, deliverable
from include.exports.errors import NotEligible
from include.exports.keys import key
from include.exports.sources import Column
from include.exports.sources.sql import SqlSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb.sqltypes import DuckDBPyType

    from include.exports.columns import Columns
    from include.exports.definition import Export
    from include.exports.sources import Request

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


def wanted(export: Export, available: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of the source that are exported, in their order."""
    if export.shape.select is not None:
        by_name = {column.name: column for column in available}
        return tuple(by_name[name] for name in export.shape.select)
    return tuple(column for column in available if column.name not in export.shape.exclude)


def problems(export: Export, request: Request, available: Sequence[Column]) -> Iterator[str]:
    """Everything in the definition that the columns of the source do not go with."""
    declared = export.shape
    types = {column.name: column.type for column in available}
    named = {
        "columns.select": declared.select or (),
        "columns.exclude": declared.exclude,  # a misspelt one would be exported
        "columns.rename": declared.rename,
        "columns.cast": declared.cast,
        "columns.mask": declared.mask,
        "columns.labels": declared.labels,  # a misspelt one would go out unlabelled
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
    yield from time_problems(export.source, types)
    columns = delivered(export, wanted(export, available))
    try:
        deliverable([column.name for column in columns])
    except ValueError as error:
        yield f"columns: {error}"
    for problem in [*contract.problems(columns), *formats.module(export.files).problems(export.files, columns)]:
        yield f"{problem.field}: {problem.message}"
    yield from _changes(declared, types)


def time_problems(source: Any, types: Mapping[str, DuckDBPyType]) -> Iterator[str]:
    """Why a time column that the source has cannot be compared with a window."""
    time = source.time_column
    read_as_declared = isinstance(source, SqlSource) and time and time.name in source.types
    if time and not read_as_declared and str(types[time.name]) not in TIME_TYPES[time.kind]:
        yield (
            f"source.time_column: {time.name!r} is {types[time.name]}, not of kind {time.kind!r} "
            f"({' or '.join(TIME_TYPES[time.kind])}); correct the kind"
        )


def _changes(declared: Columns, types: Mapping[str, DuckDBPyType]) -> Iterator[str]:
    """Why values cannot be cast and masked as declared."""
    import duckdb

    for name, to in declared.cast.items():
        if problem := contract.cast_problem(types[name], duckdb.sqltype(to)):
            yield f"columns.cast: {name!r}: {problem}"
    for name, mask in declared.mask.items():
        if isinstance(mask, HashMask):
            try:
                key(mask.conn_id)
            except NotEligible as error:
                yield f"columns.mask: {name!r}: {error}"
