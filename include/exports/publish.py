"""Writes the manifest, last and conditionally: the one moment at which a window's files become current.

Until then nothing that readers rely on has changed. Afterwards, what only earlier generations or interrupted runs of
this window needed is removed. A run whose bytes are already current changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from include.exports.deliver import DeliveredFile, put
from include.exports.destinations import connect
from include.exports.errors import DeliveryRefused, NothingToExport, VerificationError
from include.exports.manifest import (
    BaseType,
    Element,
    Elements,
    Entry,
    ExportInfo,
    ExportResult,
    FileMeta,
    Interval,
    Manifest,
    Totals,
)
from include.exports.views import names, views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.exports.destinations import Document, Store
    from include.exports.plan import Plan
    from include.exports.sources import Column
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


def publish(
    plan: Plan, columns: Sequence[Column], source_rows: int, files: Sequence[DeliveredFile], staging: Staging
) -> Published:
    """Make `files` the current generation of the window.

    Raises `VerificationError` when rows were lost on the way, `DeliveryRefused` when the manifest's place belongs to
    another export or window, `DeliveryInterrupted` when another run published meanwhile, and for an empty window
    what `on_empty` asks for.
    """
    _reconcile(plan, source_rows, files)
    with connect(plan.export.destination) as store, staging.exclusive():
        document = store.read(plan.manifest)
        current = _current(plan, store, document)
        manifest = _manifest(plan, columns, source_rows, files, store, staging.run, document, current)
        if current and current.content() == manifest.content():
            log.info("%s is current already: generation %d", store.url(plan.manifest), current.export.generation)
            changed, manifest = False, current
        else:
            _write(plan, manifest, files, store, staging, document)
            changed = True
        _sweep(plan, manifest, current, store, staging)
        staging.mark_published()
        return Published(
            manifest=store.url(plan.manifest), generation=manifest.export.generation, changed=changed,
            rows=manifest.meta.record_count, files=len(manifest.entries), bytes=manifest.meta.content_length,
        )


def _reconcile(plan: Plan, source_rows: int, files: Sequence[DeliveredFile]) -> None:
    delivered = sum(file.staged.rows for file in files)
    if delivered != source_rows:
        raise VerificationError(
            f"{plan.export.name}: the source gave {source_rows} rows but the delivered files hold {delivered};"
            " nothing was published"
        )
    if source_rows == 0:
        if plan.export.on_empty == "skip":
            raise NothingToExport(f"{plan.export.name}: no records in {plan.window}")
        if plan.export.on_empty == "fail":
            raise VerificationError(f"{plan.export.name}: no records in {plan.window}, and on_empty is 'fail'")


def _current(plan: Plan, store: Store, document: Document | None) -> Manifest | None:
    """The manifest that is there, provided that it is ours to replace."""
    if document is None:
        return None
    try:
        manifest = Manifest.model_validate_json(document.content)
    except ValueError:
        raise DeliveryRefused(
            f"{store.url(plan.manifest)} is not a manifest of this project and is left alone; move it, or give the"
            " export another folder or manifest name"
        ) from None
    there, here = manifest.export, _interval(plan)
    if there.name != plan.export.name or (plan.export.mode == "incremental" and there.interval != here):
        raise DeliveryRefused(
            f"{store.url(plan.manifest)} belongs to {there.name} {there.interval.start} to {there.interval.end}, not to"
            f" {plan.export.name} {here.start} to {here.end}; give the export another folder or manifest name"
        )
    return manifest


def _interval(plan: Plan) -> Interval:
    start, end = (moment.isoformat() if moment else None for moment in (plan.window.start, plan.window.end))
    return Interval(start=start, end=end, timezone=plan.export.schedule.timezone)


def _manifest(
    plan: Plan,
    columns: Sequence[Column],
    source_rows: int,
    files: Sequence[DeliveredFile],
    store: Store,
    run: str,
    document: Document | None,
    current: Manifest | None,
) -> Manifest:
    export = plan.export
    elements = [Element(name=column.name, type=BaseType(base=str(column.type).lower())) for column in columns]
    flow_run_id = str(uuid5(NAMESPACE_URL, f"{export.name}/{run}"))
    schema = json.dumps([element.model_dump() for element in elements])
    return Manifest(
        entries=[
            Entry(
                url=store.url(file.path),
                meta=FileMeta(
                    content_length=file.staged.size,
                    record_count=file.staged.rows,
                    uncompressed_length=file.staged.uncompressed,
                    sha256=file.staged.sha256,
                    store_checksum=file.checksum,
                ),
            )
            for file in files
        ],
        schema=Elements(elements=elements),
        meta=Totals(
            content_length=sum(file.staged.size for file in files), record_count=sum(file.staged.rows for file in files)
        ),
        flowRunId=flow_run_id,
        scheduledTime=plan.window.as_of.isoformat(),
        exportResults=[
            ExportResult(
                sinkPath="/" + posixpath.dirname(file.path), name=posixpath.basename(file.path), size=file.staged.size
            )
            for file in files
        ],
        export=ExportInfo(
            name=export.name,
            dataset=export.dataset_name,
            interval=_interval(plan),
            mode=export.mode,
            generation=current.export.generation + 1 if current else 1,
            supersedes=hashlib.sha256(document.content).hexdigest() if document else None,
            source_count=source_rows,
            format=export.files.type,
            compression=export.files.compression,
            header_lines=export.files.header_lines,
            dialect=export.files.dialect,
            schema_fingerprint=hashlib.sha256(schema.encode()).hexdigest(),
            definition_fingerprint=export.fingerprint,
            run_id=run,
            views=list(names(plan, flow_run_id).values()),
        ),
    )


def _write(
    plan: Plan,
    manifest: Manifest,
    files: Sequence[DeliveredFile],
    store: Store,
    staging: Staging,
    document: Document | None,
) -> None:
    """The views, then the manifest. Files that another run's sweep has taken away meanwhile are put again first."""
    for file in files:
        found = store.stat(file.path)
        if found is None or found.size != file.staged.size:
            put(store, file.path, file.staged, staging)
    derived = views(plan, manifest)
    staging.write("uploads-views.json", {"paths": sorted(derived)})
    for path, content in derived.items():
        before = store.read(path)
        store.write(path, content, before.version if before else None)
    store.write(plan.manifest, manifest.document(), document.version if document else None)
    log.info("published %s: generation %d", store.url(plan.manifest), manifest.export.generation)


def _sweep(plan: Plan, manifest: Manifest, superseded: Manifest | None, store: Store, staging: Staging) -> None:
    """Remove what this export wrote for this window and the current manifest does not name. Nothing else is touched."""
    written = {path for paths in staging.uploads() for path in paths}
    if superseded:
        written |= _paths(plan, superseded)
    for path in sorted(written - _paths(plan, manifest)):
        store.delete(path)
        log.info("removed %s: no current manifest names it", store.url(path))


def _paths(plan: Plan, manifest: Manifest) -> set[str]:
    files = {posixpath.join(result.sinkPath.lstrip("/"), result.name) for result in manifest.exportResults}
    return files | {plan.view(name) for name in manifest.export.views}
