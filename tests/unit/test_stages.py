"""The whole path of a record, without Airflow: what is delivered, and what a second run does to it."""

import gzip
import hashlib
import hmac
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from include.exports import (
    Columns,
    CsvFiles,
    HashMask,
    JsonFiles,
    LakeSource,
    ManifestFile,
    ParquetFiles,
    RedactMask,
    TimeColumn,
    Views,
)
from include.exports.errors import (
    DeliveryRefused,
    NotEligible,
    NothingToExport,
    SourceRefused,
    VerificationError,
)
from include.exports.staging import Staging
from tests.rigs.runs import DAY, KEY, rows_of


def test_the_records_of_the_window_arrive_in_order_and_are_counted(rig):
    rig.lake(200_000)  # two days and more
    result = rig.run()
    (part,) = rig.parts()
    assert [row["id"] for row in rows_of(part)] == list(range(86_400))
    assert rows_of(part)[1] == {"id": 1, "at": "2019-11-25T00:00:01.000000Z", "name": "name 1"}
    assert {name: result[name] for name in ("rows", "files", "bytes", "generation", "changed")} == {
        "rows": 86_400,
        "files": 1,
        "bytes": len(part),
        "generation": 1,
        "changed": True,
    }


def test_the_manifest_says_what_three_kinds_of_readers_ask(rig):
    rig.declare(files=JsonFiles(max_rows=600))
    rig.lake(1000)
    rig.run()
    manifest = rig.manifest()
    folder = rig.root / "delivered/events/exportTime=201911260000"
    files = sorted(folder.glob("part-*"))
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert [file.name for file in files] == [f"part-{n:05d}-{sha[:32]}.json.gz" for n, sha in enumerate(hashes)]
    assert manifest["entries"] == [
        {
            "url": f"file://{file}",
            "mandatory": True,
            "meta": {
                "content_length": file.stat().st_size,
                "record_count": 500,
                "uncompressed_length": len(gzip.decompress(file.read_bytes())),
                "sha256": sha,
                "store_checksum": {"sha256": sha},
            },
        }
        for file, sha in zip(files, hashes, strict=True)
    ]
    assert manifest["meta"] == {"content_length": sum(file.stat().st_size for file in files), "record_count": 1000}
    assert manifest["schema"]["elements"] == [
        {"name": "id", "type": {"base": "bigint"}},
        {"name": "at", "type": {"base": "timestamp with time zone"}},
        {"name": "name", "type": {"base": "varchar"}},
    ]
    assert manifest["exportResults"] == [
        {"sinkPath": "/events/exportTime=201911260000", "name": file.name, "size": file.stat().st_size}
        for file in files
    ]
    assert manifest["scheduledTime"] == "2019-11-26T00:00:00+00:00"
    export = manifest["export"]
    assert export["interval"] == {
        "start": "2019-11-25T00:00:00+00:00",
        "end": "2019-11-26T00:00:00+00:00",
        "timezone": "UTC",
    }
    assert (export["generation"], export["supersedes"], export["source_count"]) == (1, None, 1000)
    assert (export["mode"], export["format"], export["compression"]) == ("incremental", "json", "gzip")
    assert export["definition_fingerprint"] == rig.export.fingerprint


def test_the_first_window_is_open_to_the_left_and_the_next_one_follows_it(rig):
    rig.lake(100)
    rig.declare(schedule=rig.export.schedule.model_copy(update={"start": datetime(2019, 11, 26)}))
    assert rig.run(DAY + timedelta(days=1))["rows"] == 100
    assert rig.manifest()["export"]["interval"]["start"] is None
    assert rig.run(DAY + timedelta(days=2))["rows"] == 0


def test_a_second_run_with_the_same_records_changes_nothing(rig):
    rig.declare(manifest=ManifestFile(views=Views(files="files.txt", success="_SUCCESS", adobe=True)))
    rig.lake(1000)
    first = rig.run()
    files = [path for path in (rig.root / "delivered").rglob("*") if path.is_file()]
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
    second = rig.run()
    after = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
    assert second == first | {"changed": False}
    assert after == before
    assert len(files) == len(rig.delivered())


def test_other_records_make_the_next_generation_and_remove_what_only_the_old_one_needed(rig):
    rig.declare(manifest=ManifestFile(views=Views(adobe=True)))
    rig.lake(1000)
    rig.run()
    first = rig.delivered()
    rig.lake(900)
    assert (rig.run()["generation"], rig.manifest()["export"]["generation"]) == (2, 2)
    manifest = next(content for path, content in first.items() if path.endswith("_manifest.json"))
    assert rig.manifest()["export"]["supersedes"] == hashlib.sha256(manifest).hexdigest()
    assert len(rig.delivered()) == len(first) == 3
    assert set(rig.delivered()) & set(first) == {"events/exportTime=201911260000/_manifest.json"}


def test_a_generation_that_shares_a_file_with_the_old_one_keeps_it(rig):
    rig.declare(source=rig.export.source.model_copy(update={"shard_bytes": 1}))
    rig.lake(1000)
    rig.run()
    before = set(rig.delivered())
    pq.write_table(pq.read_table(rig.root / "lake/b.parquet").slice(0, 10), rig.root / "lake/b.parquet")
    rig.run()
    kept = set(rig.delivered()) & before
    assert [path for path in kept if "part-00000-00000-" in path] != []
    assert rig.manifest()["meta"]["record_count"] == 510


def test_only_files_of_this_export_are_ever_removed(rig):
    rig.lake(1000)
    rig.run()
    folder = rig.root / "delivered/events/exportTime=201911260000"
    foreign = folder / "part-00009-00000000000000000000000000000000.json.gz"
    foreign.write_bytes(b"somebody else's")
    rig.lake(900)
    rig.run()
    assert foreign.read_bytes() == b"somebody else's"


@pytest.mark.parametrize("content", [b"{}", b"not even JSON", b""])
def test_a_document_that_is_not_our_manifest_is_left_alone(rig, content):
    rig.lake(10)
    path = rig.root / "delivered/events/exportTime=201911260000/_manifest.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DeliveryRefused, match="is not a manifest of this project and is left alone"):
        rig.run()
    assert path.read_bytes() == content


def test_a_manifest_of_another_export_or_window_is_left_alone(rig):
    rig.lake(10)
    rig.run()
    before = rig.manifest()
    rig.declare(name="others", dataset="events")
    with pytest.raises(DeliveryRefused, match="belongs to the export 'events'; give 'others' another folder"):
        rig.run()
    assert rig.manifest() == before


def test_a_window_is_delivered_again_from_staging_when_its_source_is_gone(rig):
    rig.lake(1000)
    rig.run()
    shutil.rmtree(rig.root / "lake")
    shutil.rmtree(rig.root / "delivered")
    elsewhere = rig.root / "elsewhere"
    rig.declare(destination=rig.export.destination.model_copy(update={"path": str(elsewhere)}))
    result = rig.run(resend=True)
    assert (result["rows"], result["generation"]) == (1000, 1)
    assert len(list(elsewhere.rglob("part-*"))) == 1
    assert rig.run(resend=True)["changed"] is False  # and once more, from the staging of the first run


def test_what_was_staged_for_another_definition_of_the_records_is_not_sent(rig):
    rig.lake(10)
    with pytest.raises(NotEligible, match="nothing is staged"):
        rig.run(resend=True)
    rig.run()
    rig.declare(filter="id > 3")
    with pytest.raises(NotEligible, match="what it reads has been changed since run 2"):
        rig.run(resend=True)


@pytest.mark.parametrize("files", [JsonFiles(), CsvFiles(compression="none"), ParquetFiles()], ids=lambda f: f.type)
def test_an_empty_window_does_what_is_declared(rig, files):
    rig.lake(10)
    empty = DAY + timedelta(days=2)
    rig.declare(files=files)
    assert rig.run(empty) | {"manifest": ""} == {
        "manifest": "", "generation": 1, "changed": True, "rows": 0, "files": 0, "bytes": 0, "restated": [],
    }  # fmt: skip
    rig.declare(on_empty="file")
    assert (rig.run(empty)["files"], rig.manifest()["meta"]["record_count"]) == (1, 0)
    (part,) = rig.parts()
    match files.type:
        case "json":
            assert gzip.decompress(part) == b""
        case "csv":
            assert part == b"id,at,name\n"
        case "parquet":
            assert pq.read_schema(pa.BufferReader(part)).names == ["id", "at", "name"]
    before = rig.delivered()
    for on_empty, error in (("skip", NothingToExport), ("fail", VerificationError)):
        rig.declare(on_empty=on_empty)
        with pytest.raises(error, match="no records in"):
            rig.run(empty)
        assert rig.delivered() == before


@pytest.mark.parametrize("files", [JsonFiles, CsvFiles, ParquetFiles])
@pytest.mark.parametrize(("rows", "limit", "sizes"), [
    (1000, 1000, [1000]), (1000, 999, [500, 500]), (1001, 500, [334, 334, 333]), (7, 1, [1] * 7), (5, 100, [5]),
])  # fmt: skip
def test_files_have_at_most_so_many_rows_and_none_is_tiny(rig, files, rows, limit, sizes):
    rig.declare(files=files(max_rows=limit))
    rig.lake(rows)
    rig.run()
    assert [entry["meta"]["record_count"] for entry in rig.manifest()["entries"]] == sizes


@pytest.mark.parametrize("files", [JsonFiles, CsvFiles, ParquetFiles])
def test_files_have_about_at_most_so_many_bytes(rig, files):
    rig.declare(files=files(max_bytes=100_000))
    rig.lake(80_000, text=pa.array([hashlib.sha256(str(i).encode()).hexdigest() for i in range(80_000)]))
    rig.run()
    sizes = [entry["meta"]["content_length"] for entry in rig.manifest()["entries"]]
    assert len(sizes) > 20
    assert max(sizes) < 115_000
    assert min(sizes) > 80_000
    assert rig.manifest()["meta"]["record_count"] == 80_000


def test_columns_are_selected_renamed_cast_and_masked(rig):
    table = rig.lake(100, secret=pa.array([None if i == 5 else f"s{i}" for i in range(100)]))
    rig.declare(
        files=ParquetFiles(),
        columns=Columns(
            select=("name", "id", "secret"),
            rename={"id": "number", "secret": "hash"},
            cast={"id": "SMALLINT"},
            mask={"secret": HashMask(conn_id="key"), "name": RedactMask(text="withheld")},
        ),
    )
    rig.run()
    (part,) = rig.parts()
    delivered = pq.read_table(pa.BufferReader(part))
    assert delivered.schema.names == ["name", "number", "hash"]
    assert delivered.schema.field("number").type == pa.int16()
    assert delivered["name"].to_pylist() == ["withheld"] * 100
    assert delivered["number"].to_pylist() == list(range(100))
    expected = [
        value and hmac.new(KEY.encode(), value.encode(), "sha256").hexdigest() for value in table["secret"].to_pylist()
    ]
    assert delivered["hash"].to_pylist() == expected
    for path in (rig.root / "staging").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_a_key_longer_than_a_block_is_hashed_first(rig, monkeypatch):
    long = "k" * 100
    monkeypatch.setenv("AIRFLOW_CONN_KEY", json.dumps({"conn_type": "generic", "password": long}))
    rig.declare(columns=Columns(select=("name",), mask={"name": HashMask(conn_id="key")}))
    rig.lake(1)
    rig.run()
    assert rows_of(rig.parts()[0]) == [{"name": hmac.new(long.encode(), b"name 0", "sha256").hexdigest()}]


@pytest.mark.parametrize(
    ("values", "wanted", "fits"),
    [
        (pa.array([1.0, 2.0]), "INTEGER", [1, 2]),
        (pa.array([1.0, 1.5]), "INTEGER", None),
        (pa.array([1, 2**53 + 1]), "DOUBLE", None),
        (pa.array([1, 40_000]), "SMALLINT", None),
        (pa.array(["1.50", "2"]), "DECIMAL(9,2)", ["1.50", "2.00"]),
        (pa.array(["1.505", "2"]), "DECIMAL(9,2)", None),
        (pa.array(["1", "x"]), "INTEGER", None),
        (pa.array(["1.5", "2"]), "INTEGER", None),
        (pa.array([datetime(2020, 1, 1, 12, tzinfo=UTC)] * 2), "DATE", None),
        (pa.array([None, 7], pa.int64()), "VARCHAR", [None, "7"]),
    ],
)
def test_a_cast_keeps_the_value_or_fails_the_run_naming_it(rig, values, wanted, fits):
    rig.lake(2, value=values)
    rig.declare(columns=Columns(select=("value",), cast={"value": wanted}), files=ParquetFiles())
    if fits is None:
        with pytest.raises(SourceRefused, match="value"):
            rig.run()
        assert rig.delivered() == {}
    else:
        rig.run()
        values = pq.read_table(pa.BufferReader(rig.parts()[0]))["value"].to_pylist()
        assert [value if value is None or isinstance(value, int) else str(value) for value in values] == fits


def test_a_cast_that_fails_does_not_show_a_value_that_is_masked(rig):
    rig.lake(1)
    rig.declare(columns=Columns(select=("name",), cast={"name": "INTEGER"}, mask={"name": HashMask(conn_id="key")}))
    with pytest.raises(SourceRefused) as refused:
        rig.run()
    assert str(refused.value) == (
        "column 'name': a value that is masked cannot be cast to INTEGER without changing it, which is written -12;"
        " cast to another type, or convert it in the source"
    )


def test_a_cast_that_no_value_can_stand_is_refused_before_anything_is_read(rig):
    rig.lake(1)
    rig.declare(columns=Columns(cast={"name": "BLOB"}))
    with pytest.raises(NotEligible) as refused:
        rig.run()
    assert str(refused.value) == (
        "events cannot be exported:\n"
        "  columns.cast: 'name': text is never cast to BLOB, which has no one exact form in text; convert it in the"
        " source"
    )


def test_a_run_that_cannot_start_names_every_reason_and_reads_nothing(rig):
    rig.lake(10, big=pa.array([1] * 10, pa.decimal128(20, 0)), odd=pa.array([{"a": 1}] * 10))
    rig.declare(
        columns=Columns(exclude=("nmae",), cast={"odd": "BIGINT"}),
        order_by=("idd desc",),
        source=LakeSource(path=str(rig.root / "lake"), time_column=TimeColumn(name="att")),
    )
    with pytest.raises(NotEligible) as refused:
        rig.run()
    assert str(refused.value).splitlines() == [
        "events cannot be exported:",
        "  columns.exclude: the source has no column 'nmae'; did you mean 'name'?",
        "  order_by: the source has no column 'idd'; did you mean 'id'?",
        "  source.time_column: the source has no column 'att'; did you mean 'at'?",
    ]


def test_a_time_column_of_another_kind_and_a_missing_key_are_refused(rig):
    rig.lake(10)
    rig.declare(
        source=LakeSource(path=str(rig.root / "lake"), time_column=TimeColumn(name="at", kind="date")),
        columns=Columns(mask={"name": HashMask(conn_id="nothing")}, rename={"id": "AT"}),
    )
    with pytest.raises(NotEligible) as refused:
        rig.run()
    assert str(refused.value).splitlines() == [
        "events cannot be exported:",
        "  source.time_column: 'at' is TIMESTAMP WITH TIME ZONE, not of kind 'date' (DATE); correct the kind",
        "  columns: two columns would be delivered as 'AT' and 'at'; rename one",
        "  columns.mask: 'name': Airflow connection 'nothing' does not exist or has no password; it holds the key",
    ]


def test_views_say_the_same_as_the_manifest(rig):
    rig.declare(
        files=CsvFiles(max_rows=4),
        manifest=ManifestFile(
            name="m.json",
            folder="manifests/%EXPORT_TIME%",
            views=Views(files="files.txt", sha256sums="SHA256SUMS", success="_DONE", adobe=True),
        ),
    )
    rig.lake(10)
    rig.run()
    place = rig.root / "delivered/manifests/exportTime=201911260000"
    manifest = json.loads((place / "m.json").read_bytes())
    assert (place / "files.txt").read_text().splitlines() == [entry["url"] for entry in manifest["entries"]]
    assert (place / "_DONE").read_bytes() == b""
    sums = [line.split("  ") for line in (place / "SHA256SUMS").read_text().splitlines()]
    assert len(sums) == 3
    for digest, name in sums:
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
    (adobe,) = place.glob("manifest-*.json")
    assert json.loads(adobe.read_bytes()) == {
        key: manifest[key] for key in ("flowRunId", "scheduledTime", "exportResults")
    }
    assert adobe.name.endswith(f"-{manifest['flowRunId']}.json")
    assert sorted(manifest["export"]["views"]) == sorted(path.name for path in place.iterdir() if path.name != "m.json")


def test_shards_are_delivered_in_order_and_counted_together(rig):
    rig.declare(source=rig.export.source.model_copy(update={"shard_bytes": 1}), files=JsonFiles(max_rows=300))
    rig.lake(1000)
    rig.run()
    assert [row["id"] for part in rig.parts() for row in rows_of(part)] == list(range(1000))
    assert [Path(entry["url"]).name[:16] for entry in rig.manifest()["entries"]] == [
        "part-00000-00000", "part-00000-00001", "part-00001-00000", "part-00001-00001",
    ]  # fmt: skip


def test_rows_that_are_lost_on_the_way_stop_the_run_before_anything_is_published(rig):
    rig.lake(1000)
    stages = rig.stages()
    for stage in ("extract_records", "serialize_files", "deliver_files"):
        stages.validate_eligibility() if stage == "extract_records" else None
        getattr(stages, stage)(0)
    summary = stages.staging.read("extract-00000.json")
    stages.staging.write("extract-00000.json", summary | {"rows": 1001})
    with pytest.raises(VerificationError, match="the source gave 1001 rows but the delivered files hold 1000"):
        stages.publish_manifest()
    assert not [path for path in rig.delivered() if path.endswith("_manifest.json")]


def test_of_two_runs_of_a_window_the_later_one_counts_and_nothing_else_stays(rig):
    """The first is between its delivery and its manifest when the second publishes and removes what it left."""
    rig.lake(1000)
    slow = rig.stages(run="slow")
    slow.validate_eligibility()
    for stage in (slow.extract_records, slow.serialize_files, slow.deliver_files):
        stage(0)
    rig.lake(900)
    assert rig.run()["generation"] == 1
    assert len(rig.parts()) == 1
    assert slow.publish_manifest()["generation"] == 2
    (part,) = rig.parts()
    assert len(rows_of(part)) == 1000
    assert rig.manifest()["meta"]["record_count"] == 1000


def test_a_full_export_to_a_fixed_folder_replaces_the_one_before(rig):
    rig.declare(mode="full", folder="latest")
    rig.lake(1000)
    assert rig.run()["generation"] == 1
    rig.lake(900)
    result = rig.run(DAY + timedelta(days=1))
    assert (result["generation"], result["rows"]) == (2, 900)
    assert len(rig.delivered()) == 2


def test_staging_of_one_run_is_not_that_of_another(tmp_path):
    staging = Staging(f"file://{tmp_path}", "events", "w", "scheduled__2019-11-25T00:00:00+00:00")
    other = replace(staging, run="scheduled__2019-11-25T00-00-00-00-00")
    staging.write("plan.json", {"a": 1})
    assert staging.read("plan.json") == {"a": 1}
    with pytest.raises(NotEligible, match="is gone: staging is kept for a limited time"):
        other.read("plan.json")


def test_a_column_that_files_spell_in_another_case_is_one_column(rig):
    rig.lake(2)
    table = pq.read_table(rig.root / "lake/b.parquet")
    pq.write_table(table.rename_columns(["ID", "at", "Name"]), rig.root / "lake/b.parquet")
    rig.declare(source=rig.export.source.model_copy(update={"shard_bytes": 1}))
    rig.run()
    assert [row for part in rig.parts() for row in rows_of(part)] == [
        {"id": 0, "at": "2019-11-25T00:00:00.000000Z", "name": "name 0"},
        {"id": 1, "at": "2019-11-25T00:00:01.000000Z", "name": "name 1"},
    ]
