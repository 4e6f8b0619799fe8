"""Puts together the manifest of a window from what was delivered."""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

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
from include.exports.views import names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.exports.deliver import DeliveredFile
    from include.exports.destinations import Document
    from include.exports.plan import Plan
    from include.exports.sources import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the stages of a run have delivered for its window."""

    run: str
    """Airflow's run id."""
    columns: Sequence[Column]
    """The columns as they are delivered."""
    source_rows: int
    """Records that the source gave."""
    files: Sequence[DeliveredFile]
    """In the order of their rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The manifest that is at the destination, ours to replace."""

    document: Document
    manifest: Manifest


def interval(plan: Plan) -> Interval:
    """The window as the manifest writes it."""
    start, end = (moment.isoformat() if moment else None for moment in (plan.window.start, plan.window.end))
    return Interval(start=start, end=end, timezone=plan.export.schedule.timezone)


def compose(plan: Plan, delivery: Delivery, url: Callable[[str], str], current: Current | None) -> Manifest:
    """The manifest of the generation after `current`. Pure; `url` gives the address of a path."""
    export, files = plan.export, delivery.files
    elements = [Element(name=column.name, type=BaseType(base=str(column.type).lower())) for column in delivery.columns]
    schema = json.dumps([element.model_dump() for element in elements])
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
            generation=current.manifest.export.generation + 1 if current else 1,
            supersedes=hashlib.sha256(current.document.content).hexdigest() if current else None,
            source_count=delivery.source_rows,
            format=export.files.type,
            compression=export.files.compression,
            header_lines=export.files.header_lines,
            dialect=export.files.dialect,
            schema_fingerprint=hashlib.sha256(schema.encode()).hexdigest(),
            definition_fingerprint=export.fingerprint,
            run_id=delivery.run,
            views=list(names(plan, flow_run_id).values()),
        ),
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
