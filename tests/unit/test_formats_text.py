"""What JSON and CSV files have in common: streaming, compression, and always the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import subprocess
import zlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from include.exports import formats
from include.exports.compress import BLOCK, compress
from include.exports.engine import connect
from include.exports.errors import SourceRefused
from include.exports.formats import Written
from include.exports.formats.csv import CsvFiles
from include.exports.formats.json import JsonFiles
from include.exports.progress import Progress
from tests.rigs.files import events, records, text, write

if TYPE_CHECKING:
    from pathlib import Path

MODELS = [JsonFiles, CsvFiles]
COMPRESSIONS = ["none", "gzip", "zip", "zstd"]
FEW = events(10)
MANY = events(30_000)
"""Several blocks of text, whose last one is not full."""


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("model", MODELS)
def test_the_bytes_do_not_depend_on_the_number_of_threads(model: Any, compression: str, tmp_path: Path) -> None:
    files = model(compression=compression)
    written = [write(files, connect(threads), MANY, tmp_path / "f") for threads in (1, 2, 4)]
    assert written[0].uncompressed > 3 * BLOCK
    assert written == [written[0]] * 3


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("model", MODELS)
def test_what_is_said_of_a_file_is_true(model: Any, compression: str, tmp_path: Path) -> None:
    files = model(compression=compression)
    written = write(files, connect(2), MANY, tmp_path / f"f{files.extension}")
    data = (tmp_path / f"f{files.extension}").read_bytes()
    assert written == Written(
        rows=30_000,
        size=len(data),
        uncompressed=len(text(files, tmp_path / f"f{files.extension}").encode()),
        sha256=hashlib.sha256(data).hexdigest(),
    )


@pytest.mark.parametrize("model", MODELS)
def test_all_compressions_hold_the_same_text(model: Any, tmp_path: Path) -> None:
    texts = []
    for compression in COMPRESSIONS:
        files = model(compression=compression)
        write(files, connect(2), MANY, tmp_path / "f")
        texts.append(text(files, tmp_path / "f"))
    assert texts == [texts[0]] * len(COMPRESSIONS)


def test_extensions_tell_format_and_compression() -> None:
    assert [model(compression=name).extension for model in MODELS for name in COMPRESSIONS] == [
        ".json",
        ".json.gz",
        ".json.zip",
        ".json.zst",
        ".csv",
        ".csv.gz",
        ".csv.zip",
        ".csv.zst",
    ]


def test_gzip_is_one_member_without_name_or_time(tmp_path: Path) -> None:
    write(JsonFiles(), connect(2), MANY, tmp_path / "f.gz")
    data = (tmp_path / "f.gz").read_bytes()
    member = zlib.decompressobj(wbits=31)
    member.decompress(data)
    assert (member.eof, member.unused_data) == (True, b"")
    no_flags, no_time = 0, bytes(4)
    assert (data[3], data[4:8]) == (no_flags, no_time)
    subprocess.run(["gzip", "-t", tmp_path / "f.gz"], check=True)  # noqa: S607


def test_zstd_is_one_frame_with_a_checksum(tmp_path: Path) -> None:
    write(JsonFiles(compression="zstd"), connect(2), MANY, tmp_path / "f.zst")
    data = (tmp_path / "f.zst").read_bytes()
    frame = zstandard.ZstdDecompressor().decompressobj()
    frame.decompress(data)
    assert (frame.eof, frame.unused_data) == (True, b"")
    assert zstandard.get_frame_parameters(data).has_checksum
    assert pa.CompressedInputStream(pa.BufferReader(data), "zstd").read().count(b"\n") == 30_000


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_no_rows_give_an_empty_text_and_a_header(compression: str, tmp_path: Path) -> None:
    for files, expected in (
        (JsonFiles(compression=compression), ""),
        (CsvFiles(compression=compression), "id,user_id,ts,amount,price,ctx,items\n"),
        (CsvFiles(compression=compression, header=False), ""),
    ):
        written = write(files, connect(2), f"from ({FEW}) limit 0", tmp_path / "f")
        assert (written.rows, written.uncompressed) == (0, len(expected))
        assert written.size == (tmp_path / "f").stat().st_size
        assert text(files, tmp_path / "f") == expected


def test_rows_keep_the_order_of_the_query(tmp_path: Path) -> None:
    files = JsonFiles()
    write(files, connect(4), "select i as id from range(500000) t(i) where i % 3 > 0", tmp_path / "f")
    assert [row["id"] for row in records(files, tmp_path / "f")] == [i for i in range(500_000) if i % 3 > 0]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_refused_value_late_in_the_file_leaves_no_file(compression: str, tmp_path: Path) -> None:
    query = (
        "select case when i = 290000 then 'infinity'::date else date '2024-01-01' end as born from range(300000) t(i)"
    )
    files = JsonFiles(compression=compression, non_finite="fail")
    with pytest.raises(SourceRefused, match=r"^column 'born': infinity is not a date that RFC 3339 has"):
        write(files, connect(2), query, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write(JsonFiles(), connect(2), MANY, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_cutting_the_text_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(str(i).encode() for i in range(1_000_000)))  # not compressible again
    hashes = set()
    for compression in ("gzip", "zstd"):
        for piece in (len(data), BLOCK, BLOCK - 1, 100_001):
            with compress(tmp_path / "f", compression, 2) as file:
                for start in range(0, len(data), piece):
                    file.write(memoryview(data)[start : start + piece])
            hashes.add((compression, file.sha256))
    assert len(hashes) == 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("model", MODELS)
def test_cells_of_megabytes_are_written_whole(model: Any, threads: int, tmp_path: Path) -> None:
    # They do not fit the memory that DuckDB has by default, in which it holds a cell several times.
    con, progress = connect(threads), Progress(logging.getLogger(__name__), "wrote")
    cells = [f'{i},"' + "é" * 8_000_000 + "\n" for i in range(20)]
    pq.write_table(pa.table({"id": range(20), "x": cells}), tmp_path / "wide.parquet")
    written = formats.module(model()).write(model(), con, f"from '{tmp_path}/wide.parquet'", tmp_path / "f", progress)
    assert (written.rows, progress.rows, progress.bytes) == (20, 20, written.size)
    made = text(model(), tmp_path / "f")
    escaped = [
        json.dumps(cell, ensure_ascii=False) if model is JsonFiles else cell.replace('"', '""') for cell in cells
    ]
    assert [cell for cell in escaped if cell not in made] == []


def test_progress_counts_the_rows_and_bytes_that_were_written(tmp_path: Path) -> None:
    progress = Progress(logging.getLogger(__name__), "wrote")
    files = JsonFiles()
    first, second = (
        formats.module(files).write(files, connect(2), MANY, tmp_path / name, progress) for name in ("a", "b")
    )
    assert (progress.rows, progress.bytes) == (first.rows + second.rows, first.size + second.size)


def test_a_record_may_have_a_thousand_columns(tmp_path: Path) -> None:
    names = ", ".join(f"{i} as c{i}" for i in range(1000))
    files = JsonFiles(compression="none")
    write(files, connect(1), f"select {names}", tmp_path / "f")
    assert records(files, tmp_path / "f") == [{f"c{i}": i for i in range(1000)}]
