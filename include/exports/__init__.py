"""Exports of datasets to where partners and analysts want them, each one an Airflow DAG.

A file in `dags/` imports what it declares from here and makes one call, `airflow_dag(DatasetExport(...), doc=__doc__)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exports import catalog
from include.exports.alert import AppriseAlert, EmailAlert, SlackAlert, WebhookAlert
from include.exports.campaigns.event_lake import EventLake
from include.exports.campaigns.event_tables import EventTables
from include.exports.campaigns.figures import CampaignResults
from include.exports.campaigns.profiles import Profiles
from include.exports.campaigns.received import CampaignRecipients
from include.exports.campaigns.recipients import RecipientsExport
from include.exports.campaigns.results import CampaignResultsExport
from include.exports.campaigns.rules import Rules
from include.exports.columns import Columns, HashMask, RedactMask
from include.exports.conditions import Conditions, Usual
from include.exports.dataset import DatasetExport
from include.exports.destinations.adls import AdlsDestination
from include.exports.destinations.blob import BlobDestination
from include.exports.destinations.dlz import DataLandingZoneDestination
from include.exports.destinations.gcs import GcsDestination
from include.exports.destinations.local import LocalDestination
from include.exports.destinations.s3 import S3Destination
from include.exports.destinations.sftp import SftpDestination
from include.exports.effort import Pools, Retries
from include.exports.formats.csv import CsvFiles
from include.exports.formats.json import JsonFiles
from include.exports.formats.parquet import ParquetFiles
from include.exports.formats.xlsx import XlsxFiles
from include.exports.governance import Policy
from include.exports.manifest_file import ManifestFile, Views
from include.exports.permissions import Grants, Permissions
from include.exports.pgp import PgpEncryption
from include.exports.schedules import Cron, Daily, Every, Monthly, OnAsset, Once, Weekly
from include.exports.share import EmailLink
from include.exports.sources.hive import HivePartition
from include.exports.sources.lake import LakeSource
from include.exports.sources.query import read_query
from include.exports.sources.sql import SqlSource
from include.exports.time_column import TimeColumn

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from include.exports.definition import Export

__all__ = [
    "AdlsDestination",
    "AppriseAlert",
    "BlobDestination",
    "CampaignRecipients",
    "CampaignResults",
    "CampaignResultsExport",
    "Columns",
    "Conditions",
    "Cron",
    "CsvFiles",
    "Daily",
    "DataLandingZoneDestination",
    "DatasetExport",
    "EmailAlert",
    "EmailLink",
    "EventLake",
    "EventTables",
    "Every",
    "GcsDestination",
    "Grants",
    "HashMask",
    "HivePartition",
    "JsonFiles",
    "LakeSource",
    "LocalDestination",
    "ManifestFile",
    "Monthly",
    "OnAsset",
    "Once",
    "ParquetFiles",
    "Permissions",
    "PgpEncryption",
    "Policy",
    "Pools",
    "Profiles",
    "RecipientsExport",
    "RedactMask",
    "Retries",
    "Rules",
    "S3Destination",
    "SftpDestination",
    "SlackAlert",
    "SqlSource",
    "TimeColumn",
    "Usual",
    "Views",
    "WebhookAlert",
    "Weekly",
    "XlsxFiles",
    "airflow_dag",
    "maintenance_dag",
    "read_query",
]


def airflow_dag(export: Export, doc: str | None) -> DAG | None:
    """The DAG of `export`, with `doc` (the file's docstring) as its documentation.

    Calling it in a file of the DAGs folder is all that is needed: Airflow finds the DAGs that a file creates. None
    while a catalog is read, which needs no Airflow.
    """
    if catalog.collect(export):
        return None
    from include.exports import dag

    return dag.build(export, doc)


def maintenance_dag(doc: str | None) -> DAG | None:
    """The DAG that cleans the staging area, with `doc` as its documentation. None while a catalog is read."""
    if catalog.is_read():
        return None
    from include.exports import maintenance

    return maintenance.build(doc)
