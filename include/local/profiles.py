"""Profiles of the users of made-up events. The same seed, the same profiles.

Of a hundred users about two were deleted and have a row that says so, two were merged into another one, one has no row
at all, and ten have no e-mail address.
"""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.local.lake import LAKE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

CREATED = datetime(2018, 1, 1, tzinfo=UTC)

TYPES = {
    "braze_id": "VARCHAR",
    "user_id": "VARCHAR",
    "email": "VARCHAR",
    "first_name": "VARCHAR",
    "last_name": "VARCHAR",
    "phone_number": "VARCHAR",
    "country": "VARCHAR",
    "language": "VARCHAR",
    "timezone": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
    "random_bucket": "BIGINT",
    "session_count": "BIGINT",
    "in_app_purchase_total": "DOUBLE",
    "user_aliases": "VARCHAR",
    "unsubscribed_from_emails_at": "TIMESTAMPTZ",
    "opted_in_to_emails_at": "TIMESTAMPTZ",
    "favourite_item": "VARCHAR",
    "clicked_item": "BIGINT",
    "deleted_at": "TIMESTAMPTZ",
    "merged_into": "VARCHAR",
}
"""The table's columns: most of Braze's, the custom attribute `favourite_item`, and how often the custom event
`clicked_item` happened."""


def generate(users: Sequence[str], seed: int = 0) -> list[dict[str, Any]]:
    """A profile for most of these users, in their order. Of `user-000007`, the external id is `customer-000007`."""
    found = (_profile(user, users, random.Random(f"{seed} {user}")) for user in users)  # noqa: S311  # made up
    return [profile for profile in found if profile]


def _profile(user: str, users: Sequence[str], rng: random.Random) -> dict[str, Any] | None:
    kind = rng.choices(("current", "deleted", "merged", "missing"), (95, 2, 2, 1))[0]
    if kind == "missing":
        return None
    number = user.rpartition("-")[2]
    created = CREATED + timedelta(seconds=rng.randrange(500 * 86_400))
    after = created + timedelta(days=rng.randrange(1, 100))
    first, last = rng.choice(("Mina", "Jun", "=Ada", "Zoë", "O'Neil")), rng.choice(("Kim", "Lee", "Nguyễn", "+Park"))
    return {
        "braze_id": user,
        "user_id": f"customer-{number}",
        "email": f"user{int(number, 36)}@example.org" if rng.random() < 0.9 else rng.choice((None, "")),  # noqa: PLR2004
        "first_name": first,
        "last_name": last,
        "phone_number": f"+8210{rng.randrange(10**8):08d}",
        "country": rng.choice(("KR", "JP", "US", None)),
        "language": rng.choice(("ko", "ja", "en")),
        "timezone": "Asia/Seoul",
        "created_at": created,
        "random_bucket": rng.randrange(10_000),
        "session_count": rng.randrange(500),
        "in_app_purchase_total": rng.randrange(-1000, 100_000) / 100,
        "user_aliases": json.dumps([{"alias_name": number, "alias_label": "shop"}]),
        "unsubscribed_from_emails_at": after if rng.random() < 0.1 else None,  # noqa: PLR2004
        "opted_in_to_emails_at": after if rng.random() < 0.5 else None,  # noqa: PLR2004
        "favourite_item": rng.choice(("00123", "-17", "sofa, blue", None)),
        "clicked_item": rng.randrange(20),
        "deleted_at": after if kind == "deleted" else None,
        "merged_into": rng.choice(users) if kind == "merged" else None,
    }


def write_lake(profiles: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write profiles as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from include.exports.sources.text_files import schema

    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(list(profiles), schema=schema(list(TYPES), TYPES))
    pq.write_table(table, folder / "profiles.parquet")


def write_table(profiles: Sequence[dict[str, Any]], database: sqlite3.Connection) -> None:
    """Write profiles as the table `profiles`, times as text."""
    database.execute(f"CREATE TABLE profiles ({', '.join(TYPES)})")
    places = ", ".join("?" * len(TYPES))
    rows = [
        [value.isoformat(sep=" ") if isinstance(value := one[name], datetime) else value for name in TYPES]
        for one in profiles
    ]
    database.executemany(f"INSERT INTO profiles VALUES ({places})", rows)
    database.commit()


def build(lake: Path = LAKE) -> Path:
    """The folder of the profiles of the sample events' users in `lake`, built when it is missing; it appears whole."""
    place = lake / "profiles"
    if not place.exists():
        partial = lake / ".profiles.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_lake(generate([f"user-{number:06d}" for number in range(500)]), partial)
        partial.rename(place)
    return place


if __name__ == "__main__":
    build()
