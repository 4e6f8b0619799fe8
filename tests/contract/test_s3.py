"""What S3 does besides what every destination promises."""

import base64
import hashlib
import io
import json
import os
import socket
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from include.exports import S3Destination
from include.exports.destinations import Stored, connect
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError
from include.local.stores.s3 import client, serve
from tests.rigs import s3

MIB = 1 << 20


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server that checks checksums."""
    with serve(tmp_path_factory.mktemp("ministack")) as started:
        yield started


@pytest.fixture
def bucket(strict, monkeypatch):
    """A bucket of it, as a destination, and boto3's own client to look at it."""
    destination = strict.destination.model_copy(update={"part_size": 5 * MIB})
    connection = strict.connections[destination.conn_id]
    monkeypatch.setenv(f"AIRFLOW_CONN_{destination.conn_id.upper()}", connection)
    login = json.loads(connection)
    credentials = {"aws_access_key_id": login["login"], "aws_secret_access_key": login["password"]}
    return destination, client("s3", login["extra"]["endpoint_url"], credentials)


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return s3.S3Rig(tmp_path, monkeypatch)


def test_the_checksum_of_many_parts_is_what_a_server_that_computes_it_says(bucket, source):
    destination, outside = bucket
    content = os.urandom(12 * MIB + 1)
    with connect(destination) as store:
        stored = store.put(source(content), "part", sha(content), {"export": "events"})
    head = outside.head_object(Bucket="exports", Key="part", ChecksumMode="ENABLED")
    parts = b"".join(hashlib.sha256(content[at : at + 5 * MIB]).digest() for at in range(0, len(content), 5 * MIB))
    assert head["ChecksumSHA256"] == f"{encoded(hashlib.sha256(parts).digest())}-3"
    assert stored == Stored(size=len(content), checksum={"sha256_composite": f"{sha(parts)}-3"})
    assert head["Metadata"] == {"export": "events", "sha256": sha(content)}


class Changing(io.BytesIO):
    """A file that changes after it was read once."""

    def seek(self, *where):
        self.getbuffer()[-1:] = b"?"
        return super().seek(*where)


class Careless(type(Path())):
    """A path whose files change."""

    def open(self, *_):
        return Changing(Path(self).read_bytes())


def test_a_file_that_changes_before_it_is_sent_is_refused_by_the_server(bucket, source):
    destination, _ = bucket
    with connect(destination) as store:
        with pytest.raises(DeliveryInterrupted, match="BadDigest"):
            store.put(Careless(source(b"rows")), "changed", sha(b"rows"))
        assert store.stat("changed") is None


def test_a_large_file_that_changes_while_it_is_sent_is_refused(bucket, source):
    destination, _ = bucket
    content = bytes(30 * MIB)
    path = source(content)
    with connect(destination) as store:
        with pytest.raises((DeliveryInterrupted, VerificationError), match=r"BadDigest|was announced"):
            store.put(path, "changed", sha(content), sent=lambda _: path.write_bytes(b"?" * len(content)))
        assert store.stat("changed") is None


def test_encryption_and_storage_class_are_asked_for(rig, source):
    destination = rig.destination.model_copy(update={"kms_key_id": "key", "storage_class": "GLACIER_IR"})
    content = bytes(rig.part_size + 1)
    with connect(destination) as store:
        store.put(source(b"rows"), "small", sha(b"rows"))
        store.put(source(content), "large", sha(content))
        store.write("m.json", b"{}", None)
    heads = {key: rig.head(key) for key in ("small", "large", "m.json")}
    found = {key: (head.get("StorageClass"), head["ServerSideEncryption"]) for key, head in heads.items()}
    assert found == {
        "small": ("GLACIER_IR", "aws:kms"),
        "large": ("GLACIER_IR", "aws:kms"),
        "m.json": (None, "aws:kms"),
    }


def test_what_is_there_and_may_not_be_read_is_not_replaced(rig):
    rig.place("m.json", b"theirs")
    with connect(rig.by("blind")) as store:
        assert store.read("m.json") is None
        with pytest.raises(DeliveryRefused, match="exists but may not be read; grant s3:GetObject on it"):
            store.write("m.json", b"ours", None)
    assert rig.visible() == {"m.json": b"theirs"}


def test_what_is_there_and_may_not_be_looked_at_is_not_taken_for_delivered(rig, source):
    with connect(rig.by("blind")) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        with pytest.raises(DeliveryRefused, match="exists but may not be read; grant s3:GetObject on it"):
            store.put(source(b"rows"), "part", sha(b"rows"))


def test_a_small_file_costs_one_request(rig, source):
    with connect(rig.destination) as store:
        before = rig.requests()
        store.put(source(b"rows"), "part", sha(b"rows"))
        assert rig.requests() - before == 1


def test_a_connection_that_does_not_exist_is_refused_and_not_replaced_by_the_worker_s_identity(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the worker's")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    destination = S3Destination(conn_id="no_such_connection", bucket="exports")
    with (
        pytest.raises(DeliveryRefused, match="Airflow connection 'no_such_connection' does not exist"),
        connect(destination),
    ):
        pass


def test_a_server_that_answers_no_more_is_given_up(monkeypatch, source):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        connection = json.loads(s3.airflow(url, {"aws_access_key_id": "any", "aws_secret_access_key": "any"}))
        connection["extra"]["config_kwargs"] |= {"read_timeout": 0.5}
        monkeypatch.setenv("AIRFLOW_CONN_SILENT", json.dumps(connection))
        with (
            connect(S3Destination(conn_id="silent", bucket="exports")) as store,
            pytest.raises(DeliveryInterrupted, match="Read timeout"),
        ):
            store.put(source(b"rows"), "part", sha(b"rows"))


@pytest.mark.parametrize(("old", "new"), [("X-Amz-Expires=60", "X-Amz-Expires=600"), ("/part?", "/other?")])
def test_a_share_link_that_was_altered_is_refused(rig, source, old, new):
    rig.place("other", b"rows")
    with connect(rig.destination) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        link = store.share_link("part", timedelta(minutes=1))
    assert old in link
    with pytest.raises(HTTPError, match="403"):
        urlopen(link.replace(old, new))  # noqa: S310  # the address of the test's own server


def test_a_role_is_assumed_and_has_its_own_rights(rig, source):
    with connect(rig.by("role")) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
    assert rig.visible() == {"part": b"rows"}
    with connect(rig.by("guest")) as store, pytest.raises(DeliveryRefused, match=r"AccessDenied.*grant this action to"):
        store.put(source(b"rows"), "guests", sha(b"rows"))


def test_a_role_that_may_not_be_assumed_is_refused_when_the_store_is_opened(rig, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_ROLE"])
    reader = json.loads(os.environ["AIRFLOW_CONN_READER"])
    monkeypatch.setenv("AIRFLOW_CONN_ROLE", json.dumps(connection | {k: reader[k] for k in ("login", "password")}))
    with pytest.raises(DeliveryRefused, match=r"AssumeRole.*Airflow connection 'role'"), connect(rig.by("role")):
        pass


def test_a_key_that_is_none_is_refused_by_its_name_also_when_it_is_to_assume_a_role(rig, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_ROLE"]) | {"login": "AKIAIOSFODNN7EXAMPLE"}
    monkeypatch.setenv("AIRFLOW_CONN_ROLE", json.dumps(connection))
    match = "InvalidClientTokenId.*check the credentials of Airflow connection 'role'"
    with pytest.raises(DeliveryRefused, match=match), connect(rig.by("role")):
        pass


def test_a_session_token_is_used_and_refused_at_once_when_it_has_expired(rig, monkeypatch, source):
    key, url = rig.session()
    connection = json.loads(s3.airflow(url, key))
    connection["extra"]["aws_session_token"] = key["aws_session_token"]
    monkeypatch.setenv("AIRFLOW_CONN_SESSION", json.dumps(connection))
    with connect(rig.by("session")) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
        rig.failing("400", times=1_000)
        before = rig.requests()
        with pytest.raises(DeliveryRefused, match=r"ExpiredToken.*check the credentials of .* 'session'"):
            store.put(source(b"rows"), "later", sha(b"rows"))
        assert rig.requests() - before == 1
    assert rig.visible() == {"part": b"rows"}


def test_without_a_connection_the_worker_s_own_identity_is_used(rig, monkeypatch, source):
    connection = json.loads(os.environ["AIRFLOW_CONN_WRITER"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", connection["login"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", connection["password"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", connection["extra"]["endpoint_url"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    destination = rig.destination.model_copy(update={"conn_id": None})
    with connect(destination) as store:
        store.put(source(b"rows"), "part", sha(b"rows"))
    assert rig.visible() == {"part": b"rows"}
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with (
        connect(destination) as store,
        pytest.raises(DeliveryRefused, match="check the credentials of the worker's own AWS identity"),
    ):
        store.put(source(b"rows"), "part", sha(b"rows"))


def test_what_an_object_is_stands_in_its_metadata(rig, run):
    run(rig.destination, rows=100)
    run(rig.destination, rows=130)
    delivered = rig.visible()
    metadata = {path: rig.head(path)["Metadata"] for path in delivered}
    window = "20191125T000000_20191126T000000"
    assert metadata == {
        path: {"export": "events", "window": window, "generation": "2", "sha256": sha(content)}
        for path, content in delivered.items()
    }


def test_tags_are_on_everything_that_is_written(rig, source):
    tags = {"team": "growth + sales", "cost/center": "42+1"}
    content = os.urandom(rig.part_size + 1)
    with connect(rig.by("tagger").model_copy(update={"tags": tags})) as store:
        store.put(source(b"rows"), "small", sha(b"rows"))
        store.put(source(content), "large", sha(content))
        store.write("m.json", b"{}", None)
    assert [rig.tags(path) for path in ("small", "large", "m.json")] == [tags] * 3


def test_who_may_not_tag_is_told_so(rig, source):
    destination = rig.destination.model_copy(update={"tags": {"team": "growth"}})
    with connect(destination) as store, pytest.raises(DeliveryRefused, match="s3:PutObjectTagging; grant this action"):
        store.put(source(b"rows"), "part", sha(b"rows"))


@pytest.mark.parametrize("size", [4, 5 * MIB + 1], ids=["small", "large"])
def test_what_is_not_what_was_sent_is_not_taken_for_delivered(rig, source, monkeypatch, size):
    front, content = s3.moto().front, os.urandom(size)
    answer = front.answer

    def misreport(request):
        found = answer(request)
        if "x-amz-checksum-sha256" in found.headers:
            found.headers["x-amz-checksum-sha256"] = encoded(b"other bytes")
        return found

    monkeypatch.setattr(front, "answer", misreport)
    with (
        connect(rig.destination) as store,
        pytest.raises(VerificationError, match=r"part was sent as .*, but the store"),
    ):
        store.put(source(content), "part", sha(content))


@pytest.mark.parametrize("size", [4, 5 * MIB + 1], ids=["small", "large"])
def test_only_who_has_the_customer_s_key_reads_what_it_encrypts(bucket, monkeypatch, source, size):
    destination, outside = bucket
    key, content = os.urandom(32), os.urandom(size)
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMER_KEY", json.dumps({"conn_type": "generic", "password": encoded(key)}))
    path, document = f"{size}/part", f"{size}/m.json"
    with connect(destination.model_copy(update={"customer_key_conn_id": "customer_key"})) as store:
        assert store.put(source(content), path, sha(content)) == store.stat(path)
        assert store.put(source(content), path, sha(content)) == store.stat(path)
        version = store.write(document, b"{}", None)
        store.write(document, b"[]", version)
        assert store.read(document).content == b"[]"
        with store.open(path) as stream:
            assert stream.read() == content
        with pytest.raises(DeliveryRefused, match="is encrypted with a customer key, which no address can carry"):
            store.share_link(path, timedelta(minutes=1))
    with pytest.raises(ClientError, match="InvalidRequest"):
        outside.get_object(Bucket="exports", Key=path)
    given = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    assert outside.get_object(Bucket="exports", Key=path, **given)["Body"].read() == content


@pytest.mark.parametrize("password", ["", "secret", "c2hvcnQ="])
def test_a_customer_key_that_is_none_is_refused_and_not_shown(rig, monkeypatch, password):
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMER_KEY", json.dumps({"conn_type": "generic", "password": password}))
    destination = rig.destination.model_copy(update={"customer_key_conn_id": "customer_key"})
    with pytest.raises(DeliveryRefused) as refused, connect(destination):
        pass
    assert str(refused.value) == (
        "the password of Airflow connection 'customer_key' is not 32 bytes in base64; `openssl rand -base64 32` makes"
        " such a key"
    )


def test_a_link_for_longer_than_s3_signs_is_refused(rig):
    with connect(rig.destination) as store, pytest.raises(DeliveryRefused, match="for 7 days at most"):
        store.share_link("part", timedelta(days=7, seconds=1))
