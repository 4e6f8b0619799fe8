"""The text of SQL queries: read from a file, put together from a request, and where its window bounds stand."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from include.exports.errors import DefinitionError, NotEligible, Problem
from include.exports.time_column import EPOCH, bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.exports.sources import Request
    from include.exports.sources.sql import SqlSource
    from include.exports.time_column import TimeColumn

BOUNDS = ("window_start", "window_end")
"""The only parameters of a query, written `:window_start` and `:window_end`."""

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
"""The bounds of a query whose window is open to the left or to the right."""

_TOKEN = re.compile(
    r"""
    (?P<quoted> '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?<![:\w]):(?P<bound>window_start|window_end)\b
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


def read_query(file: str, name: str) -> str:
    """The text of the query `name`, kept beside the definition's `file`: `read_query(__file__, "late_flights.sql")`.

    The definition then holds the text itself, so that its fingerprint changes when the query does. Raises
    `DefinitionError` for a name that leads elsewhere and for a file that is not there.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or relative.suffix != ".sql":
        problem = f"{name!r} must be the name of a .sql file in the folder of the definition or below; move it there"
        raise DefinitionError(file, "SqlSource", [Problem("source.query", problem)])
    path = Path(file).parent / relative
    if not path.is_file():
        problem = f"{name!r} is not in {path.parent}; create it there or correct the name"
        raise DefinitionError(file, "SqlSource", [Problem("source.query", problem)])
    return path.read_text(encoding="utf-8")


def bounds_in(sql: str) -> frozenset[str]:
    """Which window bounds a query uses. Literals, quoted names and comments are not looked into."""
    return frozenset(token["bound"] for token in _TOKEN.finditer(sql) if token["bound"])


def write_bounds(sql: str, write: Callable[[str], str], escape: Callable[[str], str] = str) -> str:
    """`sql` with each window bound as `write` spells it, and all other text as `escape` does."""
    return "".join(write(token["bound"]) if token["bound"] else escape(token[0]) for token in _TOKEN.finditer(sql))


def condition_problem(condition: str) -> str | None:
    """Why `condition` cannot stand in parentheses as one expression of any dialect; None when it can."""
    depth = 0
    for token in _TOKEN.finditer(condition):
        if token["comment"]:
            return f"{condition!r} must not contain comments; remove {token[0]!r}"
        if token["bound"]:
            return f"{condition!r} must not contain {token[0]!r}; the window is applied to the time column"
        if token["other"] in tuple(";'\"`"):
            return f"{condition!r} must be one complete expression; remove or close {token[0]!r}"
        depth += {"(": 1, ")": -1}.get(token["other"] or "", 0)
        if depth < 0:
            break
    return (
        None if depth == 0 and condition.strip() else f"{condition!r} must be one expression; balance its parentheses"
    )


def select(source: SqlSource, request: Request, quote: Callable[[str], str], columns: str) -> str:
    """The SELECT of a request over `records`, its table or query, with `:window_start` and `:window_end` as written.

    Names stand behind `records.`, since a lone quoted name that is not a column is a text to SQLite and MySQL. Raises
    `NotEligible` for a filter that is not one expression.
    """
    relation = ".".join(map(quote, source.table)) if source.table else f"(\n{_single(source.query or '')}\n)"
    conditions = []
    if source.table and source.time_column:
        time = f"records.{quote(source.time_column.name)}"
        conditions += [f"{time} >= :window_start"] if request.start else []
        conditions += [f"{time} < :window_end"] if request.end else []
    if request.filter is not None:
        if problem := condition_problem(request.filter):
            raise NotEligible(f"filter: {problem}")
        conditions.append(f"({request.filter})")
    sql = f"SELECT {columns}\nFROM {relation} records"
    if conditions:
        sql += "\nWHERE " + "\n  AND ".join(conditions)
    if request.order_by:
        sql += "\nORDER BY " + ", ".join(_order(term, quote) for term in request.order_by)
    return sql


def parameters(source: SqlSource, request: Request, sql: str) -> dict[str, Any]:
    """The values of the bounds that `sql` uses.

    In a query, a window that is open to the left begins at `EARLIEST` (text: with the empty one) and one that is open
    to the right ends at `LATEST`: a query cannot leave a bound out.
    """
    values = {}
    for name in sorted(bounds_in(sql), reverse=True):
        instant = request.start if name == "window_start" else request.end
        if source.time_column is None:
            raise NotEligible(f"query uses :{name}, but the source has no time_column; declare it")
        values[name] = _open_end(source.time_column, name) if instant is None else bound(instant, source.time_column)
    return values


def _open_end(time_column: TimeColumn, name: str) -> datetime | date | int | str:
    end = EARLIEST if name == "window_start" else LATEST
    match time_column.kind:
        case "timestamptz":
            return end
        case "timestamp":
            return end.replace(tzinfo=None)
        case "date":
            return end.date()
        case "text":
            return "" if name == "window_start" else end.strftime(time_column.format or "")
        case "epoch_seconds":
            return (end - EPOCH).days * 86_400
        case "epoch_milliseconds":
            return (end - EPOCH).days * 86_400_000


def _order(term: str, quote: Callable[[str], str]) -> str:
    name = term.removesuffix(" desc")
    return f"records.{quote(name)}" + (" DESC" if name != term else "")


def _single(query: str) -> str:
    return query.strip().rstrip(";").rstrip()
