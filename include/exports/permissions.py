"""Who may run an export of personal data, and see what it exports.

Airflow decides who may trigger a run. What a run may export is granted in the definition, to users and roles, and held
against whom the run acts for: who triggered it, or the export's owner when the scheduler, a backfill or the command
line did. A task is told who triggered its run, but not the roles or the address of anybody: those are in the Airflow
Variable `exports_people`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.exports.model import Model, Part

if TYPE_CHECKING:
    from collections.abc import Mapping

PEOPLE_VARIABLE = "exports_people"
"""Airflow Variable with the people by the name of their Airflow user: `{"kim": {"roles": [...], "email": "..."}}`."""


class Person(Model):
    """An Airflow user."""

    user: str
    """The name of the user, as Airflow has it."""
    roles: tuple[str, ...] = ()
    """What grants to roles are held against."""
    email: str | None = None
    """Where links are sent to; the name of the user when that is an address."""

    @property
    def address(self) -> str | None:
        """Where the person gets e-mail; None when nobody knows."""
        return self.email or (self.user if "@" in self.user else None)


class Grants(Part):
    """Who holds a right."""

    users: tuple[str, ...] = ()
    """Names of Airflow users, and of the owner."""
    roles: tuple[str, ...] = ()
    """Roles that the Airflow Variable `exports_people` gives to users."""

    def to(self, person: Person) -> bool:
        """Whether a person holds it."""
        return person.user in self.users or not set(self.roles).isdisjoint(person.roles)


class Permissions(Part):
    """Rights to personal data. Nobody has them unless they are granted."""

    export_user_data: Grants
    """Who may run the export at all."""
    view_pii: Grants = Grants()
    """Who also gets e-mail addresses and phone numbers."""


def acting_user(run: Any, owner: str) -> str:
    """Whom an Airflow run acts for: who triggered it by hand; else the owner.

    `dag_test` is what Airflow calls who runs a DAG on the command line, which takes all connections.
    """
    user = run.triggering_user_name
    return str(user) if run.run_type == "manual" and user not in (None, "dag_test") else owner


def person(user: str) -> Person:
    """What is known of a user. Raises `NotEligible` when the Variable is wrong."""
    return people().get(user) or Person(user=user)


def people() -> dict[str, Person]:
    """Everybody in the Variable."""
    import json

    from airflow.sdk import Variable

    from include.exports.errors import NotEligible

    text = Variable.get(PEOPLE_VARIABLE, default="{}")
    try:
        document: Mapping[str, Mapping[str, Any]] = json.loads(text)
        return {user: Person(**facts | {"user": user}) for user, facts in document.items()}  # type: ignore[operator]  # a dict
    except (ValueError, TypeError, AttributeError) as error:
        raise NotEligible(
            f"Airflow Variable {PEOPLE_VARIABLE!r} cannot be read: {error}; write"
            ' {"kim": {"roles": ["crm"], "email": "kim@example.org"}}'
        ) from error
