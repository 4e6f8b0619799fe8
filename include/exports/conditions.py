"""What must hold for a run of an export, besides what its definition says of the records."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from include.exports.model import Part


class Usual(Part):
    """How far the rows of a run may be from those of the windows before it."""

    factor: float = Field(default=3.0, gt=1)
    """Refused are more rows than so many times the median of the last windows, and fewer than the median divided by
    it."""
    windows: int = Field(default=7, ge=3, le=100)
    """How many windows are looked at: the newest ones published at this destination, as staging remembers them. While
    there are fewer than three, nothing is refused."""


class Conditions(Part):
    """What is checked before anything is read, and what is checked before anything is published."""

    schema_policy: Literal["evolve", "freeze", "discard"] = "evolve"
    """What becomes of columns that differ from those delivered last at this destination. `evolve`: they are delivered,
    and the log names them. `freeze`: the run is refused with the difference. `discard`: new columns are left out, and a
    column that is gone, has another type or has changed places refuses the run. Without a delivery before, nothing
    differs."""
    fresh_within: timedelta | None = Field(default=None, gt=timedelta())
    """The run is refused when the source's newest record is older than so long before the window's end (a full export:
    before the run's scheduled time). The newest record is the largest value of the time column, and where there is no
    time column, or a lake is of text, the time at which the newest file was written."""
    max_rows: int | None = Field(default=None, ge=1)
    """The run is refused when it has more rows. Adobe's own guardrail is 5,000,000,000 a dataset. Decided before
    reading where the source knows the number, else after reading and before anything is published."""
    max_bytes: int | None = Field(default=None, ge=1)
    """The run is refused when the files to be read have more bytes; an SQL source does not know."""
    usual: Usual | None = None
    """Refuses a run whose number of rows is out of the ordinary. The number is known when all records have been read,
    so it is decided before publishing: readers see nothing of such a run, and what it has sent is removed by the next
    run of the window."""
    probe: bool = True
    """Write and remove a small file at the destination before anything is read. Where the right to remove is not
    granted, one such file stays, and no further run writes one."""
