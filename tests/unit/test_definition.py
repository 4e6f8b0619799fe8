"""Definitions: refused with every problem at once, in words that say what to do; plain data otherwise."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.exports import (
    Columns,
    Cron,
    CsvFiles,
    Daily,
    DatasetExport,
    Every,
    HashMask,
    JsonFiles,
    LakeSource,
    LocalDestination,
    ManifestFile,
    Monthly,
    OnAsset,
    Once,
    ParquetFiles,
    RedactMask,
    Retries,
    SqlSource,
    TimeColumn,
    Views,
    Weekly,
)
from include.exports.alert import EmailAlert
from include.exports.errors import DefinitionError
from include.exports.paths import PROJECT

LAKE = LakeSource(path="lake", time_column=TimeColumn(name="at"))
BASE = {
    "name": "events",
    "owner": "tests",
    "source": LAKE,
    "mode": "incremental",
    "schedule": Daily(),
    "files": JsonFiles(),
    "destination": LocalDestination(path="out"),
}


DATES = LakeSource(path="lake", time_column=TimeColumn(name="day", kind="date", timezone="Asia/Seoul"))
DEEP = LocalDestination(path="out", prefix="/".join(["p" * 100] * 5))


def problems(**changes: object) -> list[tuple[str, str]]:
    """What is wrong with an export that is right but for these fields."""
    with pytest.raises(DefinitionError) as refused:
        DatasetExport(**(BASE | changes))
    return [(problem.field, problem.message) for problem in refused.value.problems]


def test_all_problems_are_named_at_once_with_file_field_value_rule_and_remedy():
    with pytest.raises(DefinitionError) as refused:
        DatasetExport(
            name="Events Daily",
            owner="tests",
            source=LakeSource(pth="lake", time_column=TimeColumn(nam="at")),
            columns=Columns(select=("a",), exclude=("b",)),
            mode="incremntal",
            schedule=Daily(at="2:00", timezone="Asia/Soul"),
            files=JsonFiles(compression="gzp", max_rows=0),
            destination=LocalDestination(path="out", prefix="../up"),
            folder="%DATE%",
            colour="red",
        )
    golden = Path(__file__).with_name("golden") / "definition_error.txt"
    assert f"{refused.value}\n" == golden.read_text().replace("{file}", __file__)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"schedule": Once(at="2024-01-01")}, "schedule", "'once' has no windows"),
        ({"source": LakeSource(path="lake")}, "source.time_column", "is required by mode 'incremental'"),
        ({"folder": "%DATASET_NAME%"}, "folder", "is the same folder for several windows (no day, month, year)"),
        ({"folder": "%DATETIME(YYYYMM)%"}, "folder", "(no day)"),
        (
            {"folder": "%DATETIME(YYYYMMdd)%", "schedule": Every(hours=3)},
            "folder",
            "(no hour); add %EXPORT_TIME% or a finer %DATETIME(...)%",
        ),
        ({"manifest": ManifestFile(folder="manifests")}, "manifest.folder", "is the same folder for several windows"),
        ({"folder": "%ORGANIZATION_NAME%/%EXPORT_TIME%"}, "organization", "is required by %ORGANIZATION_NAME%"),
        ({"source": SqlSource(conn_id="db", table="t", time_column=TimeColumn(name="at"))}, "order_by", "is required"),
        (
            {
                "source": SqlSource(conn_id="db", query="select 1 as id", time_column=TimeColumn(name="at")),
                "order_by": ("id",),
            },
            "source.query",
            "does not use :window_start and :window_end",
        ),
        ({"filter": "a = 1); drop table t"}, "filter", "balance its parentheses"),
        ({"filter": "a = 1 -- and b"}, "filter", "must not contain comments"),
        ({"columns": Columns(select=())}, "columns", "select is empty"),
        ({"columns": Columns(exclude=("a",), mask={"a": RedactMask()})}, "columns", "mask names 'a', which is not"),
        ({"columns": Columns(select=("a", "b"), rename={"a": "B"})}, "columns", "would be delivered as 'B' and 'b'"),
        ({"columns": Columns(rename={"a": "x", "b": "x"})}, "columns", "would be delivered as 'x' and 'x'"),
        (
            {"columns": Columns(cast={"a": "DECIMALS(3)"})},
            "columns.cast",
            "'a' to 'DECIMALS(3)', which is not a DuckDB type",
        ),
        ({"columns": Columns(cast={"a": "HUGEINT"})}, "columns.cast", "cast it to DECIMAL(38,0)"),
        ({"schedule": Daily(start="2024-01-02", end="2024-01-02")}, "schedule", "must be before end"),
        ({"schedule": Every()}, "schedule", "every needs either minutes or hours"),
        ({"schedule": Every(hours=9)}, "schedule.hours", "9 is not allowed; use one of 1, 2, 3, 4, 6, 8, 12"),
        ({"schedule": Cron(expression="0 0 * *")}, "schedule.expression", "'0 0 * *' is not a cron expression"),
        ({"schedule": Monthly(on=31)}, "schedule.on", "less than or equal to 28"),
        (
            {"elsewhere": {"local": {"type": "local", "path": "a", "prefix": "../b"}}},
            "elsewhere.local.prefix",
            "'../b' ",
        ),
        ({"schedule": OnAsset(asset="orders"), "folder": "%DATETIME(YYYYMMdd)%"}, "folder", "(no hour, minute)"),
        ({"schedule": Cron(expression="R R * * *")}, "schedule.expression", "leaves a time to chance (H, R)"),
        ({"schedule": Cron(expression="H/5 0 * * *")}, "schedule.expression", "leaves a time to chance (H, R)"),
        ({"schedule": Cron(expression="0 0 30 2 *")}, "schedule.expression", "'0 0 30 2 *' never comes"),
        (
            {
                "folder": "%DATETIME(YYYYMMddHH)%",
                "schedule": Every(hours=1, timezone="Europe/Berlin"),
            },
            "folder",
            "(Europe/Berlin sets its clocks back, which repeats an hour); add %EXPORT_TIME%",
        ),
        ({"source": DATES, "schedule": Daily()}, "schedule", "must begin at midnight in Asia/Seoul, the zone of 'day'"),
        ({"source": DATES, "schedule": Every(hours=12, timezone="Asia/Seoul")}, "schedule", "must begin at midnight"),
        (
            {"source": DATES, "schedule": Weekly(at="01:00", timezone="Asia/Seoul")},
            "schedule",
            "must begin at midnight",
        ),
        ({"name": "exports_maintenance"}, "name", "is the DAG that cleans the staging area"),
        ({"order_by": ("id DESC",)}, "order_by[0]", "write 'id desc'"),
        ({"order_by": ("id ASC",)}, "order_by[0]", "write 'id'"),
        ({"order_by": (" desc",)}, "order_by[0]", "' desc' must name a column"),
        ({"order_by": ("",)}, "order_by[0]", "'' must name a column"),
        ({"order_by": ("id", "id desc")}, "order_by", "'id' is named 2 times"),
        ({"columns": Columns(rename={"id": ""})}, "columns.rename.id", "'' must be a column name"),
        ({"columns": Columns(rename={"id": "a\0"})}, "columns.rename.id", "without control characters"),
        ({"columns": Columns(rename={"n": "File_Row_Number"})}, "columns", "which DuckDB keeps for itself; rename it"),
        ({"columns": Columns(mask={"id": HashMask(conn_id="")})}, "columns.mask.id.conn_id", "at least 1 character"),
        ({"retries": Retries(delay=timedelta(seconds=-1))}, "retries.delay", "greater than or equal to 0"),
        ({"retries": Retries(max_delay=timedelta(seconds=-1))}, "retries.max_delay", "greater than or equal to 0"),
        ({"alerts": (EmailAlert(to=("nobody",)),)}, "alerts[0].to", "'nobody' is not an e-mail address"),
        ({"destination": LocalDestination(path="")}, "destination.path", "at least 1 character"),
        ({"destination": LocalDestination(path="a\0b")}, "destination.path", "remove the NUL"),
        ({"destination": LocalDestination(path="a/../../b")}, "destination.path", "leads out of the project's folder"),
        ({"manifest": ManifestFile(name="m" * 201)}, "manifest.name", "has 201 characters; write at most 200"),
        (
            {"folder": "%DATASET_NAME%/" * 3 + "%EXPORT_TIME%", "dataset": "d" * 100, "destination": DEEP},
            "folder",
            "800",
        ),
        ({"folder": "%DATASET_NAME%" * 3 + "%EXPORT_TIME%", "dataset": "d" * 100}, "folder", "at most 200"),
        (
            {"manifest": ManifestFile(views=Views(files="_Manifest.json"))},
            "manifest.views.files",
            "'_Manifest.json' is the name of another file beside it",
        ),
        ({"manifest": ManifestFile(views=Views(files="x", success="x"))}, "manifest.views.success", "rename one"),
        ({"dataset_id": "a/b"}, "dataset_id", "should match pattern"),
        ({"sandbox": "a/b"}, "sandbox", "'a/b' must be letters, digits"),
        ({"manifest": ManifestFile(name="../m.json")}, "manifest.name", "'../m.json' must be letters, digits"),
        ({"files": CsvFiles(delimiter='"')}, "files.quote", "is also the delimiter"),
        ({"files": ParquetFiles(compression="lz4")}, "files.compression", "'lz4' is not allowed"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_declared(changes, field, message):
    (found,) = problems(**changes)
    assert found[0] == field
    assert message in found[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": Cron(expression="0 0 29 feb thu"), "order_by": ("odd desc name", "desc")},
        {"destination": LocalDestination(path="a/../b")},
        {"source": DATES, "schedule": Monthly(timezone="Asia/Seoul")},
        {"source": DATES, "schedule": Daily(at="15:00")},  # midnight in Seoul
        {"schedule": Weekly(on="sunday", at="23:59", timezone="Asia/Seoul", start="2024-01-01", end="2025-01-01")},
        {
            "source": SqlSource(conn_id="db", table=("s", "t.x"), types={"a": "DECIMAL(38,9)"}),
            "order_by": ("id desc",),
            "mode": "full",
            "schedule": Once(at="2024-01-01T00:00:00+09:00"),
            "folder": "latest",
        },
        {
            "columns": Columns(
                exclude=("x",),
                rename={"a": "b"},
                cast={"a": "BIGINT"},
                mask={"a": HashMask(conn_id="k"), "c": RedactMask(text="-")},
            ),
            "filter": "a > 1",
            "files": CsvFiles(delimiter=";", null_marker="\\N", formula_guard=True, max_bytes=10_000_000),
            "manifest": ManifestFile(folder="m/%EXPORT_TIME%", views=Views(adobe=True, success="_DONE")),
            "retries": Retries(count=1),
            "on_empty": "skip",
            "tags": ("a", "b"),
        },
    ],
)
def test_a_definition_goes_to_json_and_back_without_loss(changes):
    export = DatasetExport(**(BASE | changes))
    again = DatasetExport.load(export.model_dump_json(), "memory")
    assert again == export
    assert again.fingerprint == export.fingerprint


def test_a_json_document_is_refused_in_the_same_words():
    with pytest.raises(DefinitionError, match=r"^upload.json: 7 problems in DatasetExport\n  name: is required"):
        DatasetExport.load("{}", "upload.json")


def test_a_definition_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        DatasetExport(**BASE).name = "other"


def test_the_fingerprint_changes_with_every_field():
    prints = {
        DatasetExport(**(BASE | changes)).fingerprint
        for changes in ({}, {"owner": "x"}, {"description": "x"}, {"files": JsonFiles(as_string=True)})
    }
    assert len(prints) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_written_into_a_definition_is_taken_or_refused_in_our_words(data):
    """A definition with one of its values, at any depth, replaced by anything that JSON can say."""
    document = json.loads(
        DatasetExport(**(BASE | {"filter": "a = 1", "columns": Columns(cast={"a": "BIGINT"})})).model_dump_json()
    )
    place = document
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[data.draw(st.sampled_from([key, f"{key}x"]))] = data.draw(JSON)
    refused = None
    try:
        export = DatasetExport.load(json.dumps(document), "fuzz.json")
    except DefinitionError as error:
        refused = error
    if refused:
        assert refused.problems
        assert all(problem.field and problem.message for problem in refused.problems)
        assert str(refused).startswith("fuzz.json: ")
    else:
        assert DatasetExport.load(export.model_dump_json(), "again") == export


def test_to_import_the_models_does_not_read_their_source():
    """Their docstrings are read when somebody asks what a field means; each process imports the models."""
    script = "import linecache, include.exports; print([name for name in linecache.cache if 'include' in name])"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
