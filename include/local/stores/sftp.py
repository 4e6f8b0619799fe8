"""asyncssh: an SFTP server in a thread of this process, with an account that may write into one folder.

OpenSSH is the other server of the tests, where it is installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncssh

from include.exports import SftpDestination
from include.local.stores import LocalStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

LOGIN = "exporter"
PASSWORD = "not a secret"  # noqa: S105  # of a server that ends with who started it
CONN_ID = "local_sftp"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and what tells it from another."""

    port: int
    host_key: str
    """As the extra of an Airflow connection."""


class Account(asyncssh.SSHServer):
    """Who may sign in: one login, by its password."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (LOGIN, PASSWORD)


class Folder(asyncssh.SFTPServer):
    """What the account sees: a folder that it may write into and may not list."""

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        raise asyncssh.SFTPPermissionDenied(f"{os.fsdecode(path)} may not be listed")


@contextmanager
def serve(folder: Path) -> Iterator[LocalStore]:
    """A folder `/exports`, kept in `folder`."""
    (folder / "exports").mkdir(exist_ok=True)
    with listen(Account, lambda channel: Folder(channel, chroot=os.fsencode(folder))) as address:
        yield LocalStore(
            destination=SftpDestination(conn_id=CONN_ID, path="/exports"),
            connections={CONN_ID: connection(address, password=PASSWORD)},
        )


@contextmanager
def listen(
    account: Callable[[], asyncssh.SSHServer], folder: Callable[[Any], asyncssh.SFTPServer]
) -> Iterator[Address]:
    """A server with a new host key on a free port; its connections end with it."""
    asyncssh.set_log_level("WARNING")  # it tells of every session
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    connections: set[asyncssh.SSHServerConnection] = set()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            acceptor=connections.add,
            server_factory=account,
            server_host_keys=[key],
            sftp_factory=folder,
            allow_scp=False,
        )

    async def stop() -> None:
        acceptor.close()
        for connected in connections:
            connected.abort()
        await asyncio.gather(*(connected.wait_closed() for connected in connections))

    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Address(acceptor.get_port(), key.export_public_key().decode().strip())
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def connection(address: Address, *, login: str = LOGIN, password: str | None = None, **extra: Any) -> str:
    """The Airflow connection of an account, in JSON."""
    document = {"conn_type": "sftp", "host": "127.0.0.1", "port": address.port, "login": login, "password": password}
    return json.dumps(document | {"extra": {"host_key": address.host_key, **extra}})
