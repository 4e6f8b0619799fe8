"""What Google Cloud Storage does besides what every destination promises."""

import base64
import hashlib
import json
import os
import re
import socket
import traceback
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import urlopen

import google_crc32c
import pytest

from include.exports import GcsDestination
from include.exports.destinations import Stored, connect
from include.exports.destinations.gcs_store import GcsStore
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError
from include.local.stores.gcs import connection, serve
from tests.rigs import gcs

KMS_KEY = "projects/p/locations/eu/keyRings/r/cryptoKeys/k"
SIZES = pytest.mark.parametrize("size", [4, (8 << 20) + 1], ids=["one request", "resumable"])


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return gcs.GcsRig(tmp_path, monkeypatch)


@pytest.fixture
def customer_key(monkeypatch):
    """An Airflow connection with a key of the customer's, by its id."""

    def make(password):
        monkeypatch.setenv("AIRFLOW_CONN_KEY", json.dumps({"conn_type": "generic", "password": password}))
        return "key"

    return make


@SIZES
def test_a_file_is_kept_with_its_checksum_class_key_and_what_it_is(rig, source, size):
    content = os.urandom(size)
    destination = rig.by("writer", storage_class="NEARLINE", kms_key_name=KMS_KEY)
    with connect(destination) as store:
        stored = store.put(source(content), "part", sha(content), {"export": "events"})
    crc32c = google_crc32c.value(content).to_bytes(4)
    assert stored == Stored(size=size, checksum={"crc32c": crc32c.hex()})
    head = rig.head("part")
    assert head["crc32c"] == base64.b64encode(crc32c).decode()
    assert head["metadata"] == {"export": "events", "sha256": sha(content)}
    assert (head["storageClass"], head["kmsKeyName"]) == ("NEARLINE", f"{KMS_KEY}/cryptoKeyVersions/1")


def test_the_manifest_is_of_the_standard_class(rig):
    with connect(rig.by("writer", storage_class="ARCHIVE")) as store:
        store.write("m.json", b"{}", None, {"export": "events"})
    head = rig.head("m.json")
    assert (head["storageClass"], head["metadata"]) == ("STANDARD", {"export": "events"})


def test_a_small_file_that_is_new_takes_one_request(rig, source):
    path = source(b"rows")
    with connect(rig.destination) as store:
        store.put(path, "first", sha(b"rows"))  # signs in too
        before = rig.requests()
        store.put(path, "second", sha(b"rows"))
    assert rig.requests() - before == 1


class Careless(GcsStore):
    """A store whose files change after they were looked at and before they are sent."""

    def _send(self, source, *arguments):
        source.write_bytes(source.read_bytes()[:-1] + b"?")
        return super()._send(source, *arguments)


@SIZES
def test_a_file_that_changes_before_it_is_sent_is_refused_by_the_server(rig, source, size):
    content = bytes(size)
    with connect(rig.destination) as store:
        store.__class__ = Careless
        with pytest.raises(DeliveryInterrupted, match=r"doesn't match calculated CRC32C .*; the run is tried again"):
            store.put(source(content), "part", sha(content))
    assert rig.visible() == {}


@SIZES
def test_what_is_not_what_was_sent_is_not_taken_for_delivered(rig, source, monkeypatch, size):
    content, answer = os.urandom(size), gcs.front().answer

    def misreport(request):
        found = answer(request)
        return found._replace(body=re.sub(rb'"crc32c": "[^"]+"', b'"crc32c": "AAAAAA=="', found.body))

    monkeypatch.setattr(gcs.front(), "answer", misreport)
    with (
        connect(rig.destination) as store,
        pytest.raises(VerificationError, match=r"part was sent as .*, but the store"),
    ):
        store.put(source(content), "part", sha(content))


class Shrinking(GcsStore):
    """A store whose files lose their end after they were looked at and before they are sent."""

    def _send(self, source, *arguments):
        os.truncate(source, source.stat().st_size // 2)
        return super()._send(source, *arguments)


@pytest.mark.parametrize("size", [4, 3 * (8 << 20)], ids=["one request", "resumable"])
def test_a_file_that_becomes_shorter_before_it_is_sent_is_not_delivered(rig, source, size):
    content = bytes(size)
    with connect(rig.destination) as store:
        store.__class__ = Shrinking
        with pytest.raises(VerificationError, match=r"became shorter while it was sent: .*; nothing was delivered"):
            store.put(source(content), "part", sha(content))
    assert rig.visible() == {}


@SIZES
def test_what_a_customer_s_key_encrypts_is_read_with_it_and_by_nobody_else(rig, source, customer_key, size):
    content = os.urandom(size)
    conn_id = customer_key(base64.b64encode(os.urandom(32)).decode())
    with connect(rig.by("writer", customer_key_conn_id=conn_id)) as store:
        stored = store.put(source(content), "part", sha(content))
        assert store.put(source(content), "part", sha(content)) == stored
        version = store.write("m.json", b"{}", None)
        assert store.read("m.json").version == version
        with store.open("part") as stream:
            assert stream.read() == content
        with pytest.raises(DeliveryRefused, match="encrypted by a key that a link does not carry"):
            store.share_link("part", timedelta(minutes=1))
    with connect(rig.destination) as store, pytest.raises(DeliveryRefused, match="customer-supplied encryption key"):
        store.read("m.json")


@pytest.mark.parametrize("password", ["", "not base64!", base64.b64encode(bytes(16)).decode()])
def test_a_customer_s_key_that_is_none_is_refused(rig, customer_key, password):
    destination = rig.by("writer", customer_key_conn_id=customer_key(password))
    rule = "the password of Airflow connection 'key' is not 32 bytes in base64"
    with pytest.raises(DeliveryRefused, match=rule), connect(destination):
        pass


def test_who_may_not_delete_can_deliver_a_window_once(rig, source):
    with connect(rig.by("once")) as store:
        stored = store.put(source(b"rows"), "part", sha(b"rows"))
        assert store.put(source(b"rows"), "part", sha(b"rows")) == stored
        version = store.write("m.json", b"one", None)
        with pytest.raises(DeliveryRefused, match=r"grant storage.objects.delete to Airflow connection 'once'"):
            store.write("m.json", b"two", version)
        with pytest.raises(DeliveryRefused, match=r"grant storage.objects.delete to Airflow connection 'once'"):
            store.put(source(b"other"), "part", sha(b"other"))
    assert rig.visible() == {"part": b"rows", "m.json": b"one"}


def test_what_is_there_and_may_not_be_read_is_not_replaced(rig):
    rig.place("m.json", b"theirs")
    with connect(rig.by("blind")) as store:
        assert store.read("m.json") is None
        with pytest.raises(DeliveryRefused, match=r"exists but may not be read; grant storage.objects.get on it"):
            store.write("m.json", b"ours", None)
    assert rig.visible() == {"m.json": b"theirs"}


@pytest.mark.parametrize(("old", "new"), [("X-Goog-Expires=60", "X-Goog-Expires=600"), ("/part?", "/other?")])
def test_a_share_link_that_was_altered_is_refused(rig, source, old, new):
    rig.place("other", b"rows")
    with connect(rig.destination) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        link = store.share_link("part", timedelta(minutes=1))
    assert old in link
    with pytest.raises(HTTPError, match="403"):
        urlopen(link.replace(old, new))  # noqa: S310  # the address of the test's own server


def test_a_share_link_for_more_than_a_week_is_refused(rig):
    with connect(rig.destination) as store, pytest.raises(DeliveryRefused, match="ask for a link of at most 7 days"):
        store.share_link("part", timedelta(days=8))


def test_the_server_of_the_demo_takes_anybody_s_files_and_signs_no_links(tmp_path, monkeypatch, source):
    with serve(tmp_path) as started:
        monkeypatch.setenv("AIRFLOW_CONN_LOCAL_GCS", started.connections["local_gcs"])
        with connect(started.destination) as store:
            store.put(source(b"rows"), "part", sha(b"rows"))
            with store.open("part") as stream:
                assert stream.read() == b"rows"
            with pytest.raises(DeliveryRefused, match="cannot sign addresses; sign in by a service account's key"):
                store.share_link("part", timedelta(minutes=1))


def test_a_connection_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "the worker's own"))
    with (
        pytest.raises(DeliveryRefused, match="Airflow connection 'no_such_connection' does not exist"),
        connect(GcsDestination(conn_id="no_such_connection", bucket="exports")),
    ):
        pass


@pytest.mark.parametrize(
    "extra", [{"key_path": "/no/such/file.json"}, {"keyfile_dict": "{"}, {"keyfile_dict": {"type": "service_account"}}]
)
def test_a_key_that_is_none_is_refused_and_not_shown(monkeypatch, extra):
    monkeypatch.setenv("AIRFLOW_CONN_HALF", connection("http://127.0.0.1:9", **extra))
    with (
        pytest.raises(DeliveryRefused, match="check the credentials of Airflow connection 'half'"),
        connect(GcsDestination(conn_id="half", bucket="exports")),
    ):
        pass


def test_the_worker_s_own_identity_is_used_without_a_connection(rig, source, tmp_path, monkeypatch):
    account = gcs.emulator().key.account("writer")
    (tmp_path / "own.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "own.json"))
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", f"http://127.0.0.1:{gcs.front().port}")
    with connect(rig.destination.model_copy(update={"conn_id": None})) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
    assert rig.visible() == {"part": b"rows"}


def test_a_worker_without_an_identity_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with (
        pytest.raises(DeliveryRefused, match="check the credentials of the worker's own Google identity"),
        connect(GcsDestination(bucket="exports")),
    ):
        pass


def test_no_message_and_no_traceback_shows_the_address_of_an_upload(rig, source):
    """Who has it can write the object."""
    content = bytes(2 * rig.part_size)
    with connect(rig.destination) as store:
        store.__class__ = Careless
        with pytest.raises(DeliveryInterrupted) as caught:
            store.put(source(content), "part", sha(content))
    shown = "".join(traceback.format_exception(caught.value))
    assert re.findall(r"upload_id=(\S+)", shown) == ["***"]


def test_a_server_that_answers_no_more_is_given_up(rig, source):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        connect(rig.through(silent.getsockname()[1])) as store,
        pytest.raises(DeliveryInterrupted, match="Read timed out"),
    ):
        store.put(source(b"rows"), "part", sha(b"rows"))
