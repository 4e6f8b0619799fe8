"""Records who exported personal data: who, what, when, how many rows, where.

A record is a document of its own, written once and never changed, because object stores cannot append to one:
`<audit>/<export>/<window>/<run>/<time>-<event>.json`. The place is not that of staging, which is cleaned, and not a
destination, whose readers must not see it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.exports.definition import Export
    from include.exports.permissions import Person
    from include.exports.staging import Staging

Event = Literal["allowed", "refused", "delivered", "linked"]


def record(
    place: Staging, event: Event, export: Export, person: Person, triggered: Mapping[str, str | None], **facts: Any
) -> None:
    """Leave a record in the audit area. `triggered` is what Airflow says of how the run came to be."""
    now = datetime.now(UTC)
    document = {
        "event": event,
        "at": now.isoformat(),
        "user": person.user,
        **triggered,
        "export": export.name,
        "what": export.subject,
        "window": place.window,
        "run": place.run,
        "definition": export.fingerprint,
        **facts,
    }
    place.write(f"{now:%Y%m%dT%H%M%S%f}Z-{event}.json", document)
