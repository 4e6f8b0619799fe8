"""Charts: that they are the same every time, need nothing else, and show every figure."""

from __future__ import annotations

import json
import re
import struct
from typing import TYPE_CHECKING

import pytest

from include.exports.engine import connect
from include.exports.formats.chart import ChartFiles
from tests.rigs.files import write

if TYPE_CHECKING:
    from pathlib import Path

QUERY = """
    select date '2024-05-01' + d::integer as date, 'Variant ' || v as series, (d * v)::decimal(18, 2) as value
    from range({days}) a(d), range(1, {variants} + 1) b(v) order by v, d"""


@pytest.mark.parametrize("kind", ["png", "html"])
def test_the_same_figures_are_the_same_bytes(tmp_path: Path, kind: str) -> None:
    files, query = ChartFiles(type=kind, title="Opens"), QUERY.format(days=7, variants=2)
    first, second = (write(files, connect(threads), query, tmp_path / f"{threads}") for threads in (1, 4))
    assert first == second
    assert first.rows == 0, "a picture has no records"
    other = write(files, connect(1), QUERY.format(days=8, variants=2), tmp_path / "other")
    assert other.sha256 != first.sha256


def test_a_png_is_a_picture_of_a_readable_size(tmp_path: Path) -> None:
    write(ChartFiles(type="png", title="Opens"), connect(1), QUERY.format(days=30, variants=8), tmp_path / "f")
    content = (tmp_path / "f").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert 1800 < width < 2600
    assert 700 < height < 1100


def test_a_page_has_every_figure_and_loads_nothing(tmp_path: Path) -> None:
    write(ChartFiles(type="html", title="Opens"), connect(1), QUERY.format(days=3, variants=2), tmp_path / "f")
    page = (tmp_path / "f").read_text()
    spec = json.loads(re.search(r'vegaEmbed\("#chart", (.*), \{renderer', page)[1])
    (values,) = spec["datasets"].values() if "datasets" in spec else [spec["data"]["values"]]
    assert values == [
        {"date": f"2024-05-0{day + 1}T00:00:00", "series": f"Variant {variant}", "value": day * variant}
        for variant in (1, 2)
        for day in range(3)
    ]
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"<[^/][^>]*>", outside) == [
        "<!DOCTYPE html>", "<html>", "<head>", '<meta charset="utf-8">', "<title>", "<body>", '<div id="chart">',
    ]  # fmt: skip


def test_a_name_cannot_end_the_script_that_it_lies_in(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    query = f"select date '2024-05-01' as date, '{evil}' as series, 1 as value"
    write(ChartFiles(type="html", title=evil), connect(1), query, tmp_path / "f")
    assert "<script>alert" not in (tmp_path / "f").read_text()
