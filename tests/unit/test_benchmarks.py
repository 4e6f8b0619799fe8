"""What `make bench` compares writes the same records."""

import csv
import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import data
from benchmarks.contestants import CONTESTANTS, FILES

ROWS = 3000


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("contestant", ["serializer", "stages", "copy"])  # polars is installed for `make bench` alone
def test_a_contestant_writes_every_record(contestant: str, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    size = CONTESTANTS[contestant](data.events(ROWS, tmp_path), kind, target)
    (file,) = target.glob("delivered/*/*/part-*" if contestant == "stages" else "file")
    assert (_records(kind, file), file.stat().st_size) == (ROWS, size)


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
