"""What a source could export and why not, before anything is declared: as Adobe's list of eligible datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports import contract, sources
from include.exports.columns import deliverable
from include.exports.dataset import Source
from include.exports.eligibility.columns import TIME_TYPES, time_problems
from include.exports.errors import ExportError, NotEligible
from include.exports.model import Definition
from include.exports.sources import Request, lake
from include.exports.sources.lake import SUFFIXES, LakeSource
from include.exports.sources.sql import SqlSource, open_hook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Inspector

    from include.exports.sources import Column

KINDS = ("timestamptz", "timestamp", "date")
"""Kinds of time column that are known by the type; numbers and texts may be times as well."""


class SourceToLook(Definition):
    """A source that no export declares."""

    source: Source
    """What is to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A dataset that a source has."""

    name: str
    columns: tuple[str, ...] = ()
    """Each with its type."""
    time_columns: tuple[str, ...] = ()
    """Columns that can be the `time_column`, each with its kind; an incremental export needs one."""
    problems: tuple[str, ...] = ()
    """What stands against exporting it as it is, each with the remedy."""


def offers(source: str) -> Iterator[Offer]:
    """The datasets of a source: one declared as JSON, the folder of a lake, or the tables of an Airflow connection.

    Raises `ExportError` when the source cannot be looked at.
    """
    if source.lstrip().startswith("{"):
        declared = SourceToLook.load(f'{{"source": {source}}}', "the argument").source
        name = declared.path if isinstance(declared, LakeSource) else ".".join(declared.table or ("the query",))
        yield _described(name, declared)
    elif "/" in source or source.startswith("."):
        yield from _files(source)
    else:
        yield from _tables(source)


def _described(name: str, source: LakeSource | SqlSource) -> Offer:
    try:
        columns = sources.module(source).describe(source, Request())
    except ExportError as error:
        return Offer(name=name, problems=(str(error),))
    return Offer(
        name=name,
        columns=tuple(f"{column.name} {column.type}" for column in columns),
        time_columns=tuple(_times(columns)),
        problems=(*_time_problems(source, columns), *_problems(columns)),
    )


def _times(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        yield from (f"{column.name} ({kind})" for kind in KINDS if str(column.type) in TIME_TYPES[kind])


def _time_problems(source: LakeSource | SqlSource, columns: Sequence[Column]) -> Iterator[str]:
    types = {column.name: column.type for column in columns}
    time = source.time_column
    if time and time.name not in types:
        yield f"source.time_column: the source has no column {time.name!r}; name one that it has"
    else:
        yield from time_problems(source, types)


def _problems(columns: Sequence[Column]) -> Iterator[str]:
    try:
        deliverable([column.name for column in columns])
    except ValueError as error:
        yield str(error)
    for problem in contract.problems(columns):
        yield f"{problem.field}: {problem.message}"


def _files(path: str) -> Iterator[Offer]:
    untyped = {"any": "VARCHAR"}  # text is not read here, and its files say no types
    found = False
    for format_ in SUFFIXES:
        types = {} if format_ == "parquet" else untyped
        source = LakeSource.model_validate({"path": path, "format": format_, "types": types})
        if lake.newest(source, Request()) is None:
            continue
        found = True
        if format_ == "parquet":
            yield _described(f"{path} (parquet)", source)
        else:
            says = "text does not say its types; declare `types` of every column, and look again with it as JSON"
            yield Offer(name=f"{path} ({format_})", problems=(says,))
    if not found:
        raise NotEligible(f"{path} holds no files of {', '.join(SUFFIXES)}; check the path")


def _tables(conn_id: str) -> Iterator[Offer]:
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    hook = open_hook(conn_id)
    engine = hook.get_sqlalchemy_engine()
    try:
        inspector: Inspector = inspect(engine)
        for table in sorted([*inspector.get_table_names(), *inspector.get_view_names()]):
            source = SqlSource(conn_id=conn_id, table=(table,))
            offer = _described(table, source) if hook.conn_type == "postgres" else _inspected(table, inspector)
            key = inspector.get_pk_constraint(table)["constrained_columns"]
            unordered = () if key else ("has no primary key; name in `order_by` columns that tell its rows apart",)
            yield Offer(
                name=table,
                columns=offer.columns,
                time_columns=offer.time_columns,
                problems=(*offer.problems, *unordered),
            )
    except SQLAlchemyError as error:
        raise NotEligible(f"Airflow connection {conn_id!r}: {str(error).splitlines()[0]}") from error
    finally:
        engine.dispose()


def _inspected(table: str, inspector: Inspector) -> Offer:
    """A table of a database whose results do not say their types."""
    columns = inspector.get_columns(table)
    return Offer(
        name=table,
        columns=tuple(f"{column['name']} {column['type']}" for column in columns),
        time_columns=tuple(
            str(column["name"]) for column in columns if str(column["type"]).upper().startswith(("DATE", "TIMESTAMP"))
        ),
        problems=("its results do not say their types; declare `types` for every column",),
    )
