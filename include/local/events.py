"""Message events as they could have happened, for the demo, tests and benchmarks. The same seed, the same events.

Campaigns of all channels with variants and a control group, users who get several messages and do something with some
of them, events that are delivered twice, or hours and days late.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from include.exports.campaigns.event_types import event_types
from include.local.lake import LAKE
from include.local.messages import CHANNELS, DAY, MINUTE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

AVRO = {"VARCHAR": "string", "BIGINT": "long", "DOUBLE": "float", "BOOLEAN": "boolean"}
OF_THE_API = {
    "campaign_id": "campaign_api_id",
    "message_variation_id": "message_variation_api_id",
    "app_id": "app_api_id",
    "app_group_id": "app_group_api_id",
}
"""Columns that the SQL share calls otherwise."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event and when it was processed."""

    type: str
    record: dict[str, Any]
    processed: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign to be made up."""

    id: str
    name: str
    channels: tuple[str, ...]
    """Keys of `CHANNELS`. With one, the variants are of it; with several, each has one variant."""
    variants: int = 1
    control: bool = False
    """Whether a group of the users gets no message."""

    def variations(self) -> list[tuple[str, str, str]]:
        """Id, name and channel of each variation with messages."""
        of = self.channels * self.variants if len(self.channels) == 1 else self.channels
        return [(f"{self.id}-v{number}", f"Variant {number}", channel) for number, channel in enumerate(of, 1)]


def generate(
    campaigns: Sequence[Campaign], *, start: datetime, days: int, users: int, seed: int = 0
) -> Iterator[Event]:
    """Events of campaigns that send on each of `days` days from `start` on, in an order of no meaning.

    What follows a message can happen after the last day. About one in fifty events is delivered twice, one in twenty
    late: by up to ten days.
    """
    for campaign in campaigns:
        rng = random.Random(f"{seed} {campaign.id}")  # noqa: S311  # made up, and the same every time
        for happened in _campaign(campaign, rng, int(start.timestamp()), days, users):
            late = rng.randrange(10 * DAY) if rng.random() < 0.05 else rng.randrange(10 * MINUTE)  # noqa: PLR2004
            event = Event(happened.type, happened.record, happened.record["time"] + late)
            yield event
            if rng.random() < 0.02:  # noqa: PLR2004
                yield Event(event.type, event.record, event.processed + rng.randrange(DAY))


def _campaign(campaign: Campaign, rng: random.Random, start: int, days: int, users: int) -> Iterator[Event]:
    variations = campaign.variations()
    for user in range(users):
        if campaign.control and user % 10 == 0:
            at = start + rng.randrange(days * DAY)
            common = _common(campaign, user, f"{campaign.id}-control", "Control Group")
            yield _event("campaigns.EnrollInControl", rng, at, common)
            yield from _conversions(rng, at, common)
            continue
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            mine = variations if len(campaign.channels) > 1 else [rng.choice(variations)]
            at = start + rng.randrange(days * DAY)
            for variation, name, channel in mine:
                common = _common(campaign, user, variation, name)
                yield from _message(channel, rng, at, common | {"dispatch_id": f"{campaign.id}-{at // DAY}"})
                yield from _conversions(rng, at, common)


def _message(channel: str, rng: random.Random, at: int, common: dict[str, Any]) -> Iterator[Event]:
    kind, columns, follows = CHANNELS[channel]
    common |= columns
    yield _event(kind, rng, at, common)
    for follow in follows:
        if rng.random() < follow.share:
            for _ in range(rng.randint(1, follow.times)):
                chosen = {name: rng.choice(list(values)) for name, values in follow.columns.items()}
                yield _event(follow.type, rng, at + rng.randrange(follow.within), common | chosen)


def _conversions(rng: random.Random, at: int, common: dict[str, Any]) -> Iterator[Event]:
    for index, share in enumerate((0.2, 0.1, 0.05, 0.05)):
        if rng.random() < share:
            columns = common | {"conversion_behavior_index": index, "conversion_behavior": "Makes Any Purchase"}
            yield _event("campaigns.Conversion", rng, at + rng.randrange(7 * DAY), columns)
    if rng.random() < 0.2:  # noqa: PLR2004
        bought = {
            "product_id": "p",
            "price": rng.randrange(100, 9999) / 100,
            "currency": rng.choice(("USD", "USD", "EUR")),
        }
        after = at + rng.randrange(6 * DAY)
        yield _event("behaviors.Purchase", rng, after, common | bought | {"properties": "{}"})
        if rng.random() < 0.8:  # noqa: PLR2004
            cents = rng.randrange(100, 9999)
            yield _event("campaigns.Revenue", rng, after, common | {"revenue": cents})


def _common(campaign: Campaign, user: int, variation: str, name: str) -> dict[str, Any]:
    return {
        "user_id": f"user-{user:06d}",
        "external_user_id": f"customer-{user:06d}",
        "app_id": "app",
        "app_group_id": "workspace",
        "timezone": "Asia/Seoul",
        "email_address": f"user{user}@example.org",
        "content_card_id": f"{variation}-card",
        "campaign_id": campaign.id,
        "campaign_name": campaign.name,
        "message_variation_id": variation,
        "message_variation_name": name,
    }


def _event(kind: str, rng: random.Random, at: int, columns: dict[str, Any]) -> Event:
    type_ = f"users.{kind}" if kind.startswith(("behaviors", "campaigns")) else f"users.messages.{kind}"
    known = event_types()[type_].columns
    record = {"id": str(UUID(int=rng.getrandbits(128))), "time": at} | {k: v for k, v in columns.items() if k in known}
    return Event(type_, record, at)


def write_lake(events: Iterator[Event] | Sequence[Event], folder: Path, form: str) -> None:
    """Write events in the layout of Currents, as `avro`, `ndjson` or `parquet`."""
    hours: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        hours[event.type, f"{datetime.fromtimestamp(event.processed, UTC):%Y-%m-%d-%H}"].append(event.record)
    for (type_, hour), records in hours.items():
        place = folder / f"event_type={type_}" / f"date={hour}" / "356" / "prod-01"
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"dataexport.prod-01.S3.integration.1+0+{len(records)}.{form}"
        complete = [{name: record.get(name) for name in event_types()[type_].columns} for record in records]
        _WRITERS[form](file, type_, complete)


def write_tables(events: Iterator[Event] | Sequence[Event], database: sqlite3.Connection) -> None:
    """Write events as the tables of Braze's SQL share: their ids are those of the API."""
    types: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        types[event.type].append(event.record)
    for type_, records in types.items():
        kind = event_types()[type_]
        shared = {name: OF_THE_API.get(name, name).upper() for name in kind.columns if not name.endswith("_name")}
        database.execute(f"CREATE TABLE {kind.table} ({', '.join(shared.values())})")
        places = ", ".join("?" * len(shared))
        rows = [[record.get(name) for name in shared] for record in records]
        database.executemany(f"INSERT INTO {kind.table} VALUES ({places})", rows)  # names of our own
    database.commit()


def _write_avro(file: Path, type_: str, records: list[dict[str, Any]]) -> None:
    import fastavro

    fields = [{"name": name, "type": _avro(name, kind)} for name, kind in event_types()[type_].columns.items()]
    with file.open("wb") as stream:
        schema = {"type": "record", "name": type_.replace(".", "_"), "fields": fields}
        fastavro.writer(stream, schema, records, sync_marker=b"0123456789abcdef")


def _avro(name: str, kind: str) -> Any:
    if name == "time":
        return "int"
    plain = {"type": "array", "items": "string"} if kind == "VARCHAR[]" else AVRO[kind]
    return plain if name == "id" else ["null", plain]


def _write_ndjson(file: Path, type_: str, records: list[dict[str, Any]]) -> None:
    del type_
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


def _write_parquet(file: Path, type_: str, records: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from include.exports.sources.text_files import schema

    columns = event_types()[type_].columns
    pq.write_table(pa.Table.from_pylist(records, schema=schema(list(columns), columns)), file)


_WRITERS = {"avro": _write_avro, "ndjson": _write_ndjson, "parquet": _write_parquet}

SAMPLE = (
    Campaign(
        id="11111111-spring", name="Spring Sale", channels=("email", "ios_push", "android_push", "in_app_message")
    ),
    Campaign(id="22222222-welcome", name="Welcome", channels=("email",), variants=3, control=True),
)
"""The campaigns of the demo."""

SAMPLE_START = datetime(2019, 11, 24, tzinfo=UTC)


def build(lake: Path = LAKE) -> Path:
    """The folder of the sample events in `lake`, built when it is missing; it appears whole."""
    place = lake / "currents"
    if not place.exists():
        partial = lake / ".currents.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_lake(generate(SAMPLE, start=SAMPLE_START, days=7, users=500), partial, "avro")
        partial.rename(place)
    return place


if __name__ == "__main__":
    build()
