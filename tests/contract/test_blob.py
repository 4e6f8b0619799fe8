"""What Azure Blob Storage does besides what every destination promises."""

import base64
import hashlib
import json
import os
import re
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from urllib.request import urlopen

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

from include.exports import BlobDestination
from include.exports.destinations import Stored, connect
from include.exports.destinations.blob_store import BlobStore
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError
from include.local.stores import azurite
from tests.rigs import azure, certificate, entra
from tests.rigs.blob import FEW, BlobRig
from tests.rigs.http_faults import Front

MIB = 1 << 20


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return BlobRig(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certificate.make(tmp_path_factory.mktemp("tls"))


def asked(rig) -> list[str]:
    """What was asked of the service: method, and what of the address is no SAS."""
    return [
        f"{request.method} {'&'.join(re.findall(r'comp=[a-z]+', request.target))}".strip()
        for request in rig.front.asked
    ]


@pytest.mark.parametrize("size", [10, 3 * MIB], ids=["one request", "blocks"])
def test_a_blob_has_the_checksum_of_the_whole_and_says_what_it_is(rig, source, size):
    content = os.urandom(size)
    tagged = rig.by("rwdt", tags={"team": "web analytics"}, access_tier="Cool")
    with connect(tagged) as store:
        stored = store.put(source(content), "part", sha(content), {"export": "events", "generation": "2"})
        store.write("m.json", b"{}", None, {"export": "events"})
    part, manifest = (rig.admin.get_blob_client(name) for name in ("part", "m.json"))
    found = part.get_blob_properties()
    md5 = hashlib.md5(content, usedforsecurity=False)
    assert stored == Stored(size=size, checksum={"md5": md5.hexdigest()})
    assert found.content_settings.content_md5 == md5.digest()
    assert found.metadata == {"export": "events", "generation": "2", "sha256": sha(content)}
    assert (found.blob_tier, part.get_blob_tags()) == ("Cool", {"team": "web analytics"})
    assert (manifest.get_blob_properties().blob_tier, manifest.get_blob_tags()) == ("Hot", {})


def test_a_small_file_costs_one_request_and_the_same_again_two(rig, source):
    with connect(rig.destination) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        assert asked(rig) == ["PUT"]
        rig.front.asked.clear()
        store.put(source(b"rows"), "part", sha(b"rows"))
        assert asked(rig) == ["PUT", "HEAD"]


def test_a_large_file_that_is_there_is_not_sent_again(rig, source):
    content = os.urandom(3 * MIB)
    with connect(rig.destination) as store:
        store.put(source(content), "part", sha(content))
        assert sorted(asked(rig)) == ["HEAD", "HEAD", *["PUT comp=block"] * 3, "PUT comp=blocklist"]
        rig.front.asked.clear()
        store.put(source(content), "part", sha(content))
        assert asked(rig) == ["HEAD"]


class Careless(BlobStore):
    """A store whose files change after they were looked at and before they are sent."""

    def _put_blob(self, source, *arguments):
        source.write_bytes(source.read_bytes()[:-1] + b"?")
        super()._put_blob(source, *arguments)

    def _put_blocks(self, source, *arguments):
        source.write_bytes(source.read_bytes()[:-1] + b"?")
        super()._put_blocks(source, *arguments)


@pytest.mark.parametrize("size", [10, 3 * MIB], ids=["one request", "blocks"])
def test_a_file_that_changes_before_it_is_sent_is_refused_by_the_service(rig, source, size):
    content = bytes(size)
    with connect(rig.destination) as store:
        store.__class__ = Careless
        with pytest.raises(DeliveryInterrupted, match="Md5Mismatch"):
            store.put(source(content), "part", sha(content))
    assert rig.visible() == {}


@pytest.mark.parametrize("size", [10, 3 * MIB], ids=["one request", "blocks"])
def test_what_is_not_what_was_sent_is_not_taken_for_delivered(rig, source, monkeypatch, size):
    content, answer = os.urandom(size), rig.front.answer

    def misreport(request):
        found = answer(request)
        md5 = base64.b64encode(bytes(16)).decode()
        return found._replace(
            headers={name: md5 if name.lower() == "content-md5" else value for name, value in found.headers.items()}
        )

    monkeypatch.setattr(rig.front, "answer", misreport)
    with (
        connect(rig.destination) as store,
        pytest.raises(VerificationError, match=r"part was sent as .*, but the store"),
    ):
        store.put(source(content), "part", sha(content))


def test_a_sas_that_may_only_create_delivers_each_window_once(rig, run):
    destination = rig.by("c")
    run(destination, 20)
    before = rig.visible()
    assert sorted(name.rpartition("/")[2].partition("-")[0] for name in before) == [
        "_manifest.json",
        "_probe",
        "files.txt",
        "part",
    ], "and what tried out the destination, which may not be removed"
    with pytest.raises(DeliveryRefused, match=r"grant (this action|reading) to .* 'by_c'"):
        run(destination, 20)
    assert rig.visible() == before


def test_a_sas_that_may_only_create_sends_a_file_in_one_request_or_not_at_all(rig, source):
    content = os.urandom(MIB + 1)
    with (
        connect(rig.by("rc")) as store,
        pytest.raises(DeliveryRefused, match=r"AuthorizationPermissionMismatch.* grant this action to .* 'by_rc'"),
    ):
        store.put(source(content), "part", sha(content))
    with connect(rig.by("rc").model_copy(update={"part_size": 2 * MIB})) as store:
        store.put(source(content), "part", sha(content))
    assert rig.visible() == {"part": content}


def test_what_is_there_and_may_not_be_read_is_not_replaced(rig):
    rig.place("m.json", b"theirs")
    for permission in ("c", "w"):
        with connect(rig.by(permission)) as store:
            assert store.read("m.json") is None
            with pytest.raises(DeliveryRefused, match=r"m\.json: .*; grant (this action|reading) to"):
                store.write("m.json", b"ours", None)
    assert rig.visible() == {"m.json": b"theirs"}


def test_a_blob_that_is_replaced_while_it_is_read_is_not_read_on(rig):
    small = FEW | {"max_single_get_size": MIB, "max_chunk_get_size": MIB}
    rig.place("part", bytes(4 * MIB))
    with (
        connect(rig.at("small", azure.url(), azurite.sas(rig.container, "r"), small)) as store,
        store.open("part") as stream,
    ):
        assert stream.read(10) == bytes(10)
        rig.place("part", b"1" * 4 * MIB)
        with pytest.raises(DeliveryInterrupted, match="ConditionNotMet"):
            stream.read()


def sign_ins() -> dict[str, dict[str, object]]:
    here = {"login": azurite.ACCOUNT, "host": azure.url()}
    string = f"DefaultEndpointsProtocol=http;AccountName={azurite.ACCOUNT};BlobEndpoint={azure.url()};"
    sas = azurite.sas("sign-in", "rwd")
    return {
        "account key": {**here, "password": azurite.KEY},
        "account key in extra": {**here, "extra": {"shared_access_key": azurite.KEY}},
        "account key of the form": {**here, "extra": {"extra__wasb__shared_access_key": azurite.KEY}},
        "connection string": {"extra": {"connection_string": f"{string}AccountKey={azurite.KEY};"}},
        "connection string with a SAS": {"extra": {"connection_string": f"{string}SharedAccessSignature={sas}"}},
        "SAS": {**here, "extra": {"sas_token": f"?{sas}"}},
    }


@pytest.mark.parametrize("kind", sign_ins())
def test_every_kind_of_sign_in_delivers_and_knows_the_container(monkeypatch, source, kind):
    monkeypatch.setenv("AIRFLOW_CONN_KIND", json.dumps({"conn_type": "wasb", **sign_ins()[kind]}))
    with azure.admin().get_container_client("sign-in") as admin:
        azurite.make_container(azure.server(), "sign-in")
        with connect(BlobDestination(conn_id="kind", container="sign-in", part_size=MIB)) as store:
            store.put(source(bytes(2 * MIB)), "a/part", sha(bytes(2 * MIB)))
            assert store.url("a/part") == f"{azure.url()}/sign-in/a/part"
        assert list(admin.list_blob_names()) == ["a/part"]
        admin.delete_container()


def test_a_connection_without_a_credential_is_refused_and_not_replaced_by_the_worker_s_identity(monkeypatch):
    connection = {"conn_type": "wasb", "login": "acme", "host": "https://acme.blob.core.windows.net"}
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", json.dumps(connection))
    with pytest.raises(DeliveryRefused, match="connection 'empty' holds no credential; give it a connection string"):
        connect(BlobDestination(conn_id="empty", container="exports")).__enter__()


def test_a_key_that_is_no_key_is_refused_without_being_shown(rig, monkeypatch, source):
    connection = {"conn_type": "wasb", "login": azurite.ACCOUNT, "host": azure.url(), "password": "no base64!"}
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps(connection))
    with (
        connect(BlobDestination(conn_id="broken", container=rig.container)) as store,
        pytest.raises(DeliveryRefused, match="check the credentials of Airflow connection 'broken'") as refused,
    ):
        store.put(source(b"rows"), "part", sha(b"rows"))
    assert "no base64" not in str(refused.value)


def test_an_error_of_the_connection_shows_no_signature_of_the_sas(rig, tls, source):
    front = Front(answer=azure.forward(azure.server()), failure=azure.failure, tls=tls.server())
    token = azurite.sas(rig.container, "rwd")
    with (
        connect(rig.at("untrusted", f"https://127.0.0.1:{front.port}/{azurite.ACCOUNT}", token)) as store,
        pytest.raises(DeliveryInterrupted, match="CERTIFICATE_VERIFY_FAILED") as given_up,
    ):
        store.put(source(b"rows"), "part", sha(b"rows"))
    said = "".join(traceback.format_exception(given_up.value))
    signature = re.search("sig=([^&]+)", token)[1]
    assert [form for form in (signature, unquote(signature)) if form in said] == []


def test_encryption_is_asked_for_in_every_request_that_writes(rig, source):
    """Azurite knows no scopes: what was asked is all that can be seen."""
    with connect(rig.by("rwd", encryption_scope="exports")) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        store.put(source(bytes(2 * MIB)), "parts", sha(bytes(2 * MIB)))
        store.write("m.json", b"{}", None)
    scopes = {request.headers.get("x-ms-encryption-scope") for request in rig.front.asked if request.method == "PUT"}
    assert scopes == {"exports"}


def test_a_customer_s_key_goes_with_every_request_and_only_over_tls(rig, tls, source, monkeypatch):
    """Azurite refuses such a key: what was asked is all that can be seen."""
    key = base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMER", json.dumps({"conn_type": "generic", "password": key}))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.certificate))
    forward = azure.forward(azure.server())

    def answer(request):
        kept = {name: value for name, value in request.headers.items() if not name.startswith("x-ms-encryption")}
        return forward(request._replace(headers=kept))

    front = Front(answer=answer, failure=azure.failure, tls=tls.server())
    url = f"https://127.0.0.1:{front.port}/{azurite.ACCOUNT}"
    token = azurite.sas(rig.container, "rwd")
    with connect(rig.at("tls", url, token, customer_key_conn_id="customer")) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        store.put(source(bytes(2 * MIB)), "parts", sha(bytes(2 * MIB)))
        store.write("m.json", b"{}", None)
        assert store.read("m.json").content == b"{}"
        assert store.open("part").read() == b"rows"
    assert {request.headers.get("x-ms-encryption-key") for request in front.asked} == {key}
    with (
        connect(rig.by("rwd", customer_key_conn_id="customer")) as store,
        pytest.raises(DeliveryRefused, match="must be used over HTTPS"),
    ):
        store.put(source(b"rows"), "another", sha(b"rows"))


def test_a_customer_s_key_that_is_none_is_refused_without_being_shown(rig, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMER", json.dumps({"conn_type": "generic", "password": "c2hvcnQ="}))
    with pytest.raises(DeliveryRefused, match="of Airflow connection 'customer' is not 32 bytes in base64") as no:
        connect(rig.by("rwd", customer_key_conn_id="customer")).__enter__()
    assert "c2hvcnQ" not in str(no.value)


@pytest.fixture(scope="module")
def tenant(tls):
    return entra.tenant(tls)


@pytest.fixture(scope="module")
def oauth(tls, tmp_path_factory):
    """The address of an account that takes tokens, with a container `exports`, and its client."""
    options = ("--oauth", "basic", "--cert", str(tls.certificate), "--key", str(tls.key))
    with azurite.run(tmp_path_factory.mktemp("oauth"), *options) as url:
        credential = AzureNamedKeyCredential(azurite.ACCOUNT, azurite.KEY)
        with ContainerClient(url, "exports", credential=credential, connection_verify=str(tls.certificate)) as client:
            client.create_container()
            yield url, client


@pytest.fixture
def principal(tls, tenant, oauth, monkeypatch):
    """The container, for a service principal with that secret."""

    def sign_in(secret: str) -> BlobDestination:
        authority = {"authority": f"https://127.0.0.1:{tenant.port}", "disable_instance_discovery": True}
        connection = {
            "conn_type": "wasb",
            "host": oauth[0],
            "login": "client",
            "password": secret,
            "extra": {"tenant_id": "tenant", "client_secret_auth_config": authority, **FEW},
        }
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.certificate))
        monkeypatch.setenv("AIRFLOW_CONN_PRINCIPAL", json.dumps(connection))
        tenant.reset()
        return BlobDestination(conn_id="principal", container="exports", part_size=MIB)

    return sign_in


def test_a_service_principal_delivers_and_shares(principal, oauth, tls, source):
    import ssl

    content = os.urandom(2 * MIB)
    with connect(principal(entra.SECRET)) as store:
        store.put(source(content), "part", sha(content))
        link = store.share_link("part", timedelta(minutes=1))
    assert oauth[1].download_blob("part").readall() == content
    context = ssl.create_default_context(cafile=str(tls.certificate))
    with urlopen(link, context=context) as answer:  # noqa: S310  # what the store has signed
        assert answer.read() == content


def test_a_secret_that_is_refused_is_shown_once_and_to_nobody_else(principal, tenant, source):
    with (
        connect(principal("the wrong secret")) as store,
        pytest.raises(DeliveryRefused, match=r"Invalid client secret.*check the credentials of .* 'principal'") as no,
    ):
        store.put(source(b"rows"), "wrong", sha(b"rows"))
    assert [request.method for request in tenant.asked].count("POST") == 1
    assert "the wrong secret" not in str(no.value)


def test_a_sas_in_a_connection_says_when_it_ends(rig, monkeypatch):
    from include.exports.destinations.blob import credential_ends

    ends = datetime(2031, 5, 1, tzinfo=UTC)
    for form in ("sas_token", "connection_string"):
        for written in ("2031-05-01T00:00:00Z", "2031-05-01T00:00Z", "2031-05-01"):
            token = f"sp=r&se={written.replace(':', '%3A')}&sig=c2ln"
            value = token if form == "sas_token" else f"BlobEndpoint=http://x;SharedAccessSignature={token};"
            monkeypatch.setenv("AIRFLOW_CONN_ENDS", json.dumps({"conn_type": "wasb", "extra": {form: value}}))
            assert credential_ends(BlobDestination(conn_id="ends", container="exports")) == ends
    for other in ("si=policy&sig=c2ln", "se=tomorrow&sig=c2ln"):
        monkeypatch.setenv("AIRFLOW_CONN_ENDS", json.dumps({"conn_type": "wasb", "extra": {"sas_token": other}}))
        assert credential_ends(BlobDestination(conn_id="ends", container="exports")) is None
    assert credential_ends(rig.signing()) is None
