"""A Data Landing Zone as Adobe gives it: a container of Azurite, and a SAS URI."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.exports import DataLandingZoneDestination
from include.local.stores import LocalStore, azurite
from include.local.stores.blob import PERMISSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTAINER = "dlz-destination"
CONN_ID = "local_dlz"


@contextmanager
def serve(folder: Path) -> Iterator[LocalStore]:
    """A landing zone, kept in `folder`. Raises `RuntimeError` when the server does not start."""
    with azurite.run(folder) as url:
        azurite.make_container(url, CONTAINER)
        uri = f"{url}/{CONTAINER}?{azurite.sas(CONTAINER, PERMISSION)}"
        yield LocalStore(
            destination=DataLandingZoneDestination(conn_id=CONN_ID), connections={CONN_ID: connection(uri)}
        )


def connection(sas_uri: str, **options: Any) -> str:
    """The Airflow connection of a SAS URI, in JSON; `options` go to Azure's client."""
    return json.dumps({"conn_type": "wasb", "password": sas_uri, "extra": options})
