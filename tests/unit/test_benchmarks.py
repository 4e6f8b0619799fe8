"""What `make bench` compares writes the same records, and delivers the same files."""

import csv
import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import campaign, data, definitions, delivery, parsing, report, report_delivery
from benchmarks.contestants import CONTESTANTS, FILES
from benchmarks.measure import Case, Run
from include.exports import catalog, destinations
from include.local import stores

ROWS = 3000


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("contestant", ["serializer", "stages", "copy"])  # polars is installed for `make bench` alone
def test_a_contestant_writes_every_record(contestant: str, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    size = CONTESTANTS[contestant](data.events(ROWS, tmp_path), kind, target)
    (file,) = target.glob("delivered/*/*/part-*" if contestant == "stages" else "file")
    assert (_records(kind, file), file.stat().st_size) == (ROWS, size)


@pytest.mark.parametrize(
    ("kind", "contestant"),
    [(kind, who) for kind in stores.KINDS for who in delivery.CONTESTANTS[kind] if who != "rclone"],  # as polars
)
def test_a_contestant_delivers_every_file(kind: str, contestant: str, tmp_path: Path, monkeypatch) -> None:
    files = [*data.files(3, 1000, tmp_path).iterdir(), *data.files(1, 20 << 20, tmp_path).iterdir()]
    with stores.serve(kind, tmp_path) as store:
        for conn_id, text in store.connections.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text)
        delivery.CONTESTANTS[kind][contestant](files, store, "folder")
        with destinations.connect(store.destination) as there:
            for number, file in enumerate(files):
                named = f"part-{number:05d}-{file.name[:32]}.json" if contestant == delivery.OURS else file.name
                assert there.open(f"folder/{named}").read() == file.read_bytes()


def test_the_results_of_a_campaign_count_every_event_once(tmp_path: Path) -> None:
    source = campaign.events(ROWS, tmp_path)
    rows = sum(pq.read_metadata(file).num_rows for file in source.rglob("*.parquet"))
    assert rows > sum(int(ROWS * share) for share in campaign.SHARES.values())  # some are there twice
    size = campaign.results(source, tmp_path)
    files = [file for file in tmp_path.glob("delivered/**/*.csv") if file.is_file()]
    assert sum(file.stat().st_size for file in files) == size
    (days,) = (rows for rows in map(_rows, files) if {"Date", "Emails Delivered"} <= rows[0].keys())
    assert len(days) == campaign.DAYS
    for column, event in {"Sent": "Send", "Emails Delivered": "Delivery", "Opened": "Open", "Clicks": "Click"}.items():
        expected = int(ROWS * campaign.SHARES[f"users.messages.email.{event}"])
        assert sum(int(day[column]) for day in days) == expected


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open() as text:
        return list(csv.DictReader(text))


def test_a_part_of_the_results_is_replaced_and_the_others_stay(tmp_path: Path, monkeypatch) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("# One\n\nfirst\n\n# Delivery against the stores' own clients\n\nbefore\n")
    monkeypatch.setattr(report, "RESULTS", results)
    monkeypatch.setattr(report, "version", lambda _: "1.0")  # what `make bench` alone installs
    run = Run(seconds=2.0, cpu_seconds=1.0, size=4_000_000, peak=9_000_000, grown=3_000_000, together=9_000_000)
    cases = [Case("large", "s3", who) for who in ("deliver", "boto3", "rclone")]
    runs = {case: [replace(run, seconds=seconds)] for case, seconds in zip(cases, (2.0, 3.0, 1.5), strict=True)}
    report_delivery.REPORT.write(runs)
    report_delivery.REPORT.write(runs)
    one, written = results.read_text().split("\n# ")
    assert (one, written.splitlines()[0]) == ("# One\n\nfirst\n", "Delivery against the stores' own clients")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written.splitlines() if line.startswith("|")]
    assert [row for row in rows if row[0] == "large"] == [
        ["large", "s3: speed of deliver / boto3", ">= 0.9", "1.5", "yes"],
        ["large", "s3: speed of deliver / rclone", ">= 0.9", "0.75", "NO"],
        ["large", "s3: more MB of deliver", "<= 100", "3", "yes"],
        ["large", "s3", "deliver", "2.00", "2.00 - 2.00", "2.0", "0.75", "1.00", "3", "9", "1"],
        ["large", "s3", "boto3", "3.00", "3.00 - 3.00", "1.3", "0.50", "1.00", "3", "9", "1"],
        ["large", "s3", "rclone", "1.50", "1.50 - 1.50", "2.7", "1.00", "1.00", "3", "9", "1"],
    ]


@pytest.mark.parametrize("kind", parsing.KINDS)
def test_exports_and_plain_dags_have_the_same_names_tasks_and_schedules(kind: str, tmp_path: Path, monkeypatch) -> None:
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setattr(data, "DATA", tmp_path)
    folders = {who: parsing.folder(Case(parsing.NAME, kind, who), 40) for who in definitions.DAGS}
    bags = {who: DagBag(dag_folder=str(folder)) for who, folder in folders.items()}
    assert [bag.import_errors for bag in bags.values()] == [{}, {}]
    exports, plain = ({name: sorted(dag.task_ids) for name, dag in bag.dags.items()} for bag in bags.values())
    assert exports == plain
    assert len(exports) == 40
    for declared in catalog.read(folders[definitions.OURS]).declared:
        timetable = bags[definitions.PLAIN].dags[declared.export.name].timetable
        schedule = declared.export.schedule
        assert (schedule.cron, schedule.timezone) == (timetable.expression, timetable.timezone)


def test_files_are_the_same_each_time_and_called_by_their_hash(tmp_path: Path) -> None:
    first, second = (sorted(data.files(3, 2_000_000, tmp_path / name).iterdir()) for name in ("first", "second"))
    assert [file.name for file in first] == [hashlib.sha256(file.read_bytes()).hexdigest() for file in second]
    assert {file.stat().st_size for file in first} == {2_000_000}


def test_events_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = (data.events(ROWS, tmp_path / name) / "events.parquet" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_ten_times_a_folder_has_its_records_ten_times(tmp_path: Path) -> None:
    folder = data.times(data.events(ROWS, tmp_path), 10)
    assert pq.read_table(folder).num_rows == 10 * ROWS


def _records(kind: str, file: Path) -> int:
    if kind == "parquet":
        return pq.read_metadata(file).num_rows
    with gzip.open(file, "rt", newline="", encoding="utf-8") as text:
        return sum(1 for _ in text) if kind == "json" else sum(1 for _ in csv.DictReader(text))
