"""Profiles of users, from a table that a team keeps: one row a user, by Braze's id of the user."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from include.exports import sources
from include.exports.engine import identifier
from include.exports.errors import NotEligible, Problem, SourceRefused
from include.exports.model import Part, Problems
from include.exports.sources import Request
from include.exports.sources.lake import LakeSource
from include.exports.sources.sql import SqlSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

log = logging.getLogger(__name__)

USER = "Appboy ID"
"""Braze's id of a user, as its export calls it. Events have it as `user_id`."""

ALL = (
    USER,
    "country",
    "created_at",
    "created_from",
    "devices",
    "date_of_birth",
    "email",
    "unsubscribed_from_emails_at",
    "user_id",
    "first_name",
    "first_session",
    "gender",
    "google_ad_ids",
    "city",
    "IDFAs",
    "IDFVs",
    "language",
    "last_app_version_used",
    "last_name",
    "last_session",
    "number_of_google_ad_ids",
    "number_of_IDFAs",
    "number_of_IDFVs",
    "number_of_push_tokens",
    "number_of_roku_ad_ids",
    "number_of_windows_ad_ids",
    "phone_number",
    "opted_into_push_at",
    "unsubscribed_from_push_at",
    "random_bucket",
    "roku_ad_ids",
    "session_count",
    "timezone",
    "in_app_purchase_total",
    "user_aliases",
    "windows_ad_ids",
)
"""The columns of *CSV Export All Recipient Data*, in Braze's order."""

EMAIL_ADDRESSES = (
    "user_id",
    "first_name",
    "last_name",
    "email",
    "unsubscribed_from_emails_at",
    "opted_in_to_emails_at",
    "user_aliases",
)
"""The columns of *CSV Export Recipient Email Addresses*, in Braze's order."""

PERSONAL = ("email", "phone_number")
"""What only those see who may see personal data."""

ADDED = {
    "variation_name": "VARCHAR",
    "variation_api_id": "VARCHAR",
    "in_control": "BOOLEAN",
    "received_at": "TIMESTAMP WITH TIME ZONE",
    "profile": "VARCHAR",
}
"""What is known of a recipient from events, and from whether there is a profile."""

STANDARD = tuple(dict.fromkeys((*ALL, *EMAIL_ADDRESSES)))


class Profiles(Part):
    """The table of profiles. A column of the export that it does not have is empty."""

    table: Annotated[LakeSource | SqlSource, Field(discriminator="type")]
    """Where it is: files of a lake, or a table or query of a database."""
    key: str = Field(default="braze_id", min_length=1)
    """Its column with Braze's id of the user, which events have as `user_id`."""
    columns: dict[str, str] = {}
    """Column of the export to that of the table, where they are called differently; their case does not matter."""
    custom_attributes: tuple[str, ...] = ()
    """Columns of the table that are exported after Braze's own."""
    custom_events: tuple[str, ...] = ()
    """Columns about custom events that are exported after those: what the table has, such as how often."""
    deleted_at: str = "deleted_at"
    """Its column that is not NULL for a profile that was deleted, if it has one. Other tables drop the row."""
    merged_into: str = "merged_into"
    """Its column with the id of the profile that another one was merged into, if it has one."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        """A misspelt column would be empty without a word."""
        found = [
            Problem(f"columns.{name}", f"is not a column of the export; use one of {', '.join(STANDARD[1:])}")
            for name in self.columns
            if name not in STANDARD[1:]
        ]
        taken = {name.casefold() for name in (*STANDARD, *ADDED)}
        for field in ("custom_attributes", "custom_events"):
            for name in getattr(self, field):
                if name.casefold() in taken:
                    found.append(Problem(field, f"{name!r} is another column of the export already; rename it"))
                taken.add(name.casefold())
        if found:
            raise Problems(found)
        return self

    @property
    def selected(self) -> tuple[str, ...]:
        """The columns that only this team has."""
        return (*self.custom_attributes, *self.custom_events)


def types(profiles: Profiles) -> dict[str, str]:
    """The DuckDB type of each column that can be exported; text for one that the table does not have.

    Raises `NotEligible` when the table has no key, or not a column that is named.
    """
    available, spelled = _spelled(profiles)
    wanted = {**{name: name for name in profiles.selected}, **profiles.columns, USER: profiles.key}
    missing = [name for name in wanted.values() if name.casefold() not in spelled]
    if missing:
        raise NotEligible(f"source.profiles: the table has no {', '.join(missing)}; it has {', '.join(available)}")
    place = {name: spelled.get(wanted.get(name, name).casefold()) for name in (*STANDARD, *profiles.selected)}
    found = {name: available[column] if column else "VARCHAR" for name, column in place.items()}
    return found | {USER: "VARCHAR", "user_id": "VARCHAR"}


def load(profiles: Profiles, con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Make the table `profiles` of those users that are in `people`, with the columns `names` and their `profile`.

    `profile` is `current`, `deleted` or `merged`; only a current one has values. Raises `SourceRefused` when the table
    has a user twice.
    """
    available, spelled = _spelled(profiles)
    wanted = {name: spelled.get(profiles.columns.get(name, name).casefold()) for name in names if name != USER}
    key, deleted, merged = (
        spelled.get(name.casefold()) for name in (profiles.key, profiles.deleted_at, profiles.merged_into)
    )
    if absent := [name for name, column in wanted.items() if column is None]:
        log.info("the table of profiles has no %s", ", ".join(absent))
    asked = tuple(dict.fromkeys(column for column in (key, deleted, merged, *wanted.values()) if column))
    state = f"case when {_present(merged)} then 'merged' when {_present(deleted)} then 'deleted' else 'current' end"
    values = "".join(
        f", case when profile = 'current' then cast({identifier(column) if column else 'null'}"
        f" as {available[column] if column else 'VARCHAR'}) end as {identifier(name)}"
        for name, column in wanted.items()
    )
    module, request = sources.module(profiles.table), Request(columns=asked)
    made = False
    for shard in module.shards(profiles.table, request):
        with module.records(profiles.table, request, shard, con) as records:
            query = (
                f"select cast({identifier(str(key))} as varchar) as braze_user, profile{values}"
                f" from (select *, {state} as profile from ({records}))"
                f" where braze_user in (select user_id from people)"
            )
            con.execute(f"insert into profiles {query}" if made else f"create table profiles as {query}")
            made = True
    for (user,) in con.sql(
        "select braze_user from profiles group by all having count(*) > 1 order by all limit 1"
    ).fetchall():
        raise SourceRefused(
            f"the table of profiles has user {user!r} more than once; give it one row a user, or read it by a query"
        )


def _spelled(profiles: Profiles) -> tuple[dict[str, str], dict[str, str]]:
    """The table's columns with their types, and how it spells each."""
    described = sources.module(profiles.table).describe(profiles.table, Request())
    available = {column.name: str(column.type) for column in described}
    return available, {name.casefold(): name for name in available}


def _present(column: str | None) -> str:
    return f"{identifier(column)} is not null" if column else "false"
