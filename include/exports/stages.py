"""The stages of one run, as the tasks call them: what each one reads from staging, does, and leaves there.

Nothing here knows Airflow, so a run can also be driven without it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from include.exports import pgp
from include.exports.compose import Delivery, current
from include.exports.deliver import DeliveredFile, DeliveredTable, deliver
from include.exports.destinations import connect
from include.exports.eligibility import Eligible, governance, validate
from include.exports.eligibility.closed import check_closed
from include.exports.eligibility.columns import delivered
from include.exports.eligibility.credential import check_credential
from include.exports.eligibility.probe import probe
from include.exports.eligibility.reasons import Reasons
from include.exports.eligibility.volume import check_rows
from include.exports.encrypt import encrypt
from include.exports.errors import NotEligible, NothingToExport
from include.exports.extract import StagedFile, extract
from include.exports.manifest import Encryption
from include.exports.permissions import person as known
from include.exports.plan import Plan, plans, reading
from include.exports.publish import Published, publish
from include.exports.serialize import SerializedTable, serialize
from include.exports.share import send
from include.exports.sources import Column, Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.exports.definition import Export
    from include.exports.permissions import Person
    from include.exports.staging import Staging
    from include.exports.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stages:
    """The stages of the run of `export` that covers `window` and works in `staging`.

    Each method can be called again, also after its process was killed, and leaves the same.
    """

    export: Export
    window: Window
    staging: Staging

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """What the run publishes, oldest first."""
        return plans(self.export, self.window)

    @cached_property
    def plan(self) -> Plan:
        """What the run reads."""
        return reading(self.plans)

    def validate_eligibility(self, *, resend: bool = False, dry_run: bool = False) -> list[int]:
        """Decide whether the run may start and fix what it reads; returns the numbers of its shards.

        With `resend` it reads nothing: what was staged when the window was last published is delivered again. Raises
        every reason that is found: one as it is, several as one `NotEligible`; and `NothingToExport` when the source
        has no file for the window and that is to be skipped, or at the end of a `dry_run`.
        """
        log.info("%s: %s into %s", self.export.name, self.window, self.plan.folder)
        reasons, export = Reasons(self.export.name), self.export
        reasons.ask(lambda: check_closed(export, self.window, datetime.now(UTC)))
        reasons.ask(lambda: check_credential(export.destination))
        reasons.ask(self._reach)
        encryption = export.encryption
        keys = reasons.ask(lambda: pgp.check(encryption).model_dump()) if encryption else None
        document = self._resent(reasons) if resend else self._planned(reasons)
        decided = reasons.decide(document)
        if dry_run:
            raise NothingToExport(f"{export.name}: eligible; a dry run ends here, nothing was read or delivered")
        if export.on_empty == "skip" and all(shard["size"] == 0 for shard in decided["shards"]):
            raise NothingToExport(f"{export.name}: the source has no files for {self.window}")
        self.staging.write("plan.json", decided | {"encryption": keys})
        return list(range(len(decided["shards"])))

    def extract_records(self, shard: int) -> dict[str, Any]:
        """Stage the records of a shard; returns what was staged, for people."""
        document = self.staging.read("plan.json")
        if document["resend"]:
            log.info("taking shard %d as %s staged it", shard, document["resend"])
            staged = self.staging.of(document["resend"]).read(f"extract-{shard:05d}.json")
        else:
            staged = asdict(extract(self.plan, self._eligible(document), _shards(document)[shard], self.staging))
        self.staging.write(f"extract-{shard:05d}.json", staged)
        return {"shard": shard, "rows": staged["rows"], "bytes": staged["size"]}

    def serialize_files(self, shard: int) -> dict[str, Any]:
        """Stage the files of a shard, encrypted if that is declared; returns their sums."""
        staged = StagedFile(**self.staging.read(f"extract-{shard:05d}.json"))
        tables = serialize(self.export, [each.window for each in self.plans], shard, staged, self.staging)
        if self.export.encryption:
            keys = _keys(self.staging.read("plan.json"))
            tables = encrypt(self.export.encryption, keys, shard, tables, self.staging)
        self.staging.write(f"serialize-{shard:05d}.json", {"tables": [asdict(table) for table in tables]})
        return {"shard": shard, **_sums(tables)}

    def deliver_files(self, shard: int) -> dict[str, Any]:
        """Put the files of a shard at the destination and verify them; returns their sums."""
        serialized = [_serialized(table) for table in self.staging.read(f"serialize-{shard:05d}.json")["tables"]]
        shards = len(self.staging.read("plan.json")["shards"])
        delivered = [
            table for each in self.plans for table in deliver(each, shard, shards, _of(serialized, each), self.staging)
        ]
        self.staging.write(f"deliver-{shard:05d}.json", {"tables": [asdict(table) for table in delivered]})
        return {"shard": shard, **_sums(serialized)}

    def publish_manifest(self) -> dict[str, Any]:
        """Make the delivered files current, window by window; returns what is current now in the run's own, the last.

        `restated` are the manifests of earlier windows that have changed. A window without records of which nothing is
        to be published keeps no other one from it. Raises `NothingToExport` when that is the run's own.
        """
        document = self.staging.read("plan.json")
        columns = delivered(self.export, self._eligible(document).columns)
        shards = [f"{shard:05d}" for shard in range(len(document["shards"]))]
        source_rows = sum(self.staging.read(f"extract-{shard}.json")["rows"] for shard in shards)
        tables = [
            _delivered(table) for shard in shards for table in self.staging.read(f"deliver-{shard}.json")["tables"]
        ]
        self._check_rows(source_rows)
        results: list[Published] = []
        nothing: NothingToExport | None = None
        for each in self.plans:
            own = [piece for piece in tables if piece.table.window == each.window.key]
            delivery = Delivery(
                run=self.staging.run,
                columns=columns,
                encryption=_keys(document),
                source_rows=source_rows,
                tables=own,
            )
            try:
                results.append(publish(each, delivery, self.staging))
                nothing = None
            except NothingToExport as empty:
                log.info("%s", empty)
                nothing = empty
        if nothing:
            raise nothing
        restated = [result.manifest for result in results[:-1] if result.changed]
        return asdict(results[-1]) | {"restated": restated}

    def delivered_rows(self) -> dict[str, int]:
        """Rows of each table that the run has delivered."""
        rows: dict[str, int] = {}
        for shard in range(len(self.staging.read("plan.json")["shards"])):
            for table in map(_delivered, self.staging.read(f"deliver-{shard:05d}.json")["tables"]):
                name = table.table.name or self.export.dataset_name
                rows[name] = rows.get(name, 0) + sum(file.staged.rows for file in table.files)
        return rows

    def send_links(self, asked: Person) -> dict[str, list[str]]:
        """Mail links to the files that are current in the run's window; the names of the files by person.

        To who asked and to those that the export names, if they may see its files.
        """
        wanted = self.export.link
        if wanted is None:
            return {}
        told = {person.user: person for person in (asked, *map(known, wanted.to))}
        for user in [user for user, person in told.items() if not self.export.may_receive(person)]:
            log.warning("%r gets no link: the definition does not grant the right to see the files", user)
            del told[user]
        destination, manifest = self.export.destination, self.plan.manifest
        return send(wanted, self.export.subject, destination, manifest, list(told.values()))

    def _reach(self) -> None:
        """Find the destination as a delivery needs it."""
        with connect(self.export.destination) as store:
            for each in self.plans:
                current(each, store)
            if self.export.conditions.probe:
                probe(self.plan, store, self.staging)

    def _planned(self, reasons: Reasons) -> dict[str, Any] | None:
        last = self.staging.published(self.plan.target.destination, 1)
        eligible = validate(self.plan, reasons, last[0].columns if last else None, self.staging.free)
        if eligible is None:
            return None
        return {
            "records": self._records,
            "resend": None,
            "columns": [(column.name, str(column.type)) for column in eligible.columns],
            "shards": [asdict(shard) for shard in eligible.shards],
        }

    def _check_rows(self, rows: int) -> None:
        usual = self.export.conditions.usual
        published = self.staging.published(self.plan.target.destination, usual.windows + 1) if usual else []
        others = [each.rows for each in published if each.window != self.staging.window]
        check_rows(self.export, rows, others[: usual.windows] if usual else [])

    def _resent(self, reasons: Reasons) -> dict[str, Any] | None:
        """What was staged, if it may go where this run delivers: that need not be where it went before."""
        document = reasons.ask(self._staged)
        if document:
            reasons.add(governance.problems(self.export, self._eligible(document).columns))
        return document

    def _staged(self) -> dict[str, Any]:
        origin = self.staging.last_published()
        document = origin.read("plan.json")
        if document["records"] != self._records:
            raise NotEligible(
                f"{self.export.name}: what it reads has been changed since {origin.run} staged it; run the window"
                " without `resend` to read the source again"
            )
        return document | {"resend": origin.run}

    @property
    def _records(self) -> str:
        """Fingerprint of everything in the definition that the staged records depend on."""
        staged = self.export.model_dump_json(include=set(self.export.STAGED))
        return hashlib.sha256(staged.encode()).hexdigest()

    def _eligible(self, document: dict[str, Any]) -> Eligible:
        import duckdb

        columns = tuple(Column(name=name, type=duckdb.sqltype(type_)) for name, type_ in document["columns"])
        request = replace(self.plan.request, columns=tuple(column.name for column in columns))
        return Eligible(request=request, columns=columns, shards=_shards(document))


def _shards(document: dict[str, Any]) -> tuple[Shard, ...]:
    return tuple(Shard(**shard | {"files": tuple(shard["files"])}) for shard in document["shards"])


def _keys(document: dict[str, Any]) -> Encryption | None:
    return Encryption(**found) if (found := document["encryption"]) else None


def _serialized(document: dict[str, Any]) -> SerializedTable:
    return SerializedTable(**document | {"files": [StagedFile(**file) for file in document["files"]]})


def _delivered(document: dict[str, Any]) -> DeliveredTable:
    files = [DeliveredFile(**file | {"staged": StagedFile(**file["staged"])}) for file in document["files"]]
    return DeliveredTable(table=_serialized(document["table"]), files=files)


def _of(tables: Sequence[SerializedTable], plan: Plan) -> list[SerializedTable]:
    return [table for table in tables if table.window == plan.window.key]


def _sums(tables: Sequence[SerializedTable]) -> dict[str, int]:
    files = [file for table in tables for file in table.files]
    return {
        "files": len(files),
        "rows": sum(file.rows for file in files),
        "bytes": sum(file.size for file in files),
    }
