"""The values where kinds of text, numbers and dates usually break, in JSON and in staged Parquet."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exports.contract import Policy, json_problems, json_text, problems, refusals, staged
from include.exports.engine import connect
from include.exports.errors import SourceRefused
from include.exports.formats.parquet import ParquetFiles
from include.exports.formats.text import columns
from tests.rigs.files import write

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

DATES = ("DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMPTZ")
NANOSECONDS = ("TIMESTAMP_NS", "TIMESTAMPTZ_NS")


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return connect(2)


def in_json(con: duckdb.DuckDBPyConnection, *values: str, name: str = "x", **policy: Any) -> list[str]:
    """The JSON of the SQL values, which have one type."""
    query = f'from (values {", ".join(f"({value})" for value in values)}) t("{name}")'
    (column,) = columns(con, query)
    with refusals():
        lines = con.sql(f"select {json_text(column, Policy(**policy))} from ({query})").fetchall()
    return [line for (line,) in lines]


def test_integers_keep_all_digits_beside_null_and_inside_lists(con: duckdb.DuckDBPyConnection) -> None:
    assert in_json(con, "9007199254740993", "NULL", "-9223372036854775808") == [
        "9007199254740993",
        "null",
        "-9223372036854775808",
    ]
    assert in_json(con, "[18446744073709551615::UBIGINT, NULL]") == ["[18446744073709551615,null]"]


def test_decimals_keep_all_digits_wherever_they_are(con: duckdb.DuckDBPyConnection) -> None:
    longest = "12345678901234567890.123456789012345678"
    assert in_json(con, f"{longest}::DECIMAL(38,18)", f"-{longest}", "0") == [
        longest,
        f"-{longest}",
        "0.000000000000000000",
    ]
    assert in_json(con, f"{{'a': [{longest}::DECIMAL(38,18), 0.5]}}") == [f'{{"a":[{longest},0.500000000000000000]}}']
    assert in_json(con, "[1.10::DECIMAL(4,2)]") == ["[1.10]"]


def test_decimals_without_digits_before_the_point_have_a_zero_there(con: duckdb.DuckDBPyConnection) -> None:
    assert in_json(con, "0.50::DECIMAL(2,2)", "-0.05", "0") == ["0.50", "-0.05", "0.00"]


def test_as_string_reaches_into_nested_values(con: duckdb.DuckDBPyConnection) -> None:
    value = "{'a': [1::BIGINT, NULL], 'b': MAP {'k': 0.10::DECIMAL(4,2)}, 'c': 1::INTEGER, 'd': 1.5::DOUBLE}"
    assert in_json(con, value, as_string=True) == ['{"a":["1",null],"b":{"k":"0.10"},"c":1,"d":1.5}']


def test_floats_are_the_shortest_digits_that_give_the_same_number(con: duckdb.DuckDBPyConnection) -> None:
    doubles = [5e-324, 1.7976931348623157e308, 0.1, 1e15, 1e16, 123456789.123, -0.0, 2.0**53]
    texts = in_json(con, *(f"'{value!r}'::DOUBLE" for value in doubles))
    assert [json.loads(text).hex() for text in texts] == [value.hex() for value in doubles]
    assert in_json(con, "[1.1::FLOAT, 16777216::FLOAT, 3.4028235e38::FLOAT]") == ["[1.1,16777216.0,3.4028235e+38]"]


def test_non_finite_numbers_follow_the_policy_wherever_they_are(con: duckdb.DuckDBPyConnection) -> None:
    value = "{'a': ['nan'::FLOAT, 'inf', '-inf', NULL, 0.5]}"
    assert in_json(con, value) == ['{"a":[null,null,null,null,0.5]}']
    assert in_json(con, value, non_finite="string") == ['{"a":["NaN","Infinity","-Infinity",null,0.5]}']
    with pytest.raises(SourceRefused) as refused:
        in_json(con, value, non_finite="fail")
    assert str(refused.value) == (
        "column 'x.a[]': nan is not a number that JSON has; declare non_finite='null' or 'string'"
    )


def test_fail_lets_null_and_finite_numbers_pass(con: duckdb.DuckDBPyConnection) -> None:
    assert in_json(con, "1.5::DOUBLE", "NULL", non_finite="fail") == ["1.5", "null"]
    assert in_json(con, "DATE '2024-01-01'", "NULL", non_finite="fail") == ['"2024-01-01"', "null"]


@pytest.mark.parametrize("type_", DATES + NANOSECONDS)
def test_infinite_dates_follow_the_policy(type_: str, con: duckdb.DuckDBPyConnection) -> None:
    values = [f"'{text}'::{type_}" for text in ("infinity", "-infinity")]
    assert in_json(con, *values) == ["null", "null"]
    assert in_json(con, *values, non_finite="string") == ['"Infinity"', '"-Infinity"']
    with pytest.raises(SourceRefused, match=r"column 'x': infinity is not a date that RFC 3339 has; declare non_fin"):
        in_json(con, values[0], non_finite="fail")


@pytest.mark.parametrize("type_", DATES)
def test_dates_reach_from_year_1_to_year_9999(type_: str, con: duckdb.DuckDBPyConnection) -> None:
    first, last = (json.loads(text)[:10] for text in in_json(con, f"'0001-01-01'::{type_}", f"'9999-12-31'::{type_}"))
    assert (first, last) == ("0001-01-01", "9999-12-31")
    for outside in ("10000-01-01", "0001-12-31 (BC)"):
        with pytest.raises(SourceRefused) as refused:
            in_json(con, f"'{outside}'::{type_}")
        assert str(refused.value).startswith(f"column 'x': {outside[:10]}")
        assert str(refused.value).endswith(" is outside the years 0001 to 9999 of RFC 3339; cast the column to VARCHAR")


def test_timestamps_keep_microseconds_before_1970_and_after_2262(con: duckdb.DuckDBPyConnection) -> None:
    assert in_json(con, "'1883-11-18 12:03:57.000001'::TIMESTAMP", "'9999-12-31 23:59:59.999999'") == [
        '"1883-11-18T12:03:57.000001"',
        '"9999-12-31T23:59:59.999999"',
    ]
    assert in_json(con, "'1883-11-18 12:03:57.000001-05'::TIMESTAMPTZ") == ['"1883-11-18T17:03:57.000001Z"']
    assert in_json(con, "'1677-09-22 00:00:00.000000001'::TIMESTAMP_NS") == ['"1677-09-22T00:00:00.000000001"']


def test_timestamps_of_coarser_units_are_written_with_microseconds(con: duckdb.DuckDBPyConnection) -> None:
    assert in_json(con, "'2024-01-01 00:00:01'::TIMESTAMP_S") == ['"2024-01-01T00:00:01.000000"']
    assert in_json(con, "'2024-01-01 00:00:01.5'::TIMESTAMP_MS") == ['"2024-01-01T00:00:01.500000"']


def test_times_have_a_fixed_number_of_digits(con: duckdb.DuckDBPyConnection) -> None:
    assert in_json(con, "'00:00:00'::TIME", "'10:00:00.1'", "'24:00:00'") == [
        '"00:00:00.000000"',
        '"10:00:00.100000"',
        '"24:00:00.000000"',
    ]
    assert in_json(con, "'10:00:00'::TIME_NS", "'10:00:00.1'") == ['"10:00:00.000000000"', '"10:00:00.100000000"']


def test_intervals_are_iso_8601_durations_with_signs(con: duckdb.DuckDBPyConnection) -> None:
    expected = {
        "0 seconds": "PT0S",
        "14 months": "P1Y2M",
        "-14 months": "P-1Y-2M",
        "1 month -30 days": "P1M-30D",
        "40 days 25 hours": "P40DT25H",
        "90.5 seconds": "PT1M30.5S",
        "-0.000001 seconds": "PT-0.000001S",
        "10 seconds": "PT10S",
        "1 year 2 months 3 days 4 hours 5 minutes 6.000007 seconds": "P1Y2M3DT4H5M6.000007S",
    }
    assert in_json(con, *(f"INTERVAL '{text}'" for text in expected), "NULL") == [
        *(f'"{text}"' for text in expected.values()),
        "null",
    ]


def test_text_is_escaped_where_json_needs_it_and_nowhere_else(con: duckdb.DuckDBPyConnection) -> None:
    every_control = "".join(map(chr, range(0x20)))
    for text in (every_control, '\\"/', "\x7f\x80\u2028\u2029\ufeff\uffff", "é 日本語 😀 👩‍👩‍👧", ""):
        con.execute("set variable text = $1", [text])
        (made,) = in_json(con, "getvariable('text')::VARCHAR")
        assert json.loads(made) == text
    assert in_json(con, "chr(8232) || '😀'") == ['"\u2028😀"']


def test_json_is_embedded_digit_for_digit_on_one_line(con: duckdb.DuckDBPyConnection) -> None:
    source = '{"a":\n\t[12345678901234567890123, 2.50000000000000000001,\r\n 1e400], "a": "NaN, inf ,]"}'
    (made,) = in_json(con, f"'{source}'::JSON")
    assert made == source.replace("\n", " ").replace("\r", " ")
    assert in_json(con, "'null'::JSON", "NULL") == ["null", "null"]
    assert in_json(con, "[' 1.10 '::JSON]") == ["[ 1.10 ]"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "[1,]",
        '{"a":1,}',
        "NaN",
        "[nan]",
        "-Infinity",
        '{"a": inf}',
        "01",
        "1.",
        "'a'",
        '"\t"',
        '"\\ud800"',
    ],
)
def test_text_that_is_not_valid_json_is_refused(text: str, con: duckdb.DuckDBPyConnection) -> None:
    con.register("claims", pa.table({"x": pa.array([text], pa.json_())}))  # Arrow takes any text for JSON
    (column,) = columns(con, "from claims")
    assert str(column.type) == "JSON"
    for made in (json_text(column, Policy()), staged(column)):
        with pytest.raises(SourceRefused) as refused, refusals():
            con.sql(f"select {made} from claims").fetchall()
        assert str(refused.value) == (
            f"column 'x': {text} is not valid JSON; correct it in the source, or cast the column to VARCHAR"
        )


def test_null_struct_and_struct_of_nulls_stay_apart(con: duckdb.DuckDBPyConnection) -> None:
    values = ("{'a': 1.5, 'b': [DATE '2024-01-01']}", "{'a': NULL, 'b': NULL}", "NULL", "{'a': NULL, 'b': []}")
    assert in_json(con, *values) == [
        '{"a":1.5,"b":["2024-01-01"]}',
        '{"a":null,"b":null}',
        "null",
        '{"a":null,"b":[]}',
    ]


def test_nested_values_of_every_depth_follow_the_contract(con: duckdb.DuckDBPyConnection) -> None:
    value = "[[{'m': MAP {'k': [INTERVAL '1 day', NULL], 'e': []}}], NULL, []]"
    expected = '[[{"m":{"k":["P1D",null],"e":[]}}],null,[]]'
    assert in_json(con, value) == [expected]
    # The names that the SQL itself uses are names that a column may have.
    assert in_json(con, value, name="e") == [expected]


def test_names_of_keys_are_escaped(con: duckdb.DuckDBPyConnection) -> None:
    value = """{'it''s "é"\\ 😀': 1.5, 'plain': TRUE}"""
    (made,) = in_json(con, value, name="a'b{}")
    assert json.loads(made) == {'it\'s "é"\\ 😀': 1.5, "plain": True}
    (made,) = in_json(con, """MAP {'"': 0.5::DOUBLE, '': 1}""")
    assert json.loads(made) == {'"': 0.5, "": 1.0}


def test_problems_name_the_nested_part_and_the_column_to_cast(con: duckdb.DuckDBPyConnection) -> None:
    found = problems(columns(con, "select {'a': [1::HUGEINT]} as x, 1 as fine, MAP {'k': TIMETZ '10:00+02'} as y"))
    assert [problem.message for problem in found] == [
        (
            "'x.a[]' is HUGEINT, which cannot be kept: Parquet would hold it as a double, which loses digits;"
            " cast 'x' so that it holds DECIMAL(38,0) there"
        ),
        (
            "'y{}' is TIME WITH TIME ZONE, which cannot be kept: Parquet would lose its offset;"
            " cast 'y' so that it holds VARCHAR there"
        ),
    ]


def test_maps_need_text_for_keys_in_json_alone(con: duckdb.DuckDBPyConnection) -> None:
    found = columns(con, "select [MAP {1: 'a'}] as x, MAP {'k': 1} as y")
    assert problems(found) == []
    assert [problem.message for problem in json_problems(found)] == [
        (
            "'x[]' is MAP(INTEGER, VARCHAR), and the keys of a JSON object are text;"
            " cast 'x' so that the map's keys are VARCHAR"
        )
    ]


def stage(con: duckdb.DuckDBPyConnection, value: str, path: Path, **how: Any) -> Any:
    """The value as pyarrow finds it in staged Parquet."""
    query = f"select {value} as x from range(1)"
    write(ParquetFiles(), con, f"select {staged(columns(con, query)[0], **how)} as x from ({query})", path)
    return pq.read_table(path).column("x")[0].as_py()


def test_intervals_inside_nested_values_are_staged_as_text(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    value = "{'it''s': [INTERVAL '1 day', NULL], 'm': MAP {'k': INTERVAL '1 month'}, 'n': NULL::INTERVAL[]}"
    assert stage(con, value, tmp_path / "f") == {"it's": ["P1D", None], "m": [("k", "P1M")], "n": None}
    assert stage(con, f"case when range < 0 then {value} end", tmp_path / "f") is None


@pytest.mark.parametrize("type_", DATES + NANOSECONDS)
def test_infinite_dates_are_refused_in_parquet_that_is_delivered(
    type_: str, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for value in (f"'-infinity'::{type_}", f"[{{'a': '-infinity'::{type_}}}]"):
        with pytest.raises(SourceRefused, match=r"^column 'x.*': -infinity is not a date that Parquet has; replace"):
            stage(con, value, tmp_path / "f")
        assert not (tmp_path / "f").exists()
    assert stage(con, f"[NULL::{type_}]", tmp_path / "f") == [None]


@pytest.mark.parametrize("type_", DATES + NANOSECONDS)
def test_infinite_dates_survive_in_parquet_that_only_we_read(
    type_: str, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    query = f"from (values ('infinity'::{type_}), ('-infinity'), (NULL)) t(x)"
    kept = staged(columns(con, query)[0], infinite="keep")
    write(ParquetFiles(), con, f"select {kept} as x from ({query})", tmp_path / "f")
    assert con.sql(f"select x::varchar from read_parquet('{tmp_path}/f')").fetchall() == [
        ("infinity",),
        ("-infinity",),
        (None,),
    ]


def test_staged_json_is_json_digit_for_digit(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = '{"a":\n 12345678901234567890.10}'
    assert stage(con, f"[NULL, '{text}'::JSON]", tmp_path / "f") == [None, text]
    assert str(pq.read_schema(tmp_path / "f").field("x").type) == "list<element: extension<arrow.json>>"


def test_staged_decimals_keep_all_digits(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    longest = "99999999999999999999.999999999999999999"
    assert stage(con, f"{longest}::DECIMAL(38,18)", tmp_path / "f") == Decimal(longest)
