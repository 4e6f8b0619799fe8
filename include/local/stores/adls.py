"""A container of Azurite behind our Data Lake front, for a SAS with the permissions that the documentation asks for."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.exports import AdlsDestination
from include.local.stores import LocalStore, azurite, dfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTAINER = "exports"
CONN_ID = "local_adls"
PERMISSION = "rwdm"


@contextmanager
def serve(folder: Path) -> Iterator[LocalStore]:
    """A container, kept in `folder`. Raises `RuntimeError` when the server does not start."""
    with azurite.run(folder) as blobs, dfs.run(blobs) as url:
        azurite.make_container(blobs, CONTAINER)
        yield LocalStore(
            destination=AdlsDestination(conn_id=CONN_ID, container=CONTAINER),
            connections={CONN_ID: connection(url, azurite.sas(CONTAINER, PERMISSION))},
        )


def connection(url: str, password: str, **options: Any) -> str:
    """The Airflow connection of a key or a SAS, in JSON; `options` go to Azure's client."""
    extra = {"account_url": url, **options}
    return json.dumps({"conn_type": "adls", "host": azurite.ACCOUNT, "password": password, "extra": extra})
