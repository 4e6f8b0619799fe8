"""A folder of an SFTP server.

What SFTP does differently from an object store, and what follows:

- A file is visible while it is written. Files are written as `.<name>.partial` beside their place and renamed: at once
  and over what is there where the server has posix-rename (OpenSSH and most others). Where it has not, what is there is
  removed first: readers miss a manifest for an instant while a new generation replaces it.
- There is no conditional write. Who writes a manifest first creates its `.partial`, which only one can, compares, and
  renames. Another writer waits. A writer that was killed is known by a `.partial` that does not change for three
  timeouts (90 seconds), and is taken over. That two take it over at the same instant is made unlikely, not impossible.
- There is no stored checksum. `verify="size"` compares sizes; `verify="sha256"` reads every file back before it is
  renamed, which takes as long again as sending it.
- The server decides when bytes reach its disk, and what time and permissions a file has.
- One SSH connection carries up to 4 files at once. It is opened again when it breaks, and a file is then sent again.
- On Windows servers, names that differ only in case are one file, and `*` cannot be in a name.

The account needs, in its folder: to create, write and rename files, to ask for their size, and to read its own back.
`mkdir` is needed only for folders that are not there yet. Without the right to delete, what a new generation supersedes
stays where it is, and so does the `.partial` of an attempt that failed. Listing is never used.

Airflow connections are of type `sftp`. The host key is always checked: `ssh-keyscan -p 22 files.example.com` prints it;
compare it with what the server's owner says and write it without the host's name. With a password:

```json password
{"conn_type": "sftp", "host": "files.example.com", "port": 22, "login": "exports", "password": "...",
 "extra": {"host_key": "ssh-ed25519 AAAA..."}}
```

With a private key, RSA, ECDSA or Ed25519, in PEM or OpenSSH's format, in the connection or in a file on the worker. The
field of Adobe's SFTP form is such a key in Base64: decode it with `base64 -d`.

```json private key
{"conn_type": "sftp", "host": "files.example.com", "port": 22, "login": "exports",
 "extra": {"host_key": "ssh-ed25519 AAAA...", "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\\n...",
           "private_key_passphrase": "..."}}
```

```json key file
{"conn_type": "sftp", "host": "files.example.com", "port": 22, "login": "exports",
 "extra": {"host_key": "ssh-ed25519 AAAA...", "key_file": "/run/secrets/sftp_key", "private_key_passphrase": "..."}}
```

More of `extra`: `conn_timeout` (10 seconds to connect and sign in), `cmd_timeout` (30 seconds after which a server that
says nothing is given up), `conn_retry_attempts` (5, of whatever the network or the server fails), `compress` (false:
exports are compressed already, and it makes the transfer four times slower).
"""

from __future__ import annotations

import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from include.exports.destinations import Capabilities
from include.exports.destinations.connection import connection, number
from include.exports.destinations.purpose import Purpose
from include.exports.destinations.sftp_session import Session, errors
from include.exports.destinations.sftp_store import SftpStore
from include.exports.errors import DeliveryRefused
from include.exports.paths import RelativePath, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.providers.ssh.hooks.ssh import SSHHook
    from paramiko import SFTPClient

CAPABILITIES = Capabilities(
    checksums=("sha256",),
    gaps={"test_a_share_link_lets_anybody_read_until_it_expires": "an SFTP server signs no addresses"},
    parallel=4,
)

UNCHECKED = ("no_host_key_check", "ignore_hostkey_verification", "allow_host_key_change")
"""Extras with which the hook would talk to any server."""


def _folder(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError(f"{value!r} is not a path; remove the control characters")
    if value.startswith("~"):
        raise ValueError(f"{value!r}: servers do not expand '~'; a path without a leading slash starts at the home")
    if value not in {".", "/"} and {"", ".", ".."} & set(value.removeprefix("/").split("/")):
        raise ValueError(f"{value!r} must have no trailing or double slash, and no segment '.' or '..'")
    return value


class SftpDestination(Purpose):
    """A folder of an SFTP server."""

    type: Literal["sftp"] = "sftp"
    name: Segment = "sftp"
    """What `%DESTINATION_INSTANCE_NAME%` becomes."""
    conn_id: Annotated[str, Field(min_length=1)]
    """Airflow connection of type `sftp`: host, login, a password or a private key, and the server's host key."""
    path: Annotated[str, Field(min_length=1), AfterValidator(_folder)]
    """The folder, which must exist; absolute as the account sees it, or relative to its home. `.` is the home."""
    prefix: RelativePath = ""
    """Folders inside `path` under which everything is written. They are made when they are missing."""
    verify: Literal["size", "sha256"] = "size"
    """How a file is compared with what was sent: by its size, or by reading it back."""

    @property
    def place(self) -> str:
        """What the paths of two destinations must share to be the same files, whatever else they declare. That two
        connections lead to one server cannot be seen."""
        return f"sftp://{self.conn_id}/{self.path}"


@contextmanager
def connect(destination: SftpDestination) -> Iterator[SftpStore]:
    """The folder. Raises `DeliveryRefused` when there is no such folder or connection, or the connection names no host
    key."""
    session = Session(
        _hook(destination.conn_id),
        timeout=number(destination.conn_id, "cmd_timeout", 30),
        attempts=int(number(destination.conn_id, "conn_retry_attempts", 5)),
    )
    try:
        with errors(f"{session.where} {destination.path}", destination):
            root = session.run(lambda sftp: _root(sftp, destination.path))
        yield SftpStore(destination, session, root)
    finally:
        session.close()


def credential_ends(_: SftpDestination) -> None:
    """Passwords and keys do not say when they end."""


def _root(sftp: SFTPClient, path: str) -> str:
    root: str = sftp.normalize(path)
    if not stat.S_ISDIR(sftp.stat(root).st_mode or 0):
        raise DeliveryRefused(f"{path!r} is no folder; create the folder, or correct `path`")
    return root


def _hook(conn_id: str) -> SSHHook:
    """The hook of a connection that says who the server is and how to sign in."""
    from airflow.providers.ssh.hooks.ssh import SSHHook
    from airflow.sdk.exceptions import AirflowException
    from paramiko import PKey, SSHException

    found = connection(conn_id)
    extra: dict[str, Any] = found.extra_dejson
    at = f"Airflow connection {conn_id!r}"
    unchecked = [name for name in UNCHECKED if str(extra.get(name)).lower() == "true"]
    if unchecked or not extra.get("host_key"):
        raise DeliveryRefused(
            f"{at} {f'has {unchecked[0]}' if unchecked else 'has no host_key'}, so any server could pass for"
            f" {found.host}; compare what `ssh-keyscan -p {found.port or 22} {found.host}` prints with what the"
            " server's owner says, and put it without the host's name into the extra `host_key`"
        )
    if not found.login or not (found.password or extra.get("private_key") or extra.get("key_file")):
        raise DeliveryRefused(f"{at} needs a login, and a password or the extra `private_key` or `key_file`")
    timeout = int(number(conn_id, "conn_timeout", 10))
    try:
        hook = SSHHook(
            conn_id, conn_timeout=timeout, auth_timeout=timeout, banner_timeout=timeout, conn_retry_attempts=1
        )
        if hook.key_file:  # the hook would take the password for its passphrase, and send it when the key is refused
            passphrase = extra.get("private_key_passphrase")
            hook.pkey = PKey.from_path(Path(hook.key_file), passphrase and passphrase.encode())
            hook.key_file = None
    except (AirflowException, SSHException, ValueError, OSError) as error:
        raise DeliveryRefused(f"{at}: {error}; correct its host_key, private_key or key_file") from error
    hook.compress = str(extra.get("compress", "false")).lower() == "true"
    hook.look_for_keys = False  # each key of the worker would count as a failed login
    return hook
