"""Runs of an export from a lake in a temporary folder, without Airflow."""

import gzip
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.exports import DatasetExport
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.window import window

DAY = datetime(2019, 11, 25, tzinfo=UTC)
"""The window of a run begins here unless it is told otherwise, and so do the records."""

KEY = "a key of the tests"
"""The password of the Airflow connection `key`."""


@dataclass
class Runs:
    """A lake in a temporary folder, and runs of an export from it."""

    root: Path
    export: DatasetExport
    runs: int = 0

    def lake(self, rows: int, **columns: pa.Array) -> pa.Table:
        """Write the lake: `rows` records, one a second from the day on, in two files."""
        table = pa.table(
            {
                "id": pa.array(range(rows), pa.int64()),
                "at": pa.array([DAY + timedelta(seconds=i) for i in range(rows)], pa.timestamp("us", "UTC")),
                "name": pa.array([f"name {i % 7}" for i in range(rows)]),
                **columns,
            }
        )
        shutil.rmtree(self.root / "lake", ignore_errors=True)
        (self.root / "lake").mkdir()
        pq.write_table(table.slice(0, rows // 2), self.root / "lake" / "a.parquet")
        pq.write_table(table.slice(rows // 2), self.root / "lake" / "b.parquet")
        return table

    def declare(self, **changes: object) -> None:
        self.export = DatasetExport(**(dict(self.export) | changes))

    def stages(self, day: datetime = DAY, run: str | None = None) -> Stages:
        covered = window(self.export, day, day + timedelta(days=1), day)
        self.runs += 1
        staging = Staging(f"file://{self.root}/staging", self.export.name, covered.key, run or f"run {self.runs}")
        return Stages(self.export, covered, staging)

    def deliver(self, day: datetime = DAY, *, run: str | None = None, resend: bool = False) -> Stages:
        """A run that has done everything but publish."""
        stages = self.stages(day, run)
        for shard in stages.validate_eligibility(resend=resend):
            stages.extract_records(shard)
            stages.serialize_files(shard)
            stages.deliver_files(shard)
        return stages

    def run(self, day: datetime = DAY, *, run: str | None = None, resend: bool = False) -> dict:
        return self.deliver(day, run=run, resend=resend).publish_manifest()

    def delivered(self) -> dict[str, bytes]:
        root = self.root / "delivered"
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def broken(self) -> list[str]:
        """Files that some manifest names and that are not there as it says, here and at other destinations."""
        return [
            entry["url"]
            for path in self.root.rglob("*.json")
            if path.is_relative_to(self.root / "delivered") or path.is_relative_to(self.root / "elsewhere")
            for entry in json.loads(path.read_bytes()).get("entries", [])
            if not (file := Path(entry["url"].removeprefix("file://"))).exists()
            or file.stat().st_size != entry["meta"]["content_length"]
        ]

    def manifest(self) -> dict:
        (content,) = (content for path, content in self.delivered().items() if path.endswith("_manifest.json"))
        return json.loads(content)

    def parts(self) -> list[bytes]:
        return [content for path, content in self.delivered().items() if "part-" in path]


def rows_of(content: bytes) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]
