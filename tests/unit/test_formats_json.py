"""JSON files as the standard library reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.exports.engine import connect, identifier
from include.exports.formats import json as format_
from include.exports.formats.json import JsonFiles
from include.exports.formats.text import columns
from tests.rigs.files import records, text, write

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

FILES = JsonFiles(compression="none")


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return connect(2)


def test_a_record_is_a_line_with_its_keys_in_the_order_of_the_columns(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write(FILES, con, "from (values (1, 'a' || chr(10) || 'b'), (NULL, NULL)) t(z, a)", tmp_path / "f")
    assert text(FILES, tmp_path / "f") == '{"z":1,"a":"a\\nb"}\n{"z":null,"a":null}\n'


@pytest.mark.parametrize("name", ['say "x"', "it's", "back\\slash", "é 日本 😀", "\t\x01", "\u2028", "{}", "a.b", " "])
def test_a_column_may_have_any_name(name: str, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    write(FILES, con, f"select 1 as {identifier(name)}", tmp_path / "f")
    assert records(FILES, tmp_path / "f") == [{name: 1}]


def test_maps_with_other_keys_than_text_are_a_problem(con: duckdb.DuckDBPyConnection) -> None:
    found = columns(con, "select {'m': MAP {1: 'a'}} as x, MAP {'a': 1} as y")
    assert [problem.message[:5] for problem in format_.problems(FILES, found)] == ["'x.m'"]
