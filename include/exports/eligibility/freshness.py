"""Whether the source has what has happened until now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from include.exports import sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.exports.plan import Plan


def problems(plan: Plan) -> Iterator[str]:
    """Why the source is too old for the window. What came after the window shows that it goes on, and counts."""
    within = plan.export.conditions.fresh_within
    if within is None:
        return
    source = plan.export.source
    newest = sources.module(source).newest(source, replace(plan.request, end=None))
    oldest = plan.window.as_of - within
    if newest is None or newest < oldest:
        found = f"the newest record is of {newest.isoformat(timespec='seconds')}" if newest else "there is no record"
        yield (
            f"conditions.fresh_within: {found}, and it should not be older than {oldest.isoformat()}, {within} before"
            f" {plan.window.as_of.isoformat()}; see why the source is late, then run the window again"
        )
