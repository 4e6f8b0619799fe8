"""Writes the manifest, last and conditionally: the one moment at which a window's files become current.

Until then nothing that readers rely on has changed. Afterwards, what only earlier generations or interrupted runs of
this window needed is removed. A run whose bytes are already current changes nothing.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports.compose import Current, Delivery, compose, current
from include.exports.deliver import metadata, put
from include.exports.destinations import connect, module
from include.exports.errors import DeliveryRefused, NothingToExport, VerificationError
from include.exports.sweep import named_by, paths, remove
from include.exports.views import views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.exports.deliver import DeliveredFile
    from include.exports.destinations import Store
    from include.exports.manifest import Manifest
    from include.exports.plan import Plan
    from include.exports.staging import Staging

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is current after a run."""

    manifest: str
    """Address of the manifest."""
    generation: int
    changed: bool
    """False when the window was current already, byte for byte."""
    rows: int
    files: int
    bytes: int


def publish(plan: Plan, delivery: Delivery, staging: Staging) -> Published:
    """Make the delivered files the current generation of the window.

    Raises `VerificationError` when rows were lost on the way, `DeliveryRefused` when the manifest's place belongs to
    another export or window, `DeliveryInterrupted` when another run published meanwhile, and for an empty window
    what `on_empty` asks for.
    """
    _reconcile(plan, delivery)
    with connect(plan.export.destination) as store, staging.exclusive(plan.target):
        before = current(plan, store)
        manifest = compose(plan, delivery, store.url, before)
        changed = before is None or before.manifest.content() != manifest.content()
        if before and not changed:
            manifest = before.manifest
            log.info("%s is current already: generation %d", store.url(plan.manifest), manifest.export.generation)
        about = metadata(plan, manifest.export.generation)
        parallel = module(plan.export.destination.type).CAPABILITIES.parallel
        _put_missing(delivery, store, staging, about, parallel)
        _write_views(plan, manifest, before, store, staging)
        _note_says(plan, delivery, before, staging)
        if changed:
            store.write(plan.manifest, manifest.document(), before.document.version if before else None, about)
            log.info("published %s: generation %d", store.url(plan.manifest), manifest.export.generation)
        _sweep(plan, manifest, before, store, staging)
        columns = {column.name: str(column.type).lower() for column in delivery.columns}
        staging.mark_published(plan.target.destination, delivery.source_rows, columns)
        return Published(
            manifest=store.url(plan.manifest),
            generation=manifest.export.generation,
            changed=changed,
            rows=manifest.meta.record_count,
            files=len(manifest.entries),
            bytes=manifest.meta.content_length,
        )


def _reconcile(plan: Plan, delivery: Delivery) -> None:
    name, rows = plan.export.name, sum(file.staged.rows for file in delivery.files)
    if delivery.by_name.keys() <= {None} and rows != delivery.source_rows:
        raise VerificationError(
            f"{name}: the source gave {delivery.source_rows} rows but the delivered files hold {rows}; nothing was"
            " published"
        )
    if rows == 0 and plan.export.on_empty == "skip":
        raise NothingToExport(f"{name}: no records in {plan.window}")
    if rows == 0 and plan.export.on_empty == "fail":
        raise VerificationError(f"{name}: no records in {plan.window}, and on_empty is 'fail'; nothing was published")


def _note_says(plan: Plan, delivery: Delivery, before: Current | None, staging: Staging) -> None:
    """Note what the encrypted files say, those of `before` included: the manifest is not replaced yet."""
    if plan.export.encryption is None:
        return
    noted, named = staging.noted("says", plan.target), before.manifest.paths() if before else []
    kept = {path: noted[path] for path in named if path in noted}
    staging.note("says", plan.target, kept | {file.path: file.staged.says or "" for file in delivery.files})


def _put_missing(delivery: Delivery, store: Store, staging: Staging, about: Mapping[str, str], parallel: int) -> None:
    """Put files again that another run's sweep has taken away since they were delivered.

    What may not be looked at counts as it was delivered: it was verified then, and nothing else is known of it.
    """

    def look(file: DeliveredFile) -> None:
        try:
            found = store.stat(file.path)
        except DeliveryRefused as error:
            log.warning("%s counts as it was delivered: %s", store.url(file.path), error)
            return
        if found is None or found.size != file.staged.size:
            put(store, file.path, file.staged, staging, about)

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(look, delivery.files))


def _write_views(plan: Plan, manifest: Manifest, before: Current | None, store: Store, staging: Staging) -> None:
    """Write the views that are not as the manifest says. A file that we did not write is not replaced."""
    ours = staging.recorded().get(plan.target, set())
    if before:
        ours |= paths(plan.manifest, before.manifest)
    derived = views(plan, manifest)
    found = {path: store.read(path) for path in derived}
    for path, document in found.items():
        if document and path not in ours:
            raise DeliveryRefused(
                f"{store.url(path)} was not written by this export and is left alone; give the view another name"
            )
    staging.record("views", plan.target, derived)
    about = metadata(plan, manifest.export.generation)
    for path, content in derived.items():
        document = found[path]
        if document is None or document.content != content:
            store.write(path, content, document.version if document else None, about)


def _sweep(plan: Plan, manifest: Manifest, before: Current | None, store: Store, staging: Staging) -> None:
    """Remove what this export wrote here for this window and no manifest names.

    What it has published for the window under another manifest, before its definition was changed, stays complete. So
    does what was written for a manifest that cannot be read: many stores say of what may not be read that it is not
    there. A file that may not be removed stays too: the window is published already.
    """
    recorded = staging.recorded()
    written = recorded.get(plan.target, set()) | (paths(plan.manifest, before.manifest) if before else set())
    named = paths(plan.manifest, manifest)
    for other, theirs in recorded.items():
        if other.destination == plan.target.destination and other != plan.target:
            found = named_by(other.manifest, store)
            named |= theirs if found is None else found
    remove(store, written - named)
