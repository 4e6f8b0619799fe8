"""What Azure Data Lake Storage does besides what every destination promises."""

import base64
import hashlib
import json
import os
import re
import ssl
from datetime import timedelta
from urllib.request import urlopen

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

from include.exports import AdlsDestination
from include.exports.destinations import Stored, connect
from include.exports.destinations.adls_store import AdlsStore
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError
from include.local.stores import adls, azurite, dfs
from tests.rigs import azure, certificate, entra
from tests.rigs.adls import AdlsRig, url
from tests.rigs.blob import FEW
from tests.rigs.http_faults import Fault, Front

MIB = 1 << 20


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return AdlsRig(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certificate.make(tmp_path_factory.mktemp("tls"))


def asked(rig) -> list[str]:
    """What was asked of the service: method, and the operation of the DFS API."""
    named = r"action=\w+|resource=\w+|recursive=\w+|mode=\w+"
    return [f"{request.method} {'&'.join(re.findall(named, request.target))}".strip() for request in rig.front.asked]


SENT = ["PUT resource=file", "PATCH action=append", "PATCH action=flush", "PUT mode=legacy"]
"""A file is made, filled, and renamed."""


def test_a_file_has_the_checksum_of_the_whole_and_says_what_it_is(rig, source):
    content = os.urandom(3 * MIB)
    with connect(rig.destination) as store:
        stored = store.put(source(content), "a/part", sha(content), {"export": "events", "generation": "2"})
        store.write("a/m.json", b"{}", None, {"export": "events"})
    part, manifest = (rig.admin.get_blob_client(name).get_blob_properties() for name in ("a/part", "a/m.json"))
    assert stored == Stored(size=3 * MIB, checksum={"md5": md5(content)})
    assert part.content_settings.content_md5.hex() == md5(content)
    assert part.metadata == {"export": "events", "generation": "2", "sha256": sha(content)}
    assert manifest.content_settings.content_md5.hex() == md5(b"{}")
    assert manifest.metadata == {"export": "events", "sha256": sha(b"{}")}


def test_a_small_file_costs_six_requests_and_a_large_one_that_is_there_one(rig, source):
    large = os.urandom(2 * MIB)
    with connect(rig.destination) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        assert asked(rig) == [*SENT, "DELETE recursive=true", "HEAD"]
        store.put(source(large), "large", sha(large))
        rig.front.reset()
        store.put(source(large), "large", sha(large))
        assert asked(rig) == ["HEAD"]


def test_what_is_sent_is_told_part_by_part(rig, source):
    content, told = os.urandom(2 * MIB + 3), []
    with connect(rig.destination) as store:
        store.put(source(content), "part", sha(content), sent=told.append)
        assert sorted(told) == [3, MIB, MIB]
        store.put(source(content), "part", sha(content), sent=told.append)
        assert sum(told) == len(content)
        for total in (4, 4):
            store.put(source(b"rows"), "small", sha(b"rows"), sent=told.append)
            assert sum(told) == len(content) + total, "what is there already does not count"


def test_bytes_that_change_on_their_way_are_refused_by_the_service(rig, source, monkeypatch):
    content, answer = os.urandom(2 * MIB), rig.front.answer

    def damage(request):
        if "action=append" in request.target:
            request = request._replace(body=request.body[:-1] + bytes([request.body[-1] ^ 1]))
        return answer(request)

    monkeypatch.setattr(rig.front, "answer", damage)
    with connect(rig.destination) as store, pytest.raises(DeliveryInterrupted, match="Md5Mismatch"):
        store.put(source(content), "part", sha(content))
    assert (rig.visible(), rig.leftovers()) == ({}, [])


class Shadowed(AdlsStore):
    """A store in which somebody else's file takes the place of each that was just sent."""

    def _remove(self, path, **options):
        super()._remove(path, **options)
        if options.get("recursive"):
            self._file("part").upload_data(b"theirs", overwrite=True)


def test_what_is_not_what_was_sent_is_not_taken_for_delivered(rig, source, monkeypatch):
    monkeypatch.setattr("include.exports.destinations.adls.AdlsStore", Shadowed)
    with connect(rig.destination) as store, pytest.raises(VerificationError, match=r"was sent as .*, but the store"):
        store.put(source(b"rows"), "part", sha(b"rows"))


@pytest.mark.parametrize("how", ["503", "429", "reset"])
@pytest.mark.parametrize("what", ["resource=file", "action=append", "action=flush", "mode=legacy"])
def test_every_request_of_a_delivery_is_repeated_when_it_fails_for_a_moment(rig, source, what, how):
    rig.front.faults.append(Fault(how, 1, what))
    with connect(rig.destination) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
    assert rig.front.faults[0].times == 0
    assert (rig.visible(), rig.leftovers()) == ({"part": b"rows"}, [])


def test_a_rename_whose_answer_was_lost_is_found_to_have_happened(rig, source):
    answer, lost = rig.front.answer, []

    def lose_one(request):
        found = answer(request)
        if "mode=legacy" in request.target and not lost:
            lost.append(found)
            return azure.failure("503")
        return found

    rig.front.answer = lose_one
    try:
        with connect(rig.destination) as store:
            store.put(source(b"rows"), "part", sha(b"rows"))
    finally:
        rig.front.answer = answer
    assert [each.status for each in lost] == [201]
    assert (rig.visible(), rig.leftovers()) == ({"part": b"rows"}, [])


def test_two_writers_of_other_bytes_never_mix_them(rig, tmp_path):
    """One of them is overtaken between its append and its flush."""
    mine, theirs = os.urandom(MIB), os.urandom(MIB)
    for name, content in (("mine", mine), ("theirs", theirs)):
        (tmp_path / name).write_bytes(content)
    answer = rig.front.answer

    def overtake(request):
        if "action=flush" in request.target and rig.front.answer is overtake:
            rig.front.answer = answer
            with connect(rig.destination) as other:
                other.put(tmp_path / "theirs", "part", sha(theirs))
        return answer(request)

    rig.front.answer = overtake
    with connect(rig.destination) as store, pytest.raises(DeliveryInterrupted, match="written by another run"):
        store.put(tmp_path / "mine", "part", sha(mine))
    assert (rig.visible(), rig.leftovers()) == ({"part": theirs}, [])


def test_who_may_not_delete_leaves_empty_folders_and_is_told_so_once(rig, source, caplog):
    with connect(rig.without_delete()) as store:
        for number in range(3):
            store.put(source(b"rows"), f"a/part-{number}", sha(b"rows"))
        folder = store.url("a/.part-0.partial")
    assert rig.leftovers() == [f"a/.part-{number}.partial" for number in range(3)]
    assert [record.getMessage() for record in caplog.records if "may not delete" in record.getMessage()] == [
        f"Airflow connection 'by_rwm' may not delete: an empty folder such as {folder} stays beside each file"
    ]


@pytest.mark.parametrize("permission", ["wdm", "rdm", "rwd"], ids=["no read", "no write", "no move"])
def test_each_of_the_other_rights_is_needed_and_named(rig, source, permission):
    with connect(rig.by(permission)) as store, pytest.raises(DeliveryRefused, match=r"Mismatch.*grant this action to"):
        store.put(source(b"rows"), "part", sha(b"rows"))


def test_folders_come_with_files_and_stay_without(rig, source):
    with connect(rig.destination) as store:
        store.put(source(b"rows"), "a/b/part", sha(b"rows"))
        store.delete("a/b/part")
    assert sorted(rig.blobs()) == ["a", "a/b"]


def test_azure_s_own_log_lines_do_not_reach_a_task_s_log(rig, source, caplog):
    with connect(rig.destination) as store, caplog.at_level("INFO"):
        caplog.clear()
        store.put(source(b"rows"), "part", sha(b"rows"))
    assert [record.name for record in caplog.records if record.name.startswith("azure")] == []


KINDS = {
    "account key": lambda at, _: {"host": azurite.ACCOUNT, "password": azurite.KEY, "extra": {"account_url": at}},
    "SAS": lambda at, token: {"host": azurite.ACCOUNT, "password": f"?{token}", "extra": {"account_url": at}},
    "connection string": lambda at, _: {
        "extra": {
            "connection_string": f"AccountName={azurite.ACCOUNT};AccountKey={azurite.KEY};"
            f"DfsEndpoint={at};BlobEndpoint={at}"
        }
    },
    "connection string with a SAS": lambda at, token: {
        "extra": {"connection_string": f"DfsEndpoint={at};BlobEndpoint={at};SharedAccessSignature={token}"}
    },
}
"""Connections, by the address of an account and a SAS, of the kinds of sign-in that need no tenant."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sign_in_delivers_and_knows_the_container(rig, monkeypatch, source, kind):
    at, token = url(rig.front.port), azurite.sas(rig.container, adls.PERMISSION)
    monkeypatch.setenv("AIRFLOW_CONN_KIND", json.dumps({"conn_type": "adls", **KINDS[kind](at, token)}))
    with connect(rig.destination.model_copy(update={"conn_id": "kind"})) as store:
        store.put(source(bytes(2 * MIB)), "a/part", sha(bytes(2 * MIB)))
        assert store.url("a/part") == f"abfss://{rig.container}@127.0.0.1:{rig.front.port}/{azurite.ACCOUNT}/a/part"
        assert store.open("a/part").read() == bytes(2 * MIB)
    assert rig.visible() == {"a/part": bytes(2 * MIB)}


def test_the_address_of_a_file_on_azure_itself_is_the_one_that_adobe_and_spark_use(monkeypatch):
    connection = {"conn_type": "adls", "host": "acme", "password": base64.b64encode(b"key").decode()}
    monkeypatch.setenv("AIRFLOW_CONN_ACME", json.dumps(connection))
    with connect(AdlsDestination(conn_id="acme", container="exports", prefix="cja")) as store:
        assert store.url("cja/part") == "abfss://exports@acme.dfs.core.windows.net/cja/part"


def test_a_customer_s_key_goes_with_every_request_that_has_bytes_and_only_over_tls(rig, tls, source, monkeypatch):
    """Azurite refuses such a key: what was asked is all that can be seen."""
    key = base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMER", json.dumps({"conn_type": "generic", "password": key}))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.certificate))

    def answer(request):
        kept = {name: value for name, value in request.headers.items() if not name.startswith("x-ms-encryption")}
        return rig.front.answer(request._replace(headers=kept))

    secure = Front(answer=answer, failure=azure.failure, tls=tls.server())
    token = azurite.sas(rig.container, adls.PERMISSION)
    encrypted = {"customer_key_conn_id": "customer"}
    rig.at("tls", token, at=f"https://127.0.0.1:{secure.port}/{azurite.ACCOUNT}")
    with connect(rig.destination.model_copy(update={"conn_id": "tls", **encrypted})) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        store.write("m.json", b"{}", None)
        assert store.read("m.json").content == b"{}"
        assert store.open("part").read() == b"rows"
    keyed = [request for request in secure.asked if request.method != "DELETE" and "mode=legacy" not in request.target]
    assert {request.headers.get("x-ms-encryption-key") for request in keyed} == {key}
    with (
        connect(rig.destination.model_copy(update=encrypted)) as store,
        pytest.raises(DeliveryRefused, match="must be used over HTTPS"),
    ):
        store.put(source(b"rows"), "another", sha(b"rows"))


@pytest.fixture(scope="module")
def tenant(tls):
    return entra.tenant(tls)


@pytest.fixture(scope="module")
def oauth(tls, tmp_path_factory):
    """The address of an account that takes tokens, with a container `exports`, and its client."""
    options = ("--oauth", "basic", "--cert", str(tls.certificate), "--key", str(tls.key))
    trust = ssl.create_default_context(cafile=str(tls.certificate))
    credential = AzureNamedKeyCredential(azurite.ACCOUNT, azurite.KEY)
    with (
        azurite.run(tmp_path_factory.mktemp("oauth"), *options) as blobs,
        dfs.run(blobs, trust) as lake,
        ContainerClient(blobs, "exports", credential=credential, connection_verify=str(tls.certificate)) as client,
    ):
        client.create_container()
        secure = Front(answer=azure.forward(lake), failure=azure.failure, tls=tls.server())
        yield f"https://127.0.0.1:{secure.port}/{azurite.ACCOUNT}", client


@pytest.fixture
def principal(tls, tenant, oauth, monkeypatch):
    """The container, for a service principal with that secret.

    The hook takes its authority from the environment only, and asks Microsoft whether it knows it, except about a
    tenant that is called `adfs`.
    """

    def sign_in(secret: str) -> AdlsDestination:
        extra = {"tenant_id": "adfs", "account_url": oauth[0], **FEW}
        connection = {"conn_type": "adls", "host": azurite.ACCOUNT, "login": "client", "password": secret}
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"https://127.0.0.1:{tenant.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.certificate))
        monkeypatch.setenv("AIRFLOW_CONN_PRINCIPAL", json.dumps({**connection, "extra": extra}))
        tenant.reset()
        return AdlsDestination(conn_id="principal", container="exports", part_size=MIB)

    return sign_in


def test_a_service_principal_delivers_and_shares(principal, oauth, tls, source):
    content = os.urandom(2 * MIB)
    with connect(principal(entra.SECRET)) as store:
        store.put(source(content), "a/part", sha(content))
        version = store.write("a/m.json", b"{}", None)
        store.write("a/m.json", b"[]", version)
        link = store.share_link("a/part", timedelta(minutes=1))
    assert oauth[1].download_blob("a/part").readall() == content
    assert oauth[1].download_blob("a/m.json").readall() == b"[]"
    with urlopen(link, context=ssl.create_default_context(cafile=str(tls.certificate))) as answer:  # noqa: S310
        assert answer.read() == content


def test_a_secret_that_is_refused_is_shown_once_and_to_nobody_else(principal, tenant, source):
    with (
        connect(principal("the wrong secret")) as store,
        pytest.raises(DeliveryRefused, match=r"Invalid client secret.*check the credentials of .* 'principal'") as no,
    ):
        store.put(source(b"rows"), "wrong", sha(b"rows"))
    assert [request.method for request in tenant.asked].count("POST") == 1
    assert "the wrong secret" not in str(no.value)
