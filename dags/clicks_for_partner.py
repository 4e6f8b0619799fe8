"""# Clicks, for the agency

The clicks of a week, and only what the agency may see: no propensity scores, users as keyed hashes, campaign names as
the agency calls the column. CSV, because they open it in a spreadsheet.

**Who reads it**: the agency's campaign team, Monday mornings in Seoul.

**When it is late**: tell the partner manager before ten o'clock Seoul time.

**When it fails**: read the log of the red task. A column that is missing or misspelt refuses the run before anything is
read, so nothing that should be masked leaves unmasked.
"""

from include.exports import (
    Columns,
    CsvFiles,
    DatasetExport,
    HashMask,
    HivePartition,
    LakeSource,
    LocalDestination,
    Pools,
    RedactMask,
    TimeColumn,
    Weekly,
    airflow_dag,
)

airflow_dag(
    DatasetExport(
        name="clicks_for_partner",
        owner="partner_management",
        description="A week of clicks for the agency, users masked",
        tags=("sample", "partner"),
        dataset="clicks",
        source=LakeSource(
            path="lake/open_bandit",
            time_column=TimeColumn(name="timestamp"),
            partition=HivePartition(column="day"),
        ),
        columns=Columns(
            select=("timestamp", "campaign", "item_id", "position", "user_feature_0", "user_feature_1"),
            rename={"timestamp": "clicked_at", "campaign": "campaign_name", "user_feature_0": "user_hash"},
            mask={
                "user_feature_0": HashMask(conn_id="exports_mask_key"),
                "user_feature_1": RedactMask(text="withheld"),
            },
        ),
        filter="click = 1",
        order_by=("timestamp", "campaign", "item_id", "position", "user_feature_0"),
        mode="incremental",
        schedule=Weekly(on="monday", at="00:00", timezone="Asia/Seoul", start="2019-11-18", end="2019-12-09"),
        files=CsvFiles(compression="none", formula_guard=True),
        destination=LocalDestination(path="exports", prefix="agency"),
        pools=Pools(source="exports_sources", destination="exports_destinations"),
        folder="%DATASET_NAME%/%DATETIME(YYYY-MM-dd)%",
        on_empty="file",
    ),
    doc=__doc__,
)
