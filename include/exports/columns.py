"""Which columns are exported, under which names, as which types, and which of them are masked."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from include.exports.errors import Problem
from include.exports.governance import Label
from include.exports.model import Part, Problems
from include.exports.sources.exact import type_problem


class HashMask(Part):
    """Replaces each value by the HMAC-SHA256 of its text, 64 hex digits: equal values stay equal, NULL stays NULL."""

    type: Literal["hash"] = "hash"
    conn_id: str = Field(min_length=1)
    """Airflow connection whose password is the key. Whoever has the key can test guesses; rotate it like a secret."""


class RedactMask(Part):
    """Replaces each value, NULL included, by one text."""

    type: Literal["redact"] = "redact"
    text: str | None = None
    """What is written instead; NULL when absent."""


Mask = Annotated[HashMask | RedactMask, Field(discriminator="type")]


def _delivered_name(value: str) -> str:
    if not value or re.search(r"[\x00-\x1f\x7f-\x9f]", value):
        raise ValueError(f"{value!r} must be a column name without control characters; write one such as 'price'")
    return value


def _order_term(value: str) -> str:
    """Case counts: `id DESC` would be looked for as a column of this name."""
    name, _, direction = value.rpartition(" ")
    if direction != "desc" and direction.lower() in {"asc", "desc"} and name.strip():
        remedy = name if direction.lower() == "asc" else f"{name} desc"
        raise ValueError(f"{value!r} must be a column, optionally followed by ' desc'; write {remedy!r}")
    if not value.removesuffix(" desc").strip():
        raise ValueError(f"{value!r} must name a column, optionally followed by ' desc'; write one such as 'id desc'")
    return value


def _ordered_once(terms: tuple[str, ...]) -> tuple[str, ...]:
    names = [term.removesuffix(" desc") for term in terms]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is named {names.count(name)} times; the first one decides, remove the others")
    return terms


DeliveredName = Annotated[str, AfterValidator(_delivered_name)]
Order = Annotated[tuple[Annotated[str, AfterValidator(_order_term)], ...], AfterValidator(_ordered_once)]


class Columns(Part):
    """All columns of the source, unless said otherwise. Names are the source's; `rename` gives the delivered ones."""

    select: tuple[str, ...] | None = None
    """These columns, in this order; a column that the source gains later is not exported."""
    exclude: tuple[str, ...] = ()
    """All columns but these; a column that the source gains later is exported."""
    rename: dict[str, DeliveredName] = {}
    """Source name to delivered name."""
    cast: dict[str, str] = {}
    """Source name to DuckDB type, such as `DECIMAL(38,9)`. A value that does not fit fails the run; none is changed.
    Text must have the form of the type, such as `2024-02-29` for DATE; a DOUBLE is the nearest number of a decimal."""
    mask: dict[str, Mask] = {}
    """Source name to mask. Applied after `cast`; a masked column is text. What leaves the source is masked, not what
    goes wrong in it: a value that is not of its declared type is shown in the task's log, so that it can be found."""
    labels: dict[str, tuple[Label, ...]] = {}
    """Source name to data-usage labels, Adobe's (C1 to C12, I1, I2, S1, S2) or your own: `{"email": ("I1",)}`. What the
    `marketing_actions` of the destination and the policies forbid for them refuses the run, unless the column is left
    out or masked. A column that is not exported may have labels, too."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """A mask on a column that is not exported usually means that another one should have been masked."""
        if self.select is not None and self.exclude:
            raise ValueError("select and exclude cannot be combined; keep one of them")
        if self.select == ():
            raise ValueError("select is empty; name at least one column or leave it out to export all")
        for what in ("rename", "cast", "mask"):
            for name in getattr(self, what):
                if name in self.exclude or (self.select is not None and name not in self.select):
                    raise ValueError(f"{what} names {name!r}, which is not exported; select it or remove it here")
        if self.select is not None:
            deliverable([self.rename.get(name, name) for name in self.select])
        deliverable(list(self.rename.values()))
        return self

    @model_validator(mode="after")
    def _castable(self) -> Self:
        """A type that no format can keep is refused here, not after the records have been read."""
        found = [Problem("cast", problem) for name, to in self.cast.items() if (problem := _cast_problem(name, to))]
        if found:
            raise Problems(found)
        return self


def _cast_problem(name: str, to: str) -> str | None:
    if type_problem(to) is None:  # files keep each of these, and a DAG file does not start DuckDB to hear so
        return None
    import duckdb

    from include.exports.contract import problems
    from include.exports.sources import Column

    try:
        column = Column(name=name, type=duckdb.sqltype(to))
    except duckdb.Error:
        return f"{name!r} to {to!r}, which is not a DuckDB type; write one such as 'DECIMAL(38,9)'"
    return next((f"{name!r} to {to!r}: {problem.message}" for problem in problems([column])), None)


def deliverable(names: list[str]) -> None:
    """Raise ValueError for a name that no file can have, and for two that differ in case only.

    DuckDB has a `file_row_number` of its own in every Parquet file; of two names JSON readers and warehouses take one.
    """
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() == "file_row_number":
            raise ValueError(f"{name!r} would be delivered, which DuckDB keeps for itself; rename it")
        if name.casefold() in seen:
            raise ValueError(f"two columns would be delivered as {seen[name.casefold()]!r} and {name!r}; rename one")
        seen[name.casefold()] = name
