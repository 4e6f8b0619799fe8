"""CSV files as two independent readers find them: the standard library's for text, Arrow's for what is NULL."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pytest

from include.exports.engine import connect
from include.exports.errors import SourceRefused
from include.exports.formats import csv as format_
from include.exports.formats.csv import CsvFiles
from include.exports.formats.text import columns
from include.exports.model import Broken
from tests.rigs.files import text, write

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return connect(2)


def lines(con: duckdb.DuckDBPyConnection, query: str, path: Path, **declared: Any) -> str:
    """The text of a file without header."""
    files = CsvFiles(compression="none", **{"header": False, **declared})
    write(files, con, query, path / "f")
    return text(files, path / "f")


def values(*rows: str) -> str:
    return f"from (values {', '.join(rows)}) t(a, b)"


def test_null_is_nothing_and_empty_text_is_quoted(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert lines(con, values("('', NULL)", "(NULL, 'x')"), tmp_path) == '"",\n,x\n'


def test_a_null_marker_is_bare_and_text_like_it_is_quoted(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    made = lines(con, values("('NULL', NULL)", "('', 'null')"), tmp_path, null_marker="NULL")
    assert made == '"NULL",NULL\n"",null\n'


def test_numbers_and_nested_values_have_the_null_marker_too(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = values("(1.5::DOUBLE, [1])", "('nan', NULL)", "(NULL, [NULL])")
    assert lines(con, query, tmp_path, null_marker=r"\N") == "1.5,[1]\n\\N,\\N\n\\N,[null]\n"


def test_bytes_that_spell_the_null_marker_are_quoted(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert lines(con, r"select '\x35\x42\xCB'::BLOB as a, NULL as b", tmp_path, null_marker="NULL") == '"NULL",NULL\n'


def test_text_is_quoted_only_where_it_must_be(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = values("('a,b', 'a;b')", "('\"', '''')", "('a' || chr(10), 'a' || chr(13))", "(' a ', 'é😀')")
    assert lines(con, query, tmp_path) == '"a,b",a;b\n"""",\'\n"a\n","a\r"\n a ,é😀\n'


def test_quoting_all_quotes_everything_but_null(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = CsvFiles(compression="none", quoting="all")
    write(files, con, values("(1, 'x')", "(NULL, NULL)", "(2, '')"), tmp_path / "f")
    assert text(files, tmp_path / "f") == '"a","b"\n"1","x"\n,\n"2",""\n'


def test_delimiter_quote_and_line_ends_are_as_declared(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    declared = {"delimiter": "\t", "quote": "'", "line_terminator": "\r\n"}
    made = lines(con, values("('a,\"b', 'it''s')", "('a\tb', NULL)"), tmp_path, **declared)
    assert made == "a,\"b\t'it''s'\r\n'a\tb'\t\r\n"


def test_names_of_columns_are_quoted_like_text(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = CsvFiles(compression="none", formula_guard=True)
    write(files, con, 'select 1 as "a,b", 2 as "say ""é""", 3 as "=cmd()", 4 as "it\'s", 5 as "-1"', tmp_path / "f")
    assert text(files, tmp_path / "f") == '"a,b","say ""é""",\'=cmd(),it\'s,-1\n1,2,3,4,5\n'


def test_the_formula_guard_leaves_numbers_alone(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    formulas = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-", "-A1", "+1 555", "-.", "--1", "-1e", "-1\n"]
    others = ["-1", "+1.5", "-.5e-3", "-12.", "1=1", "a-b", "", " =1", "'=1"]
    con.register("texts", pa.table({"a": formulas + others, "b": [-1] * len(formulas + others)}))
    made = lines(con, "from texts", tmp_path, formula_guard=True)
    read = [row[0] for row in csv.reader(io.StringIO(made, newline=""))]
    assert read == [f"'{text}" for text in formulas] + others
    assert {row[1] for row in csv.reader(io.StringIO(made, newline=""))} == {"-1"}


def test_without_the_guard_formulas_stay_as_they_are(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert lines(con, values("('=1+1', '-A1')"), tmp_path) == "=1+1,-A1\n"


def test_nested_values_are_json(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = (
        """select {'a': ['x,"', NULL], 'b': 'nan'::DOUBLE} as a, '{"k": 1.0}'::JSON as b, [DATE '2024-01-01'] as c"""
    )
    ((a, b, c),) = csv.reader(io.StringIO(lines(con, query, tmp_path)))
    assert [json.loads(cell) for cell in (a, b, c)] == [{"a": ['x,"', None], "b": None}, {"k": 1.0}, ["2024-01-01"]]


def test_a_lone_column_never_makes_an_empty_line(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert lines(con, "from (values ('a'), ('')) t(x)", tmp_path) == 'a\n""\n'
    assert lines(con, "from (values (1), (NULL)) t(x)", tmp_path, null_marker="NULL") == "1\nNULL\n"
    with pytest.raises(SourceRefused) as refused:
        lines(con, "from (values (1), (NULL)) t(x)", tmp_path)
    assert str(refused.value) == (
        "column 'x': NULL would be an empty line, which readers skip; declare null_marker='NULL'"
    )


def test_two_readers_find_every_text_again(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    texts = ['"', '""', ",", "\r\n", "\n", "\r", "a\nb", "", None, " ", "\x00", "\x1f\x7f", "\u2028", "😀", "NULL", "'"]
    for declared in ({}, {"null_marker": "NULL"}, {"delimiter": "|", "quoting": "all"}, {"line_terminator": "\r\n"}):
        con.register("texts", pa.table({"a": pa.array(texts), "n": range(len(texts))}))
        files = CsvFiles(compression="none", **declared)
        made = lines(con, "from texts", tmp_path, header=True, **declared)
        read = list(csv.reader(io.StringIO(made, newline=""), delimiter=files.delimiter, strict=True))
        null = files.null_marker
        assert read == [["a", "n"], *([null if text is None else text, str(i)] for i, text in enumerate(texts))]
        assert by_arrow(tmp_path / "f", files).to_pydict() == {"a": texts, "n": [str(i) for i in range(len(texts))]}


def by_arrow(path: Path, files: CsvFiles) -> pa.Table:
    """The file as text columns, with NULL where a field is the bare null marker."""
    with path.open("rb") as file:
        names = next(csv.reader(io.StringIO(file.readline().decode()), delimiter=files.delimiter))
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=files.delimiter, quote_char=files.quote, newlines_in_values=True
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[files.null_marker],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


@pytest.mark.parametrize(
    ("declared", "field", "message"),
    [
        ({"delimiter": ""}, "delimiter", "'' must be one character that numbers"),
        ({"delimiter": ", "}, "delimiter", "', ' must be one character that numbers"),
        ({"delimiter": "\n"}, "delimiter", r"'\n' must be one character that numbers"),
        ({"delimiter": "."}, "delimiter", "'.' must be one character that numbers"),
        ({"delimiter": "e"}, "delimiter", "'e' must be one character that numbers"),
        ({"quote": "1"}, "quote", "'1' must be one character that numbers"),
        ({"quote": ""}, "quote", "'' must be one character that numbers"),
        ({"delimiter": "'", "quote": "'"}, "quote", '"\'" is also the delimiter'),
        ({"null_marker": "a,b"}, "null_marker", "'a,b' must not contain ','"),
        ({"null_marker": '"'}, "null_marker", "'\"' must not contain '\"'"),
        ({"null_marker": "\r"}, "null_marker", r"'\r' must not contain '\r'"),
        ({"null_marker": "0"}, "null_marker", "'0' reads like a value"),
        ({"null_marker": "-1"}, "null_marker", "'-1' reads like a value"),
        ({"null_marker": "NaN"}, "null_marker", "'NaN' reads like a value"),
        ({"null_marker": "false"}, "null_marker", "'false' reads like a value"),
    ],
)
def test_a_dialect_that_confuses_readers_is_refused(declared: dict[str, str], field: str, message: str) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as refused:
        CsvFiles.model_validate(declared)
    (problem,) = refused.value.errors()[0]["ctx"]["error"].problems
    assert problem.field == field
    assert problem.message.startswith(message)
    assert "; write " in problem.message
    assert isinstance(CsvFiles(**declared), Broken)


@pytest.mark.parametrize("marker", ["", "NULL", r"\N", "-", "n/a", "truely"])
def test_usual_null_markers_are_accepted(marker: str) -> None:
    assert CsvFiles(null_marker=marker).null_marker == marker


def test_a_declared_dialect_is_what_readers_need() -> None:
    assert CsvFiles(delimiter=";", null_marker="NULL", header=False).dialect == {
        "delimiter": ";",
        "quote": '"',
        "quoting": "minimal",
        "null_marker": "NULL",
        "line_terminator": "\n",
    }
    assert (CsvFiles().header_lines, CsvFiles(header=False).header_lines) == (1, 0)


def test_maps_with_other_keys_than_text_are_a_problem(con: duckdb.DuckDBPyConnection) -> None:
    found = columns(con, "select MAP {1: 'a'} as x, MAP {'a': 1} as y")
    assert [problem.message[:3] for problem in format_.problems(CsvFiles(), found)] == ["'x'"]
