"""Whether the destination takes what is written to it: tries it out with a small file that is removed again."""

from __future__ import annotations

import logging
import posixpath
import secrets
from typing import TYPE_CHECKING

from include.exports.errors import DeliveryRefused
from include.exports.staging import Target

if TYPE_CHECKING:
    from include.exports.destinations import Store
    from include.exports.plan import Plan
    from include.exports.staging import Staging

log = logging.getLogger(__name__)


def probe(plan: Plan, store: Store, staging: Staging) -> None:
    """Write a file below the destination's prefix and remove it. Raises what the store says when it may not be written.

    Staging knows the file before it is written and until it is removed, so the next run removes what a killed one left.
    Where nothing may be removed one file stays, and no further one is written: readers would see one for each run.
    """
    everywhere = Target(destination=plan.export.destination.place, manifest="")
    if left := staging.noted("probe", everywhere):
        try:
            store.delete(left["path"])
        except DeliveryRefused:
            log.info("not tried out by writing: %s may not be removed", store.url(left["path"]))
            return
    path = posixpath.join(plan.export.destination.prefix, f"_probe-{secrets.token_hex(6)}")
    staging.note("probe", everywhere, {"path": path})
    try:
        store.write(path, b"", None, {"export": plan.export.name})
    except DeliveryRefused:
        staging.note("probe", everywhere, {})
        raise
    try:
        store.delete(path)
    except DeliveryRefused as error:
        log.warning("%s stays, and no further run writes one: %s", store.url(path), error)
    else:
        staging.note("probe", everywhere, {})
