"""Azure Data Lake Storage, for the contract: a container of the front before Azurite, by SASes with exactly the
documented permissions."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

from azure.storage.filedatalake import DataLakeServiceClient

from include.exports import AdlsDestination
from include.local.stores import adls, azurite, dfs
from tests.rigs import azure
from tests.rigs.blob import FEW
from tests.rigs.http_faults import BehindFront, Front

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pytest

ATTEMPT = re.compile(r"(^|/)\.[^/]+\.partial(/|$)")
"""What the name of every file or folder has that no reader is meant to find."""

_LIFE = ExitStack()
"""Closed by nobody: the threads of the front end with the process."""
_numbers = count()


@cache
def front() -> Front:
    """The server before the Data Lake front. Signatures cover the path and not the host, so they hold there too."""
    return Front(answer=azure.forward(_LIFE.enter_context(dfs.run(azure.server()))), failure=azure.failure)


def url(port: int) -> str:
    """The address of the account at a port."""
    return f"http://127.0.0.1:{port}/{azurite.ACCOUNT}"


class AdlsRig(BehindFront):
    """An empty container."""

    part_size = 1 << 20

    def __init__(self, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.front, self.monkeypatch = front(), monkeypatch
        self.front.reset()
        self.container = f"lake-{next(_numbers)}"
        self.admin = azure.admin().create_container(self.container)
        self.destination = self.by(adls.PERMISSION)

    def by(self, permission: str) -> AdlsDestination:
        """The container, by a SAS with these permissions."""
        return self.at("by_" + permission, azurite.sas(self.container, permission))

    def at(self, conn_id: str, password: str, *, at: str = "", **options: Any) -> AdlsDestination:
        """The container, by a key or a SAS; `at` is another address of the account."""
        connection = adls.connection(at or url(self.front.port), password, **FEW, **options)
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)
        return AdlsDestination(conn_id=conn_id, container=self.container, part_size=self.part_size)

    def missing(self) -> AdlsDestination:
        self.admin.delete_container()
        return self.destination

    def read_only(self) -> AdlsDestination:
        return self.by("r")

    def without_delete(self) -> AdlsDestination:
        return self.by(adls.PERMISSION.replace("d", ""))

    def without_login(self) -> AdlsDestination:
        return self.at("wrong", azurite.sas(self.container, adls.PERMISSION).replace("sig=", "sig=0000"))

    def signing(self) -> AdlsDestination:
        return self.at("by_key", azurite.KEY)

    def blobs(self) -> dict[str, Any]:
        """Everything in the container, folders too, by name."""
        return {found.name: found for found in self.admin.list_blobs(include=["metadata"])}

    def visible(self) -> dict[str, bytes]:
        files = [name for name, found in self.blobs().items() if not (found.metadata or {}).get("hdi_isfolder")]
        return {name: self.admin.download_blob(name).readall() for name in files if not ATTEMPT.search(name)}

    def leftovers(self) -> list[str]:
        return [name for name in self.blobs() if ATTEMPT.search(name)]

    def place(self, path: str, content: bytes) -> None:
        self.admin.upload_blob(path, content, overwrite=True, validate_content=True)

    def interrupt(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        with DataLakeServiceClient(url(self.front.port), azurite.KEY) as service:
            left = service.get_file_client(self.container, f"{folder}/.{name}.partial/killed")
            left.create_file()
            left.append_data(b"half", 0)

    def identity(self, path: str) -> object:
        return self.admin.get_blob_client(path).get_blob_properties().etag

    def breaking(self) -> AbstractContextManager[None]:
        return self.breaking_at(f"position={self.part_size}")

    def through(self, port: int) -> AdlsDestination:
        token = azurite.sas(self.container, adls.PERMISSION)
        return self.at("through", token, at=url(port), connection_timeout=1, read_timeout=1)
