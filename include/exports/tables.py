"""What is made of the records of a run: one set of files, or several that differ in their columns and their format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.exports.definition import Files
    from include.exports.formats.chart import ChartFiles

RECORDS = "records"
"""The relation of the staged records, to which the queries of tables refer."""

MADE = "made"
"""The relation of a table's own rows, to which its check refers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A set of files with one schema."""

    name: str | None = None
    """What its files are called; None when they are the only ones of their folder."""
    title: str = ""
    """What people call it."""
    query: str | None = None
    """SQL over `records`, in a total order; None for the records themselves, as they lie."""
    files: Files | ChartFiles | None = None
    """Its format, when that is not the export's."""
    check: str | None = None
    """SQL over `made` and `records` of what is wrong with its rows, a sentence a row; it is made when there is none."""


WHOLE = Table()
"""The records themselves."""
