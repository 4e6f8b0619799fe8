"""What an SQL source can declare, and how the text of a query is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from include.exports.errors import DefinitionError
from include.exports.sources.query import bounds_in, condition_problem, read_query, write_bounds
from include.exports.sources.sql import SqlSource
from include.exports.time_column import TimeColumn

if TYPE_CHECKING:
    from pathlib import Path

TIME = TimeColumn(name="at")
WINDOWED = "select * from t where at >= :window_start and at < :window_end"


def problems(**fields: Any) -> list[str]:
    """The messages with which a source is refused."""
    with pytest.raises(ValidationError) as caught:
        SqlSource.model_validate({"conn_id": "db", **fields})
    return [
        str(error["ctx"]["error"]) if "error" in error.get("ctx", {}) else error["msg"]
        for error in caught.value.errors()
    ]


@pytest.mark.parametrize(
    ("declared", "table"),
    [
        ("orders", ("orders",)),
        ("sales.orders", ("sales", "orders")),
        (("sales", "orders.old"), ("sales", "orders.old")),
        (["sales", "orders"], ("sales", "orders")),
    ],
)
def test_a_table_is_a_name_or_its_parts(declared: Any, table: tuple[str, ...]) -> None:
    assert SqlSource(conn_id="db", table=declared).table == table


@pytest.mark.parametrize("table", ["", ".orders", "sales..orders", (), ("sales", ""), "or\0ders"])
def test_a_table_with_an_empty_part_is_refused(table: Any) -> None:
    (message,) = problems(table=table)
    assert message.endswith("must be a table name, or one with its schema before it")


@pytest.mark.parametrize(
    ("fields", "uses_window"),
    [
        ({"table": "t"}, False),
        ({"table": "t", "time_column": TIME}, True),
        ({"query": "select 1"}, False),
        ({"query": "select 1", "time_column": TIME}, False),
        ({"query": "select ':window_start' -- :window_end", "time_column": TIME}, False),
        ({"query": WINDOWED, "time_column": TIME}, True),
    ],
)
def test_a_source_knows_whether_it_reads_a_window(fields: dict[str, Any], uses_window: bool) -> None:
    assert SqlSource(conn_id="db", **fields).uses_window is uses_window


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "a source has either a table or a query; write one of them"),
        ({"table": "t", "query": "select 1"}, "a source has either a table or a query; write one of them"),
        (
            {"query": "select :window_start", "time_column": TIME},
            "uses :window_start but not :window_end; a window has",
        ),
        ({"query": WINDOWED}, "is required by the query's :window_start; say how its time column stores time"),
        ({"table": "t", "types": {"a": "BIGNIT"}}, "'BIGNIT' is not a known type; did you mean 'BIGINT'?"),
        (
            {"table": "t", "types": {"a": "decimal(10,2)"}},
            "'decimal(10,2)' is not a known type; did you mean 'DECIMAL(3",
        ),
        (
            {"table": "t", "types": {"a": "DECIMAL(39,2)"}},
            "'DECIMAL(39,2)' must have 1 to 38 digits, and no more of them",
        ),
        (
            {"table": "t", "types": {"a": "DECIMAL(2,3)"}},
            "'DECIMAL(2,3)' must have 1 to 38 digits, and no more of them",
        ),
        ({"table": "t", "types": {"a": "HUGEINT[]"}}, "'HUGEINT[]' is not a known type; use one of BIGINT, BLOB, BOOL"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_declared(fields: dict[str, Any], message: str) -> None:
    (found,) = problems(**fields)
    assert found.startswith(message)


def test_all_wrong_types_are_named_at_once() -> None:
    (message,) = problems(table="t", types={"a": "INT8", "b": "BIGINT", "c": "TEXT"})
    assert "'INT8' is not a known type" in message
    assert "'TEXT' is not a known type" in message


def test_a_source_survives_json() -> None:
    source = SqlSource(conn_id="db", table=("a.b", "c"), time_column=TIME, types={"x": "DECIMAL(10,2)"}, batch_rows=7)
    assert SqlSource.model_validate_json(source.model_dump_json()) == source


def test_read_query_gives_the_text_of_a_file_beside_the_definition(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "late.sql").write_text("select 'é'\n", encoding="utf-8")
    assert read_query(str(tmp_path / "late.py"), "sql/late.sql") == "select 'é'\n"


@pytest.mark.parametrize("name", ["../late.sql", "/etc/late.sql", "sql/../../late.sql", "..\\late.sql", "late.py", ""])
def test_read_query_refuses_a_name_that_leads_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "late.sql").write_text("select 1")
    (tmp_path / "dags").mkdir()
    with pytest.raises(DefinitionError) as caught:
        read_query(str(tmp_path / "dags" / "late.py"), name)
    assert str(caught.value) == (
        f"{tmp_path}/dags/late.py: 1 problem in SqlSource\n"
        f"  source.query: {name!r} must be the name of a .sql file in the folder of the definition"
        " or below; move it there"
    )


def test_read_query_names_the_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_query(str(tmp_path / "late.py"), "late.sql")
    assert str(caught.value) == (
        f"{tmp_path}/late.py: 1 problem in SqlSource\n"
        f"  source.query: 'late.sql' is not in {tmp_path}; create it there or correct the name"
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (":window_start", "<window_start>"),
        ("a>=:window_start and(a<:window_end)", "a>=<window_start> and(a<<window_end>)"),
        (":window_start::date", "<window_start>::date"),
        ("x::window_start", "x::window_start"),
        ("a[1:window_end]", "a[1:window_end]"),
        (":window_start_2 :Window_End", ":window_start_2 :Window_End"),
        ("'it''s :window_start' :window_end", "'it''s :window_start' <window_end>"),
        ('":window_start" :window_end', '":window_start" <window_end>'),
        ("`:window_start`", "`:window_start`"),
        ("-- :window_start\n:window_end", "-- :window_start\n<window_end>"),
        ("/* ' :window_start\n */ :window_end", "/* ' :window_start\n */ <window_end>"),
        (
            "$$ :window_start $$ $q$ $$ :window_start $q$ :window_end",
            "$$ :window_start $$ $q$ $$ :window_start $q$ <window_end>",
        ),
        ("'10:30'::time at 10:30 :x", "'10:30'::time at 10:30 :x"),
    ],
)
def test_bounds_are_found_where_sql_has_code(sql: str, expected: str) -> None:
    assert write_bounds(sql, lambda name: f"<{name}>") == expected
    assert bounds_in(sql) == {name for name in ("window_start", "window_end") if f"<{name}>" in expected}


SQL = st.lists(
    st.sampled_from(
        [
            ":window_start",
            ":window_end",
            "'",
            '"',
            "`",
            "$",
            "$q$",
            "--",
            "\n",
            "/*",
            "*/",
            ":",
            "::",
            "a",
            " ",
            ";",
            "é",
        ]
    )
).map("".join)


@given(SQL)
def test_all_text_but_the_bounds_stays_as_it_is(sql: str) -> None:
    assert write_bounds(sql, lambda name: f":{name}") == sql


@pytest.mark.parametrize(
    "condition",
    ["a = 1", "a = ';' and (b or (c))", '"odd;name" = 1', "a in (select ')' from t)", "a > '10:30'::time", "E'x' = a"],
)
def test_one_expression_is_a_condition(condition: str) -> None:
    assert condition_problem(condition) is None


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("a = 1; drop table t", "must be one complete expression; remove or close ';'"),
        ("a = 'x", 'must be one complete expression; remove or close "\'"'),
        ("a = E'it\\'s'", 'must be one complete expression; remove or close "\'"'),
        ('"a = 1', "must be one complete expression; remove or close '\"'"),
        ("a = 1 -- and b", "must not contain comments; remove '-- and b'"),
        ("a /* b */ = 1", "must not contain comments; remove '/* b */'"),
        ("a = 1) or (1 = 1", "must be one expression; balance its parentheses"),
        ("(a = 1", "must be one expression; balance its parentheses"),
        (")(", "must be one expression; balance its parentheses"),
        (" ", "must be one expression; balance its parentheses"),
        ("at < :window_end", "must not contain ':window_end'; the window is applied to the time column"),
    ],
)
def test_what_is_not_one_expression_is_no_condition(condition: str, rule: str) -> None:
    assert condition_problem(condition) == f"{condition!r} {rule}"
