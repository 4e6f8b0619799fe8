"""How records become files. One module per file format, all of the same shape.

A format module holds its declared model and two functions:

    problems(files, columns)                    why columns of these types cannot be written; empty when they can
    write(files, con, query, path, progress)    the rows of `query`, in order, as one complete file at `path`

The same rows always give the same bytes, whatever the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import Field

from include.exports.model import Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import duckdb

    from include.exports.errors import Problem
    from include.exports.progress import Progress
    from include.exports.sources import Column

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "csv": "include.exports.formats.csv",
        "html": "include.exports.formats.chart",
        "json": "include.exports.formats.json",
        "parquet": "include.exports.formats.parquet",
        "png": "include.exports.formats.chart",
        "xlsx": "include.exports.formats.xlsx",
    }
)
"""The module of each `type` of file."""


class Files(Part):
    """What files of every format declare."""

    max_rows: int | None = Field(default=None, gt=0)
    """At most this many records a file; no limit when absent."""
    max_bytes: int | None = Field(default=None, gt=0)
    """At most about this many bytes a file, as it is delivered; no limit when absent."""

    has_records: ClassVar[bool] = True
    """False for pictures, which show records and hold none."""

    @property
    def header_lines(self) -> int:
        """Lines at the top of each file that are no records."""
        return 0

    @property
    def dialect(self) -> dict[str, str] | None:
        """What a reader has to know to split a line into fields; None where the format leaves no choice."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A complete local file."""

    rows: int
    """Data rows; a header is not one."""
    size: int
    """Bytes of the file."""
    uncompressed: int
    """Bytes of the text before compression; for Parquet, the uncompressed size its footer declares."""
    sha256: str
    """Hex digest of the file."""


class FormatModule(Protocol):
    """What every module named in `FORMATS` provides."""

    def problems(self, files: Any, columns: Sequence[Column]) -> list[Problem]: ...
    def write(
        self, files: Any, con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress
    ) -> Written: ...


def module(files: Any) -> FormatModule:
    """The functions for declared files."""
    return import_module(FORMATS[files.type])
