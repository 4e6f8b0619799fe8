"""Builds the sample lake from the sample data: Parquet, one hive-style folder a day of event time, UTC.

lake/open_bandit/day=2019-11-24/impressions.parquet
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from include.exports.engine import connect, literal
from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = PROJECT / "include" / "sample_data" / "open_bandit.parquet"
LAKE = PROJECT / "lake"


def build(lake: Path = LAKE) -> Path:
    """The folder of the Open Bandit Dataset in `lake`, built when it is missing.

    The day is in the folder's name alone. Rows are ordered by time, then as in the sample, and the bytes are the same
    every time. The folder appears whole: one that is there is complete, however an earlier build ended.
    """
    dataset = lake / "open_bandit"
    if dataset.exists():
        return dataset
    partial = lake / ".open_bandit.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with connect() as con:
        con.execute(f"create view impressions as from read_parquet({literal(str(SAMPLE))}, file_row_number = true)")
        for (day,) in con.execute("select distinct timestamp::date from impressions order by all").fetchall():
            folder = partial / f"day={day}"
            folder.mkdir(parents=True)
            rows = con.sql(
                "select * exclude (file_row_number) from impressions where timestamp::date = $day"
                " order by timestamp, file_row_number",
                params={"day": day},
            )
            rows.write_parquet(str(folder / "impressions.parquet"))
    partial.rename(dataset)
    return dataset


if __name__ == "__main__":
    build()
