"""What every export declares, whatever its records are: the parent of the models that a file in `dags/` declares."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from include.exports.alert import Alert
from include.exports.columns import Columns
from include.exports.conditions import Conditions
from include.exports.destinations import path_problem
from include.exports.destinations.adls import AdlsDestination
from include.exports.destinations.blob import BlobDestination
from include.exports.destinations.dlz import DataLandingZoneDestination
from include.exports.destinations.gcs import GcsDestination
from include.exports.destinations.local import LocalDestination
from include.exports.destinations.s3 import S3Destination
from include.exports.destinations.sftp import SftpDestination
from include.exports.effort import Pools, Retries
from include.exports.errors import Problem
from include.exports.folder import FolderTemplate, changes, macros, render, units
from include.exports.formats.csv import CsvFiles
from include.exports.formats.json import JsonFiles
from include.exports.formats.parquet import ParquetFiles
from include.exports.formats.xlsx import XlsxFiles
from include.exports.governance import ACTIONS, LABELS, Policy, unknown
from include.exports.manifest_file import ManifestFile
from include.exports.model import Definition, Problems
from include.exports.paths import Name, Segment, relative_path
from include.exports.pgp import PgpEncryption
from include.exports.schedules import Once, Schedule, Unit
from include.exports.share import EmailLink
from include.exports.sources import Request
from include.exports.tables import WHOLE, Table

if TYPE_CHECKING:
    import duckdb

    from include.exports.permissions import Person
    from include.exports.window import Window

Files = Annotated[CsvFiles | JsonFiles | ParquetFiles | XlsxFiles, Field(discriminator="type")]
Destination = Annotated[
    AdlsDestination
    | BlobDestination
    | DataLandingZoneDestination
    | GcsDestination
    | LocalDestination
    | S3Destination
    | SftpDestination,
    Field(discriminator="type"),
]

DAY_UNITS = ("year", "month", "day")
UNITS = {"day": {*DAY_UNITS}, "hour": {*DAY_UNITS, "hour"}, "minute": {*DAY_UNITS, "hour", "minute"}}

MAINTENANCE = "exports_maintenance"
"""The DAG that cleans the staging area; no export can have its name."""


class Export(Definition):
    """What all exports have in common. Each kind says where its records come from."""

    type: str
    name: Name
    """Name of the export; it is the Airflow DAG id. Renaming it makes another export."""
    display_name: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """What the Airflow UI calls the DAG, and finds it by; `name` when absent."""
    owner: str = Field(min_length=1)
    """Team or person to ask; shown in the Airflow UI."""
    description: str = ""
    """One line for the list of DAGs. The file's docstring is the long form."""
    tags: tuple[str, ...] = ()
    """Tags in the Airflow UI."""
    dataset: Name | None = None
    """Name of the dataset in paths and in the manifest; `name` when absent."""
    dataset_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")] | None = None
    """What `%DATASET_ID%` becomes; 24 hex digits made from the dataset's name when absent."""
    sandbox: Segment = "prod"
    """What `%SANDBOX_NAME%` becomes."""
    organization: Segment | None = None
    """What `%ORGANIZATION_NAME%` becomes."""
    source: Any
    """Where the records come from."""
    mode: Literal["incremental", "full"]
    """`incremental`: what the run's window has. `full`: everything as of the run."""
    schedule: Schedule
    """When it runs."""
    files: Files
    """Format, compression and size of the files."""
    encryption: PgpEncryption | None = None
    """Encrypts the files for the holders of declared keys; not encrypted when absent."""
    destination: Destination
    """Where the files go."""
    elsewhere: dict[Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")], Destination] = {}
    """Other destinations by a name of your choice: the trigger form offers to deliver one run to one of them instead,
    such as a partner's new bucket that is to have past windows, too. The schedule goes to `destination` alone."""
    folder: FolderTemplate = "%DATASET_NAME%/%EXPORT_TIME%"
    """Folder of a run below the destination's prefix. Two windows of an incremental export never share one."""
    manifest: ManifestFile = ManifestFile()
    """The manifest and files derived from it."""
    on_empty: Literal["publish", "file", "skip", "fail"] = "publish"
    """A window without records: `publish` a manifest that names no files, write an empty `file` (with header or
    schema) and the manifest, `skip` the run and publish nothing, or `fail` it."""
    conditions: Conditions = Conditions()
    """What must hold for a run to start, and to publish."""
    policies: tuple[Policy, ...] = ()
    """What labels of columns forbid, besides what Adobe's labels mean by themselves."""
    retries: Retries = Retries()
    """How failures that may pass are repeated."""
    pools: Pools = Pools()
    """How many tasks work with the source and the destination at once."""
    alerts: tuple[Alert, ...] = ()
    """Who is told what became of a run, besides those whom the Airflow Variable `exports_alerts` names for all."""
    link: EmailLink | None = None
    """Mails links to the files to who triggered the run, or to the owner, and to declared others; not when absent."""
    access: dict[Annotated[str, Field(min_length=1)], Literal["see", "run"]] = {}
    """What roles may do that Airflow does not let see every DAG: `see` the export and its runs, or also `run` it, which
    is to trigger, backfill, clear, mark and pause it. Only Airflow's FAB auth manager asks for it. There each role must
    have been made as docs/OPERATING.md says; a role that is no longer named loses the right."""
    late_after: timedelta = Field(default=timedelta(minutes=150), gt=timedelta())
    """A run that has not ended so long after it was first queued is late; Adobe's delay alert has the same default."""

    STAGED: ClassVar[frozenset[str]] = frozenset({"source", "mode"})
    """The fields that the staged records depend on."""

    FROM_THE_BEGINNING: ClassVar[bool] = False
    """Whether the schedule's first window also has all that is older."""

    RANGES: ClassVar[bool] = False
    """Whether a full export can be asked for a range of time; otherwise it always has everything."""

    AUDITED: ClassVar[bool] = False
    """Whether it takes a right to run it, and each run is on record."""

    @property
    def dataset_name(self) -> str:
        """The dataset's name in paths."""
        return self.dataset or self.name

    @property
    def subject(self) -> str:
        """What it exports, for people."""
        return self.description or self.dataset_name

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the whole definition."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def suffix(self) -> str:
        """What encryption adds to the names of the data files."""
        return f".{self.encryption.extension}" if self.encryption else ""

    def macro_values(self) -> dict[str, str]:
        """What the folder macros that do not depend on the run become."""
        destination = self.destination
        instance = hashlib.sha256(destination.model_dump_json(exclude={"marketing_actions"}).encode()).hexdigest()
        return {
            "DATASET_ID": self.dataset_id or hashlib.sha256(self.dataset_name.encode()).hexdigest()[:24],
            "DATASET_NAME": self.dataset_name,
            "DESTINATION": destination.type,
            "DESTINATION_INSTANCE_ID": instance[:24],
            "DESTINATION_INSTANCE_NAME": destination.name,
            "ORGANIZATION_NAME": self.organization or "",
            "SANDBOX_NAME": self.sandbox,
        }

    def at(self, name: str | None) -> Self:
        """The same export to the destination of that name in `elsewhere`; to its own without one."""
        return self if name is None else self.model_copy(update={"destination": self.elsewhere[name]})

    @property
    def shape(self) -> Columns:
        """Which columns of the source are staged, and how."""
        return Columns()

    @property
    def unit(self) -> Unit:
        """The finest unit of time in which the ends of two published windows can differ."""
        return self.schedule.unit

    def windows(self, window: Window) -> tuple[Window, ...]:
        """The windows that the run of `window` publishes, each with a folder and a manifest of its own, oldest first.

        The run reads from the beginning of the first one to the end of the last one.
        """
        return (window,)

    @property
    def outline(self) -> tuple[str, ...]:
        """The tables of a window in words; none when its files are the records themselves."""
        return ()

    def subfolder(self, window: Window) -> str:  # noqa: ARG002
        """Where below the run's folder the files of a window lie that must not replace those of the run's own."""
        return ""

    def acting_for(self, person: Person) -> Self:  # noqa: ARG002  # not everybody may run every export
        """The export as a person may run it. Raises `NotEligible` for who may not."""
        return self

    def may_receive(self, person: Person) -> bool:  # noqa: ARG002  # nor see its files
        """Whether a person may be sent links to the files."""
        return True

    def request(self, start: datetime | None, end: datetime | None) -> Request:
        """What a run asks of the source."""
        return Request(start=start, end=end)

    def tables(self, con: duckdb.DuckDBPyConnection, window: Window) -> tuple[Table, ...]:  # noqa: ARG002
        """What is made of the staged records for one published window. They are the view `records` on `con`."""
        return (WHOLE,)

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name == MAINTENANCE:
            raise ValueError(f"{name!r} is the DAG that cleans the staging area; write another name")
        return name

    @model_validator(mode="after")
    def _possible(self) -> Self:
        """Combinations that would fail, or lose something, at the first run."""
        if found := self.problems():
            raise Problems(found)
        return self

    def problems(self) -> list[Problem]:
        """What cannot be, although each field by itself can."""
        return self._problems_there("destination") + [
            replace(problem, message=f"{problem.message} (of {name!r} in elsewhere)")
            for name in self.elsewhere
            for problem in self.at(name)._problems_there(f"elsewhere.{name}")  # noqa: SLF001  # of this class
        ]

    def _problems_there(self, destination: str) -> list[Problem]:
        return [*self._name_problems(), *self._folder_problems(), *self._governance_problems(destination)]

    def _governance_problems(self, destination: str) -> list[Problem]:
        """A misspelt label or action would forbid nothing."""
        labels = [label for given in self.shape.labels.values() for label in given]
        known = {label for policy in self.policies for label in policy.labels}
        actions = {action for policy in self.policies for action in policy.actions}
        given = self.destination.marketing_actions
        return [
            *(Problem("columns.labels", message) for message in unknown(labels, {*LABELS, *known}, "label")),
            *(
                Problem(f"{destination}.marketing_actions", message)
                for message in unknown(given, {*ACTIONS, *actions}, "marketing action")
            ),
        ]

    def _name_problems(self) -> list[Problem]:
        found = []
        views = self.manifest.views
        for field, name in (
            ("manifest.name", self.manifest.name),
            ("manifest.views.files", views.files),
            ("manifest.views.sha256sums", views.sha256sums),
            ("manifest.views.success", views.success),
        ):
            if name and (problem := path_problem(self.destination.type, name)):
                found.append(Problem(field, problem))
        return found

    def _folder_problems(self) -> list[Problem]:
        found = []
        for field, template in (("folder", self.folder), ("manifest.folder", self.manifest.folder)):
            if template is None:
                continue
            if "ORGANIZATION_NAME" in macros(template) and self.organization is None:
                found.append(Problem("organization", f"is required by %ORGANIZATION_NAME% in {field}"))
                continue
            any_time = datetime(2000, 1, 1, tzinfo=UTC)
            folder = render(template, self.macro_values(), any_time, self.schedule.timezone)
            try:
                path = relative_path("/".join(filter(None, (self.destination.prefix, folder))))
            except ValueError as error:
                found.append(Problem(field, f"{template!r} becomes {error}"))
            else:
                if problem := path_problem(self.destination.type, path):
                    found.append(Problem(field, f"{template!r} becomes {problem}"))
            if self.mode == "incremental" and not isinstance(self.schedule, Once):
                zone = self.schedule.timezone
                missing = UNITS[self.unit] - units(template, zone)
                what, remedy = f"no {', '.join(sorted(missing))}", "%EXPORT_TIME% or a finer %DATETIME(...)%"
                if missing <= {"hour", "minute"} and changes(zone):
                    what, remedy = f"{zone} sets its clocks back, which repeats an hour", "%EXPORT_TIME%"
                if missing:
                    message = f"{template!r} is the same folder for several windows ({what}); add {remedy}"
                    found.append(Problem(field, message))
        return found
