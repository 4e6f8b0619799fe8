"""The export of whom a campaign reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from include.exports.campaigns import reconcile
from include.exports.campaigns.profiles import ALL, EMAIL_ADDRESSES, PERSONAL, USER
from include.exports.campaigns.received import COUNTED, CampaignRecipients
from include.exports.columns import Columns
from include.exports.definition import Export, Files
from include.exports.engine import identifier
from include.exports.errors import NotEligible, Problem
from include.exports.formats.csv import CsvFiles
from include.exports.permissions import Permissions, Person
from include.exports.schedules import Once
from include.exports.share import EmailLink
from include.exports.tables import RECORDS, Table
from include.exports.window import Window

if TYPE_CHECKING:
    import duckdb

TITLES = {"all": "All Recipient Data", "email_addresses": "Recipient Email Addresses"}
AS_BRAZE = CsvFiles(compression="zip", member_rows=5000, formula_guard="numbers")
"""An archive of CSV files of 5,000 users, whose fields no spreadsheet runs. They are UTF-8; Excel drops leading zeros
and digits of long numbers unless the columns are imported as text (Data, From Text/CSV)."""


class RecipientsExport(Export):
    """Exports whom a campaign reached, a row a user or a message, with a file that reconciles rows with sends.

    Users without `view_pii` get the files without e-mail addresses and phone numbers, in a folder of their own.
    """

    type: Literal["campaign_recipients"] = "campaign_recipients"
    source: CampaignRecipients
    """Which campaign, and where its message events and the profiles of users are."""
    kind: Literal["all", "email_addresses"] = "all"
    """`all`: all recipient data. `email_addresses`: seven columns, only of users who have an address."""
    mode: Literal["incremental", "full"] = "full"
    """`full`: who received the campaign until the run. `incremental`: who did so in the run's window."""
    include_deleted: bool = False
    """Also export recipients whose profile was deleted, merged or is missing: by their ids alone. `profile` then says
    in each row whether it is `current`, `deleted`, `merged` or `missing`."""
    files: Files = AS_BRAZE
    """Format, compression and size of the files: by default an archive of CSV files of 5,000 users, as Braze's."""
    permissions: Permissions
    """Who may run it and who sees personal data. Scheduled runs act for the owner."""
    link: EmailLink | None = EmailLink()
    """The e-mail with links to the files for who asked; none is sent when absent."""
    withheld: tuple[Literal["email", "phone_number"], ...] = ()
    """Columns that nobody gets."""

    STAGED: ClassVar[frozenset[str]] = frozenset({"source", "mode", "kind", "withheld", "files"})
    AUDITED: ClassVar[bool] = True
    RANGES: ClassVar[bool] = True

    @property
    def subject(self) -> str:
        without = f", without {' and '.join(self.withheld)}" if self.withheld else ""
        return f"{TITLES[self.kind]} of campaign {self.source.campaign}{without}"

    @property
    def delivered(self) -> tuple[str, ...]:
        """The columns of a row."""
        standard = ALL if self.kind == "all" else EMAIL_ADDRESSES
        more: list[str] = []
        if self.kind == "all":
            more += [*self.source.profiles.selected, "variation_name", "variation_api_id", "in_control"]
        if self.source.grain == "send":
            more.append("received_at")
        if self.include_deleted:
            more.append("profile")
        return tuple(name for name in (*standard, *more) if name not in self.withheld)

    @property
    def shape(self) -> Columns:
        """What is delivered, and what reconciliation needs."""
        return Columns(select=tuple(dict.fromkeys((*self.delivered, USER, "profile", *COUNTED))))

    def windows(self, window: Window) -> tuple[Window, ...]:
        """The run's own; of a full export, it ends when the run does."""
        return (Window(start=window.start, end=window.as_of, as_of=window.as_of),)

    def tables(self, con: duckdb.DuckDBPyConnection, window: Window) -> tuple[Table, ...]:
        """The recipients, and the reconciliation."""
        del con, window
        email = self.kind == "email_addresses"
        kept = "_last is not null"
        if not self.include_deleted:
            kept += " and profile = 'current'"
        if email:
            kept += " and email <> ''"
        columns = ", ".join(map(identifier, self.delivered))
        rows = Table(
            name=self.kind if email else "recipients",
            title=TITLES[self.kind],
            query=f"select {columns} from {RECORDS} where {kept}",
        )
        return rows, reconcile.table(kept, gone=self.include_deleted, email=email)

    def acting_for(self, person: Person) -> Self:
        """The export as a person may run it. Raises `NotEligible` for who may not."""
        if not self.permissions.export_user_data.to(person):
            raise NotEligible(
                f"{self.name}: {person.user!r} may not export user data; grant export_user_data in the definition"
            )
        if self.permissions.view_pii.to(person):
            return self
        if self.kind == "email_addresses":
            raise NotEligible(
                f"{self.name}: {person.user!r} may not see e-mail addresses; grant view_pii in the definition"
            )
        # A run for somebody else must not take the place of files that have these columns.
        return self.model_copy(update={"withheld": PERSONAL, "folder": f"{self.folder}-without-pii"})

    def may_receive(self, person: Person) -> bool:
        rights = self.permissions
        sees = rights.view_pii.to(person) or set(PERSONAL) <= set(self.withheld)
        return rights.export_user_data.to(person) and sees

    def problems(self) -> list[Problem]:
        found = super().problems()
        if self.mode == "incremental" and isinstance(self.schedule, Once):
            found.append(Problem("schedule", "'once' has no windows; use mode 'full', or a schedule that repeats"))
        if self.kind == "email_addresses" and "email" in self.withheld:
            found.append(Problem("withheld", "'email' is what this kind is about; remove it, or export kind 'all'"))
        for right, needed in (("export_user_data", True), ("view_pii", self.kind == "email_addresses")):
            grants = getattr(self.permissions, right)
            if needed and not (grants.roles or self.owner in grants.users):
                rule = f"scheduled runs act for the owner {self.owner!r}, who does not hold it; grant it to them"
                found.append(Problem(f"permissions.{right}", rule))
        return found
