"""Whether there are too many records, or not the usual number, and whether staging has room for them."""

from __future__ import annotations

import logging
import statistics
from typing import TYPE_CHECKING

from include.exports.errors import NotEligible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.exports.definition import Export
    from include.exports.sources import Request, Shard

log = logging.getLogger(__name__)

FEWEST = 3
"""Windows that say what is usual."""


def problems(export: Export, request: Request, shards: Sequence[Shard], free: int | None) -> Iterator[str]:
    """Why so much cannot be read. `free` are the bytes that staging has left; None when nobody knows.

    A source counts the records of its files, of which a window or filter takes some: then the number is no reason yet.
    """
    declared = export.conditions
    whole = request.start is None and request.end is None and request.filter is None
    rows = [shard.rows for shard in shards if shard.files]
    size = sum(shard.size or 0 for shard in shards)
    if declared.max_rows and whole and rows and None not in rows and (count := sum(map(int, filter(None, rows)))):
        yield from _too_many(count, declared.max_rows)
    if declared.max_bytes and size > declared.max_bytes:
        yield (
            f"conditions.max_bytes: {size:,} bytes are to be read, more than {declared.max_bytes:,}; narrow the window"
            " or partition the source, or declare more"
        )
    if free is not None and size > free:
        says = (
            f"staging has {free:,} bytes free, and {size:,} bytes are to be read; make room, or move the staging area"
        )
        if whole and export.shape.select is None and not export.shape.exclude:
            yield says
        else:
            log.warning("%s, unless the window or the columns are a small part of them", says)


def check_rows(export: Export, rows: int, before: Sequence[int]) -> None:
    """Raise `NotEligible` when the rows that were read are too many, or not as many as usual; `before` has those of the
    last windows, newest first."""
    declared = export.conditions
    reasons = list(_too_many(rows, declared.max_rows)) if declared.max_rows else []
    if declared.usual and len(before) >= FEWEST:
        median, factor = statistics.median(before), declared.usual.factor
        if not median / factor <= rows <= median * factor:
            reasons.append(
                f"conditions.usual: {rows:,} rows, and the median of the last {len(before)} windows is {median:,.0f}:"
                f" more than {factor:g} times away; look at the source, and when it is right, declare a larger factor"
            )
    if reasons:
        raise NotEligible(f"{export.name}: nothing is published: " + "\n  ".join(reasons))


def _too_many(rows: int, most: int) -> Iterator[str]:
    if rows > most:
        yield (
            f"conditions.max_rows: {rows:,} rows, more than {most:,}; narrow the window or the filter, or declare more"
        )
