"""Azure Blob Storage, for the contract: a container of Azurite and SASes with exactly the documented permissions."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from include.exports import BlobDestination
from include.local.stores import azurite, blob
from tests.rigs import azure
from tests.rigs.http_faults import BehindFront

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pytest

MIB = 1 << 20
FEW = {"retry_total": 2, "retry_backoff_factor": 0.05}
"""Giving up takes no time."""

_numbers = count()


class BlobRig(BehindFront):
    """An empty container."""

    part_size = MIB

    def __init__(self, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.front, self.monkeypatch = azure.front(), monkeypatch
        self.front.reset()
        self.container = f"exports-{next(_numbers)}"
        self.admin = azure.admin().create_container(self.container)
        self.destination = self.by(blob.PERMISSION)

    def by(self, permission: str, **fields: Any) -> BlobDestination:
        """The container, by a SAS with these permissions."""
        return self.at("by_" + permission, azure.url(), azurite.sas(self.container, permission), **fields)

    def at(self, conn_id: str, url: str, token: str, options: Any = FEW, **fields: Any) -> Any:
        """The container at an address, by a SAS."""
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", azurite.connection(url, token, **options))
        return BlobDestination(conn_id=conn_id, container=self.container, part_size=self.part_size, **fields)

    def missing(self) -> Any:
        self.admin.delete_container()
        return self.destination

    def read_only(self) -> Any:
        return self.by("r")

    def without_delete(self) -> Any:
        return self.by("rw")

    def without_login(self) -> Any:
        token = azurite.sas(self.container, blob.PERMISSION)
        return self.at("wrong", azure.url(), token.replace("sig=", "sig=0000"))

    def signing(self) -> Any:
        connection = {"conn_type": "wasb", "login": azurite.ACCOUNT, "password": azurite.KEY, "host": azure.url()}
        self.monkeypatch.setenv("AIRFLOW_CONN_BY_KEY", json.dumps(connection))
        return BlobDestination(conn_id="by_key", container=self.container)

    def visible(self) -> dict[str, bytes]:
        return {name: self.admin.download_blob(name).readall() for name in self.admin.list_blob_names()}

    def leftovers(self) -> list[str]:
        everything = {found.name for found in self.admin.list_blobs(include="uncommittedblobs")}
        return sorted(everything - set(self.admin.list_blob_names()))

    def place(self, path: str, content: bytes) -> None:
        self.admin.upload_blob(path, content, overwrite=True, validate_content=True)

    def interrupt(self, path: str) -> None:
        self.admin.get_blob_client(path).stage_block("00000-" + "0" * 32, b"half")

    def identity(self, path: str) -> object:
        return self.admin.get_blob_client(path).get_blob_properties().etag

    def breaking(self) -> AbstractContextManager[None]:
        return self.breaking_at("blockid=MDAwMDE")  # the second block, 00001-...

    def through(self, port: int) -> Any:
        options = FEW | {"connection_timeout": 1, "read_timeout": 1}
        return self.at(
            "through",
            azure.url().replace(str(self.front.port), str(port)),
            azurite.sas(self.container, blob.PERMISSION),
            options,
        )
