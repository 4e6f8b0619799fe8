"""ZIP archives: files of a declared length that every desktop opens, and always the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from include.exports.engine import connect
from include.exports.formats.csv import CsvFiles
from include.exports.formats.json import JsonFiles
from tests.rigs.files import write

if TYPE_CHECKING:
    from pathlib import Path


def members(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("rows", [0, 1, 2499, 2500, 2501, 20_000])
def test_an_archive_has_files_of_the_declared_length_each_with_its_header(rows: int, tmp_path: Path) -> None:
    files = CsvFiles(compression="zip", member_rows=2500)
    written = write(files, connect(2), f"select range as n from range({rows})", tmp_path / "f")
    lines = [content.decode().splitlines() for content in members(tmp_path / "f").values()]
    assert (written.rows, written.size) == (rows, (tmp_path / "f").stat().st_size)
    assert [line[0] for line in lines] == ["n"] * max(1, -(-rows // 2500))
    assert [int(number) for line in lines for number in line[1:]] == list(range(rows))
    assert {len(line) for line in lines[:-1]} <= {2501}
    assert sum(len(content) for content in members(tmp_path / "f").values()) == written.uncompressed


def test_members_are_called_by_their_number_and_are_of_no_time(tmp_path: Path) -> None:
    write(JsonFiles(compression="zip", member_rows=2), connect(2), "from range(5) t(n)", tmp_path / "f")
    assert list(members(tmp_path / "f")) == ["part-00000.json", "part-00001.json", "part-00002.json"]
    with ZipFile(tmp_path / "f") as archive:
        assert {(info.date_time, info.create_system) for info in archive.infolist()} == {((1980, 1, 1, 0, 0, 0), 3)}


@pytest.mark.parametrize("threads", [1, 4])
def test_the_bytes_are_those_of_the_text_alone(threads: int, tmp_path: Path) -> None:
    files = CsvFiles(compression="zip", member_rows=700)
    first = write(files, connect(2), "from range(10000) t(n)", tmp_path / "a")
    assert write(files, connect(threads), "from range(10000) t(n)", tmp_path / "b") == first


@pytest.mark.parametrize("model", [CsvFiles, JsonFiles])
def test_only_archives_have_members(model: Any) -> None:
    broken = model(compression="gzip", member_rows=10)
    assert type(broken).__name__ == "Broken"


def test_the_guard_of_numbers_is_brazes(tmp_path: Path) -> None:
    query = "select * from (values ('-1943', -1943, '+821012345678'), ('1-2', 1943, 'a@b')) t(text, number, phone)"
    files = CsvFiles(compression="none", formula_guard="numbers")
    write(files, connect(2), query, tmp_path / "f")
    assert (tmp_path / "f").read_text() == "text,number,phone\n'-1943,'-1943,'+821012345678\n1-2,1943,a@b\n"
