"""What a Data Landing Zone does besides what Azure Blob Storage does."""

import hashlib
import json
from datetime import timedelta

import pytest

from include.exports import DataLandingZoneDestination
from include.exports.destinations import connect
from include.exports.errors import DeliveryRefused
from include.local.stores import azurite, dlz
from tests.rigs import azure
from tests.rigs.dlz import DataLandingZoneRig


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return DataLandingZoneRig(tmp_path, monkeypatch)


def test_a_run_delivers_into_the_container_and_says_how_long_it_stays(rig, run):
    """The administrator's key looks: path-style addresses make it easy to write to container/container/path."""
    result = run(rig.destination, 20)
    folder = "events/exportTime=201911260000"
    found = rig.visible()
    manifest = json.loads(found[f"{folder}/_manifest.json"])
    (entry,) = manifest["entries"]
    part = entry["url"].removeprefix(f"{azure.url()}/{rig.container}/")
    assert found.keys() == {part, f"{folder}/files.txt", f"{folder}/_manifest.json"}
    assert result["manifest"] == f"{azure.url()}/{rig.container}/{folder}/_manifest.json"
    assert manifest["export"]["retention_days"] == 7


def test_a_new_credential_in_the_connection_is_enough(rig, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"rows")
    old = rig.at("zone", azure.url(), azurite.sas(rig.container, "rwd", timedelta(seconds=-1)))
    with connect(old) as store, pytest.raises(DeliveryRefused, match=r"check the credentials of .* connection 'zone'"):
        store.put(source, "part", hashlib.sha256(b"rows").hexdigest())
    assert rig.at("zone", azure.url(), azurite.sas(rig.container, "rwd")) == old
    with connect(old) as store:
        store.put(source, "part", hashlib.sha256(b"rows").hexdigest())
    assert rig.visible() == {"part": b"rows"}


@pytest.mark.parametrize(
    "password",
    [
        "",
        "sp=rwd&se=2027-01-01&sig=c2VjcmV0",
        "https://acme.blob.core.windows.net?sp=rwd&sig=c2VjcmV0",
        "https://acme.blob.core.windows.net/zone",
        "acme.blob.core.windows.net/zone?sig=c2VjcmV0",
    ],
    ids=["nothing", "token", "no container", "no token", "no scheme"],
)
def test_what_is_no_sas_uri_is_refused_without_being_shown(monkeypatch, password):
    monkeypatch.setenv("AIRFLOW_CONN_ZONE", dlz.connection(password))
    with pytest.raises(DeliveryRefused, match="password of Airflow connection 'zone' is not the SAS URI of a") as no:
        connect(DataLandingZoneDestination(conn_id="zone")).__enter__()
    assert "c2VjcmV0" not in str(no.value)


def test_the_address_of_a_file_on_azure_itself_has_account_and_container_and_no_token(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ZONE", dlz.connection("https://acme.blob.core.windows.net/zone?sp=rwd&sig=c2ln"))
    with connect(DataLandingZoneDestination(conn_id="zone")) as store:
        assert store.url("a/part") == "https://acme.blob.core.windows.net/zone/a/part"


def test_a_sas_signs_no_other(rig):
    with connect(rig.destination) as store, pytest.raises(DeliveryRefused, match="a SAS signs no other; sign in by"):
        store.share_link("part", timedelta(minutes=1))
