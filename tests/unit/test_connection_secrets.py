"""What is secret in a connection is masked in every spelling in which a client may show it."""

import pytest
from airflow.sdk import Connection

from include.exports.destinations.connection import spellings

SIG = "aB%2Bc%2Fd%3D"
PLAIN = "aB+c/d="


@pytest.mark.parametrize(
    "connection",
    [
        {"conn_type": "wasb", "extra": f'{{"sas_token": "sv=1&sig={SIG}"}}'},
        {"conn_type": "wasb", "extra": f'{{"sas_token": "?sv=1&sig={SIG}&sp=r"}}'},
        {"conn_type": "wasb", "host": f"https://acme.example/?sig={SIG}"},
        {"conn_type": "wasb", "extra": f'{{"connection_string": "AccountName=a;AccountKey={PLAIN};"}}'},
        {"conn_type": "adls", "password": f"sv=1&sig={SIG}"},
        {"conn_type": "adls", "password": PLAIN},
    ],
    ids=["SAS", "SAS of an address", "address", "connection string", "SAS as password", "key"],
)
def test_a_signature_or_key_is_masked_as_it_is_and_decoded(connection):
    found = set(spellings(Connection(conn_id="any", **connection)))
    assert {PLAIN, SIG} <= found


def test_a_token_is_masked_without_its_question_mark_too():
    token = f"sv=1&sig={SIG}"
    assert token in set(spellings(Connection(conn_id="any", conn_type="adls", password=f"?{token}")))


def test_the_path_of_a_webhook_is_masked():
    connection = Connection(conn_id="any", conn_type="http", host="https://hooks.example.org/services/T0/B0?key=k")
    assert {"services/T0/B0", "key=k"} <= set(spellings(connection))
    assert "hooks.example.org" not in set(spellings(connection))
