"""The results of a campaign of many message events, and how long it takes to read the same files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.measure import isolated, timed
from include.exports import (
    CampaignResults,
    CampaignResultsExport,
    CsvFiles,
    EventLake,
    LocalDestination,
    Once,
    engine,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.measure import Case, Run

OURS = "results"
"""This project's contestant."""
NAME, KIND = "campaign", "parquet"
ROWS = 20_000_000
CAMPAIGN = "0b5d6c1e-4f2a-4a3e-9d5c-campaign0001"
START = 1_700_006_400
"""Midnight, UTC."""
DAYS = 10

SHARES = {
    "users.messages.email.Send": 0.33,
    "users.messages.email.Delivery": 0.32,
    "users.messages.email.Open": 0.22,
    "users.messages.email.Click": 0.08,
    "users.messages.email.Bounce": 0.01,
    "users.messages.email.Unsubscribe": 0.005,
    "users.campaigns.Conversion": 0.02,
    "users.behaviors.Purchase": 0.015,
}
"""Of all events."""

WARM_UP_ROWS = 2000
DUPLICATES = 0.01
"""Of the events of a type, delivered twice."""

EVENTS = """
select
    substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 13, 3) || '-a' || substr(h, 16, 3) || '-'
        || substr(h, 19, 12) as id,
    substr(md5('u' || i % $users), 1, 24) as user_id,
    'customer-' || i % $users as external_user_id,
    'workspace' as app_group_id,
    ($start + (i * 2654435761) % ($days * 86400))::int as time,
    'Asia/Seoul' as timezone,
    $campaign as campaign_id, 'Spring Sale' as campaign_name,
    'variation-' || (i % $users) % 3 as message_variation_id, 'Variant ' || (i % $users) % 3 as message_variation_name,
    'dispatch-' || ((i * 2654435761) % ($days * 86400)) // 86400 as dispatch_id,
    'user' || i % $users || '@example.com' as email_address,
    'https://example.com/p/' || i % 1000 as url,
    case when i % 4 = 0 then 'true' end as machine_open, i % 9 = 0 as is_amp, i % 11 = 0 as is_suspected_bot_click,
    i % 4 as conversion_behavior_index, (i % 9999) / 100.0 as price, 'USD' as currency,
    strftime(make_timestamp(time * 1000000::bigint), '%Y-%m-%d-%H') as date
from (select if(n < $count, n, n - $count) as i, md5($type || if(n < $count, n, n - $count)) as h
      from range(($count * (1 + $duplicates))::bigint) numbers(n))
"""


def measure(case: Case, source: Path) -> Run:
    """Let the contestant read the events of the folder `source`, in a new process."""
    return isolated(_measure, case, source)


def _measure(case: Case, source: Path) -> Run:
    work = CONTESTANTS[case.contestant]
    with TemporaryDirectory(dir=data.DATA) as folder:
        work(events(WARM_UP_ROWS), Path(folder))  # imports what the contestant needs
    with TemporaryDirectory(dir=data.DATA) as folder:
        return timed(lambda: work(source, Path(folder)))


def results(source: Path, target: Path) -> int:
    """This project's whole path, to all files of the results of all days; returns the bytes delivered."""
    from include.exports.stages import Stages
    from include.exports.staging import Staging
    from include.exports.window import Window

    after = datetime.fromtimestamp(START + DAYS * 86_400, UTC)
    export = CampaignResultsExport(
        name="benchmark",
        owner="benchmarks",
        source=CampaignResults(events=EventLake(path=str(source), format="parquet")),
        mode="full",
        days=DAYS,
        schedule=Once(at=after),
        files=CsvFiles(compression="none"),
        destination=LocalDestination(path=str(target / "delivered")),
    )
    window = Window(start=None, end=None, as_of=after)
    run = Stages(export, window, Staging(f"file://{target}/staging", export.name, window.key, "run"))
    for shard in run.validate_eligibility():
        run.extract_records(shard)
        run.serialize_files(shard)
        run.deliver_files(shard)
    return int(run.publish_manifest()["bytes"])


def count(source: Path, target: Path) -> int:
    """DuckDB's `count(*)` over the files, which reads of a Parquet file only its end."""
    return _read("count(*)", source, target)


def read(source: Path, target: Path) -> int:
    """DuckDB's reading of every value once."""
    return _read("count(*), bit_xor(hash(columns(*)))", source, target)


def _read(what: str, source: Path, target: Path) -> int:
    with engine.connect(spill=target) as con:
        for folder in sorted(source.iterdir()):
            con.sql(f"select {what} from read_parquet('{folder}/**/*.parquet', union_by_name=true)").fetchall()
    return 0


CONTESTANTS: Mapping[str, Callable[[Path, Path], int]] = MappingProxyType({OURS: results, "read": read, "count": count})


def events(rows: int = ROWS, root: Path = data.DATA) -> Path:
    """A folder with about `rows` events as Parquet files, an hour each."""
    folder = root / f"campaign-{rows}"
    if not folder.exists():
        import duckdb

        partial = data.partial_folder(folder)
        for type_, share in SHARES.items():
            values = {
                "type": type_,
                "count": int(rows * share),
                "duplicates": DUPLICATES,
                "users": max(1, rows // 20),
                "start": START,
                "days": DAYS,
                "campaign": CAMPAIGN,
            }
            place = partial / f"event_type={type_}"
            place.mkdir()
            options = "(format parquet, compression zstd, partition_by (date), overwrite_or_ignore)"
            duckdb.execute(f"copy ({EVENTS} order by time // 3600) to '{place}' {options}", values)
        partial.rename(folder)
    return folder
