"""Decides whether a run may start, and fixes what it will read. Reads no record.

A module a question; each says what is wrong in words, and `Reasons` collects them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.exports import sources
from include.exports.eligibility import columns, freshness, governance, schema, volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.exports.eligibility.reasons import Reasons
    from include.exports.plan import Plan
    from include.exports.sources import Column, Request, Shard

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligible:
    """What a run that may start will read."""

    request: Request
    """The plan's request with its columns."""
    columns: tuple[Column, ...]
    """The requested columns with the types the source gives them."""
    shards: tuple[Shard, ...]
    """At least one."""


def validate(
    plan: Plan, reasons: Reasons, before: Mapping[str, str] | None = None, free: int | None = None
) -> Eligible | None:
    """What the run will read; None when it may not, and then `reasons` has why.

    `before` are the columns delivered last, `free` the bytes that staging has left.
    """
    export = plan.export
    available = reasons.ask(lambda: sources.module(export.source).describe(export.source, plan.request))
    if available is None:
        return None
    if found := list(columns.problems(export, plan.request, available)):
        reasons.add(found)
        return None
    wanted = columns.wanted(export, available)
    wanted = reasons.ask(lambda: schema.kept(export, wanted, columns.delivered(export, wanted), before)) or wanted
    reasons.add(governance.problems(export, wanted))
    request = replace(plan.request, columns=tuple(column.name for column in wanted))
    shards = reasons.ask(lambda: sources.module(export.source).shards(export.source, request))
    if shards is None:
        return None
    reasons.add(volume.problems(export, request, shards, free))
    reasons.add(reasons.ask(lambda: list(freshness.problems(plan))) or [])
    files = sum(len(shard.files) for shard in shards)
    log.info("window %s: %d columns, %d shard(s), %d file(s) to read", plan.window, len(wanted), len(shards), files)
    return Eligible(request=request, columns=wanted, shards=shards)
