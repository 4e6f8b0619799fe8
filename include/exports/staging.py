"""The staging area: where the tasks of a run leave files and small documents for each other.

It lies under one root, an `ObjectStoragePath` that every worker reaches, and looks like this:

    <export>/says-<target>.json                       what the encrypted files of a window say
    <export>/probe-<target>.json                      the file by which a destination was tried out, if it stays there
    <export>/<window>/last_published.json             which run of the window was published last, and what
    <export>/<window>/<run>/plan.json                 what validate_eligibility decided
    <export>/<window>/<run>/extract-00000.json        what a stage left for the next one, a document a shard
    <export>/<window>/<run>/extract-00000/<sha256>    the staged files
    <export>/<window>/<run>/uploads-00000-<target>.json   every path this run may have written at a destination

A staged file exists once its stage's document names it. Files and documents appear whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from include.exports.errors import NotEligible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow.sdk import ObjectStoragePath

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A place at which an export publishes. What lies at another one is never touched for it."""

    destination: str
    """The destination's `place`."""
    manifest: str
    """Path of the manifest there."""

    @property
    def key(self) -> str:
        """The target in a file name."""
        return hashlib.sha256(f"{self.destination} {self.manifest}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What was published of a window at one destination."""

    window: str
    """Its key."""
    rows: int
    """Records that the source gave."""
    columns: dict[str, str]
    """Delivered name to type, lower case, in their order."""


@dataclass(frozen=True)
class Staging:
    """The staging of one run of one window."""

    root: str
    """URL of the staging area, `file:///…` or that of an object store."""
    export: str
    window: str
    """The window's key."""
    run: str
    """Airflow's run id."""
    conn_id: str | None = None
    """Airflow connection of the root, when it is an object store."""

    @cached_property
    def _window(self) -> ObjectStoragePath:
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(self.root, conn_id=self.conn_id) / self.export / self.window

    @cached_property
    def _run(self) -> ObjectStoragePath:
        # Run ids hold characters that paths do not; the hash keeps apart what the readable part would join.
        readable = re.sub(r"[^0-9A-Za-z]+", "-", self.run)[:60].strip("-")
        return self._window / f"{readable}-{hashlib.sha256(self.run.encode()).hexdigest()[:8]}"

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return str(self._run)

    def of(self, run: str) -> Staging:
        """The staging of another run of this window."""
        return self if run == self.run else replace(self, run=run)

    def write(self, name: str, document: Document) -> None:
        """Leave a document for later tasks, replacing an earlier one at once."""
        self._put(self._run / name, json.dumps(document, indent=1).encode())

    def read(self, name: str) -> Document:
        """A document of this run. Raises `NotEligible` when it is not there (any more)."""
        document = _load(self._run / name)
        if document is None:
            raise _gone(self._run / name)
        return document

    @contextmanager
    def scratch(self, stage: str) -> Iterator[Path]:
        """An empty local folder for files in the making.

        A try of the same stage that was killed has left its folder, which is removed. One that still lives, because
        Airflow has lost sight of it, keeps its own.
        """
        if not self._is_local:
            with tempfile.TemporaryDirectory(prefix=f"{stage}-") as temporary:
                yield Path(temporary)
            return
        place = Path(self._run.path)
        place.mkdir(parents=True, exist_ok=True)
        for left in place.glob(f"scratch-{stage}-*"):
            with suppress(BlockingIOError), _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix=f"scratch-{stage}-", dir=place))
        try:
            with _locked(folder, fcntl.LOCK_EX):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, stage: str, file: Path, sha256: str) -> None:
        """Move a finished file out of `scratch` to where `open_local` of `stage` finds it by its hash."""
        target = self._run / stage / sha256
        if self._is_local:
            Path(target.path).parent.mkdir(exist_ok=True)
            file.replace(target.path)
        else:
            target.fs.put_file(str(file), target.path)
            file.unlink()

    @contextmanager
    def open_local(self, stage: str, sha256: str) -> Iterator[Path]:
        """A staged file as a local path, fetched first when staging is an object store.

        Raises `NotEligible` when it is not there (any more).
        """
        target = self._run / stage / sha256
        if not target.exists():
            raise _gone(target)
        if self._is_local:
            yield Path(target.path)
        else:
            with tempfile.TemporaryDirectory() as folder:
                target.fs.get_file(target.path, f"{folder}/{sha256}")
                yield Path(folder, sha256)

    def mark_published(self, place: str, rows: int, columns: Mapping[str, str]) -> None:
        """Remember that this run published the window last, so that it can be delivered again from its staging, and
        with how many rows of which columns at this destination."""
        path = self._window / "last_published.json"
        places = (_load(path) or {}).get("places", {}) | {place: {"rows": rows, "columns": dict(columns)}}
        self._put(path, json.dumps({"run": self.run, "places": places}).encode())

    def published(self, place: str, last: int) -> list[Publication]:
        """What was published last at a destination, as many windows as are asked for, newest window first."""
        found: list[Publication] = []
        windows = {str(path.parent.name): path for path in self._window.parent.glob("*/last_published.json")}
        for window in sorted(windows, key=lambda window: window.rpartition("_")[2], reverse=True):
            if len(found) == last:
                break
            if facts := (_load(windows[window]) or {}).get("places", {}).get(place):
                found.append(Publication(window=window, **facts))
        return found

    @property
    def free(self) -> int | None:
        """Bytes that the staging area has left; None for an object store."""
        if not self._is_local:
            return None
        place = Path(self._window.path)
        return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists())).free

    def has_published(self, place: str) -> bool:
        """Whether any run has published this window at a destination."""
        return place in (_load(self._window / "last_published.json") or {}).get("places", {})

    def last_published(self) -> Staging:
        """The staging of the run that published this window last. Raises `NotEligible` when there is none."""
        document = _load(self._window / "last_published.json")
        if document is None:
            raise NotEligible(
                f"nothing is staged for window {self.window} of {self.export}; run it without `resend` to read the"
                " source again"
            )
        return self.of(document["run"])

    def record(self, what: str, target: Target, paths: Iterable[str]) -> None:
        """Note that this run may write `paths` at a destination from now on.

        Notes only grow: a run that is cleared and run again has still written what its first try wrote.
        """
        name = f"uploads-{what}-{target.key}.json"
        noted = (_load(self._run / name) or {"paths": []})["paths"]
        self.write(name, asdict(target) | {"paths": sorted({*noted, *paths})})

    def recorded(self) -> dict[Target, set[str]]:
        """What all runs of this window may have written, for each place they wrote to."""
        found: dict[Target, set[str]] = {}
        for journal in sorted(self._window.glob("*/uploads-*.json"), key=str):
            if document := _load(journal):
                target = Target(destination=document["destination"], manifest=document["manifest"])
                found.setdefault(target, set()).update(document["paths"])
        return found

    def note(self, what: Literal["says", "probe"], target: Target, noted: Mapping[str, str]) -> None:
        """Remember something of a destination for later runs of this export, in place of what was noted before.

        `says`: by path, what the encrypted files there say (`StagedFile.says`). `probe`: the `path` of the file by
        which it was tried out, if that could not be removed.
        """
        self._put(self._window.parent / f"{what}-{target.key}.json", json.dumps(noted, indent=1).encode())

    def noted(self, what: Literal["says", "probe"], target: Target) -> dict[str, str]:
        """What was noted last, by any run of this export."""
        return _load(self._window.parent / f"{what}-{target.key}.json") or {}

    @contextmanager
    def exclusive(self, target: Target) -> Iterator[None]:
        """Keep other runs of this export from publishing there meanwhile.

        A run that publishes also removes what earlier runs left, which must not happen between another run's last look
        at its files and its manifest. The kernel releases the lock when the process dies. On an object store there is
        no such lock: there, let one run at a time publish (an Airflow pool of one slot does).
        """
        if not self._is_local:
            yield
            return
        lock = Path(self._window.parent.path, f"{target.key}.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        with _locked(lock, fcntl.LOCK_EX):
            yield

    @property
    def _is_local(self) -> bool:
        return self._window.protocol == "file"

    def _put(self, target: ObjectStoragePath, content: bytes) -> None:
        if self._is_local:
            path = Path(target.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as partial:
                partial.write(content)
            Path(partial.name).replace(path)
        else:
            target.fs.pipe_file(target.path, content)


def _load(path: ObjectStoragePath) -> Document | None:
    try:
        document: Document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return document


def _gone(path: ObjectStoragePath) -> NotEligible:
    return NotEligible(f"{path} is gone: staging is kept for a limited time; run the window again from its start")


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[None]:
    """Raises BlockingIOError when somebody else holds the lock and `operation` says not to wait."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, operation)
        yield
    finally:
        os.close(handle)
