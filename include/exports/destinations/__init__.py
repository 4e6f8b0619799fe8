"""Where files go. One module per kind of destination, all of the same shape; `local.py` is the one to copy.

A destination module holds its declared model, its `CAPABILITIES`, `credential_ends(destination)`, and
`connect(destination)`, a context manager that yields a `Store`. One suite, `tests/contract`, holds every destination of
the registry to what is promised here.
Paths are relative to the destination's root, `/` between segments; the model's `prefix` is part of them already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias

from include.exports.errors import DeliveryRefused, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta
    from pathlib import Path

NOTHING: Mapping[str, str] = MappingProxyType({})

Sent: TypeAlias = "Callable[[int], object]"


def unheard(_: int) -> None:
    """What `Store.put` tells about its progress when nobody asked."""


DESTINATIONS: Mapping[str, str] = MappingProxyType(
    {
        "adls": "include.exports.destinations.adls",
        "blob": "include.exports.destinations.blob",
        "dlz": "include.exports.destinations.dlz",
        "gcs": "include.exports.destinations.gcs",
        "local": "include.exports.destinations.local",
        "s3": "include.exports.destinations.s3",
        "sftp": "include.exports.destinations.sftp",
    }
)
"""The module of each `type` of destination, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of destination does differently from the others, as data."""

    checksums: tuple[str, ...]
    """The algorithms that `Stored.checksum` may name."""
    gaps: Mapping[str, str]
    """Tests of the contract that it cannot meet, each with the reason. They must fail."""
    parallel: int = 1
    """How many files are sent at once. One client carries them all."""
    forbidden: Mapping[str, str] = field(default_factory=dict)
    """Regular expressions that no path may contain, beyond what no destination takes, each with the rule in words."""
    retention: timedelta | None = None
    """How long the store keeps a file before it removes it by itself; None: until somebody removes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A complete file at the destination, as the store describes it."""

    size: int
    checksum: dict[str, str]
    """The store's own checksum of the bytes it holds: algorithm to lower-case hex digest. `sha256_composite` is S3's of
    an object sent in n parts: the SHA-256 of their SHA-256 digests, and `-n`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A small file at the destination with the version that a conditional replacement must name."""

    content: bytes
    version: str


class Store(Protocol):
    """An open destination. Every method raises `DeliveryRefused` or `DeliveryInterrupted`, and nothing else on purpose
    but what it says."""

    def url(self, path: str) -> str:
        """The address of `path` for readers."""

    def put(
        self, source: Path, path: str, sha256: str, about: Mapping[str, str] = NOTHING, sent: Sent = unheard
    ) -> Stored:
        """Copy `source` to `path` and return what the store then holds. May be called by several threads at once.

        `about` is kept beside the bytes where the store has metadata, and `sha256` with it. `sent` is told by any
        thread, as it goes, how many more bytes were sent: fewer than none when some must be sent again. What is there
        already is not sent.

        After this returns the file is complete and readable; until then no reader sees it. A file that is there with
        the same bytes already is left alone. Leaves nothing behind but what `delete` of `path` removes. Raises
        `VerificationError` when `source` is not what `sha256` says, which then becomes visible to nobody, or when the
        store holds something else than was sent.
        """

    def stat(self, path: str) -> Stored | None:
        """What the store holds at `path`, read from the store now; None when there is nothing."""

    def open(self, path: str) -> IO[bytes]:
        """The bytes at `path`, as a stream. Raises `DeliveryRefused` when there are none."""

    def read(self, path: str) -> Document | None:
        """The whole small file at `path`; None when there is nothing."""

    def write(self, path: str, content: bytes, expected: str | None, about: Mapping[str, str] = NOTHING) -> str:
        """Publish a small file atomically and return its new version. `about` is as for `put`.

        `expected` is the version it replaces, None when there must be nothing yet. Raises `DeliveryInterrupted` when
        that does not hold: another run was faster.
        """

    def delete(self, path: str) -> None:
        """Remove `path` and what an interrupted `put` to it left. It is no error when there is nothing."""

    def share_link(self, path: str, expires: timedelta) -> str:
        """An address at which anybody can read `path` until `expires` has passed.

        Raises `DeliveryRefused` where the store, or the credential, signs none.
        """


class DestinationModule(Protocol):
    """What every module named in `DESTINATIONS` provides."""

    CAPABILITIES: Capabilities

    def connect(self, destination: Any) -> AbstractContextManager[Store]: ...

    def credential_ends(self, destination: Any) -> datetime | None:
        """When the credential of its connection is no longer valid; None when it does not say. Asks no server."""


def module(kind: str) -> DestinationModule:
    """The module of a `type` of destination."""
    found: DestinationModule = import_module(DESTINATIONS[kind])
    return found


def path_problem(kind: str, path: str) -> str | None:
    """Why a path cannot be used at a `type` of destination; None when it can."""
    for pattern, rule in module(kind).CAPABILITIES.forbidden.items():
        if re.search(pattern, path):
            return f"{path!r} has {rule}, which a destination of type {kind!r} does not take; rename it"
    return None


def announced(source: Path, sha256: str, found: str) -> None:
    """Raise `VerificationError` when a file whose SHA-256 is `found` is not what was announced. Nobody sees it then."""
    if found != sha256:
        raise VerificationError(
            f"{source} has sha256 {found}, but {sha256} was announced; nothing was delivered, run the task of the stage"
            " before again"
        )


def connect(destination: Any) -> AbstractContextManager[Store]:
    """Open a declared destination."""
    return module(destination.type).connect(destination)


def path_of(store: Store, url: str) -> str | None:
    """The path whose address `url` is; None when it is at another place. Paths have no character that `url` encodes."""
    root = store.url("-").removesuffix("-")
    return url.removeprefix(root) if url.startswith(root) else None


def open_url(store: Store, url: str) -> IO[bytes]:
    """The bytes at an address, as a stream. Raises `DeliveryRefused` when there are none, or it is at another place."""
    path = path_of(store, url)
    if path is None:
        raise DeliveryRefused(f"{url} is not at {store.url('')}; name the export whose destination it is")
    return store.open(path)
