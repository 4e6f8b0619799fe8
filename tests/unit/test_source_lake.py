"""Lakes of Parquet: which files are read, which rows and columns of them, and in which order."""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from include.exports import Daily, DatasetExport, HivePartition, JsonFiles, LakeSource, LocalDestination, TimeColumn
from include.exports.engine import connect
from include.exports.errors import DefinitionError, NotEligible, SourceInterrupted, SourceRefused
from include.exports.sources import Request, Shard, lake
from include.exports.sources.hive import Folders
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.window import Window

DAY = datetime(2024, 5, 1, tzinfo=UTC)


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=1000)


def read(source: LakeSource, threads: int = 2, **asked: Any) -> list[tuple[Any, ...]]:
    """The rows of all shards, every column unless `columns` are asked for."""
    request = Request(**asked)
    described = lake.describe(source, request)
    request = Request(**{"columns": tuple(column.name for column in described)} | asked)
    rows = []
    for shard in lake.shards(source, request):
        con = connect(threads)
        with lake.records(source, request, shard, con) as query:
            rows += [tuple(row.values()) for row in con.sql(query).to_arrow_table().to_pylist()]
    return rows


def files(source: LakeSource, start: datetime | None = None, end: datetime | None = None) -> list[str]:
    """The files of a window, relative to the lake."""
    (shard,) = lake.shards(source, Request(start=start, end=end))
    return [os.path.relpath(file, source.path) for file in shard.files]


def partitioned(folder: Path, **partition: str) -> LakeSource:
    partition = {"column": "day"} | partition
    return LakeSource(path=str(folder), time_column=TimeColumn(name="at"), partition=HivePartition(**partition))


# Which files


def test_files_come_in_the_order_of_their_paths_without_those_that_are_hidden_or_of_another_kind(tmp_path):
    for name in ("b/1.parquet", "b.parquet", "a.parquet", "a/z/2.parquet", "10.parquet", "9.parquet", "ü.parquet"):
        write(tmp_path / name, name=[name])
    for name in ("_tmp/x.parquet", ".hidden/x.parquet", "a/_x.parquet", "a/.x.parquet", "x.parquet.crc", "x.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("not Parquet")
    names = ["10.parquet", "9.parquet", "a.parquet", "a/z/2.parquet", "b.parquet", "b/1.parquet", "ü.parquet"]
    assert files(LakeSource(path=str(tmp_path))) == names
    assert read(LakeSource(path=str(tmp_path))) == [(name,) for name in names]


def test_links_are_followed(tmp_path):
    write(tmp_path / "elsewhere/day=2024-05-01/x.parquet", at=[DAY])
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake/day=2024-05-01").symlink_to(tmp_path / "elsewhere/day=2024-05-01")
    (tmp_path / "lake/y.parquet").symlink_to(tmp_path / "elsewhere/day=2024-05-01/x.parquet")
    assert files(partitioned(tmp_path / "lake")) == ["day=2024-05-01/x.parquet", "y.parquet"]


@pytest.mark.parametrize(
    ("column", "form", "timezone", "inside", "outside"),
    [
        ("day", "%Y-%m-%d", "UTC", ["2024-05-01", "2024-05-02"], ["2024-04-30", "2024-05-03"]),
        ("day", "%Y-%m-%d", "Asia/Seoul", ["2024-05-02", "2024-05-03"], ["2024-05-01", "2024-05-04"]),
        ("day", "%Y%j", "UTC", ["2024122", "2024123"], ["2024121", "2024124"]),
        ("hour", "%Y-%m-%d %H", "UTC", ["2024-05-01%2023", "2024-05-02%2022"], ["2024-05-01%2022", "2024-05-02%2023"]),
        ("minute", "%Y%m%d%H%M", "UTC", ["202405012215", "202405022245"], ["202405012200", "202405022300"]),
        ("month", "%Y-%m", "UTC", ["2024-05"], ["2024-04", "2024-06"]),
        ("year", "%Y", "UTC", ["2024"], ["2023", "2025"]),
        ("year/month/day", "%Y/%m/%d", "UTC", ["2024/05/01", "2024/5/2"], ["2024/04/30", "2024/05/03", "2023/05/01"]),
        ("day/hour", "%Y-%m-%d/%H", "UTC", ["2024-05-01/23", "2024-05-02/22"], ["2024-05-01/22", "2024-05-03/00"]),
    ],
)
def test_a_window_reads_the_folders_it_touches_and_those_without_a_time(  # noqa: PLR0917  # a row of the table above
    tmp_path, column, form, timezone, inside, outside
):
    def file(values: str) -> str:
        levels = zip(column.split("/"), values.split("/"), strict=True)
        return "/".join(f"{name}={value}" for name, value in levels) + "/x.parquet"

    null = f"{column.partition('/')[0]}=__HIVE_DEFAULT_PARTITION__/x.parquet"
    for path in [*map(file, [*inside, *outside]), "other/x.parquet", null]:
        write(tmp_path / path, at=[DAY])
    source = partitioned(tmp_path, column=column, format=form, timezone=timezone)
    start, end = DAY + timedelta(hours=23), DAY + timedelta(hours=47)
    assert files(source, start, end) == sorted([*map(file, inside), "other/x.parquet"])
    assert files(source) == sorted([*map(file, [*inside, *outside]), "other/x.parquet", null])


TRANSITIONS = {
    "America/New_York": datetime(2024, 3, 10, 7, tzinfo=UTC),
    "Europe/Berlin": datetime(2024, 10, 27, 1, tzinfo=UTC),
    "America/Sao_Paulo": datetime(2017, 10, 15, 3, tzinfo=UTC),  # midnight does not exist
    "America/Havana": datetime(2024, 11, 3, 5, tzinfo=UTC),  # midnight comes twice
    "Australia/Lord_Howe": datetime(2024, 4, 6, 15, tzinfo=UTC),  # by half an hour
    "Asia/Seoul": datetime(2024, 1, 1, tzinfo=UTC),
}


@given(
    zone=st.sampled_from(sorted(TRANSITIONS)),
    levels=st.sampled_from([("d", "%Y-%m-%d"), ("h", "%Y-%m-%d-%H"), ("m", "%Y-%m"), ("y/m/d/h", "%Y/%m/%d/%H")]),
    minutes=st.lists(st.integers(-300, 300), min_size=1, max_size=12),
    window=st.tuples(st.integers(-300, 300), st.integers(1, 90)),
)
@settings(max_examples=250, deadline=None)
def test_no_folder_of_the_window_is_left_out_around_a_clock_change(zone, levels, minutes, window):
    instants = [TRANSITIONS[zone] + timedelta(minutes=minute) for minute in minutes]
    start = TRANSITIONS[zone] + timedelta(minutes=window[0])
    end = start + timedelta(minutes=window[1])
    column, form = levels
    with TemporaryDirectory() as root:
        wanted = set()
        for number, instant in enumerate(instants):
            values = instant.astimezone(ZoneInfo(zone)).strftime(form).split("/")
            folder = Path(root, *(f"{name}={value}" for name, value in zip(column.split("/"), values, strict=True)))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.parquet").touch()
            if start <= instant < end:
                wanted.add(str(folder / f"{number}.parquet"))
        partition = HivePartition(column=column, format=form, timezone=zone)
        folders = Folders(fs=LocalFileSystem(), suffixes=(".parquet",), partition=partition, start=start, end=end)
        assert wanted <= {file for file, _ in folders.files(root)}


def test_folders_outside_of_the_window_are_not_even_listed(tmp_path):
    write(tmp_path / "day=2024-05-01/x.parquet", at=[DAY])
    (tmp_path / "day=2024-04-30/day=garbage").mkdir(parents=True)
    (tmp_path / "day=2024-05-02").mkdir()
    (tmp_path / "day=2024-05-02/x.parquet").write_text("not Parquet")
    source = partitioned(tmp_path, column="day/day", format="%Y-%m-%d/%H")
    assert files(source, DAY, DAY + timedelta(days=1)) == ["day=2024-05-01/x.parquet"]
    assert read(source, columns=("at",), start=DAY, end=DAY + timedelta(days=1)) == [(DAY,)]


def test_a_folder_that_is_not_of_the_format_is_refused_by_its_name(tmp_path):
    write(tmp_path / "day=20240501/x.parquet", at=[DAY])
    said = (
        "day=20240501: '20240501' is not of the partition's format '%Y-%m-%d'; correct the format, or move the folder"
    )
    with pytest.raises(SourceRefused, match=re.escape(said)):
        files(partitioned(tmp_path), DAY, DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("column", "form"),
    [("day", "%d"), ("day", "%m-%d"), ("day", "%Y-%d"), ("hour", "%Y-%m-%d %I"), ("month/day", "%m/%d")],
)
def test_a_format_that_leaves_a_unit_out_is_refused(column, form):
    with pytest.raises(DefinitionError, match=re.escape(f"format {form!r} must begin with the year and leave no unit")):
        _declared(partitioned(Path("lake"), column=column, format=form))


def test_levels_and_formats_go_together():
    with pytest.raises(DefinitionError, match="must have equally many levels"):
        _declared(partitioned(Path("lake"), column="year/month", format="%Y-%m"))


def _declared(source: LakeSource, folder: Path = Path("out"), **changes: Any) -> DatasetExport:
    settings = {
        "name": "events",
        "owner": "tests",
        "source": source,
        "mode": "incremental",
        "schedule": Daily(start="2024-05-01"),
        "files": JsonFiles(),
        "destination": LocalDestination(path=str(folder)),
    }
    return DatasetExport(**settings | changes)


def test_a_lake_that_is_not_there_or_has_no_files_is_not_eligible(tmp_path):
    with pytest.raises(NotEligible, match=r"nowhere does not exist; check source\.path, and that it is mounted"):
        lake.describe(LakeSource(path=str(tmp_path / "nowhere")), Request())
    (tmp_path / "_SUCCESS").touch()
    with pytest.raises(NotEligible, match=r"holds no parquet files \(\.parquet\); check the path"):
        lake.describe(LakeSource(path=str(tmp_path)), Request())


def test_a_window_without_files_has_the_columns_of_the_last_file_and_one_empty_shard(tmp_path):
    write(tmp_path / "day=2024-05-01/x.parquet", at=[DAY])
    write(tmp_path / "day=2024-05-02/x.parquet", at=[DAY], new=[1])
    request = Request(start=DAY + timedelta(days=9), end=DAY + timedelta(days=10))
    columns = [(column.name, str(column.type)) for column in lake.describe(partitioned(tmp_path), request)]
    assert columns == [("at", "TIMESTAMP WITH TIME ZONE"), ("new", "BIGINT"), ("day", "VARCHAR")]
    assert [shard.files for shard in lake.shards(partitioned(tmp_path), request)] == [()]
    assert read(partitioned(tmp_path), start=request.start, end=request.end) == []


def test_shards_are_groups_of_files_of_about_the_declared_size_and_an_order_makes_them_one(tmp_path):
    for number in range(5):
        write(tmp_path / f"{number}.parquet", n=list(range(number + 1)))
    sizes = [(tmp_path / f"{number}.parquet").stat().st_size for number in range(5)]
    source = LakeSource(path=str(tmp_path), shard_bytes=2 * max(sizes))
    found = lake.shards(source, Request())
    names = [[Path(file).name for file in shard.files] for shard in found]
    assert names == [["0.parquet", "1.parquet"], ["2.parquet", "3.parquet"], ["4.parquet"]]
    assert [(shard.index, shard.size, shard.rows) for shard in found] == [
        (0, sum(sizes[:2]), 3),
        (1, sum(sizes[2:4]), 7),
        (2, sizes[4], 5),
    ]
    assert [len(shard.files) for shard in lake.shards(source, Request(order_by=("n",)))] == [5]
    tiny = LakeSource(path=str(tmp_path), shard_bytes=1)
    assert [len(shard.files) for shard in lake.shards(tiny, Request())] == [1] * 5


NAMES = ["a b", "it's", 'q"q', "100%", "a%20b", "ü", "{a,b}", "back\\slash", "new\nline", "#h", "a;b", "~", "$x", "a&b"]


@pytest.mark.parametrize("name", NAMES)
def test_folders_of_any_name_are_read(tmp_path, name):
    write(tmp_path / name / "x.parquet", name=[name])
    assert read(LakeSource(path=str(tmp_path / name))) == [(name,)]
    assert read(LakeSource(path=str(tmp_path))) == [(name,)]
    assert read(LakeSource(path=f"file://{tmp_path}/{name}")) == [(name,)]


@pytest.mark.parametrize("name", ["*", "a?", "[x]"])
def test_names_that_are_patterns_are_refused_instead_of_read_as_one(tmp_path, name):
    write(tmp_path / "x/x.parquet", n=[1])
    write(tmp_path / name / "x.parquet", n=[2])
    with pytest.raises(NotEligible, match=r"must not have \* \? or \[ in it, which make a pattern; rename it"):
        read(LakeSource(path=str(tmp_path)))


def test_folder_levels_are_text_columns(tmp_path):
    for level in ("region=it%27s%20%2F", "region=007", "region=__HIVE_DEFAULT_PARTITION__"):
        write(tmp_path / level / "x.parquet", n=[1])
    assert read(LakeSource(path=str(tmp_path))) == [(1, "007"), (1, None), (1, "it's /")]


# Which rows and columns

ZONE = ZoneInfo("America/New_York")
INSTANTS = [DAY + timedelta(hours=hours, microseconds=shift) for hours in range(-30, 60, 3) for shift in (-1, 0, 1)]
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _wall(instant: datetime) -> datetime:
    return instant.astimezone(ZONE).replace(tzinfo=None)


KINDS = [
    (TimeColumn(name="at"), lambda t: t, pa.timestamp("us", "UTC")),
    (TimeColumn(name="at"), lambda t: t.replace(microsecond=0), pa.timestamp("ms", "UTC")),
    (TimeColumn(name="at", kind="timestamp", timezone=str(ZONE)), _wall, pa.timestamp("us")),
    (TimeColumn(name="at", kind="timestamp", timezone=str(ZONE)), _wall, pa.timestamp("ns")),
    (TimeColumn(name="at", kind="date", timezone=str(ZONE)), lambda t: _wall(t).date(), pa.date32()),
    (TimeColumn(name="at", kind="epoch_seconds"), lambda t: (t - EPOCH) // timedelta(seconds=1), pa.int64()),
    (TimeColumn(name="at", kind="epoch_seconds"), lambda t: (t - EPOCH) / timedelta(seconds=1), pa.float64()),
    (TimeColumn(name="at", kind="epoch_milliseconds"), lambda t: (t - EPOCH) // MILLISECOND, pa.int64()),
    (
        TimeColumn(name="at", kind="text", format="%Y-%m-%dT%H:%M:%S", timezone=str(ZONE)),
        lambda t: _wall(t).strftime("%Y-%m-%dT%H:%M:%S"),
        pa.string(),
    ),
]


@pytest.mark.parametrize(("time_column", "stored", "type_"), KINDS)
def test_a_window_has_its_start_and_not_its_end_in_every_kind_of_time_column(tmp_path, time_column, stored, type_):
    write(tmp_path / "x.parquet", n=[*range(len(INSTANTS)), -1], at=pa.array([*map(stored, INSTANTS), None], type_))
    source = LakeSource(path=str(tmp_path), time_column=time_column)
    start, end = (datetime(2024, 5, day, tzinfo=ZONE).astimezone(UTC) for day in (1, 2))
    inside = [n for n, instant in enumerate(INSTANTS) if start <= instant < end]
    before = [n for n, instant in enumerate(INSTANTS) if instant < end]
    assert read(source, columns=("n",), start=start, end=end) == [(n,) for n in inside]
    assert read(source, columns=("n",), end=end) == [(n,) for n in before]
    assert read(source, columns=("n",)) == [(n,) for n in [*range(len(INSTANTS)), -1]]


def test_the_filter_is_one_condition_beside_the_window(tmp_path):
    write(tmp_path / "x.parquet", n=[1, 2, 3, 4], at=[DAY, DAY, DAY, DAY + timedelta(days=1)])
    source = LakeSource(path=str(tmp_path), time_column=TimeColumn(name="at"))
    window = {"start": DAY, "end": DAY + timedelta(days=1)}
    assert read(source, columns=("n",), filter="n = 1 or n >= 3", **window) == [(1,), (3,)]


@pytest.mark.parametrize(
    ("condition", "said"),
    [("nope = 1", "nope"), ("n = ", "syntax error"), ("nofn(n)", "nofn"), ("n > date '2024-01-01'", "cast")],
)
def test_a_filter_that_cannot_run_is_not_eligible(tmp_path, condition, said):
    write(tmp_path / "x.parquet", n=[1])
    with pytest.raises(NotEligible, match=rf"the query cannot run: .*{said}.*; check filter and columns"):
        read(LakeSource(path=str(tmp_path)), columns=("n",), filter=condition)


def test_columns_come_as_they_are_asked_for_and_no_others_are_read(tmp_path):
    write(tmp_path / "x.parquet", a=[1], **{'b "quoted"': [2], "select": [3], "unused": [4], "filtered": [5]})
    write(tmp_path / "y.parquet", filtered=[1])
    source, wanted = LakeSource(path=str(tmp_path)), ("select", "a", 'b "quoted"')
    assert read(source, columns=wanted, filter="filtered > 3") == [(3, 1, 2)]
    request = Request(columns=wanted, filter="filtered > 3")
    con = connect()
    with lake.records(source, request, *lake.shards(source, request), con) as query:
        plan = con.sql(f"explain {query}").fetchall()[0][1]
    assert "filtered" in plan
    assert "unused" not in plan


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_rows_come_in_the_order_of_the_files_and_as_they_lie_with_any_number_of_threads(tmp_path, threads):
    for number in range(4):
        write(tmp_path / f"{number}.parquet", n=range(number * 50_000, (number + 1) * 50_000))
    expected = [(n,) for n in range(200_000)]
    assert read(LakeSource(path=str(tmp_path)), threads, columns=("n",)) == expected
    assert read(LakeSource(path=str(tmp_path)), threads, filter="n % 3 = 0", columns=("n",)) == expected[::3]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_equal_rows_of_an_order_stay_as_they_lie_with_any_number_of_threads(tmp_path, threads):
    for number in range(4):
        keys = [None if n % 7 == 6 else (n * 7919) % 5 for n in range(20_000)]
        write(tmp_path / f"{number}.parquet", key=keys, n=range(number * 20_000, (number + 1) * 20_000))
    rows = read(LakeSource(path=str(tmp_path)), columns=("key", "n"))
    nulls = [row for row in rows if row[0] is None]
    ordered = sorted((row for row in rows if row[0] is not None), key=lambda row: -row[0])
    order = {"columns": ("key", "n"), "order_by": ("key desc",)}
    assert read(LakeSource(path=str(tmp_path)), threads, **order) == [*ordered, *nulls]


# Files of different age


def test_columns_are_united_by_name(tmp_path):
    write(tmp_path / "1.parquet", lost=["x"], kept=[1])
    write(tmp_path / "2.parquet", kept=[2], gained=[DAY])
    assert read(LakeSource(path=str(tmp_path))) == [("x", 1, None), (None, 2, DAY)]


@pytest.mark.parametrize(
    ("old", "new", "values"),
    [
        (pa.array([1], pa.int32()), pa.array([2**60 + 1], pa.int64()), [1, 2**60 + 1]),
        (pa.array([2**31 + 5], pa.uint32()), pa.array([-1], pa.int64()), [2**31 + 5, -1]),
        (pa.array([2**31 - 1], pa.int32()), pa.array([0.5]), [2**31 - 1, 0.5]),
        (pa.array([1.1], pa.float32()), pa.array([1.1]), [1.10000002384185791015625, 1.1]),
        (
            pa.array([Decimal("99999999.99")], pa.decimal128(10, 2)),
            pa.array([Decimal("1.2345")], pa.decimal128(10, 4)),
            [Decimal("99999999.9900"), Decimal("1.2345")],
        ),
        (pa.array([DAY], pa.timestamp("ms", "UTC")), pa.array([DAY], pa.timestamp("us", "UTC")), [DAY, DAY]),
        (pa.nulls(1), pa.array(["x"]), [None, "x"]),
        (
            pa.array([{"a": 1}], pa.struct([("a", pa.int32())])),
            pa.array([{"b": "x", "a": 2**40}]),
            [{"a": 1, "b": None}, {"a": 2**40, "b": "x"}],
        ),
    ],
)
def test_a_column_that_was_widened_keeps_its_old_values(tmp_path, old, new, values):
    write(tmp_path / "1.parquet", x=old)
    write(tmp_path / "2.parquet", x=new)
    assert read(LakeSource(path=str(tmp_path))) == [(value,) for value in values]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pa.array([2**60 + 1]), pa.array([0.5])),
        (pa.array([2**30 + 1], pa.int32()), pa.array([0.5], pa.float32())),
        (pa.array([Decimal(1)], pa.decimal128(38, 2)), pa.array([Decimal(1)], pa.decimal128(38, 30))),
        (pa.array([Decimal("0.1")], pa.decimal128(4, 2)), pa.array([0.5])),
        (pa.array([1]), pa.array(["1"])),
        (pa.array([True]), pa.array([1])),
        (pa.array([date(2024, 5, 1)]), pa.array([datetime(2024, 5, 1)], pa.timestamp("us"))),
        (pa.array([datetime(2024, 5, 1)], pa.timestamp("us")), pa.array([DAY], pa.timestamp("us", "UTC"))),
        (pa.array([b"x"]), pa.array(["x"])),
        (pa.array([[2**60 + 1]]), pa.array([[0.5]])),
        (pa.array([{"a": 2**60 + 1}]), pa.array([{"a": 0.5}])),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_types_without_a_common_one_that_loses_nothing_are_refused(tmp_path, old, new, turned):
    for name, values in zip(("1", "2"), (new, old) if turned else (old, new), strict=True):
        write(tmp_path / f"{name}.parquet", x=values, y=[{"x": 1}])
    said = r"column 'x' is \S+.* in \S+/1\.parquet and .* in \S+/2\.parquet, which have no common type without loss"
    with pytest.raises(NotEligible, match=said):
        lake.describe(LakeSource(path=str(tmp_path)), Request())


def test_a_shard_whose_files_lack_a_column_gives_null_of_its_type_up_to_the_staged_file(tmp_path):
    write(tmp_path / "lake/1.parquet", at=[DAY], n=pa.array([1], pa.int32()))
    write(tmp_path / "lake/2.parquet", at=[DAY], n=[2**40], gained=[{"a": [Decimal("1.50")]}])
    source = LakeSource(path=str(tmp_path / "lake"), time_column=TimeColumn(name="at"), shard_bytes=1)
    window = Window(start=DAY, end=DAY + timedelta(days=1), as_of=DAY + timedelta(days=1))
    stages = Stages(
        _declared(source, tmp_path), window, Staging(f"file://{tmp_path}/staging", "events", window.key, "run")
    )
    assert stages.validate_eligibility() == [0, 1]
    staged = []
    for shard in (0, 1):
        stages.extract_records(shard)
        (file,) = tmp_path.glob(f"staging/events/*/run-*/extract-{shard:05d}/*")
        staged.append(pq.read_table(file))
    assert staged[0].schema == staged[1].schema
    assert pa.concat_tables(staged).to_pylist() == [
        {"at": DAY, "n": 1, "gained": None},
        {"at": DAY, "n": 2**40, "gained": {"a": [Decimal("1.50")]}},
    ]


# What goes wrong


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "footer", "page"])
def test_a_damaged_file_is_refused_by_its_name(tmp_path, damage):
    write(tmp_path / "x.parquet", n=range(50_000))
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(
        {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "text": b"id,name\n1,this is a CSV file\n",
            "footer": content[:-8] + b"\xff\xff\xff\x7f" + content[-4:],
            "page": content[:1000] + bytes(2000) + content[3000:],
        }[damage]
    )
    with pytest.raises(SourceRefused, match=rf"^{re.escape(str(tmp_path))}: .*x\.parquet"):
        read(LakeSource(path=str(tmp_path)), columns=("n",))


def test_a_file_that_is_gone_since_the_run_was_planned_interrupts_it(tmp_path):
    write(tmp_path / "x.parquet", n=[1])
    shard = Shard(index=0, files=(str(tmp_path / "gone.parquet"),))
    with (
        pytest.raises(
            SourceInterrupted, match=r"gone\.parquet.*; the task is tried again; when a file is gone for good"
        ),
        lake.records(LakeSource(path=str(tmp_path)), Request(columns=("n",)), shard, connect()),
    ):
        pytest.fail("it can be read")


def test_the_statement_is_the_query_with_its_files_and_bounds(tmp_path):
    write(tmp_path / "x.parquet", n=[1], at=[DAY])
    source = LakeSource(path=str(tmp_path), time_column=TimeColumn(name="at"))
    request = Request(start=DAY, end=DAY + timedelta(days=1), columns=("n",), filter="n > 0", order_by=("n desc",))
    (shard,) = lake.shards(source, request)
    assert lake.statement(source, request, shard).sql == (
        f"""select "n"
from read_parquet(['{tmp_path}/x.parquet'], union_by_name=true, hive_partitioning=true, hive_types_autocast=false)
where "at" >= timestamptz '2024-05-01 00:00:00+00:00'
  and "at" < timestamptz '2024-05-02 00:00:00+00:00'
  and (n > 0)
order by "n" desc nulls last, row_number() over ()"""
    )
