"""Copies a shard's files to the destination, under names that no reader finds before the manifest names them."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from include.exports.compose import current, generation_after
from include.exports.destinations import connect, module, unheard
from include.exports.errors import NotEligible
from include.exports.progress import Progress
from include.exports.verify import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.exports.compose import Current
    from include.exports.destinations import Sent, Store
    from include.exports.extract import StagedFile
    from include.exports.manifest import FileMeta
    from include.exports.plan import Plan
    from include.exports.serialize import SerializedTable
    from include.exports.staging import Staging

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredFile:
    """A file that is complete at the destination."""

    path: str
    """Below the destination's root."""
    staged: StagedFile
    checksum: dict[str, str]
    """The store's own checksum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredTable:
    """The files of one table in one window, complete at the destination."""

    table: SerializedTable
    files: list[DeliveredFile]


def deliver(
    plan: Plan, shard: int, shards: int, tables: Sequence[SerializedTable], staging: Staging
) -> list[DeliveredTable]:
    """Put the files of one window at their final paths and verify each there. Files that are there are left alone.

    Their paths are noted in staging first: a run that is killed leaves nothing that nobody knows of. Raises
    `DeliveryRefused` when the folder belongs to something else, before anything is written, and `NotEligible` when a
    file is not encrypted that is to be.

    The generation in their metadata is the one that they were first sent for; later ones may name them too.
    """
    if plan.export.encryption and not all(file.says for table in tables for file in table.files):
        raise NotEligible(f"{plan.export.name}: encryption was declared after the run had begun; run it again")
    targets = {
        plan.part(shard, shards, number, file.sha256, name=table.name or "part", extension=table.extension): file
        for table in tables
        for number, file in enumerate(table.files)
    }
    progress = Progress(log, "delivered")
    result = []
    destination = plan.export.destination
    with connect(destination) as store, ThreadPoolExecutor(module(destination.type).CAPABILITIES.parallel) as pool:
        before = current(plan, store)
        about = metadata(plan, generation_after(before))
        named = _encrypted(before, staging.noted("says", plan.target)) if before and plan.export.encryption else {}
        staging.record(f"{shard:05d}", plan.target, targets)

        def bring(path: str) -> DeliveredFile:
            file = targets[path]
            return _kept(named, path, file, store) or put(store, path, file, staging, about, sent=progress.sent)

        for file in pool.map(bring, targets):
            result.append(file)
            progress.advance(rows=file.staged.rows)
    progress.done()
    files = iter(result)
    return [DeliveredTable(table=table, files=list(islice(files, len(table.files)))) for table in tables]


def metadata(plan: Plan, generation: int) -> dict[str, str]:
    """What a store keeps beside the bytes of a file: letters, digits and `_ - : + .` only, which all of them take."""
    return {"export": plan.export.name, "window": plan.window.key, "generation": str(generation)}


Encrypted = dict[tuple[str, str], tuple[str, "FileMeta"]]
"""What the current manifest says of encrypted files: by name without the hash and what they say, path and figures."""


def _encrypted(before: Current, says: Mapping[str, str]) -> Encrypted:
    named = zip(before.manifest.paths(), before.manifest.entries, strict=True)
    return {(_place(path, entry.meta.sha256), says[path]): (path, entry.meta) for path, entry in named if path in says}


def _place(path: str, sha256: str) -> str:
    return path.replace(sha256[:32], "")


def _kept(named: Encrypted, path: str, file: StagedFile, store: Store) -> DeliveredFile | None:
    """The file that the current manifest names in the place of `path`, when it says the same and is undamaged.

    Its own bytes need not be in staging any more.
    """
    found = named.get((_place(path, file.sha256), file.says or ""))
    if found is None:
        return None
    path, meta = found
    stored = store.stat(path)
    if stored is None or stored.size != meta.content_length:
        return None
    if any(meta.store_checksum.get(name, value) != value for name, value in stored.checksum.items()):
        return None
    log.info("%s says the same and is left as it is", store.url(path))
    return DeliveredFile(
        path=path, staged=replace(file, sha256=meta.sha256, size=meta.content_length), checksum=meta.store_checksum
    )


def put(
    store: Store,
    path: str,
    file: StagedFile,
    staging: Staging,
    about: Mapping[str, str],
    *,
    sent: Sent = unheard,
) -> DeliveredFile:
    """Put one staged file and verify it."""
    with staging.of(file.run).open_local(file.stage, file.sha256) as source:
        stored = store.put(source, path, file.sha256, about, sent)
    check(store.url(path), stored, size=file.size, sha256=file.sha256)
    log.info("delivered %s (%d rows, %d bytes)", store.url(path), file.rows, file.size)
    return DeliveredFile(path=path, staged=file, checksum=stored.checksum)
