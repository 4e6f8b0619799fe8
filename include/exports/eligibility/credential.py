"""Whether the destination's credential lasts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from include.exports import destinations
from include.exports.errors import NotEligible

log = logging.getLogger(__name__)

SHORTEST = timedelta(hours=1)
"""What a destination's credential must still last: a run that is refused half-way has read and sent for nothing."""
SOON = timedelta(days=3)
"""How long before its end people are warned: there is a weekend in between."""


def check_credential(destination: Any) -> None:
    """Raise `NotEligible` when the destination's credential has ended or will before the run does. Asks no server."""
    ends = destinations.module(destination.type).credential_ends(destination)
    if ends is None:
        return
    left = ends - datetime.now(UTC)
    if left < SHORTEST:
        says = "has ended" if left <= timedelta() else "ends within the hour,"
        raise NotEligible(
            f"the credential of Airflow connection {destination.conn_id!r} {says} at {ends:%Y-%m-%d %H:%M} UTC; get a"
            " new one and put it into the connection, the definition stays as it is"
        )
    if left < SOON:
        log.warning(
            "the credential of Airflow connection %r ends at %s UTC; put a new one into the connection before",
            destination.conn_id,
            f"{ends:%Y-%m-%d %H:%M}",
        )
