"""Message events of three real campaigns: the Open Bandit Dataset as in-app messages.

Each of its campaigns (`all`, `men`, `women`) was served by two policies, `random` and `bts`, which are its variants. An
impression is that of an in-app message, a click that of its body. The dataset has no users, but four hashed features of
each: whoever shares all four counts as one user here.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from include.exports.engine import connect, literal
from include.local.events import Event, write_lake
from include.local.lake import LAKE, SAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TITLES = {"all": "All Items", "men": "Men's Items", "women": "Women's Items"}
POLICIES = {"random": "Random", "bts": "Bernoulli Thompson Sampling"}
PROCESSED_AT_ONCE = 86_400
"""Seconds: with the events of a day in one file, there are as few files as days."""


def events() -> Iterator[Event]:
    """Every impression, and every click a second after its impression."""
    with connect() as con:
        rows = con.sql(
            "select campaign, policy, epoch(timestamp)::bigint, click, file_row_number,"
            " sha256(concat_ws(' ', user_feature_0, user_feature_1, user_feature_2, user_feature_3))"
            f" from read_parquet({literal(str(SAMPLE))}, file_row_number = true) order by file_row_number"
        ).fetchall()
    for campaign, policy, at, click, number, user in rows:
        common = {
            "user_id": user[:24],
            "campaign_id": f"open-bandit-{campaign}",
            "campaign_name": TITLES[campaign],
            "message_variation_id": f"open-bandit-{campaign}-{policy}",
            "message_variation_name": POLICIES[policy],
        }
        for kind, after in (("Impression", 0), ("Click", 1))[: 1 + click]:
            record = {"id": str(uuid5(NAMESPACE_URL, f"open-bandit/{number}/{kind}")), "time": at + after} | common
            processed = at // PROCESSED_AT_ONCE * PROCESSED_AT_ONCE + PROCESSED_AT_ONCE
            yield Event(f"users.messages.inappmessage.{kind}", record, processed)


def build(lake: Path = LAKE) -> Path:
    """The folder of the events in `lake`, built when it is missing; it appears whole."""
    place = lake / "open_bandit_events"
    if not place.exists():
        partial = lake / ".open_bandit_events.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_lake(list(events()), partial, "avro")
        partial.rename(place)
    return place


if __name__ == "__main__":
    build()
