"""Whom a run acts for, and what people are granted."""

from types import SimpleNamespace

import pytest

from include.exports.errors import NotEligible
from include.exports.permissions import PEOPLE_VARIABLE, Grants, Person, acting_user, person


@pytest.mark.parametrize(
    ("run_type", "triggered_by", "acts_for"),
    [
        ("manual", "kim", "kim"),
        ("manual", "dag_test", "crm"),
        ("manual", None, "crm"),
        ("scheduled", None, "crm"),
        ("backfill", "kim", "crm"),
        ("asset_triggered", None, "crm"),
    ],
)
def test_only_who_triggers_a_run_by_hand_is_who_it_acts_for(run_type, triggered_by, acts_for):
    run = SimpleNamespace(run_type=run_type, triggering_user_name=triggered_by)
    assert acting_user(run, "crm") == acts_for


def test_a_right_is_granted_to_users_and_to_roles():
    grants = Grants(users=("kim",), roles=("privacy",))
    assert grants.to(Person(user="kim"))
    assert grants.to(Person(user="jun", roles=("crm", "privacy")))
    assert not grants.to(Person(user="privacy", roles=("kim",)))
    assert not Grants().to(Person(user="kim", roles=("admin",)))


def test_roles_and_addresses_are_in_a_variable(monkeypatch):
    monkeypatch.setenv(
        f"AIRFLOW_VAR_{PEOPLE_VARIABLE.upper()}", '{"kim": {"roles": ["crm"], "email": "k@example.org"}}'
    )
    assert person("kim") == Person(user="kim", roles=("crm",), email="k@example.org")
    assert person("kim").address == "k@example.org"
    assert person("jun").address is None
    assert person("jun@example.org").address == "jun@example.org"


@pytest.mark.parametrize("document", ["[", "[]", '{"kim": ["crm"]}', '{"kim": {"role": "crm"}}'])
def test_a_variable_that_cannot_be_read_grants_nothing_and_says_how_it_is_written(monkeypatch, document):
    monkeypatch.setenv(f"AIRFLOW_VAR_{PEOPLE_VARIABLE.upper()}", document)
    with pytest.raises(NotEligible, match=r"(?s)Airflow Variable .exports_people. cannot be read: .*; write {.kim.:"):
        person("kim")
