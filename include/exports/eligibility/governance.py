"""Whether what the columns are labelled with may go where it is to go, for what is done with it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exports.columns import HashMask, RedactMask
from include.exports.governance import CORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.exports.definition import Export
    from include.exports.sources import Column


def problems(export: Export, columns: Sequence[Column]) -> Iterator[str]:
    """Each policy that the exported columns break, with the way from the column to the action."""
    labels = {column.name: carried(export, column.name) for column in columns}
    actions = set(export.destination.marketing_actions)
    for policy in (*CORE, *export.policies):
        forbidden = sorted(actions & set(policy.actions)) if policy.actions else ["any export"]
        if not forbidden or not set(policy.labels) <= set().union(*labels.values()):
            continue
        guilty = [name for name, has in labels.items() if has & set(policy.labels)]
        lineage = ", ".join(
            f"{export.dataset_name}.{name} ({'+'.join(sorted(labels[name] & set(policy.labels)))})" for name in guilty
        )
        yield (
            f"policy {policy.name!r}: {lineage} → {export.destination.place}, whose use is {', '.join(forbidden)};"
            f" leave the column out (columns.exclude), or replace its values by one text (columns.mask, RedactMask)"
        )


def carried(export: Export, column: str) -> set[str]:
    """The labels that the column's values still deserve once they are masked.

    One text for all says nothing any more. A keyed hash does not identify directly, but whoever has the key, or other
    data with the same hashes, can tell the person: I1 becomes I2 (GDPR, article 4(5) and recital 26), the rest stays.
    """
    labels = set(export.shape.labels.get(column, ()))
    match export.shape.mask.get(column):
        case RedactMask():
            return set()
        case HashMask():
            return {"I2" if label == "I1" else label for label in labels}
        case _:
            return labels
