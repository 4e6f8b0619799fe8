"""An SQL source on the whole path of a record: a query beside the definition, delivered as files."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from include.exports import (
    Columns,
    Daily,
    DatasetExport,
    JsonFiles,
    LocalDestination,
    SqlSource,
    TimeColumn,
    read_query,
)
from include.exports.errors import DefinitionError, NotEligible
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.window import Window

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rigs.postgres import Postgres

QUERY = """\
select carrier, flight, time_hour as "at", dep_delay, dep_delay::numeric(12,3) / 60 as hours, array[origin, dest] as leg
from flights
where time_hour >= :window_start and time_hour < :window_end -- departures of the window
"""


@pytest.fixture(autouse=True)
def _connection(postgres: Postgres, postgres_flights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow(postgres_flights))


def export(folder: Path, query: str = QUERY, **types: str) -> DatasetExport:
    (folder / "departures.sql").write_text(query)
    return DatasetExport(
        name="departures",
        owner="tests",
        source=SqlSource(
            conn_id="pg",
            query=read_query(str(folder / "departures.py"), "departures.sql"),
            time_column=TimeColumn(name="at"),
            types=types,
        ),
        columns=Columns(exclude=("dep_delay",), rename={"at": "departed_at"}),
        filter="dep_delay > 100",
        order_by=("at", "carrier", "flight desc"),
        mode="incremental",
        schedule=Daily(timezone="America/New_York", start="2013-01-01"),
        files=JsonFiles(compression="gzip"),
        destination=LocalDestination(path=str(folder / "delivered")),
    )


def stages(exported: DatasetExport, folder: Path) -> Stages:
    start, end = datetime(2013, 2, 8, 5, tzinfo=UTC), datetime(2013, 2, 9, 5, tzinfo=UTC)
    window = Window(start=start, end=end, as_of=end)
    return Stages(exported, window, Staging(f"file://{folder}/staging", exported.name, window.key, "run"))


def test_the_files_hold_what_the_database_says(postgres: Postgres, tmp_path: Path) -> None:
    run = stages(export(tmp_path, hours="VARCHAR"), tmp_path)
    for shard in run.validate_eligibility():
        run.extract_records(shard)
        run.serialize_files(shard)
        run.deliver_files(shard)
    run.publish_manifest()
    expected = postgres.run(
        """
        select carrier, flight, to_char(time_hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') as at,
            (dep_delay::numeric(12,3) / 60)::text as hours, array[origin, dest] as leg
        from flights where time_hour >= '2013-02-08 05:00Z' and time_hour < '2013-02-09 05:00Z' and dep_delay > 100
        order by time_hour, carrier, flight desc
        """,
        "flights",
    )
    (part,) = (tmp_path / "delivered").rglob("part-*.json.gz")
    delivered = [json.loads(line) for line in gzip.decompress(part.read_bytes()).decode().splitlines()]
    assert [list(row) for row in delivered[:1]] == [["carrier", "flight", "departed_at", "hours", "leg"]]
    assert [
        (row["carrier"], row["flight"], row["departed_at"][:19], row["hours"], row["leg"]) for row in delivered
    ] == expected
    assert len(expected) > 10


def test_a_type_that_cannot_be_kept_stops_the_run_before_it_reads(tmp_path: Path) -> None:
    with pytest.raises(NotEligible, match=r"'hours' is a numeric without digits, .* declare types={'hours': 'DECIMAL"):
        stages(export(tmp_path), tmp_path).validate_eligibility()


def test_an_incremental_query_without_its_window_is_refused_when_it_is_declared(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"source\.query: does not use :window_start and :window_end"):
        export(tmp_path, "select * from flights")


def test_another_query_is_another_definition(tmp_path: Path) -> None:
    assert export(tmp_path).fingerprint != export(tmp_path, QUERY.replace("as leg", 'as "leg"')).fingerprint
