"""Files that are written to a destination only to try it out, and removed again."""

from __future__ import annotations

import hashlib
import posixpath
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.exports.errors import ExportError, VerificationError
from include.exports.verify import CHUNK, check

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from include.exports.destinations import Store, Stored

FOLDER = "_doctor"
"""Below the destination's prefix. A store that has folders keeps it, empty."""
ABOUT = {"export": "doctor", "window": "doctor", "generation": "1"}
"""Metadata as a delivered file has it: a store may need a right for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A local file that is to be sent."""

    path: Path
    sha256: str
    size: int


class Scratch:
    """What is written to the scratch folder of an open store. Names are relative to it, and have no `/`."""

    def __init__(self, destination: Any, store: Store, folder: Path) -> None:
        """`folder` is where the files that are sent lie until they are."""
        self.store, self._folder = store, folder
        self._root = posixpath.join(destination.prefix, FOLDER, f"{secrets.token_hex(4)}-")
        self._sent: dict[str, bool] = {}

    def path(self, name: str) -> str:
        """The path below the destination's root."""
        return f"{self._root}{name}"

    def url(self, name: str) -> str:
        """The address."""
        return self.store.url(self.path(name))

    def source(self, blocks: Iterable[bytes]) -> Source:
        """A local file of these blocks of bytes."""
        digest, size, path = hashlib.sha256(), 0, self._folder / secrets.token_hex(8)
        with path.open("wb") as file:
            for block in blocks:
                digest.update(block)
                size += file.write(block)
        return Source(path=path, sha256=digest.hexdigest(), size=size)

    def put(self, name: str, source: Source) -> Stored:
        """Send a file, and compare what the store says it holds."""
        path = self.path(name)
        self._sent.setdefault(path, False)
        stored = self.store.put(source.path, path, source.sha256, ABOUT)
        self._sent[path] = True
        check(self.store.url(path), stored, size=source.size, sha256=source.sha256)
        return stored

    def write(self, name: str, content: bytes, expected: str | None) -> str:
        """Publish a small file; its version."""
        path = self.path(name)
        self._sent.setdefault(path, False)
        version = self.store.write(path, content, expected, ABOUT)
        self._sent[path] = True
        return version

    def expect(self, name: str, sha256: str) -> None:
        """Raise `VerificationError` when other bytes are read back."""
        digest = hashlib.sha256()
        with self.store.open(self.path(name)) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != sha256:
            raise VerificationError(f"{self.url(name)} is read back as other bytes; try again, and report it")

    def remove(self) -> Remains:
        """Remove everything that was sent; what may not be removed is in what this returns."""
        left: dict[str, bool] = {}
        first = None
        for path, known in sorted(self._sent.items()):
            try:
                self.store.delete(path)
            except ExportError as error:
                first = first or error
                left[self.store.url(path)] = known or self._seen(path)
        return Remains(
            removed=len(self._sent) - len(left),
            stays=[url for url, there in left.items() if there],
            may_stay=[url for url, there in left.items() if not there],
            error=first,
        )

    def _seen(self, path: str) -> bool:
        try:
            return self.store.stat(path) is not None
        except ExportError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What is left in the scratch folder."""

    removed: int
    """Files that are gone."""
    stays: list[str]
    """Addresses of files that were written and may not be removed."""
    may_stay: list[str]
    """Addresses that may not be removed, of files of which nobody knows whether they were written."""
    error: ExportError | None
    """Why the first one may not be removed."""
