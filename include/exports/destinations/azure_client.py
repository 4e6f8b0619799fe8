"""How Azure's clients are made: how long they wait, and how often they ask again.

Azure Storage's own retries wait 15 seconds before the second attempt, ask again with a secret that was refused, and
give up at once when told that they ask too much (429). Those of azure-core, which its other clients have, do not.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from include.exports.destinations.connection import customer_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from azure.storage.blob import CustomerProvidedEncryptionKey

DEFAULTS: Mapping[str, Any] = {
    "connection_timeout": 10.0,
    "read_timeout": 30.0,
    "retry_total": 4,
    "retry_backoff_factor": 0.5,  # waits 0, 1, 2 and 4 seconds
}
"""Keys of a connection's extra that override these are those of azure-core's `RetryPolicy` and transports."""


def settings(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for any client of Azure Storage: these, and what `extra` of a connection says besides.

    URIs of connections hold numbers as text. Raises `ValueError` when one of `DEFAULTS` is overridden by no number.
    """
    from azure.core.pipeline.policies import RetryPolicy

    class Retries(RetryPolicy[Any, Any]):
        def send(self, request: Any) -> Any:
            """What Azure Storage's own policy does besides: it takes what is meant for it, and names the location."""
            options = request.context.options
            location, *_ = [options.pop(name, None) for name in ("location_mode", "hosts", "retry_to_secondary")]
            options["retry_on_methods"] = [request.http_request.method]  # also PATCH: what we send may all be repeated
            response: Any = super().send(request)
            response.http_response.location_mode = location
            return response

    logging.getLogger("azure").setLevel(logging.WARNING)  # else each request is a dozen lines of a task's log
    chosen = {**extra, **{name: type(default)(extra.get(name, default)) for name, default in DEFAULTS.items()}}
    return {**chosen, "retry_policy": Retries(**chosen)}


def encryption_key(conn_id: str) -> CustomerProvidedEncryptionKey:
    """The customer's key that is the password of a connection. Raises `DeliveryRefused` when it is none."""
    from azure.storage.blob import CustomerProvidedEncryptionKey

    key = customer_key(conn_id)
    return CustomerProvidedEncryptionKey(
        base64.b64encode(key).decode(), base64.b64encode(hashlib.sha256(key).digest()).decode()
    )


def sas_ends(sas: str) -> datetime | None:
    """When a SAS ends (its `se`): a token, an address or a connection string.

    None when an access policy of the container says it, or when it is no time, which the service refuses.
    """
    from datetime import UTC, datetime

    token = sas.rpartition("SharedAccessSignature=")[2].partition(";")[0]
    (value,) = parse_qs(token.partition("?")[2] or token).get("se", [""])[:1]
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
