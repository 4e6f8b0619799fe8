"""JSON: one record a line (NDJSON), its keys in the order of the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from include.exports.contract import Policy, json_object, json_problems, json_text
from include.exports.formats.text import TextFiles, columns, write_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from include.exports.errors import Problem
    from include.exports.formats import Written
    from include.exports.progress import Progress
    from include.exports.sources import Column


class JsonFiles(TextFiles):
    """Newline-delimited JSON: an object a line, every line ended by a line feed, NULL written as null."""

    type: Literal["json"] = "json"
    as_string: bool = False
    """Write 64-bit integers and decimals as strings, for readers that take every number for a double and lose digits
    beyond 2^53. Otherwise they are numbers with all their digits."""

    @property
    def extension(self) -> str:
        """`.json`, `.json.gz`, `.json.zip` or `.json.zst`."""
        return f".json{self.suffix}"


def problems(files: JsonFiles, columns: Sequence[Column]) -> list[Problem]:  # noqa: ARG001  # depends on no setting
    """Maps whose keys are not text."""
    return json_problems(columns)


def write(files: JsonFiles, con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress) -> Written:
    """The rows of `query`, in order, as one file at `path`; a file without rows is empty text, compressed.

    Raises `SourceRefused` for a value that JSON cannot keep; then nothing is left at `path`.
    """
    policy = Policy(non_finite=files.non_finite, as_string=files.as_string)
    values = {column.name: json_text(column, policy) for column in columns(con, query)}
    line = json_object(values, end="\n")
    return write_lines(files, con, f"select {line} from ({query})", path, progress)
