"""Files of a DAGs folder: exports as people declare them, and the same DAGs written by hand against Airflow alone."""

from __future__ import annotations

import re
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

import include.exports

if TYPE_CHECKING:
    from pathlib import Path

OURS, PLAIN = "exports", "plain"
"""The two ways to write a DAG."""

HIVE = 'time_column=TimeColumn(name="happened_at"), partition=HivePartition(column="day")'
SOURCES = (
    f'LakeSource(path="s3://lake/orders", conn_id="lake", {HIVE})',
    f'LakeSource(path="abfs://lake@account/visits", conn_id="lake", {HIVE})',
    f'LakeSource(path="lake/clicks", format="ndjson", types={{"id": "BIGINT", "happened_at": "TIMESTAMPTZ"}}, {HIVE})',
    'SqlSource(conn_id="warehouse", table="sales.orders", time_column=TimeColumn(name="happened_at"))',
)
COLUMNS = (
    "Columns()",
    'Columns(select=("id", "happened_at", "amount"), rename={"happened_at": "at"}, cast={"amount": "DECIMAL(12,2)"})',
    'Columns(mask={"id": HashMask(conn_id="exports_mask_key"), "email": RedactMask(text="withheld")})',
    'Columns(labels={"email": ("I1", "C2"), "phone": ("I1",)}, exclude=("email", "phone"))',
)
DESTINATIONS = (
    'S3Destination(conn_id="partner", bucket="partner", prefix="in", marketing_actions=("exportToThirdParty",))',
    'AdlsDestination(conn_id="analysts", container="exports")',
    'BlobDestination(conn_id="finance", container="exports")',
    'DataLandingZoneDestination(conn_id="experience_platform")',
    'GcsDestination(conn_id="science", bucket="exports")',
    'SftpDestination(conn_id="agency", path="in", verify="sha256")',
    'LocalDestination(path="exports", prefix="analytics")',
)
FILES = ('JsonFiles(compression="gzip")', 'CsvFiles(compression="none", formula_guard=True)', "ParquetFiles()")
OPTIONS = (
    "",
    'alerts=(EmailAlert(to=("data@example.org",)), SlackAlert(on=("failure", "late", "ending"))),',
    'pools=Pools(source="exports_sources", destination="exports_destinations"), retries=Retries(count=5),',
    'conditions=Conditions(schema_policy="freeze", fresh_within="PT6H", usual=Usual()), on_empty="skip",',
    'manifest=ManifestFile(views=Views(files="files.txt", success="_SUCCESS")), late_after="PT1H",',
)
SCHEDULES = (
    ('Daily(at="05:00", timezone="Asia/Seoul", start="2026-01-01")', "0 5 * * *", "Asia/Seoul"),
    ('Weekly(on="monday", at="06:30", start="2026-01-01", end="2031-01-01")', "30 6 * * mon", "UTC"),
    ("Every(hours=3)", "0 */3 * * *", "UTC"),
    ('Cron(expression="15 7 * * mon-fri", timezone="Europe/Berlin")', "15 7 * * mon-fri", "Europe/Berlin"),
)
"""Each one as an export declares it, and as the cron expression and time zone that it comes to."""

DATASET = """
airflow_dag(
    DatasetExport(
        name="{name}",
        owner="analytics",
        description="Orders for those who plan the next week",
        tags=("orders", "weekly"),
        source={source},
        columns={columns},
        order_by=("id",),
        mode="incremental",
        schedule={schedule},
        files={files},
        destination={destination},
        {options}
    ),
    doc=__doc__,
)
"""
CAMPAIGN = """
airflow_dag(
    CampaignResultsExport(
        name="{name}",
        owner="crm",
        description="Results of all campaigns",
        tags=("campaigns",),
        source=CampaignResults(events=EventLake(path="s3://events/currents", conn_id="lake")),
        mode="full",
        layout="by_statistic",
        charts=True,
        schedule={schedule},
        files={files},
        destination={destination},
        {options}
    ),
    doc=__doc__,
)
"""
RECIPIENTS = """
airflow_dag(
    RecipientsExport(
        name="{name}",
        owner="crm",
        description="Recipients of the welcome campaign",
        tags=("campaigns",),
        source=CampaignRecipients(
            events=EventLake(path="s3://events/currents", conn_id="lake"),
            campaign="22222222-welcome",
            profiles=Profiles(table=LakeSource(path="s3://lake/profiles", conn_id="lake")),
        ),
        schedule={schedule},
        permissions=Permissions(
            export_user_data=Grants(users=("crm",), roles=("marketing",)),
            view_pii=Grants(users=("crm",)),
        ),
        destination={destination},
        {options}
    ),
    doc=__doc__,
)
"""
KINDS = (DATASET, DATASET, DATASET, CAMPAIGN, RECIPIENTS)
"""What one has of each: three datasets to each of the others."""

DOCUMENTATION = '''"""# {name}

The orders of a week, and only what the agency may see.

**Who reads it**: the agency's campaign team, Monday mornings.

**When it fails**: read the log of the red task, its last lines say what to do.
"""

'''

BY_HAND_HEAD = '''from datetime import timedelta

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, task, task_group


def tell(context):
    """Send an e-mail."""

'''
BY_HAND = """
with DAG(
    dag_id="{name}",
    schedule=CronDataIntervalTimetable("{cron}", timezone="{timezone}"),
    description="Orders for those who plan the next week",
    doc_md=__doc__,
    tags=["orders", "weekly"],
    params={{
        "window_start": Param(None, type=["null", "string"], format="date-time", title="Window start"),
        "window_end": Param(None, type=["null", "string"], format="date-time", title="Window end"),
        "dry_run": Param(False, type="boolean", title="Dry run"),
    }},
    default_args={{
        "owner": "analytics",
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=30),
        "on_failure_callback": tell,
    }},
):

    @task(on_skipped_callback=tell)
    def validate_eligibility():
        return [0]

    @task
    def extract_records(shard):
        return {{"shard": shard}}

    @task
    def serialize_files(extracted):
        return extracted

    @task
    def deliver_files(serialized):
        return serialized

    @task_group
    def shard(index):
        return deliver_files(serialize_files(extract_records(index)))

    @task(outlets=[Asset(name="{name}")], on_success_callback=tell, on_skipped_callback=tell)
    def publish_manifest(delivered):
        return {{}}

    last = publish_manifest(shard.expand(index=validate_eligibility()))
"""
BY_HAND_LINKS = """
    @task
    def send_links(published):
        return {}

    send_links(last)
"""


def write(contestant: str, count: int, folder: Path, *, one_file: bool = False) -> None:
    """Write so many DAGs into `folder`, each into a file of its own or all into one."""
    names = [f"export_{number:04d}" for number in range(count)]
    texts = {name: DAGS[contestant](name, Random(name)) for name in names}  # noqa: S311  # no secret
    if one_file:
        texts = {"exports": "".join(texts.values())}
    for name, text in texts.items():
        head = DOCUMENTATION.format(name=name) + (BY_HAND_HEAD if contestant == PLAIN else _imports(text))
        (folder / f"{name}.py").write_text(head + text)


def _declared(name: str, random: Random) -> str:
    kind, (schedule, _, _) = random.choice(KINDS), random.choice(SCHEDULES)
    parts = {
        "source": random.choice(SOURCES),
        "columns": random.choice(COLUMNS),
        "files": random.choice(FILES),
        "destination": random.choice(DESTINATIONS),
        "options": random.choice(OPTIONS),
    }
    return kind.format(name=name, schedule=schedule, **parts)


def _by_hand(name: str, random: Random) -> str:
    """The DAG of the same name that an export has: of the same tasks, on the same schedule."""
    kind, (_, cron, timezone) = random.choice(KINDS), random.choice(SCHEDULES)
    return BY_HAND.format(name=name, cron=cron, timezone=timezone) + (BY_HAND_LINKS if kind == RECIPIENTS else "")


DAGS = MappingProxyType({OURS: _declared, PLAIN: _by_hand})
"""How each contestant writes a DAG."""


def _imports(text: str) -> str:
    names = "".join(f"    {name},\n" for name in include.exports.__all__ if re.search(rf"\b{name}\(", text))
    return f"from include.exports import (\n{names})\n"
