"""Tells in time that a schedule comes to its end, because nothing happens when it has."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from include.exports.alert import Notice
from include.exports.notice import publish

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from include.exports.definition import Export

log = logging.getLogger(__name__)

BEFORE = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""How long before its end people are told; Adobe's dataflows that ended without a word were found months later."""


def announce(exports: Iterable[Export], since: datetime, until: datetime, run: str, link: str) -> list[str]:
    """Send the alerts about schedules that have come so near to their end after `since` and by `until`; returns their
    exports. Of several times that have passed only the nearest to the end is told."""
    told = []
    for export in exports:
        ends = export.schedule.ends
        before = next((before for before in BEFORE if ends and since < ends - before <= until), None)
        if ends is None or before is None:
            continue
        told.append(export.name)
        log.warning("the schedule of %s ends within %d day(s), at %s", export.name, before.days, ends)
        notice = Notice(
            export=export.name,
            event="ending",
            window="",
            stage="",
            reason=f"its last window begins before {ends.isoformat()}, {before.days} day(s) from now",
            remedy="declare a later `end`, or none; when it is to end, nothing has to be done",
            owner=export.owner,
            run=run,
            link=link,
        )
        publish(export.alerts, notice)
    return told
