"""Removes what staging no longer needs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed."""

    runs: int
    files: int
    bytes: int


def maintain(root: str, conn_id: str | None, before: datetime) -> Removed:
    """Remove the staging of runs in which nothing was written since `before`.

    What a run may have left at its destination stays on record until the window is published again: its journals
    (`uploads-*.json`) are removed only when a later run has published, and with that has removed what they name.
    """
    from airflow.sdk import ObjectStoragePath

    runs = files = size = 0
    for window in _folders(ObjectStoragePath(root, conn_id=conn_id), levels=2):
        published = window / "last_published.json"
        published_at = published.stat().st_mtime if published.exists() else 0.0
        for run in _folders(window, levels=1):
            found = [(path, path.stat()) for path in run.rglob("*") if path.is_file()]
            newest = max((stat.st_mtime for _, stat in found), default=0.0)
            if newest >= before.timestamp():
                continue
            swept = published_at > newest
            stale = [(path, stat) for path, stat in found if swept or not path.name.startswith("uploads-")]
            for path, stat in stale:
                path.unlink()
                size += stat.st_size
            if swept:
                run.fs.rm(run.path, recursive=True)
            files, runs = files + len(stale), runs + bool(stale)
            log.info("removed %d files of %s", len(stale), run)
    return Removed(runs=runs, files=files, bytes=size)


def _folders(path: ObjectStoragePath, levels: int) -> Iterator[ObjectStoragePath]:
    """The folders so many levels below `path`, in a fixed order."""
    if levels == 0:
        yield path
    elif path.exists():
        for folder in sorted(path.iterdir(), key=str):
            if folder.is_dir():
                yield from _folders(folder, levels - 1)
