"""Airflow's DAG processor, which parses every file over and over, each time in a process of its own."""

import json
import os
import shutil
import sqlite3
import subprocess
import sysconfig
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from pysequoia import Tsk

from include.exports import DatasetExport, catalog
from include.exports.paths import PROJECT

EVERYTHING = '''"""# Everything

An export that uses every field."""

import json
import os
import sys
from pathlib import Path

before = set(sys.modules)

from include.exports import *

airflow_dag(
    DatasetExport(
        name="everything",
        owner="analytics",
        display_name="Everything there is",
        description="Everything",
        tags=("b", "a", "c"),
        dataset="orders",
        dataset_id="orders-1",
        sandbox="test",
        organization="example",
        source=SqlSource(
            conn_id="warehouse",
            table="sales.orders",
            time_column=TimeColumn(name="at", kind="timestamp", timezone="Asia/Seoul"),
            types={"amount": "DECIMAL(12,2)"},
        ),
        mode="incremental",
        schedule=Cron(expression="15 7 * * mon-fri", timezone="Europe/Berlin", start="2026-01-01", end="2031-01-01"),
        files=CsvFiles(compression="zip"),
        encryption=PgpEncryption(recipients=("%KEY%",)),
        destination=S3Destination(bucket="inbox", marketing_actions=("exportToThirdParty",), tags={"b": "1", "a": "2"}),
        elsewhere={
            "sftp": SftpDestination(conn_id="sftp", path="in"),
            "adls": AdlsDestination(conn_id="adls", container="inbox"),
            "blob": BlobDestination(conn_id="blob", container="inbox"),
            "dlz": DataLandingZoneDestination(conn_id="dlz"),
            "gcs": GcsDestination(bucket="inbox"),
            "local": LocalDestination(path="in"),
        },
        folder="%ORGANIZATION_NAME%/%DATASET_NAME%/%EXPORT_TIME%",
        manifest=ManifestFile(views=Views(files="files.txt", sha256sums="SHA256SUMS", success="_SUCCESS", adobe=True)),
        on_empty="skip",
        conditions=Conditions(schema_policy="freeze", fresh_within="PT6H", max_rows=10, max_bytes=10, usual=Usual()),
        policies=(Policy(name="ours", actions=("sellIt",), labels=("ours",)),),
        retries=Retries(count=5, delay="PT1M", max_delay="PT1H"),
        pools=Pools(source="exports_sources", destination="exports_destinations"),
        alerts=(
            EmailAlert(on=("failure", "late", "success", "skip", "start", "ending"), to=("data@example.org",)),
            SlackAlert(),
            AppriseAlert(),
            WebhookAlert(conn_id="hook"),
        ),
        link=EmailLink(to=("jun",)),
        access={"marketing": "run", "finance": "see", "crm": "run"},
        late_after="PT1H",
        columns=Columns(
            exclude=("phone",),
            rename={"at": "ordered_at"},
            cast={"amount": "DECIMAL(12,2)", "id": "VARCHAR"},
            mask={"email": HashMask(conn_id="exports_mask_key"), "name": RedactMask()},
            labels={"email": ("I1", "ours")},
        ),
        filter="amount > 0",
        order_by=("id",),
    ),
    doc=__doc__,
)
airflow_dag(
    CampaignResultsExport(
        name="results",
        owner="crm",
        source=CampaignResults(events=EventTables(conn_id="warehouse", db_schema="braze"), rules=Rules()),
        mode="full",
        layout="by_variant",
        charts=True,
        schedule=Monthly(timezone="Asia/Seoul"),
        files=XlsxFiles(),
        destination=LocalDestination(path="exports"),
    ),
    doc=__doc__,
)
airflow_dag(
    RecipientsExport(
        name="recipients",
        owner="crm",
        source=CampaignRecipients(
            events=EventLake(path="s3://events", conn_id="lake"),
            campaign="welcome",
            profiles=Profiles(table=LakeSource(path="s3://lake/profiles", conn_id="lake")),
        ),
        schedule=Once(at="2026-01-01"),
        permissions=Permissions(export_user_data=Grants(users=("crm",)), view_pii=Grants(users=("crm",))),
        destination=LocalDestination(path="exports"),
    ),
    doc=__doc__,
)
if "PARSED" in os.environ:
    Path(os.environ["PARSED"]).write_text(json.dumps([sorted(before), sorted(sys.modules)]))
'''

CHANGING = """
import os
from airflow.sdk import DAG

changing = DAG("changing", tags=[f"process {os.getpid()}"])
"""
"""A DAG that is another one each time, as none of ours may be."""

READERS_AND_CLIENTS = {
    "adbc_driver_postgresql",
    "azure.storage",
    "boto3",
    "duckdb",
    "google.cloud",
    "matplotlib",
    "numpy",
    "pandas",
    "paramiko",
    "pyarrow",
    "xlsxwriter",
}
"""What tasks need and a DAG file does not. Each takes longer to import than a file to parse."""


@dataclass(frozen=True)
class Parsed:
    """What two rounds of the DAG processor have left."""

    folder: Path
    hashes: tuple[dict[str, str], dict[str, str]]
    """Of each DAG as Airflow stores it, after each round. Airflow makes a new version of a DAG whose hash differs."""
    before: set[str]
    """The modules that are loaded when the processor begins with a file."""
    after: set[str]
    """Those that are when it has run it."""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    home = tmp_path_factory.mktemp("airflow")
    folder = home / "dags"
    shutil.copytree(PROJECT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    key = b64encode(bytes(Tsk.generate("Partner <partner@example.org>").extract_certificate())).decode()
    (folder / "everything.py").write_text(EVERYTHING.replace("%KEY%", key))
    (folder / "changing.py").write_text(CHANGING)
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "PARSED": str(home / "parsed.json"),
    }
    _airflow(environment, "db", "migrate")
    hashes = []
    for seed in ("1", "2"):  # of the order of sets
        _airflow(environment | {"PYTHONHASHSEED": seed}, "dag-processor", "--num-runs", "1")
        with closing(sqlite3.connect(home / "airflow.db")) as database:
            hashes.append(dict(database.execute("select dag_id, dag_hash from serialized_dag order by created_at")))
            assert dict(database.execute("select filename, stacktrace from import_error")) == {}
    before, after = map(set, json.loads((home / "parsed.json").read_text()))
    return Parsed(folder=folder, hashes=(hashes[0], hashes[1]), before=before, after=after)


def _airflow(environment: dict[str, str], *arguments: str) -> None:
    airflow = Path(sysconfig.get_path("scripts"), "airflow")
    subprocess.run([airflow, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)


def test_every_file_is_parsed(parsed):
    names = {declared.export.name for declared in catalog.read(parsed.folder).declared}
    assert names >= {"everything", "results", "recipients", "impressions_daily"}
    assert parsed.hashes[0].keys() == names | {"exports_maintenance", "changing"}


def test_everything_declares_every_field_of_a_dataset_export(parsed):
    assert catalog.read(parsed.folder).find("everything").model_fields_set == DatasetExport.model_fields.keys() - {
        "type"
    }


def test_a_dag_stays_the_same_version_when_its_file_is_parsed_again(parsed):
    first, second = parsed.hashes
    assert {name for name in first if first[name] != second[name]} == {"changing"}


def test_a_dag_file_finds_all_that_it_needs_of_the_project_loaded(parsed):
    """The processor loads plugins once, and parses each file in a copy of itself."""
    assert "include.exports.dag" in parsed.before
    assert {name for name in parsed.after - parsed.before if name.startswith("include.")} == set()


def test_a_dag_file_loads_nothing_that_only_its_tasks_need(parsed):
    assert parsed.after & READERS_AND_CLIENTS == set()
