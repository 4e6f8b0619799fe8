"""Writes the manifest, last and conditionally: the one moment at which a window's files become current.

Until then nothing that readers rely on has changed. Afterwards, what only earlier generations or interrupted runs of
this window needed is removed. A run whose bytes are already current changes nothing.
"""

from __future__ import annotations

import logging
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports.compose import Current, Delivery, compose, interval
from include.exports.deliver import put
from include.exports.destinations import connect
from include.exports.errors import DeliveryRefused, NothingToExport, VerificationError
from include.exports.manifest import Manifest
from include.exports.views import views

if TYPE_CHECKING:
    from include.exports.destinations import Store
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
    with connect(plan.export.destination) as store, staging.exclusive():
        current = _current(plan, store)
        manifest = compose(plan, delivery, store.url, current)
        changed = current is None or current.manifest.content() != manifest.content()
        if current and not changed:
            manifest = current.manifest
            log.info("%s is current already: generation %d", store.url(plan.manifest), manifest.export.generation)
        else:
            _write(plan, manifest, current, store, delivery, staging)
        _sweep(plan, manifest, current, store, staging)
        staging.mark_published()
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
    if rows != delivery.source_rows:
        raise VerificationError(
            f"{name}: the source gave {delivery.source_rows} rows but the delivered files hold {rows}; nothing was"
            " published"
        )
    if rows == 0 and plan.export.on_empty == "skip":
        raise NothingToExport(f"{name}: no records in {plan.window}")
    if rows == 0 and plan.export.on_empty == "fail":
        raise VerificationError(f"{name}: no records in {plan.window}, and on_empty is 'fail'; nothing was published")


def _current(plan: Plan, store: Store) -> Current | None:
    """The manifest that is there, provided that it is ours to replace."""
    document = store.read(plan.manifest)
    if document is None:
        return None
    try:
        manifest = Manifest.model_validate_json(document.content)
    except ValueError:
        raise DeliveryRefused(
            f"{store.url(plan.manifest)} is not a manifest of this project and is left alone; move it, or give the"
            " export another folder or manifest name"
        ) from None
    there, here = manifest.export, interval(plan)
    if there.name != plan.export.name or (plan.export.mode == "incremental" and there.interval != here):
        raise DeliveryRefused(
            f"{store.url(plan.manifest)} belongs to {there.name} {there.interval.start} to {there.interval.end}, not to"
            f" {plan.export.name} {here.start} to {here.end}; give the export another folder or manifest name"
        )
    return Current(document=document, manifest=manifest)


def _write(  # noqa: PLR0917  # all of what publish() has opened and read
    plan: Plan, manifest: Manifest, current: Current | None, store: Store, delivery: Delivery, staging: Staging
) -> None:
    """The views, then the manifest. Files that another run's sweep has taken away meanwhile are put again first."""
    for file in delivery.files:
        found = store.stat(file.path)
        if found is None or found.size != file.staged.size:
            put(store, file.path, file.staged, staging)
    derived = views(plan, manifest)
    staging.write("uploads-views.json", {"paths": sorted(derived)})
    for path, content in derived.items():
        before = store.read(path)
        store.write(path, content, before.version if before else None)
    store.write(plan.manifest, manifest.document(), current.document.version if current else None)
    log.info("published %s: generation %d", store.url(plan.manifest), manifest.export.generation)


def _sweep(plan: Plan, manifest: Manifest, superseded: Current | None, store: Store, staging: Staging) -> None:
    """Remove what this export wrote for this window and the current manifest does not name. Nothing else is touched.

    Being refused costs space at the destination and nothing else: the window is published already.
    """
    written = {path for paths in staging.uploads() for path in paths}
    if superseded:
        written |= _paths(plan, superseded.manifest)
    for path in sorted(written - _paths(plan, manifest)):
        try:
            store.delete(path)
        except DeliveryRefused as error:
            log.warning("%s stays, though no current manifest names it: %s", store.url(path), error)
        else:
            log.info("removed %s: no current manifest names it", store.url(path))


def _paths(plan: Plan, manifest: Manifest) -> set[str]:
    files = {posixpath.join(result.sinkPath.lstrip("/"), result.name) for result in manifest.exportResults}
    return files | {plan.view(name) for name in manifest.export.views}
