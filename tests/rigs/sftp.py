"""Real SFTP servers for tests: asyncssh in this process, where it can be made to fail, and OpenSSH if installed."""

from __future__ import annotations

import atexit
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from include.exports import SftpDestination
from include.local.stores.sftp import Account, Address, Folder, connection, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORDS = {login: f"password of {login}" for login in ("writer", "keeper", "reader", "blunt")}
"""Each login's. `keeper` may not remove, `reader` only read; `blunt` has a server without posix-rename."""
FAILURES = {"500": asyncssh.SFTPFailure, "503": asyncssh.SFTPNoConnection}
"""SFTP has no numbers like these. A server that has too many clients, 429, says so and ends the connection."""


@dataclass
class Server:
    """asyncssh with counts, rights and faults."""

    root: Path = Path()
    """What every account sees as `/`."""
    logins: int = 0
    """How often someone tried to sign in."""
    connections: int = 0
    faults: list[str] = field(default_factory=list)
    """What happens to the next files that are opened for writing."""
    longest: int | None = None
    """Bytes after which files take no more."""
    keys: list[asyncssh.SSHKey] = field(default_factory=list)
    """Public keys with which `writer` signs in."""
    sessions: int | None = None
    """How many SFTP sessions a connection may have."""
    address: Address | None = None

    def start(self) -> Server:
        listening = listen(lambda: _Account(self), lambda channel: _Folder(self, channel))
        self.address = listening.__enter__()
        atexit.register(listening.__exit__, None, None, None)
        return self


class _Account(Account):
    def __init__(self, server: Server) -> None:
        self._server, self._sessions = server, 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:  # noqa: ARG002
        self._server.connections += 1

    def validate_password(self, username: str, password: str) -> bool:
        self._server.logins += 1
        return PASSWORDS.get(username) == password

    def public_key_auth_supported(self) -> bool:
        return bool(self._server.keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._server.logins += 1
        return username == "writer" and key in self._server.keys

    def session_requested(self) -> bool:
        self._sessions += 1
        return self._server.sessions is None or self._sessions <= self._server.sessions


class _Folder(Folder):
    def __init__(self, server: Server, channel: Any) -> None:
        super().__init__(channel, chroot=os.fsencode(server.root))
        self._server, self._login = server, channel.get_connection().get_extra_info("username")

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if pflags & asyncssh.FXF_WRITE:
            self._may("writer", "keeper", "blunt")
            if self._server.faults:
                self._fail(self._server.faults.pop(0))
        return super().open(path, pflags, attrs)

    def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        if self._server.longest is not None and offset >= self._server.longest:
            raise asyncssh.SFTPFailure("no space left")
        return super().write(file_obj, offset, data)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        self._may("writer", "keeper", "blunt")
        super().mkdir(path, attrs)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._may("writer", "keeper", "blunt")
        super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        if self._login == "blunt":
            raise asyncssh.SFTPOpUnsupported("unsupported")
        self._may("writer", "keeper")
        super().posix_rename(oldpath, newpath)

    def remove(self, path: bytes) -> None:
        self._may("writer", "blunt")
        super().remove(path)

    def _may(self, *logins: str) -> None:
        if self._login not in logins:
            raise asyncssh.SFTPPermissionDenied("Permission denied")

    def _fail(self, how: str) -> None:
        if how in FAILURES:
            raise FAILURES[how]("on purpose")
        if how == "429":
            self.connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "on purpose")
        else:
            self.connection.abort()
        raise asyncssh.SFTPConnectionLost("on purpose")


@cache
def server() -> Server:
    """The one server of all tests; it ends with the process."""
    return Server().start()


class SftpRig:
    """An empty folder of asyncssh."""

    part_size = 1 << 20
    login = "writer"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.root = folder / "share"
        (self.root / "exports").mkdir(parents=True)
        self.server = server()
        self.server.root = self.root
        self.server.logins = self.server.connections = 0
        self.server.faults.clear()
        self.server.longest = self.server.sessions = None
        self.server.keys.clear()
        for login, password in PASSWORDS.items():
            self.connect_as(login, login=login, password=password)
        self.connect_as("wrong", login="writer", password="wrong")  # noqa: S106
        self.destination = self.by(self.login)

    def connect_as(self, conn_id: str, port: int | None = None, **options: Any) -> None:
        """Make an Airflow connection. Few attempts and short timeouts, so that giving up takes no time."""
        address = self.server.address
        assert address is not None
        options = {"conn_retry_attempts": 3, "conn_timeout": 5, "cmd_timeout": 5} | options
        document = connection(Address(port or address.port, address.host_key), **options)
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", document)

    def by(self, conn_id: str) -> SftpDestination:
        """The folder, by that connection."""
        return SftpDestination(conn_id=conn_id, path="/exports", verify="sha256")

    def missing(self) -> SftpDestination:
        return SftpDestination(conn_id=self.login, path="/nothing")

    def read_only(self) -> SftpDestination:
        return self.by("reader")

    def without_delete(self) -> SftpDestination:
        return self.by("keeper")

    def without_login(self) -> SftpDestination:
        return self.by("wrong")

    def visible(self) -> dict[str, bytes]:
        folder = self.root / "exports"
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".partial")]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    def leftovers(self) -> list[str]:
        return [path.name for path in self.root.rglob("*.partial")]

    def place(self, path: str, content: bytes) -> None:
        target = self.root / "exports" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def interrupt(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        self.place(f"{folder}/.{name}.partial".lstrip("/"), b"half of it")

    def identity(self, path: str) -> object:
        found = (self.root / "exports" / path).stat()
        return found.st_ino, found.st_mtime_ns

    @contextmanager
    def breaking(self) -> Iterator[None]:
        self.server.longest = self.part_size
        yield
        self.server.longest = None

    def failing(self, how: str, times: int) -> None:
        self.server.faults += [how] * times

    def requests(self) -> int:
        return self.server.logins

    def connections(self) -> int:
        return self.server.connections

    def address(self) -> tuple[str, int]:
        assert self.server.address is not None
        return "127.0.0.1", self.server.address.port

    def through(self, port: int) -> SftpDestination:
        patience = {"conn_retry_attempts": 2, "conn_timeout": 1, "cmd_timeout": 1}
        self.connect_as("through", port, login=self.login, password=PASSWORDS[self.login], **patience)
        return self.by("through")


class BluntRig(SftpRig):
    """A server without posix-rename."""

    login = "blunt"

    def without_delete(self) -> SftpDestination:
        pytest.skip("without posix-rename, replacing takes the right to delete")


@dataclass(frozen=True)
class Sshd:
    """OpenSSH's server as the user that runs the tests, with a key for each right."""

    address: Address
    keys: dict[str, str]
    """The file of each identity's private key."""


RIGHTS = {"writer": "internal-sftp", "keeper": "internal-sftp -P remove", "reader": "internal-sftp -R"}


@cache
def sshd() -> Sshd | None:
    """The one server of all tests, which ends with the process; None where none is installed."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="exports-sshd-"))
    atexit.register(shutil.rmtree, folder)
    host = asyncssh.generate_private_key("ssh-ed25519")
    host.write_private_key(str(folder / "host"))
    (folder / "host").chmod(0o600)
    keys, authorized = {}, []
    for name, command in RIGHTS.items():
        key = asyncssh.generate_private_key("ssh-ed25519")
        keys[name] = str(folder / name)
        key.write_private_key(keys[name])
        authorized.append(f'restrict,command="{command}" {key.export_public_key().decode()}')
    (folder / "authorized").write_text("".join(authorized))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": folder / "pid",
        "PasswordAuthentication": "no",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "MaxStartups": 100,
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it separates its privileges
    process = subprocess.Popen([program, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")])
    atexit.register(process.wait)
    atexit.register(process.terminate)
    deadline = time.monotonic() + 10
    while not (folder / "pid").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder / "log").read_text())
        time.sleep(0.01)
    return Sshd(Address(port, host.export_public_key().decode().strip()), keys)


class OpenSshRig(SftpRig):
    """A folder of OpenSSH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if (found := sshd()) is None:
            pytest.skip("no sshd is installed")
        self.sshd = found
        super().__init__(folder, monkeypatch)

    def connect_as(self, conn_id: str, port: int | None = None, *, login: str, **options: Any) -> None:
        options = {"conn_retry_attempts": 3, "conn_timeout": 5, "cmd_timeout": 5} | options
        options |= {"password": None, "key_file": self.sshd.keys.get(login, self.sshd.keys["writer"])}
        account = getpass.getuser() if conn_id != "wrong" else "nobody-of-that-name"
        address = Address(port or self.sshd.address.port, self.sshd.address.host_key)
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection(address, login=account, **options))

    def by(self, conn_id: str) -> SftpDestination:
        return SftpDestination(conn_id=conn_id, path=str(self.root / "exports"), verify="sha256")

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.sshd.address.port

    @contextmanager
    def breaking(self) -> Iterator[None]:
        pytest.skip("OpenSSH cannot be made to fail on purpose")
        yield

    def failing(self, how: str, times: int) -> None:  # noqa: ARG002
        pytest.skip("OpenSSH cannot be made to fail on purpose")
