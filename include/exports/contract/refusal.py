"""Values that SQL refuses while it runs, and how they come out of DuckDB as our own error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.exports.engine import literal
from include.exports.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "[refused] "
"""Begins every message of ours inside DuckDB's, which has a prefix of its own."""


def refusal(where: str, value: str, rule: str) -> str:
    """SQL that stops the query.

    `where` names the column, `value` is the SQL of the value, `rule` says what it breaks and the remedy:
    `column 'born': 0044-03-15 (BC) is outside …; cast it to VARCHAR`.
    """
    return f"error(concat({literal(f'{MARK}column {where!r}: ')}, left({value}::varchar, 100), {literal(f' {rule}')}))"


@contextmanager
def refusals() -> Iterator[None]:
    """Raises `SourceRefused` for a value that a `refusal` in the SQL run here stops at; other errors pass."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:  # an Arrow stream of DuckDB's raises OSError
        _, marked, message = str(error).partition(MARK)
        if not marked:
            raise
        raise SourceRefused(message) from error
