"""Removes what staging no longer needs, and what runs that never published have left at destinations."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.exports.errors import ExportError
from include.exports.staging import Staging
from include.exports.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow.sdk import ObjectStoragePath

    from include.exports.definition import Export

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed."""

    runs: int
    files: int
    """Staged files."""
    bytes: int
    """Their size."""
    delivered: int
    """Files at destinations that no manifest names, those included that were noted and never begun."""


def maintain(root: str, conn_id: str | None, before: datetime, exports: Mapping[str, Export]) -> Removed:
    """Remove the staging of runs in which nothing was written since `before`, and what those that never published have
    left at the destinations of `exports`.

    What a run may have left at its destination stays on record until it was removed there: its journals
    (`uploads-*.json`) are removed when a later run has published, and with that has removed what they name, or when
    that was done here. Where runs of a window went to several destinations, what was published at one says nothing of
    the others. A destination that cannot be asked is asked again the next time.
    """
    from airflow.sdk import ObjectStoragePath

    runs = files = size = delivered = 0
    for window in _folders(ObjectStoragePath(root, conn_id=conn_id), levels=2):
        published = window / "last_published.json"
        published_at = published.stat().st_mtime if published.exists() else 0.0
        found = {run: _files(run) for run in _folders(window, levels=1)}
        newest = {run: _written(inside) for run, inside in found.items()}
        old = [run for run in found if newest[run] < before.timestamp()]
        staging = Staging(root, window.parent.name, window.name, run="maintenance", conn_id=conn_id)
        if old and len({target.destination for target in staging.recorded()}) > 1:
            published_at = 0.0
        if len(old) == len(found) and any(newest[run] >= published_at for run in old):
            left = _sweep(exports, staging)
            delivered += left or 0
            published_at = published_at if left is None else before.timestamp()
        for run in old:
            swept = published_at > newest[run]
            stale = [(path, stat) for path, stat in found[run] or () if swept or not path.name.startswith("uploads-")]
            for path, stat in stale:
                path.unlink()
                size += stat.st_size
            if swept:
                run.fs.rm(run.path, recursive=True)
            files, runs = files + len(stale), runs + bool(stale)
            log.info("removed %d files of %s", len(stale), run)
    log.info("removed %d staged files of %d runs, and %d delivered ones that nothing names", files, runs, delivered)
    return Removed(runs=runs, files=files, bytes=size, delivered=delivered)


def _sweep(exports: Mapping[str, Export], staging: Staging) -> int | None:
    """How many files of a window were removed at its destination; None when that could not be done."""
    if staging.export not in exports:
        log.warning("%s is not declared any more: what it has not published stays at its destination", staging.export)
        return None
    try:
        return sweep(exports[staging.export], staging)
    except ExportError as error:
        log.warning("%s: window %s is not swept: %s", staging.export, staging.window, error)
        return None


def _files(run: ObjectStoragePath) -> list[tuple[ObjectStoragePath, Any]] | None:
    """The staged files of a run and what is known of each; None when some vanish meanwhile: the run is under way."""
    with suppress(FileNotFoundError):
        return [(path, path.stat()) for path in run.rglob("*") if path.is_file()]
    return None


def _written(files: list[tuple[ObjectStoragePath, Any]] | None) -> float:
    """When the newest of them was written; of a run under way it is never long ago."""
    return math.inf if files is None else max((stat.st_mtime for _, stat in files), default=0.0)


def _folders(path: ObjectStoragePath, levels: int) -> Iterator[ObjectStoragePath]:
    """The folders so many levels below `path`, in a fixed order."""
    if levels == 0:
        yield path
    elif path.exists():
        for folder in sorted(path.iterdir(), key=str):
            if folder.is_dir():
                yield from _folders(folder, levels - 1)
