"""Removes what this project wrote at a destination and no manifest names. Nothing else is ever removed there."""

from __future__ import annotations

import logging
import posixpath
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from include.exports.destinations import connect
from include.exports.errors import DeliveryRefused
from include.exports.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.exports.definition import Export
    from include.exports.destinations import Store
    from include.exports.staging import Staging, Target

log = logging.getLogger(__name__)


def sweep(export: Export, staging: Staging) -> int | None:
    """Remove what runs of a window have written, that ended before they published. Returns how many files, or None
    when something was written where the export no longer delivers, or a manifest of the window cannot be read: then
    nothing is removed there.

    No run of the window may be under way. `staging` is that of any run of it. Raises what the destination raises.
    """
    declared = {each.place: each for each in (export.destination, *export.elsewhere.values())}
    recorded = staging.recorded()
    places = sorted({target.destination for target in recorded})
    swept = [_sweep(declared[place], recorded, staging) for place in places if place in declared]
    return None if None in swept or len(swept) < len(places) else sum(filter(None, swept))


def _sweep(destination: Any, recorded: Mapping[Target, set[str]], staging: Staging) -> int | None:
    """The same at one destination."""
    here = {target: paths for target, paths in recorded.items() if target.destination == destination.place}
    with connect(destination) as store, ExitStack() as alone:
        for target in sorted(here, key=lambda target: target.key):
            alone.enter_context(staging.exclusive(target))
        named = [named_by(target.manifest, store) for target in here]
        if staging.has_published(destination.place) and None in named:
            return None
        written = set().union(*here.values())
        return remove(store, written.difference(*(paths or () for paths in named)))


def remove(store: Store, paths: Iterable[str]) -> int:
    """Remove files that no manifest names, and return how many. One that may not be removed stays."""
    removed = 0
    for path in sorted(paths):
        try:
            store.delete(path)
        except DeliveryRefused as error:
            log.warning("%s stays, though no current manifest names it: %s", store.url(path), error)
        else:
            log.info("removed %s: no current manifest names it", store.url(path))
            removed += 1
    return removed


def named_by(path: str, store: Store) -> set[str] | None:
    """What the manifest at `path` names; None when it cannot be read."""
    try:
        document = store.read(path)
        return paths(path, Manifest.model_validate_json(document.content)) if document else None
    except (DeliveryRefused, ValueError):
        return None


def paths(path: str, manifest: Manifest) -> set[str]:
    """Every file that the manifest at `path` names."""
    return {*manifest.paths()} | {posixpath.join(posixpath.dirname(path), view) for view in manifest.export.views}
