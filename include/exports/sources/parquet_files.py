"""Parquet files as one relation of DuckDB, their columns united by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exports.engine import identifier, literal
from include.exports.errors import NotEligible
from include.exports.sources import Column
from include.exports.sources.widening import widens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb


def scan(files: Sequence[str]) -> str:
    """SQL of the rows of the files, in their order, with folder levels `name=value` as text columns.

    Raises `NotEligible` for a name that DuckDB takes for a pattern; it would read other files, or the same one twice.
    """
    for file in files:
        if set(file) & set("*?["):
            raise NotEligible(
                f"{file}: a path to Parquet must not have * ? or [ in it, which make a pattern; rename it"
            )
    return f"read_parquet({_list(files)}, union_by_name=true, hive_partitioning=true, hive_types_autocast=false)"


def columns(con: duckdb.DuckDBPyConnection, files: Sequence[str]) -> tuple[Column, ...]:
    """The columns of all files together; a column's type is the one that all of its values fit.

    Raises `NotEligible` when there is none. DuckDB would take one that loses digits, such as DOUBLE for BIGINT.
    """
    import duckdb

    relation = con.sql(f"select * from {scan(files)}")
    united = [Column(name=name, type=type_) for name, type_ in zip(relation.columns, relation.types, strict=True)]
    found: dict[str, dict[str, str]] = {}
    schemas = con.sql(f"select file_name, name, duckdb_type, num_children from parquet_schema({_list(files)})")
    for file, name, type_ in _top_level(schemas.fetchall()):
        found.setdefault(name.casefold(), {}).setdefault(type_, file)
    for column in united:
        types = found.get(column.name.casefold(), {})
        if not all(widens(duckdb.sqltype(type_), column.type) for type_ in types):
            said = " and ".join(f"{type_} in {file}" for type_, file in types.items())
            raise NotEligible(
                f"column {column.name!r} is {said}, which have no common type without loss; write the files again with"
                " one type"
            )
    return tuple(united)


def largest(con: duckdb.DuckDBPyConnection, files: Sequence[str], column: str) -> str | None:
    """The largest value of a column as text, from the statistics of its row groups when all have them; None without
    values."""
    type_ = con.sql(f"select {identifier(column)} from {scan(files)}").types[0]
    ((complete, newest),) = con.sql(
        f"select bool_and(stats_max_value is not null), cast(max(try_cast(stats_max_value as {type_})) as varchar)"
        f" from parquet_metadata({_list(files)}) where path_in_schema = {literal(column)}"
    ).fetchall()
    if complete and newest is not None:
        return str(newest)
    ((value,),) = con.sql(f"select cast(max({identifier(column)}) as varchar) from {scan(files)}").fetchall()
    return None if value is None else str(value)


def count(con: duckdb.DuckDBPyConnection, files: Sequence[str]) -> tuple[int, float | None]:
    """The rows of all files, and the uncompressed bytes of one, from their footers; None without rows."""
    sums = "sum(row_group_num_rows) filter (where column_id = 0), sum(total_uncompressed_size)"
    ((rows, size),) = con.sql(f"select {sums} from parquet_metadata({_list(files)})").fetchall()
    return (int(rows), size / rows) if rows else (0, None)


def _list(files: Sequence[str]) -> str:
    return "[" + ", ".join(literal(file) for file in files) + "]"


def _top_level(
    schemas: Iterable[tuple[str, str, str | None, int | None]],
) -> Iterator[tuple[str, str, str]]:
    """File, name and type of each column, from a list of all levels of all schemas, parents before children."""
    below = 0
    for file, name, type_, children in schemas:
        if type_ is None:  # the root
            continue
        if below:
            below += (children or 0) - 1
            continue
        below = children or 0
        yield file, name, type_
