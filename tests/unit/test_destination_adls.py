"""What a declared container of a data lake may be, and what a connection to it must hold."""

import json
from datetime import UTC, datetime

import pytest

from include.exports import AdlsDestination, DatasetExport
from include.exports.destinations import connect, path_problem
from include.exports.destinations.adls import credential_ends
from include.exports.errors import DefinitionError, DeliveryRefused


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("container", "Exports_2024", "'Exports_2024' must be 3 to 63 lower-case letters.*; is it 'exports-2024'?"),
        ("container", "a--b", "single hyphens.*; is it 'a-b'?"),
        ("container", "exports@acme.dfs.core.windows.net", "lower-case letters"),
        ("prefix", "a//b", "write 'a/b'"),
        ("part_size", 1 << 10, "greater than or equal to 1048576"),
        ("part_size", 101 << 20, "less than or equal to 104857600"),
        ("conn_id", "", "at least 1 character"),
    ],
)
def test_a_wrong_declaration_names_value_and_rule(daily, field, value, rule):
    given = {"conn_id": "lake", "container": "exports"} | {field: value}
    with pytest.raises(DefinitionError, match=rf"(?s)destination\.{field}: .*{rule}"):
        DatasetExport(**(dict(daily) | {"destination": AdlsDestination(**given)}))


def test_a_declaration_survives_as_a_document():
    destination = AdlsDestination(conn_id="lake", container="exports", prefix="cja", customer_key_conn_id="key")
    assert AdlsDestination.model_validate_json(destination.model_dump_json()) == destination


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a./part", "a segment that ends in a dot"),
        ("a/part.", "a segment that ends in a dot"),
        ("/".join(["a"] * 61), "more than 59 folders"),
    ],
)
def test_what_a_data_lake_does_not_take_is_known_before_it_is_asked(path, rule):
    assert rule in path_problem("adls", path)


@pytest.mark.parametrize("path", ["a.b/.c/part..json", "/".join(["a"] * 60)])
def test_what_a_data_lake_takes_is_no_problem(path):
    assert path_problem("adls", path) is None


@pytest.mark.parametrize(
    "connection",
    [
        {"host": "acme"},
        {"host": "acme", "login": "client", "extra": {"tenant_id": "tenant"}},
        {"extra": {"connection_string": ""}},
        {"extra": {"account_url": "https://acme.dfs.core.windows.net?sp=r&sig=c2ln"}},
    ],
    ids=["nothing", "no secret", "empty", "in the address"],
)
def test_a_connection_without_a_credential_is_refused_and_not_replaced_by_the_worker_s_identity(
    monkeypatch, connection
):
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", json.dumps({"conn_type": "adls", **connection}))
    with pytest.raises(DeliveryRefused, match="connection 'empty' holds no credential; give it a connection string"):
        connect(AdlsDestination(conn_id="empty", container="exports")).__enter__()


def test_half_a_service_principal_is_refused(monkeypatch):
    connection = {"conn_type": "adls", "host": "acme", "password": "secret", "extra": {"tenant_id": "tenant"}}
    monkeypatch.setenv("AIRFLOW_CONN_HALF", json.dumps(connection))
    with pytest.raises(DeliveryRefused, match=r"client_id .*; check Airflow connection 'half'"):
        connect(AdlsDestination(conn_id="half", container="exports")).__enter__()


@pytest.mark.parametrize(
    ("connection", "ends"),
    [
        ({"password": "sp=rwdm&se=2031-05-01T00%3A00%3A00Z&sig=c2ln"}, datetime(2031, 5, 1, tzinfo=UTC)),
        ({"password": "?sp=rwdm&se=2031-05-01&sig=c2ln"}, datetime(2031, 5, 1, tzinfo=UTC)),
        (
            {"extra": {"connection_string": "DfsEndpoint=http://x;SharedAccessSignature=se=2031-05-01&sig=c2ln;"}},
            datetime(2031, 5, 1, tzinfo=UTC),
        ),
        ({"password": "c2VjcmV0"}, None),
        ({"login": "client", "password": "secret", "extra": {"tenant_id": "tenant"}}, None),
    ],
    ids=["token", "with a question mark", "connection string", "key", "service principal"],
)
def test_a_sas_says_when_it_ends_and_nothing_else_does(monkeypatch, connection, ends):
    monkeypatch.setenv("AIRFLOW_CONN_ENDS", json.dumps({"conn_type": "adls", "host": "acme", **connection}))
    assert credential_ends(AdlsDestination(conn_id="ends", container="exports")) == ends
