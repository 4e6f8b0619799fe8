"""Which columns are exported, under which names, as which types, and which of them are masked."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from include.exports.errors import Problem
from include.exports.model import Part, Problems


class HashMask(Part):
    """Replaces each value by the HMAC-SHA256 of its text, 64 hex digits: equal values stay equal, NULL stays NULL."""

    type: Literal["hash"] = "hash"
    conn_id: str
    """Airflow connection whose password is the key. Whoever has the key can test guesses; rotate it like a secret."""


class RedactMask(Part):
    """Replaces each value, NULL included, by one text."""

    type: Literal["redact"] = "redact"
    text: str | None = None
    """What is written instead; NULL when absent."""


Mask = Annotated[HashMask | RedactMask, Field(discriminator="type")]


class Columns(Part):
    """All columns of the source, unless said otherwise. Names are the source's; `rename` gives the delivered ones."""

    select: tuple[str, ...] | None = None
    """These columns, in this order; a column that the source gains later is not exported."""
    exclude: tuple[str, ...] = ()
    """All columns but these; a column that the source gains later is exported."""
    rename: dict[str, str] = {}
    """Source name to delivered name."""
    cast: dict[str, str] = {}
    """Source name to DuckDB type, such as `DECIMAL(38,9)`. A value that does not fit fails the run; none is changed."""
    mask: dict[str, Mask] = {}
    """Source name to mask. Applied after `cast`; a masked column is text."""

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
            unique([self.rename.get(name, name) for name in self.select])
        unique(list(self.rename.values()))
        return self

    @model_validator(mode="after")
    def _castable(self) -> Self:
        """A type that no format can keep is refused here, not after the records have been read."""
        found = [Problem("cast", problem) for name, to in self.cast.items() if (problem := _cast_problem(name, to))]
        if found:
            raise Problems(found)
        return self


def _cast_problem(name: str, to: str) -> str | None:
    import duckdb

    from include.exports.contract import problems
    from include.exports.sources import Column

    try:
        column = Column(name=name, type=duckdb.sqltype(to))
    except duckdb.Error:
        return f"{name!r} to {to!r}, which is not a DuckDB type; write one such as 'DECIMAL(38,9)'"
    return next((f"{name!r} to {to!r}: {problem.message}" for problem in problems([column])), None)


def unique(names: list[str]) -> None:
    """Raise ValueError when two delivered columns differ in case only: JSON readers and warehouses take one of them."""
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise ValueError(f"two columns would be delivered as {seen[name.casefold()]!r} and {name!r}; rename one")
        seen[name.casefold()] = name
