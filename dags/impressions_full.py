"""# Impressions, all of them

The whole dataset as Parquet, once: what a new consumer loads before it follows `impressions_daily`.

**Who reads it**: whoever sets up a copy in a warehouse. The manifest is one that Redshift's COPY takes as it is, and
Adobe's own manifest lies beside it for tools that were built for that.

**When it fails**: read the log of the red task. Clear the run to try again; nothing is visible before it is complete.
"""

from include.exports import (
    DatasetExport,
    LakeSource,
    LocalDestination,
    ManifestFile,
    Once,
    ParquetFiles,
    Pools,
    Views,
    airflow_dag,
)

airflow_dag(
    DatasetExport(
        name="impressions_full",
        owner="analytics",
        description="All impressions and clicks, once, for whoever sets up a copy",
        tags=("sample",),
        dataset="impressions",
        source=LakeSource(path="lake/open_bandit"),
        mode="full",
        schedule=Once(at="2019-12-01"),
        files=ParquetFiles(compression="zstd", max_rows=25_000),
        destination=LocalDestination(path="exports", prefix="warehouse"),
        pools=Pools(source="exports_sources", destination="exports_destinations"),
        manifest=ManifestFile(views=Views(adobe=True)),
    ),
    doc=__doc__,
)
