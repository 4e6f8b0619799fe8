"""# Impressions, every day

Every impression of the three fashion campaigns, with whether it was clicked: one folder a day, JSON lines, gzipped.

**Who reads it**: the click model is trained on it each morning; analysts load single days into their notebooks.

**When it is late**: nothing breaks before noon UTC; the model keeps yesterday's weights. Later than that, tell the
analytics team.

**When it fails**: read the log of the red task, its last lines say what to do. Running a day again is always safe:
equal records give equal files, and readers see the new manifest only when everything it names is there.
"""

from include.exports import (
    Daily,
    DatasetExport,
    HivePartition,
    JsonFiles,
    LakeSource,
    LocalDestination,
    ManifestFile,
    TimeColumn,
    Views,
    airflow_dag,
)

airflow_dag(
    DatasetExport(
        name="impressions_daily",
        owner="analytics",
        description="Impressions and clicks of the fashion campaigns, a folder a day",
        tags=("sample",),
        source=LakeSource(
            path="lake/open_bandit",
            time_column=TimeColumn(name="timestamp"),
            partition=HivePartition(column="day"),
        ),
        mode="incremental",
        schedule=Daily(at="00:00", start="2019-11-24", end="2019-12-01"),
        files=JsonFiles(compression="gzip"),
        destination=LocalDestination(path="exports", prefix="analytics"),
        manifest=ManifestFile(views=Views(files="files.txt", sha256sums="SHA256SUMS", success="_SUCCESS")),
    ),
    doc=__doc__,
)
