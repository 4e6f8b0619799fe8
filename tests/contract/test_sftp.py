"""What SFTP does besides what every destination promises."""

import base64
import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import asyncssh
import pytest

from include.exports import SftpDestination
from include.exports.destinations import Stored, connect
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError
from include.local.stores import serve
from tests.rigs import sftp

LOGIN = {"login": "writer", "password": sftp.PASSWORDS["writer"]}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def host_key(key):
    return key.export_public_key().decode().strip()


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return sftp.SftpRig(tmp_path, monkeypatch)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"rows")
    return path


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"host_key": None}, "has no host_key"),
        ({"no_host_key_check": True}, "has no_host_key_check"),
        ({"no_host_key_check": "true", "host_key": None}, "has no_host_key_check"),
        ({"ignore_hostkey_verification": True, "host_key": None}, "has ignore_hostkey_verification"),
        ({"allow_host_key_change": True}, "has allow_host_key_change"),
    ],
)
def test_a_connection_that_would_take_any_server_is_refused_with_the_remedy(rig, extra, problem):
    rig.connect_as("open", **LOGIN, **extra)
    _, port = rig.address()
    with (
        pytest.raises(DeliveryRefused, match=rf"'open' {problem}.* `ssh-keyscan -p {port} 127.0.0.1` .* `host_key`"),
        connect(rig.by("open")),
    ):
        pass
    assert rig.connections() == 0


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_server_with_another_host_key_gets_no_password_and_is_not_asked_again(rig, algorithm):
    rig.connect_as("other", **LOGIN, host_key=host_key(asyncssh.generate_private_key(algorithm)))
    with (
        pytest.raises(DeliveryRefused, match="the server's key is not the one of Airflow connection 'other'"),
        connect(rig.by("other")),
    ):
        pass
    assert (rig.connections(), rig.requests()) == (1, 0)


def test_a_key_that_the_worker_knows_does_not_stand_for_the_declared_one(rig, tmp_path, monkeypatch):
    address, port = rig.address()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(f"[{address}]:{port} {rig.server.address.host_key}\n")
    rig.connect_as("other", **LOGIN, host_key=host_key(asyncssh.generate_private_key("ssh-ed25519")))
    with (
        pytest.raises(DeliveryRefused, match="the server's key is not the `host_key` of Airflow connection 'other'"),
        connect(rig.by("other")),
    ):
        pass


@pytest.mark.parametrize("value", ["127.0.0.1 ssh-ed25519 AAAA", "ssh-ed25519", "nonsense"])
def test_a_host_key_that_is_none_is_refused(rig, value):
    rig.connect_as("wrong", **LOGIN, host_key=value)
    with pytest.raises(DeliveryRefused, match=r"'wrong': .*; correct its host_key"), connect(rig.by("wrong")):
        pass


def test_a_wrong_password_is_sent_once(rig):
    with (
        pytest.raises(DeliveryRefused, match="check the credentials of Airflow connection 'wrong'"),
        connect(rig.without_login()),
    ):
        pass
    assert (rig.connections(), rig.requests()) == (1, 1)


@pytest.mark.parametrize(
    ("algorithm", "form", "passphrase"),
    [
        ("ssh-ed25519", "openssh", None),
        ("ssh-ed25519", "openssh", "a passphrase"),
        ("ecdsa-sha2-nistp256", "pkcs1-pem", None),
        ("ssh-rsa", "openssh", "a passphrase"),
        ("ssh-rsa", "pkcs1-pem", None),
    ],
)
def test_private_keys_sign_in_from_the_connection_and_from_a_file(rig, tmp_path, algorithm, form, passphrase):
    key = asyncssh.generate_private_key(algorithm)
    rig.server.keys.append(key.convert_to_public())
    text = key.export_private_key(form, passphrase, rounds=50).decode()
    (tmp_path / "key").write_text(text)
    secret = {"private_key_passphrase": passphrase} if passphrase else {}
    rig.connect_as("inline", login="writer", private_key=text, **secret)
    rig.connect_as("file", login="writer", key_file=str(tmp_path / "key"), **secret)
    for conn_id in ("inline", "file"):
        with connect(rig.by(conn_id)) as store:
            assert store.read("nothing") is None


def test_the_key_of_adobes_form_signs_in_when_it_is_decoded(rig):
    key = asyncssh.generate_private_key("ssh-rsa")
    rig.server.keys.append(key.convert_to_public())
    field = base64.b64encode(key.export_private_key("pkcs1-pem")).decode()
    rig.connect_as("adobe", login="writer", private_key=base64.b64decode(field).decode())
    with connect(rig.by("adobe")) as store:
        assert store.read("nothing") is None


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"}, "cannot be read"),
        ({"key_file": "/no/such/key"}, "No such file"),
        ({}, "needs a login, and a password or the extra `private_key` or `key_file`"),
    ],
)
def test_a_key_that_cannot_be_read_is_refused_before_anyone_is_asked(rig, extra, problem):
    rig.connect_as("broken", login="writer", **extra)
    with pytest.raises(DeliveryRefused, match=rf"'broken'.*{problem}"), connect(rig.by("broken")):
        pass
    assert rig.connections() == 0


def test_sizes_are_compared_without_reading_back(rig, source):
    destination = rig.destination.model_copy(update={"verify": "size"})
    rig.place("there", b"rowz")
    rig.place("short", b"row")
    with connect(destination) as store:
        for path in ("part", "there", "short"):
            assert store.put(source, path, sha(b"rows")) == Stored(size=4, checksum={}) == store.stat(path)
        source.write_bytes(b"rowz")
        with pytest.raises(VerificationError, match="was announced"):
            store.put(source, "other", sha(b"rows"))
    assert rig.visible() == {"part": b"rows", "there": b"rowz", "short": b"rows"}
    assert rig.leftovers() == []


@pytest.mark.parametrize(("verify", "damaged"), [("size", b"row"), ("sha256", b"rowz")])
def test_what_is_not_what_was_sent_is_not_delivered(rig, source, monkeypatch, verify, damaged):
    write = sftp.Folder.write
    monkeypatch.setattr(
        sftp.Folder, "write", lambda self, file, at, data: write(self, file, at, damaged if data else data)
    )
    destination = rig.destination.model_copy(update={"verify": verify})
    with (
        connect(destination) as store,
        pytest.raises(VerificationError, match=r"was sent as .*; nothing was del"),
    ):
        store.put(source, "part", sha(b"rows"))
    assert (rig.visible(), rig.leftovers()) == ({}, [])


def test_what_a_killed_writer_left_is_written_over_also_when_it_is_longer(rig, source):
    rig.place(".part.partial", b"rows that are longer")
    with connect(rig.destination) as store:
        store.put(source, "part", sha(b"rows"))
    assert (rig.visible(), rig.leftovers()) == ({"part": b"rows"}, [])


def test_a_document_whose_writer_was_killed_is_taken_over(rig):
    rig.connect_as("quick", **LOGIN, cmd_timeout=0.5)
    rig.interrupt("m.json")
    started = time.monotonic()
    with connect(rig.by("quick")) as store:
        store.write("m.json", b"{}", None)
    assert 1.5 <= time.monotonic() - started < 45
    assert (rig.visible(), rig.leftovers()) == ({"m.json": b"{}"}, [])


def test_a_document_whose_writer_is_alive_is_waited_for(rig):
    rig.connect_as("quick", **LOGIN, cmd_timeout=0.5)
    rig.interrupt("m.json")
    partial = rig.root / "exports" / ".m.json.partial"
    done = threading.Event()

    def go_on():
        for _ in range(8):
            time.sleep(0.5)
            with partial.open("ab") as file:
                file.write(b"more")
        partial.rename(partial.with_name("m.json"))
        done.set()

    with ThreadPoolExecutor(1) as pool, connect(rig.by("quick")) as store:
        pool.submit(go_on)
        with pytest.raises(DeliveryInterrupted, match="written by another run meanwhile"):
            store.write("m.json", b"{}", None)
        assert done.is_set()
    assert rig.visible() == {"m.json": b"half of it" + b"more" * 8}


def test_one_session_is_enough_for_many_threads(rig, source):
    rig.server.sessions = 1
    with connect(rig.destination) as store, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: store.put(source, f"part-{number}", sha(b"rows")), range(20)))
    assert (len(rig.visible()), rig.connections()) == (20, 1)


@pytest.mark.large
def test_ten_thousand_small_files_go_through_one_connection(rig, source):
    destination = rig.destination.model_copy(update={"verify": "size"})
    with connect(destination) as store, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: store.put(source, f"part-{number}", sha(b"rows")), range(10_000)))
    assert rig.connections() == 1
    assert len(list((rig.root / "exports").iterdir())) == 10_000


@pytest.mark.parametrize("path", ["exports", ".", "/exports/Data In/Ünterlagen"])
def test_a_folder_may_be_relative_to_the_home_and_its_address_is_absolute(rig, source, path):
    (rig.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    _, port = rig.address()
    address = {"exports": "exports/", ".": "", "/exports/Data In/Ünterlagen": "exports/Data%20In/%C3%9Cnterlagen/"}[
        path
    ]
    with connect(SftpDestination(conn_id="writer", path=path)) as store:
        store.put(source, "part", sha(b"rows"))
        assert store.url("part") == f"sftp://127.0.0.1:{port}/{address}part"
    assert (rig.root / path.lstrip("/") / "part").read_bytes() == b"rows"


def test_the_server_that_the_demo_starts_lets_write_and_not_list(tmp_path, monkeypatch, source):
    with serve("sftp", tmp_path) as started:
        for conn_id, document in started.connections.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", document)
        with connect(started.destination) as store:
            store.put(source, "a/part", sha(b"rows"))
            with store._session.sftp() as session, pytest.raises(PermissionError):  # noqa: SLF001  # asks what no store does
                session.listdir("/exports")
    assert (tmp_path / "exports" / "a" / "part").read_bytes() == b"rows"
