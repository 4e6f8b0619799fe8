"""Parquet files as pyarrow reads them."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exports.engine import connect
from include.exports.errors import SourceRefused
from include.exports.formats import Written, parquet
from include.exports.formats.parquet import ParquetFiles
from include.exports.progress import Progress
from tests.rigs.files import events, write

if TYPE_CHECKING:
    from pathlib import Path

CODECS = {"none": "UNCOMPRESSED", "snappy": "SNAPPY", "gzip": "GZIP", "zstd": "ZSTD"}


@pytest.mark.parametrize("compression", CODECS)
def test_the_bytes_do_not_depend_on_the_number_of_threads(compression: Any, tmp_path: Path) -> None:
    files = ParquetFiles(compression=compression, row_group_rows=10_000)
    written = [write(files, connect(threads), events(30_000), tmp_path / "f") for threads in (1, 2, 4)]
    assert written == [written[0]] * 3


@pytest.mark.parametrize("compression", CODECS)
def test_what_is_said_of_a_file_is_true(compression: Any, tmp_path: Path) -> None:
    written = write(ParquetFiles(compression=compression), connect(2), events(30_000), tmp_path / "f")
    footer = pq.read_metadata(tmp_path / "f")
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    assert {chunk.compression for chunk in chunks} == {CODECS[compression]}
    assert written == Written(
        rows=footer.num_rows,
        size=(tmp_path / "f").stat().st_size,
        uncompressed=sum(chunk.total_uncompressed_size for chunk in chunks),
        sha256=hashlib.sha256((tmp_path / "f").read_bytes()).hexdigest(),
    )


def test_extensions_tell_the_codec_as_spark_does() -> None:
    assert [ParquetFiles(compression=name).extension for name in CODECS] == [
        ".parquet",
        ".snappy.parquet",
        ".gz.parquet",
        ".zstd.parquet",
    ]


def test_rows_keep_the_order_and_the_values_of_the_query(tmp_path: Path) -> None:
    con = connect(4)
    write(ParquetFiles(), con, events(130_000), tmp_path / "f")
    assert pq.read_table(tmp_path / "f").equals(
        con.sql(events(130_000)).to_arrow_table().cast(pq.read_schema(tmp_path / "f"))
    )


def test_no_rows_give_a_file_with_the_schema(tmp_path: Path) -> None:
    written = write(ParquetFiles(), connect(2), "select 1 as id, 'a' as name where false", tmp_path / "f")
    assert (written.rows, written.uncompressed) == (0, 0)
    table = pq.read_table(tmp_path / "f")
    assert (table.num_rows, table.schema.names, table.schema.types) == (0, ["id", "name"], [pa.int32(), pa.string()])


def test_a_row_group_has_at_most_the_declared_rows(tmp_path: Path) -> None:
    write(ParquetFiles(row_group_rows=4096), connect(2), events(10_000), tmp_path / "f")
    assert [group["row_group_num_rows"] for group in groups(tmp_path / "f")] == [4096, 4096, 1808]


def groups(path: Path) -> list[dict[str, int]]:
    footer = pq.read_metadata(path)
    return [
        {
            "row_group_num_rows": footer.row_group(i).num_rows,
            "row_group_bytes": footer.row_group(i).total_byte_size,
        }
        for i in range(footer.num_row_groups)
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_row_groups_of_wide_rows_end_early(threads: int, tmp_path: Path) -> None:
    # A single row group of these would not fit the memory that DuckDB has by default.
    con = connect(threads)
    cells = [str(i) * 8_000_000 for i in range(10, 30)]
    pq.write_table(pa.table({"id": range(20), "x": cells}), tmp_path / "wide.parquet")
    assert write(ParquetFiles(), con, f"from '{tmp_path}/wide.parquet'", tmp_path / "f").rows == 20
    assert [group["row_group_num_rows"] for group in groups(tmp_path / "f")] == [2] * 10
    assert pq.read_table(tmp_path / "f").column("x").to_pylist() == cells


def test_a_refused_value_late_in_the_file_leaves_no_file(tmp_path: Path) -> None:
    from include.exports.contract import staged
    from include.exports.formats.text import columns

    con = connect(2)
    query = (
        "select case when i = 290000 then 'infinity'::date else date '2024-01-01' end as born from range(300000) t(i)"
    )
    (column,) = columns(con, query)
    with pytest.raises(SourceRefused, match=r"^column 'born': infinity is not a date that Parquet has; replace it in"):
        write(ParquetFiles(), con, f"select {staged(column)} as born from ({query})", tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_maps_with_any_keys_are_kept(tmp_path: Path) -> None:
    write(ParquetFiles(), connect(2), "select MAP {1: 'a', 2: NULL} as m", tmp_path / "f")
    assert pq.read_table(tmp_path / "f").to_pylist() == [{"m": [(1, "a"), (2, None)]}]


def test_progress_counts_the_rows_and_bytes_that_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "EVERY_SECONDS", 0.01)  # the file is looked at while it grows
    progress = Progress(logging.getLogger(__name__), "wrote")
    first, second = (
        parquet.write(ParquetFiles(), connect(2), events(300_000), tmp_path / name, progress) for name in ("a", "b")
    )
    assert (progress.rows, progress.bytes) == (first.rows + second.rows, first.size + second.size)
