"""Any table of any types comes back from every format as it was, read by other libraries than DuckDB."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import tempfile
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from include.exports.contract import staged
from include.exports.engine import connect, identifier
from include.exports.formats.csv import CsvFiles
from include.exports.formats.json import JsonFiles
from include.exports.formats.parquet import ParquetFiles
from include.exports.formats.text import columns
from tests.rigs.files import records, text, write

if TYPE_CHECKING:
    from collections.abc import Callable

CON = connect(2)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LONG = st.decimals(min_value=-(10**19), max_value=10**19, allow_nan=False, places=18)
MOMENT = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999))
SCALARS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.decimal128(38, 18), LONG),
    (pa.decimal128(3, 3), st.decimals(Decimal("-0.999"), Decimal("0.999"), places=3)),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.dictionary(pa.int32(), pa.string()), TEXT),
    (pa.binary(), st.binary(max_size=20)),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us"), MOMENT),
    (pa.timestamp("ms"), MOMENT.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000))),
    (pa.timestamp("us", "UTC"), MOMENT.map(lambda value: value.replace(tzinfo=UTC))),
]
Typed = tuple[pa.DataType, st.SearchStrategy[Any]]


def nest(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    def of_list(typed: Typed) -> Typed:
        return pa.list_(typed[0]), st.lists(st.none() | typed[1], max_size=3)

    def of_map(typed: Typed) -> Typed:
        pairs = st.dictionaries(TEXT, st.none() | typed[1], max_size=3).map(lambda found: list(found.items()))
        return pa.map_(pa.string(), typed[0]), pairs

    def of_struct(fields: dict[str, Typed]) -> Typed:
        return (
            pa.struct([(name, typed[0]) for name, typed in fields.items()]),
            st.fixed_dictionaries({name: st.none() | typed[1] for name, typed in fields.items()}),
        )

    structs = st.dictionaries(NAME, inner, min_size=1, max_size=3).filter(lambda fields: distinct(list(fields)))
    return inner.map(of_list) | inner.map(of_map) | structs.map(of_struct)


def distinct(names: list[str]) -> bool:
    return len({name.casefold() for name in names}) == len({name.lower() for name in names}) == len(names)


NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
# DuckDB writes no dictionary inside a nested type that Arrow hands over as one.
TYPED = st.sampled_from(SCALARS) | st.recursive(
    st.sampled_from([typed for typed in SCALARS if not pa.types.is_dictionary(typed[0])]), nest, max_leaves=4
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    names = draw(st.lists(NAME, min_size=2, max_size=4).filter(distinct))
    rows = draw(st.integers(0, 4))
    arrays = []
    for _ in names:
        type_, values = draw(TYPED)
        arrays.append(pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), type_))
    return pa.table(arrays, names)


def stage(table: pa.Table, folder: Path) -> str:
    """A query of the table as a shard would have staged it."""
    CON.register("given", table)
    kept = ", ".join(f"{staged(column)} as {identifier(column.name)}" for column in columns(CON, "from given"))
    write(ParquetFiles(), CON, f"select {kept} from given", folder / "staged.parquet")
    return f"from read_parquet('{folder}/staged.parquet')"


def expected(value: Any, type_: pa.DataType, scalar: Callable[[Any], Any]) -> Any:
    """The value as a reader of JSON has it."""
    if value is None:
        return None
    if pa.types.is_list(type_):
        return [expected(item, type_.value_type, scalar) for item in value]
    if pa.types.is_map(type_):
        return {key: expected(item, type_.item_type, scalar) for key, item in value}
    if pa.types.is_struct(type_):
        return {field.name: expected(value[field.name], field.type, scalar) for field in type_}
    return scalar(value)


def in_json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, Decimal, str)) else in_text(value)


def in_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case bytes():
            return base64.b64encode(value).decode()
        case datetime() | time():
            zone = "Z" if value.tzinfo else ""
            return value.replace(tzinfo=None).isoformat(timespec="microseconds") + zone
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def same(found: Any, wanted: Any) -> bool:
    """Equal, where a float of 32 bits may be read from fewer digits than its 64-bit neighbour has."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict) and list(found) == list(wanted) and all(map(same, found.values(), wanted.values()))
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, float):
        return isinstance(found, Decimal) and wanted in (float(found), pa.scalar(float(found), pa.float32()).as_py())
    return type(found) is type(wanted) and found == wanted


@settings(max_examples=100, deadline=None)
@given(tables())
def test_json_gives_every_value_back(table: pa.Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        write(JsonFiles(), CON, stage(table, Path(folder)), path)
        found = records(JsonFiles(), path, parse_float=Decimal)
    wanted = [
        {field.name: expected(row[field.name], field.type, in_json) for field in table.schema}
        for row in table.to_pylist()
    ]
    assert same(found, wanted), (found, wanted)


@settings(max_examples=100, deadline=None)
@given(tables(), st.sampled_from(["", "NULL"]), st.sampled_from([",", "\t", "|"]), st.sampled_from(["minimal", "all"]))
def test_csv_gives_every_value_back(table: pa.Table, marker: str, delimiter: str, quoting: Any) -> None:
    files = CsvFiles(null_marker=marker, delimiter=delimiter, quoting=quoting)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        write(files, CON, stage(table, Path(folder)), path)
        head, *found = csv.reader(io.StringIO(text(files, path), newline=""), delimiter=delimiter, strict=True)
    assert head == table.schema.names
    assert len(found) == table.num_rows
    for row, fields in zip(table.to_pylist(), found, strict=True):
        for field, cell in zip(table.schema, fields, strict=True):
            wanted = expected(row[field.name], field.type, in_json)
            if wanted is None:
                assert cell == marker
            elif pa.types.is_nested(field.type):
                assert same(json.loads(cell, parse_float=Decimal), wanted)
            elif isinstance(wanted, float):
                assert same(Decimal(cell), wanted)
            else:
                assert cell == expected(row[field.name], field.type, in_text)


@settings(max_examples=100, deadline=None)
@given(tables())
def test_parquet_gives_every_value_back(table: pa.Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stage(table, Path(folder))
        found = pq.read_table(Path(folder) / "staged.parquet")
    assert found.schema.names == table.schema.names
    assert repr(found.to_pylist()) == repr(table.to_pylist())  # repr: NaN is like NaN, -0.0 is not 0.0
