"""Whether the columns are those that were delivered last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.exports.errors import NotEligible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from include.exports.definition import Export
    from include.exports.sources import Column

log = logging.getLogger(__name__)


def kept(
    export: Export, columns: Sequence[Column], delivered: Sequence[Column], before: Mapping[str, str] | None
) -> tuple[Column, ...]:
    """The columns that `schema_policy` lets pass; `delivered` is what becomes of each.

    `before` are names and types of those delivered last, None when nothing was. Raises `NotEligible`.
    """
    if before is None:
        return tuple(columns)
    now = {column.name: str(column.type).lower() for column in delivered}
    new = [name for name in now if name not in before]
    changed = list(_changed(now, before))
    policy = export.conditions.schema_policy
    if policy == "evolve":
        for line in [*(f"{name!r} is new, {now[name]}" for name in new), *changed]:
            log.warning("the columns differ from those delivered last: %s", line)
        return tuple(columns)
    refused = changed + [f"{name!r} is new, {now[name]}" for name in new if policy == "freeze"]
    if refused:
        raise NotEligible(
            f"{export.name}: the columns differ from those delivered last, and schema_policy is"
            f" {policy!r}: {', '.join(refused)}; correct the source or `columns`, or declare schema_policy='evolve'"
            " until a run has delivered the new ones"
        )
    if new:
        log.warning("left out, since they are new and schema_policy is 'discard': %s", ", ".join(new))
    return tuple(column for column, target in zip(columns, delivered, strict=True) if target.name not in new)


def _changed(now: Mapping[str, str], before: Mapping[str, str]) -> Iterator[str]:
    for name, type_ in before.items():
        if name not in now:
            yield f"{name!r} is gone, it was {type_}"
        elif now[name] != type_:
            yield f"{name!r} is {now[name]}, it was {type_}"
    order, former = [name for name in now if name in before], [name for name in before if name in now]
    if order != former:
        yield f"the order is {', '.join(map(repr, order))}, it was {', '.join(map(repr, former))}"
