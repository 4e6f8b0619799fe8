"""What a folder of definition files declares, and what is said about files that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from include.exports import catalog
from include.exports.errors import DefinitionError
from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

EXPORT = """\
from include.exports import DatasetExport, JsonFiles, LakeSource, LocalDestination, Once, airflow_dag

airflow_dag(
    DatasetExport(
        name="{name}",
        owner="tests",
        source=LakeSource(path="lake"),
        mode="full",
        schedule=Once(at="2024-05-01"),
        files=JsonFiles(),
        destination=LocalDestination(path="out"),
    ),
    doc=__doc__,
)
"""


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_exports_are_found_in_every_file_and_come_by_name(tmp_path):
    (tmp_path / "team").mkdir()
    put(tmp_path, b=EXPORT.format(name="zebra"), two=EXPORT.format(name="one") + EXPORT.format(name="two"))
    put(tmp_path / "team", a=EXPORT.format(name="ant"), other="print  # declares nothing\n")
    found = catalog.read(tmp_path)
    assert found.errors == ()
    assert [(item.export.name, str(item.file.relative_to(tmp_path))) for item in found.declared] == [
        ("ant", "team/a.py"),
        ("one", "two.py"),
        ("two", "two.py"),
        ("zebra", "b.py"),
    ]


def test_a_file_with_an_error_does_not_hide_the_others(tmp_path):
    put(
        tmp_path,
        a=EXPORT.format(name="Bad Name"),
        b="import json\n\njson.loads('{')\n",
        c="x = (\n",
        d="raise SystemExit(3)\n",
        e=EXPORT.format(name="good"),
    )
    found = catalog.read(tmp_path)
    assert [item.export.name for item in found.declared] == ["good"]
    a, b, c, d = found.errors
    assert (a.where, a.problems[0].field) == (f"{tmp_path}/a.py", "name")
    assert (b.where, b.problems[0].field) == (f"{tmp_path}/b.py:3", "JSONDecodeError")
    assert (c.where, c.problems[0].field) == (f"{tmp_path}/c.py", "SyntaxError")
    assert (d.where, d.problems[0].message) == (f"{tmp_path}/d.py:1", "3")


def test_a_name_that_is_declared_twice_is_an_error_of_the_second_file(tmp_path):
    put(tmp_path, a=EXPORT.format(name="same"), b=EXPORT.format(name="same"))
    found = catalog.read(tmp_path)
    assert [item.file.name for item in found.declared] == ["a.py"]
    (error,) = found.errors
    assert str(error) == (
        f"{tmp_path}/b.py: 1 problem in DatasetExport 'same'\n"
        f"  name: 'same' is declared in {tmp_path}/a.py too; rename one of them"
    )


def test_a_folder_that_two_exports_share_is_an_error_of_the_second_file(tmp_path):
    shared = EXPORT.replace("destination=", 'dataset="orders", destination=')
    put(tmp_path, a=shared.format(name="one"), b=shared.format(name="two"))
    found = catalog.read(tmp_path)
    assert [item.export.name for item in found.declared] == ["one"]
    (error,) = found.errors
    assert [(problem.field, problem.message) for problem in error.problems] == [
        (
            "folder",
            "'%DATASET_NAME%/%EXPORT_TIME%' is also that of 'one', at the same destination; give one of them another",
        )
    ]


def test_an_unknown_name_gets_the_nearest_one(tmp_path):
    put(tmp_path, a=EXPORT.format(name="impressions"), b=EXPORT.format(name="clicks"))
    found = catalog.read(tmp_path)
    assert found.find("clicks").name == "clicks"
    for name, hint in (("impresions", "did you mean 'impressions'?"), ("x", "there are clicks, impressions")):
        with pytest.raises(DefinitionError) as error:
            found.find(name)
        assert str(error.value) == (
            f"{tmp_path}: 1 problem in the catalog\n  name: no export is called {name!r}; {hint}"
        )


def test_it_follows_airflows_dags_folder(tmp_path, monkeypatch):
    put(tmp_path, a=EXPORT.format(name="elsewhere"))
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))
    assert [item.export.name for item in catalog.read().declared] == ["elsewhere"]
    monkeypatch.delenv("AIRFLOW__CORE__DAGS_FOLDER")
    assert catalog.dags_folder() == PROJECT / "dags"


def test_reading_imports_neither_airflow_nor_what_reads_records(tmp_path):
    put(tmp_path, a=EXPORT.format(name="plain"))
    heavy = {"airflow", "duckdb", "pyarrow", "adbc_driver_manager", "sqlalchemy"}
    script = f"""
import sys, pathlib
from include.exports import catalog
found = catalog.read(pathlib.Path(sys.argv[1]))
print([item.export.name for item in found.declared])
print(sorted({heavy!r} & set(sys.modules)))"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["['plain']", "[]"]
