"""The contract as a table, with an example of every type that tests write and read back."""

from __future__ import annotations

from dataclasses import dataclass

from include.exports.contract.kinds import REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How values of some types are written."""

    types: str
    """The DuckDB types, which is what every source is read as."""
    example: str
    """SQL of a value."""
    json: str
    """The example in a JSON file."""
    csv: str
    """The example in a CSV file."""
    parquet: str
    """The type in a Parquet file, in Arrow's words."""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a setting makes of a value."""

    setting: str
    """The field of `files` and its value."""
    example: str
    """SQL of a value."""
    json: str
    csv: str


TABLE = (
    Row(types="BOOLEAN", example="true", json="true", csv="true", parquet="bool"),
    Row(types="TINYINT", example="(-128)::TINYINT", json="-128", csv="-128", parquet="int8"),
    Row(types="SMALLINT", example="(-32768)::SMALLINT", json="-32768", csv="-32768", parquet="int16"),
    Row(types="INTEGER", example="(-2147483648)::INTEGER", json="-2147483648", csv="-2147483648", parquet="int32"),
    Row(
        types="BIGINT",
        example="9007199254740993::BIGINT",
        json="9007199254740993",
        csv="9007199254740993",
        parquet="int64",
        remark="All digits, also beyond 2^53; NULL beside them changes nothing.",
    ),
    Row(types="UTINYINT", example="255::UTINYINT", json="255", csv="255", parquet="uint8"),
    Row(types="USMALLINT", example="65535::USMALLINT", json="65535", csv="65535", parquet="uint16"),
    Row(types="UINTEGER", example="4294967295::UINTEGER", json="4294967295", csv="4294967295", parquet="uint32"),
    Row(
        types="UBIGINT",
        example="18446744073709551615::UBIGINT",
        json="18446744073709551615",
        csv="18446744073709551615",
        parquet="uint64",
    ),
    Row(
        types="DECIMAL",
        example="'12345678901234567890.100000000000000000'::DECIMAL(38,18)",
        json="12345678901234567890.100000000000000000",
        csv="12345678901234567890.100000000000000000",
        parquet="decimal128(38, 18)",
        remark="All digits of its scale.",
    ),
    Row(
        types="FLOAT",
        example="1.1::FLOAT",
        json="1.1",
        csv="1.1",
        parquet="float",
        remark="The shortest digits that give the same 32-bit number again.",
    ),
    Row(
        types="DOUBLE",
        example="-1e-7::DOUBLE",
        json="-1e-07",
        csv="-1e-07",
        parquet="double",
        remark="The shortest digits that give the same 64-bit number again. NaN and infinities: see below.",
    ),
    Row(types="VARCHAR", example="""'say "é"'""", json=r'"say \"é\""', csv='"say ""é"""', parquet="string"),
    Row(types="ENUM", example="'b'::ENUM('a', 'b')", json='"b"', csv="b", parquet="string"),
    Row(
        types="BLOB",
        example=r"'\xFB\xFF\x00'::BLOB",
        json='"+/8A"',
        csv="+/8A",
        parquet="binary",
        remark="Base64 with padding in text.",
    ),
    Row(
        types="UUID",
        example="'0a1b2c3d-0000-4000-8000-00000000000f'::UUID",
        json='"0a1b2c3d-0000-4000-8000-00000000000f"',
        csv="0a1b2c3d-0000-4000-8000-00000000000f",
        parquet="extension<arrow.uuid>",
    ),
    Row(
        types="DATE",
        example="'1969-07-20'::DATE",
        json='"1969-07-20"',
        csv="1969-07-20",
        parquet="date32[day]",
        remark="Text has the years 0001 to 9999; a value outside is refused. Infinity: see below.",
    ),
    Row(
        types="TIME",
        example="'23:59:59.5'::TIME",
        json='"23:59:59.500000"',
        csv="23:59:59.500000",
        parquet="time64[us]",
        remark="24:00:00, which DuckDB and PostgreSQL have, is kept; not all readers know it.",
    ),
    Row(
        types="TIME_NS",
        example="'23:59:59.123456789'::TIME_NS",
        json='"23:59:59.123456789"',
        csv="23:59:59.123456789",
        parquet="time64[ns]",
    ),
    Row(
        types="TIMESTAMP",
        example="'2300-01-01 00:00:00.000001'::TIMESTAMP",
        json='"2300-01-01T00:00:00.000001"',
        csv="2300-01-01T00:00:00.000001",
        parquet="timestamp[us]",
        remark="RFC 3339 without the offset, which the type does not have. Years and infinity as for DATE.",
    ),
    Row(
        types="TIMESTAMP_S",
        example="'1969-12-31 23:59:59'::TIMESTAMP_S",
        json='"1969-12-31T23:59:59.000000"',
        csv="1969-12-31T23:59:59.000000",
        parquet="timestamp[us]",
    ),
    Row(
        types="TIMESTAMP_MS",
        example="'1969-12-31 23:59:59.123'::TIMESTAMP_MS",
        json='"1969-12-31T23:59:59.123000"',
        csv="1969-12-31T23:59:59.123000",
        parquet="timestamp[ms]",
    ),
    Row(
        types="TIMESTAMP_NS",
        example="'1969-12-31 23:59:59.123456789'::TIMESTAMP_NS",
        json='"1969-12-31T23:59:59.123456789"',
        csv="1969-12-31T23:59:59.123456789",
        parquet="timestamp[ns]",
    ),
    Row(
        types="TIMESTAMP WITH TIME ZONE",
        example="'2024-02-29 09:00:00.5+09'::TIMESTAMPTZ",
        json='"2024-02-29T00:00:00.500000Z"',
        csv="2024-02-29T00:00:00.500000Z",
        parquet="timestamp[us, tz=UTC]",
        remark="RFC 3339 in UTC: the type is an instant and does not remember an offset.",
    ),
    Row(
        types="TIMESTAMPTZ_NS",
        example="'2024-02-29 00:00:00.123456789+00'::TIMESTAMPTZ_NS",
        json='"2024-02-29T00:00:00.123456789Z"',
        csv="2024-02-29T00:00:00.123456789Z",
        parquet="timestamp[ns, tz=UTC]",
    ),
    Row(
        types="INTERVAL",
        example="'1 year -2 months 3 days -4.5 seconds'::INTERVAL",
        json='"P10M3DT-4.5S"',
        csv="P10M3DT-4.5S",
        parquet="string",
        remark="ISO 8601 with signed parts, as PostgreSQL writes it: Parquet's own interval ends at milliseconds.",
    ),
    Row(
        types="JSON",
        example="""'{"a": 1.10}'::JSON""",
        json='{"a": 1.10}',
        csv='"{""a"": 1.10}"',
        parquet="extension<arrow.json>",
        remark="Embedded as it is, line breaks between tokens as spaces; text that is not valid JSON is refused.",
    ),
    Row(
        types="LIST",
        example="[1.5, NULL]::DOUBLE[]",
        json="[1.5,null]",
        csv='"[1.5,null]"',
        parquet="list<element: double>",
        remark="What is inside follows this table; in CSV, nested values are JSON.",
    ),
    Row(types="ARRAY", example="[1, 2]::INTEGER[2]", json="[1,2]", csv='"[1,2]"', parquet="list<element: int32>"),
    Row(
        types="STRUCT",
        example="{'a': DATE '2024-01-01', 'b': NULL::VARCHAR}",
        json='{"a":"2024-01-01","b":null}',
        csv='"{""a"":""2024-01-01"",""b"":null}"',
        parquet="struct<a: date32[day], b: string>",
    ),
    Row(
        types="MAP",
        example="MAP {'a': 1::BIGINT}",
        json='{"a":1}',
        csv='"{""a"":1}"',
        parquet="map<string, int64 ('x')>",
        remark="Keys of type VARCHAR; Parquet takes any.",
    ),
    Row(types="NULL of any type", example="NULL::VARCHAR", json="null", csv="", parquet="string"),
    Row(types="Empty text", example="''", json='""', csv='""', parquet="string", remark="Never the same as NULL."),
)

NAN = "'NaN'::DOUBLE"
BEFORE_ALL = "'-Infinity'::TIMESTAMP"

CHOICES = (
    Choice(setting="non_finite: null", example=NAN, json="null", csv=""),
    Choice(setting="non_finite: string", example=NAN, json='"NaN"', csv="NaN"),
    Choice(setting="non_finite: fail", example=NAN, json="refused", csv="refused"),
    Choice(setting="non_finite: null", example=BEFORE_ALL, json="null", csv=""),
    Choice(setting="non_finite: string", example=BEFORE_ALL, json='"-Infinity"', csv="-Infinity"),
    Choice(setting="non_finite: fail", example=BEFORE_ALL, json="refused", csv="refused"),
    Choice(setting="as_string: True", example="9007199254740993", json='"9007199254740993"', csv="9007199254740993"),
    Choice(setting="as_string: True", example="0.10::DECIMAL(4,2)", json='"0.10"', csv="0.10"),
)


def markdown() -> str:
    """The contract as a page of documentation."""
    kept = _table(
        ("source type", "example", "JSON", "CSV", "Parquet", "remark"),
        [
            (row.types, _code(row.example), _code(row.json), _code(row.csv), _code(row.parquet), row.remark)
            for row in TABLE
        ],
    )
    chosen = _table(
        ("setting", "example", "JSON", "CSV"),
        [(_code(choice.setting), *map(_code, (choice.example, choice.json, choice.csv))) for choice in CHOICES],
    )
    refused = _table(
        ("source type", "why", "cast to"), [(name.upper(), why, cast) for name, (why, cast) in REFUSED.items()]
    )
    return (
        "# What becomes of each type\n\n"
        "Values are kept exactly, or the run is refused with a message that names the column; none is guessed, rounded"
        " or cut. The types are those of DuckDB, which every source is read as; Parquet types are in Arrow's words.\n\n"
        f"{kept}\n"
        "## Where a definition decides\n\n"
        "`as_string` is a setting of JSON files, `non_finite` of JSON and CSV files. Parquet has NaN and infinite"
        " numbers and keeps them; it has no infinite dates, and refuses them.\n\n"
        f"{chosen}\n"
        "## Refused\n\n"
        "A column of one of these types stops the run before anything is read; `columns.cast` makes another type"
        " of it.\n\n"
        f"{refused}"
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else "nothing"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
