"""Numbers in the extra of a connection."""

import json

import pytest

from include.exports import (
    AdlsDestination,
    BlobDestination,
    DataLandingZoneDestination,
    GcsDestination,
    SftpDestination,
)
from include.exports.destinations import connect
from include.exports.destinations.azure_client import settings
from include.exports.destinations.connection import number
from include.exports.errors import DeliveryRefused

HOST = "https://acme.blob.core.windows.net"
CASES = {
    "adls": (AdlsDestination(conn_id="c", container="abc"), {"host": "acme", "password": "sig=c2ln"}, "read_timeout"),
    "blob": (BlobDestination(conn_id="c", container="abc"), {"host": HOST, "password": "c2VjcmV0"}, "retry_total"),
    "dlz": (DataLandingZoneDestination(conn_id="c"), {"password": f"{HOST}/abc?sig=c2ln"}, "connection_timeout"),
    "gcs": (GcsDestination(conn_id="c", bucket="abc"), {}, "num_retries"),
    "sftp": (
        SftpDestination(conn_id="c", path="in"),
        {"host": "files", "login": "exports", "password": "secret", "extra": {"host_key": "ssh-ed25519 AAAA"}},
        "conn_timeout",
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_what_is_no_number_is_refused(monkeypatch, kind):
    destination, declared, name = CASES[kind]
    extra = declared.get("extra", {}) | {name: "soon"}
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps({"conn_type": "generic", **declared, "extra": extra}))
    with pytest.raises(DeliveryRefused, match=r"'soon'.*; (check|correct) "), connect(destination):
        pass


def test_a_number_may_be_text_as_it_is_in_the_uri_of_a_connection(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_C", "generic://?timeout=2.5")
    assert (number("c", "timeout", 60), number("c", "num_retries", 5)) == (2.5, 5)
    chosen = settings({"read_timeout": "2.5", "retry_total": "3", "max_single_get_size": 7})
    names = ("connection_timeout", "read_timeout", "retry_total", "max_single_get_size")
    assert [chosen[name] for name in names] == [10, 2.5, 3, 7]
