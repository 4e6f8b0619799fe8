"""How Azure's clients are made: how long they wait, and how often they ask again.

Azure Storage's own retries wait 15 seconds before the second attempt, ask again with a secret that was refused, and
give up at once when told that they ask too much (429). Those of azure-core, which its other clients have, do not.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DEFAULTS: Mapping[str, Any] = {
    "connection_timeout": 10,
    "read_timeout": 30,
    "retry_total": 4,
    "retry_backoff_factor": 0.5,  # waits 0, 1, 2 and 4 seconds
}
"""Keys of a connection's extra that override these are those of azure-core's `RetryPolicy` and transports."""


def settings(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for any client of Azure Storage: these, and what `extra` of a connection says besides."""
    from azure.core.pipeline.policies import RetryPolicy

    class Retries(RetryPolicy[Any, Any]):
        def send(self, request: Any) -> Any:
            """What Azure Storage's own policy does besides: it takes what is meant for it, and names the location."""
            options = request.context.options
            location, *_ = [options.pop(name, None) for name in ("location_mode", "hosts", "retry_to_secondary")]
            response: Any = super().send(request)
            response.http_response.location_mode = location
            return response

    logging.getLogger("azure").setLevel(logging.WARNING)  # else each request is a dozen lines of a task's log
    chosen = {**DEFAULTS, **extra}
    return {**chosen, "retry_policy": Retries(**chosen)}


def sas_ends(sas: str) -> datetime | None:
    """When a SAS, as a token or in an address, ends (its `se`); None when an access policy of the container says it."""
    from datetime import UTC, datetime

    for value in parse_qs(sas.partition("?")[2] or sas).get("se", ()):
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
