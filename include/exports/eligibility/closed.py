"""Whether the window has ended: before that, what is still to come would be missing from it for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exports.errors import NotEligible

if TYPE_CHECKING:
    from datetime import datetime

    from include.exports.definition import Export
    from include.exports.window import Window


def check_closed(export: Export, window: Window, now: datetime) -> None:
    """Raise `NotEligible` when the window, or the time that a full export is to be of, has not passed."""
    if window.as_of > now:
        raise NotEligible(
            f"{export.name}: {window} has not ended, it is {now.isoformat(timespec='seconds')}; run it after"
            f" {window.as_of.isoformat()}"
        )
