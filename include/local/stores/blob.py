"""A container of Azurite, for a SAS with the permissions that the destination's documentation asks for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.exports import BlobDestination
from include.local.stores import LocalStore, azurite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTAINER = "exports"
CONN_ID = "local_blob"
PERMISSION = "rwd"


@contextmanager
def serve(folder: Path) -> Iterator[LocalStore]:
    """A container, kept in `folder`. Raises `RuntimeError` when the server does not start."""
    with azurite.run(folder) as url:
        azurite.make_container(url, CONTAINER)
        yield LocalStore(
            destination=BlobDestination(conn_id=CONN_ID, container=CONTAINER),
            connections={CONN_ID: azurite.connection(url, azurite.sas(CONTAINER, PERMISSION))},
        )
