"""The bytes of a Parquet export do not depend on how many threads a machine has, nor on which of them is faster."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exports import ParquetFiles
from include.exports.formats import parquet

NARROW = {"rows": 200_000}
WIDE = {
    "rows": 20_000,
    "text": pa.array([hashlib.sha256(str(i).encode()).hexdigest() * 60 for i in range(20_000)]),
}


@pytest.mark.parametrize(
    ("columns", "files"),
    [
        (NARROW, ParquetFiles(row_group_rows=2048)),
        (NARROW, ParquetFiles()),
        (NARROW, ParquetFiles(max_rows=60_000)),
        (WIDE, ParquetFiles()),
        (WIDE, ParquetFiles(max_rows=15_000)),
    ],
    ids=["small-groups", "narrow", "narrow-parts", "wide", "wide-parts"],
)
def test_any_number_of_threads_writes_the_same_files(rig, monkeypatch, columns, files):
    rig.lake(**columns)
    for path in (rig.root / "lake").iterdir():  # row groups that end elsewhere than those that are written
        pq.write_table(pq.read_table(path), path, row_group_size=7000)
    rig.declare(files=files, mode="full")
    written = []
    for threads in (1, 2, 2, 2, 4):
        monkeypatch.setattr(parquet, "THREADS", threads)
        rig.run()
        written.append([hashlib.sha256(part).hexdigest() for part in rig.parts()])
    assert written == [written[0]] * 5


@pytest.mark.parametrize(
    ("row_bytes", "machine", "threads"),
    [(None, 4, 1), (20.0, 1, 2), (20.0, 4, 4), (0.0, 4, 4), (200.0, 4, 2), (260.0, 4, 2), (270.0, 4, 1), (1e9, 4, 1)],
)
def test_rows_have_as_many_threads_as_their_row_groups_have_room(monkeypatch, row_bytes, machine, threads):
    monkeypatch.setattr(parquet, "THREADS", machine)
    assert parquet.threads(row_bytes) == threads
