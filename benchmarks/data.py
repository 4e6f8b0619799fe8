"""The records that are exported, written once to benchmarks/data and the same bytes each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from hashlib import sha256
from pathlib import Path
from random import Random

DATA = Path(__file__).parent / "data"
EVENTS_ROWS = 2_000_000
BLOCK = 1 << 20

EVENTS = """
select
    i as id,
    'user-' || (hash(i) % 100000) as user_id,
    make_timestamptz(1700000000000000 + i * 1000000) as ts,
    case when hash(i + 1) % 3 <> 0 then hash(i + 2) % 1000 / 7.0 end as amount,
    ((hash(i + 3) % 100000)::decimal(12, 2) / 100)::decimal(12, 2) as price,
    {
        'city': 'city ' || hash(i + 4) % 500,
        'lat': (hash(i + 5) % 18000) / 100.0 - 90,
        'tags': ['t' || hash(i) % 10, 't' || hash(i + 9) % 13]
    } as ctx,
    [hash(i + 6) % 100, hash(i + 7) % 100]::int[] as items,
    'https://example.com/p/' || hash(i + 8) as url,
    hash(i) % 2 = 0 as flag
from range(?) as numbers(i)
"""
"""Events as trackers send them: the hash of a number looks random and is always the same."""


def events(rows: int, root: Path = DATA) -> Path:
    """A folder with the Parquet file of `rows` generated nested events."""
    folder = root / f"events-{rows}"
    if not folder.exists():
        import duckdb

        partial = partial_folder(folder)
        options = "(format parquet, compression zstd)"
        duckdb.execute(f"copy ({EVENTS}) to '{partial}/events.parquet' {options}", [rows])
        partial.rename(folder)
    return folder


def lineitem(root: Path = DATA) -> Path:
    """A folder with the Parquet file of TPC-H's lineitem, scale factor 1: 6 million rows without nesting."""
    folder = root / "lineitem"
    if not folder.exists():
        partial = partial_folder(folder)
        program = Path(sysconfig.get_path("scripts"), "tpchgen-cli")
        options = ("--scale-factor=1", "--tables=lineitem", f"--output-dir={partial}", "--quiet")
        subprocess.run([program, "parquet", *options], check=True)
        partial.rename(folder)
    return folder


def files(count: int, size: int, root: Path = DATA) -> Path:
    """A folder with so many files of so many bytes, which look random, each called by its SHA-256."""
    folder = root / f"files-{count}x{size}"
    if not folder.exists():
        partial, random = partial_folder(folder), Random(count * size)  # noqa: S311  # no secret
        for _ in range(count):
            digest, left = sha256(), size
            with (partial / "file").open("wb") as file:
                while left:
                    block = random.randbytes(min(left, BLOCK))
                    digest.update(block)
                    file.write(block)
                    left -= len(block)
            (partial / "file").rename(partial / digest.hexdigest())
        partial.rename(folder)
    return folder


def times(folder: Path, count: int) -> Path:
    """A folder with the records of `folder` `count` times. Its files are links, which take no space."""
    result = folder.with_name(f"{folder.name}-x{count}")
    if not result.exists():
        partial = partial_folder(result)
        for file in folder.iterdir():
            for number in range(count):
                os.link(file, partial / f"{number:03d}-{file.name}")
        partial.rename(result)
    return result


def partial_folder(folder: Path) -> Path:
    """An empty folder that becomes `folder` when it is complete."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial
