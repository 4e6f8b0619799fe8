"""What `verify` says about delivered files, and about files that are no longer what was delivered."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exports import CsvFiles, DatasetExport, JsonFiles, LakeSource, LocalDestination, Once, ParquetFiles
from include.exports.errors import VerificationError
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.verify import Verdict, verify
from include.exports.window import Window

ROWS = 250
NOW = datetime(2024, 5, 1, tzinfo=UTC)
FILES = [
    *(JsonFiles(compression=compression, max_rows=100) for compression in ("none", "gzip", "zstd")),
    *(
        CsvFiles(
            compression=compression, max_rows=100, delimiter=delimiter, quote=quote, quoting=quoting, header=header
        )
        for compression, (delimiter, quote, quoting, header) in product(
            ("none", "gzip", "zstd"), ((",", '"', "minimal", True), ("\t", "'", "all", False))
        )
    ),
    CsvFiles(compression="none", max_rows=100, line_terminator="\r\n"),
    CsvFiles(compression="zip", max_rows=100, member_rows=30),
    JsonFiles(compression="zip", max_rows=100),
    *(ParquetFiles(compression=compression, max_rows=100) for compression in ("none", "snappy", "gzip", "zstd")),
]


def name(files: Any) -> str:
    return f"{files.extension.strip('.')}-{files.dialect}" if files.dialect else files.extension.strip(".")


def delivered(folder: Path, files: Any, rows: int = ROWS, on_empty: str = "publish") -> Path:
    """The manifest of an export of that many rows, with texts that need quotes, line breaks and delimiters."""
    (folder / "lake").mkdir()
    texts = [["plain", 'a"b', "l\nl", "r\r\nr", "t\tt,'", "", None][n % 7] for n in range(rows)]
    pq.write_table(
        pa.table({"n": pa.array(range(rows), pa.int64()), "text": pa.array(texts, pa.string())}),
        folder / "lake/x.parquet",
    )
    export = DatasetExport(
        name="events",
        owner="tests",
        source=LakeSource(path=str(folder / "lake")),
        mode="full",
        schedule=Once(at=NOW),
        files=files,
        destination=LocalDestination(path=str(folder / "delivered")),
        on_empty=on_empty,
    )
    window = Window(start=None, end=None, as_of=NOW)
    run = Stages(export, window, Staging(f"file://{folder}/staging", export.name, window.key, "run"))
    for shard in run.validate_eligibility():
        run.extract_records(shard)
        run.serialize_files(shard)
        run.deliver_files(shard)
    run.publish_manifest()
    return folder / "delivered/events/exportTime=202405010000/_manifest.json"


def path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def verdicts(manifest: Path) -> list[Verdict]:
    return verify(manifest.read_bytes(), lambda url: path(url).open("rb"))


def parts(manifest: Path) -> list[Path]:
    return sorted(manifest.parent.glob("part-*"))


def problems(manifest: Path) -> list[tuple[str, ...]]:
    return [verdict.problems for verdict in verdicts(manifest)]


@pytest.mark.parametrize("files", FILES, ids=name)
def test_files_as_they_were_delivered_are_counted_and_found_right(tmp_path, files):
    manifest = delivered(tmp_path, files)
    assert verdicts(manifest) == [
        Verdict(url=f"file://{part}", rows=rows, size=part.stat().st_size, problems=())
        for part, rows in zip(parts(manifest), (84, 83, 83), strict=True)
    ]


@pytest.mark.parametrize("files", FILES, ids=name)
def test_a_wrong_count_of_any_format_is_found(tmp_path, files):
    manifest = delivered(tmp_path, files)
    document = json.loads(manifest.read_bytes())
    document["entries"][0]["meta"]["record_count"] += 1
    document["entries"][1]["meta"]["record_count"] -= 1
    manifest.write_text(json.dumps(document))
    assert problems(manifest) == [
        ("rows is 84, the manifest says 85",),
        ("rows is 83, the manifest says 82",),
        (),
    ]


@pytest.mark.parametrize("files", FILES, ids=name)
def test_a_flipped_bit_anywhere_is_found(tmp_path, files):
    manifest = delivered(tmp_path, files)
    part = parts(manifest)[1]
    content = part.read_bytes()
    for at in (0, 5, len(content) // 2, len(content) - 5, len(content) - 1):
        part.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        first, second, third = verdicts(manifest)
        assert (first.problems, third.problems) == ((), ())
        assert second.size == len(content)
        assert second.problems[0].startswith("sha256 is "), f"byte {at}"


@pytest.mark.parametrize("files", FILES, ids=name)
def test_a_file_that_was_cut_short_is_found(tmp_path, files):
    manifest = delivered(tmp_path, files)
    part = parts(manifest)[0]
    content = part.read_bytes()
    for size in (0, 3, len(content) // 2, len(content) - 1):
        part.write_bytes(content[:size])
        found = verdicts(manifest)[0]
        assert found.problems[0] == f"size is {size}, the manifest says {len(content)}"
        assert found.problems[1].startswith("sha256 is ")
        if files.type == "parquet" or (files.compression != "none" and size):
            assert found.rows is None
            assert found.problems[2].startswith("cannot be decoded: ")


def test_swapped_and_missing_files_are_found(tmp_path):
    manifest = delivered(tmp_path, JsonFiles(compression="gzip", max_rows=100))
    first, second, third = parts(manifest)
    contents = [part.read_bytes() for part in (first, second)]
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    third.unlink()
    found = problems(manifest)
    assert [any(problem.startswith("sha256 is ") for problem in one) for one in found] == [True, True, False]
    assert found[2] == (f"cannot be read: [Errno 2] No such file or directory: '{third}'",)


def test_other_rows_of_the_same_number_are_found(tmp_path):
    manifest = delivered(tmp_path, JsonFiles(compression="gzip", max_rows=100))
    part = parts(manifest)[0]
    text = gzip.decompress(part.read_bytes()).replace(b"plain", b"other")
    part.write_bytes(gzip.compress(text))
    found = verdicts(manifest)[0]
    assert found.rows == 84
    assert "sha256 is" in " ".join(found.problems)


@pytest.mark.parametrize("files", FILES, ids=name)
def test_an_empty_window_has_no_files_or_one_without_records(tmp_path, files):
    (tmp_path / "none").mkdir()
    (tmp_path / "one").mkdir()
    assert verdicts(delivered(tmp_path / "none", files, rows=0)) == []
    (found,) = verdicts(delivered(tmp_path / "one", files, rows=0, on_empty="file"))
    assert (found.rows, found.problems) == (0, ())


def test_sums_that_are_not_those_of_the_entries_are_refused(tmp_path):
    manifest = delivered(tmp_path, JsonFiles(compression="none"))
    original = json.loads(manifest.read_bytes())
    for change in (
        {"meta": original["meta"] | {"record_count": 9}},
        {"export": original["export"] | {"source_count": 9}},
    ):
        manifest.write_text(json.dumps(original | change))
        with pytest.raises(VerificationError, match="its sums are not those of its entries; deliver it again"):
            verdicts(manifest)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "Invalid JSON: EOF while parsing"),
        (b"\x1f\x8b\x08", "Invalid JSON: "),
        (b"[]", "Input should be an object"),
        (b'{"entries": []}', "schema: Field required"),
        (b'{"entries": [{"url": "s3://bucket/x", "mandatory": true}]}', "entries.0.meta: Field required"),
    ],
)
def test_what_is_not_a_manifest_is_refused(document, said):
    with pytest.raises(VerificationError) as error:
        verify(document, open)
    assert str(error.value).startswith("this is not a manifest of this project: ")
    assert said in str(error.value)
