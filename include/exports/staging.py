"""The staging area: where the tasks of a run leave files and small documents for each other.

It lies under one root, an `ObjectStoragePath` that every worker reaches, and looks like this:

    <export>/<window>/last_published.json             which run of the window was published last
    <export>/<window>/<run>/plan.json                 what validate_eligibility decided
    <export>/<window>/<run>/extract-00000.json        what a stage left for the next one, a document a shard
    <export>/<window>/<run>/extract-00000/<sha256>    the staged files
    <export>/<window>/<run>/uploads-00000.json      every path this run may have written at the destination

A staged file exists once its stage's document names it. Files and documents appear whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.exports.errors import NotEligible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import ObjectStoragePath

Document = dict[str, Any]


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
        return replace(self, run=run)

    def write(self, name: str, document: Document) -> None:
        """Leave a document for later tasks, replacing an earlier one at once."""
        self._put(self._run / name, json.dumps(document, indent=1).encode())

    def read(self, name: str) -> Document:
        """A document of this run. Raises `NotEligible` when it is not there (any more)."""
        document = _load(self._run / name)
        if document is None:
            raise NotEligible(
                f"{self._run / name} is gone: staging is kept for a limited time; run the window again from its start"
            )
        return document

    @contextmanager
    def scratch(self, stage: str) -> Iterator[Path]:
        """An empty local folder for files in the making. It is emptied first: an earlier try may have been killed."""
        if self._is_local:
            folder = Path(self._run.path) / f"scratch-{stage}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        else:
            folder = Path(tempfile.mkdtemp(prefix=f"{stage}-"))
        try:
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
        """A staged file as a local path, fetched first when staging is an object store."""
        target = self._run / stage / sha256
        if self._is_local:
            yield Path(target.path)
        else:
            with tempfile.TemporaryDirectory() as folder:
                target.fs.get_file(target.path, f"{folder}/{sha256}")
                yield Path(folder, sha256)

    def mark_published(self) -> None:
        """Remember that this run published the window last, so that it can be delivered again from its staging."""
        self._put(self._window / "last_published.json", json.dumps({"run": self.run}).encode())

    def last_published(self) -> Staging:
        """The staging of the run that published this window last. Raises `NotEligible` when there is none."""
        document = _load(self._window / "last_published.json")
        if document is None:
            raise NotEligible(
                f"nothing is staged for window {self.window} of {self.export}; run it without `resend` to read the"
                " source again"
            )
        return self.of(document["run"])

    def uploads(self) -> Iterator[set[str]]:
        """For each run of this window, every path it may have written at the destination."""
        for journal in sorted(self._window.glob("*/uploads-*.json"), key=str):
            if document := _load(journal):
                yield set(document["paths"])

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other runs of this window from publishing meanwhile.

        A run that publishes also removes what earlier runs left, which must not happen between another run's last look
        at its files and its manifest. The kernel releases the lock when the process dies. On an object store there is
        no such lock: there, let one run at a time publish a window (an Airflow pool of one slot does).
        """
        if not self._is_local:
            yield
            return
        Path(self._window.path).mkdir(parents=True, exist_ok=True)
        with Path(self._window.path, "publish.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
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
