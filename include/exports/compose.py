"""Puts together the manifest of a window from what was delivered."""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from include.exports.destinations import module
from include.exports.errors import DeliveryRefused
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
    TableInfo,
    Totals,
    form,
)
from include.exports.views import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from include.exports.deliver import DeliveredFile, DeliveredTable
    from include.exports.destinations import Document, Store
    from include.exports.manifest import Encryption
    from include.exports.plan import Plan
    from include.exports.sources import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the stages of a run have delivered for its window."""

    run: str
    """Airflow's run id."""
    columns: Sequence[Column]
    """The columns as they are delivered."""
    encryption: Encryption | None
    """The keys of the files; None when they are not encrypted."""
    source_rows: int
    """Records that the source gave."""
    tables: Sequence[DeliveredTable]
    """In the order of their rows; those of a later shard come later."""

    @property
    def by_name(self) -> dict[str | None, list[DeliveredTable]]:
        """The pieces of each table."""
        found: dict[str | None, list[DeliveredTable]] = {}
        for piece in self.tables:
            found.setdefault(piece.table.name, []).append(piece)
        return found

    @property
    def files(self) -> list[DeliveredFile]:
        """All files, table by table."""
        return [file for pieces in self.by_name.values() for piece in pieces for file in piece.files]


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The manifest that is at the destination, ours to replace."""

    document: Document
    manifest: Manifest


def current(plan: Plan, store: Store) -> Current | None:
    """The manifest that is there; None when there is none. Raises `DeliveryRefused` when it is not ours to replace."""
    document = store.read(plan.manifest)
    if document is None:
        return None
    url = store.url(plan.manifest)
    try:
        manifest = Manifest.model_validate_json(document.content)
    except ValueError:
        raise DeliveryRefused(
            f"{url} is not a manifest of this project and is left alone; move it, or give the export another folder or"
            " manifest name"
        ) from None
    there, here = manifest.export, interval(plan)
    if there.name != plan.export.name:
        raise DeliveryRefused(
            f"{url} belongs to the export {there.name!r}; give {plan.export.name!r} another folder or manifest name"
        )
    at = datetime.fromisoformat(manifest.scheduledTime)
    if plan.export.mode == "full" and at > plan.window.as_of:
        raise DeliveryRefused(
            f"{url} is of {at.isoformat()}, newer than this run's {plan.window.as_of.isoformat()}, which would put"
            " older records in its place; add %EXPORT_TIME% to the folder to keep both"
        )
    starts = {there.interval.start, here.start}
    if plan.export.mode == "incremental" and (at != plan.window.as_of or (len(starts) > 1 and None not in starts)):
        raise DeliveryRefused(
            f"{url} is of the window {there.interval.start} to {there.interval.end}, and this run's is {here.start} to"
            f" {here.end}; give the export a folder that tells them apart"
        )
    return Current(document=document, manifest=manifest)


def generation_after(before: Current | None) -> int:
    """The number of the generation that would replace what is there."""
    return before.manifest.export.generation + 1 if before else 1


def interval(plan: Plan) -> Interval:
    """The window as the manifest writes it."""
    start, end = (moment.isoformat() if moment else None for moment in (plan.window.start, plan.window.end))
    return Interval(start=start, end=end, timezone=plan.export.schedule.timezone)


def compose(plan: Plan, delivery: Delivery, url: Callable[[str], str], before: Current | None) -> Manifest:
    """The manifest of the generation after `before`. Pure; `url` gives the address of a path."""
    export, files = plan.export, delivery.files
    tables = [_table(name, pieces) for name, pieces in delivery.by_name.items() if name]
    elements = [] if tables else _elements((column.name, str(column.type)) for column in delivery.columns)
    schema = [element.model_dump() for element in elements] or [table.columns.model_dump() for table in tables]
    flow_run_id = str(uuid5(NAMESPACE_URL, f"{export.name}/{delivery.run}"))
    return Manifest(
        entries=[_entry(file, url(file.path)) for file in files],
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
            interval=interval(plan),
            mode=export.mode,
            generation=generation_after(before),
            supersedes=hashlib.sha256(before.document.content).hexdigest() if before else None,
            source_count=delivery.source_rows,
            **form(export.files),
            encryption=delivery.encryption,
            schema_fingerprint=hashlib.sha256(json.dumps(schema).encode()).hexdigest(),
            definition_fingerprint=export.fingerprint,
            run_id=delivery.run,
            views=list(names(plan, flow_run_id).values()),
            retention_days=retention.days
            if (retention := module(export.destination.type).CAPABILITIES.retention)
            else None,
            tables=tables,
        ),
    )


def _elements(columns: Iterable[tuple[str, str]]) -> list[Element]:
    return [Element(name=name, type=BaseType(base=kind.lower())) for name, kind in columns]


def _table(name: str, pieces: Sequence[DeliveredTable]) -> TableInfo:
    first = pieces[0].table
    files = [file for piece in pieces for file in piece.files]
    return TableInfo(
        name=name,
        title=first.title,
        **first.form,
        columns=Elements(elements=_elements(first.columns)),
        files=[posixpath.basename(file.path) for file in files],
        record_count=sum(file.staged.rows for file in files),
    )


def _entry(file: DeliveredFile, url: str) -> Entry:
    return Entry(
        url=url,
        meta=FileMeta(
            content_length=file.staged.size,
            record_count=file.staged.rows,
            uncompressed_length=file.staged.uncompressed,
            sha256=file.staged.sha256,
            store_checksum=file.checksum,
        ),
    )
