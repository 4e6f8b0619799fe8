"""The sample lake, read back with pyarrow."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.exports.paths import PROJECT
from include.local.lake import SAMPLE, build

DAYS = [f"2019-11-{day}" for day in range(24, 31)]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_each_day_holds_the_sample_of_that_day_in_order_of_time(tmp_path: Path) -> None:
    dataset = build(tmp_path / "lake")

    sample = pq.read_table(SAMPLE)
    day = pc.strftime(sample["timestamp"], "%Y-%m-%d")
    for name in DAYS:
        of_day = sample.filter(pc.equal(day, name))
        expected = of_day.take(pa.array(sorted(range(len(of_day)), key=of_day["timestamp"].to_pylist().__getitem__)))
        delivered = pq.ParquetFile(dataset / f"day={name}" / "impressions.parquet").read()
        assert delivered.to_pylist() == expected.to_pylist()
    assert list(digests(dataset)) == [f"day={name}/impressions.parquet" for name in DAYS]


def test_it_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    assert digests(build(tmp_path / "one")) == digests(build(tmp_path / "other"))


def test_it_is_built_once(tmp_path: Path) -> None:
    before = build(tmp_path).stat()

    assert build(tmp_path).stat() == before


def test_a_build_that_is_killed_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    code = f"import pathlib, include.local.lake; include.local.lake.build(pathlib.Path({str(tmp_path)!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT)
    while not any(tmp_path.rglob("*.parquet")):
        time.sleep(0.001)
    process.kill()
    process.wait()

    if (tmp_path / "open_bandit").exists():
        assert len(digests(tmp_path / "open_bandit")) == len(DAYS)
    build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["open_bandit"]
    assert len(digests(tmp_path / "open_bandit")) == len(DAYS)
