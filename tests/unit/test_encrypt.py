"""Encrypted files: who can read them, which keys are refused, and what a second run does to them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include.exports import CsvFiles, JsonFiles, LocalDestination, ManifestFile, ParquetFiles, PgpEncryption, Views
from include.exports.errors import DefinitionError, NotEligible
from include.exports.maintain import maintain
from include.exports.verify import verify
from tests.rigs.openpgp import ENCRYPTS, LONG_AGO, READERS, generate
from tests.rigs.runs import rows_of

PASSPHRASE = "a passphrase of the tests"  # noqa: S105  # no secret


@pytest.fixture(scope="module")
def alice():
    return generate("alice")


@pytest.fixture(scope="module")
def bob():
    return generate("bob")


@pytest.fixture(scope="module")
def sender():
    return generate("sender", passphrase=PASSPHRASE, subkeys=[{"begun": LONG_AGO, "sign": True}])


@pytest.fixture
def signing(monkeypatch, sender):
    """Makes the Airflow connection `signing`, of the sender's key unless it is told otherwise."""

    def connect(key: str = sender.secret, password: str = PASSPHRASE) -> str:
        connection = {"conn_type": "generic", "password": password, "extra": {"private_key": key}}
        monkeypatch.setenv("AIRFLOW_CONN_SIGNING", json.dumps(connection))
        return "signing"

    return connect


@pytest.fixture
def signed(alice, signing) -> PgpEncryption:
    return PgpEncryption(recipients=(alice.public,), signing_conn_id=signing())


def encrypted(rig) -> list[bytes]:
    return [content for path, content in rig.delivered().items() if path.endswith(".gpg")]


def identity(rig) -> dict[Path, tuple[int, int]]:
    files = [path for path in (rig.root / "delivered").rglob("*") if path.is_file()]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize("files", [CsvFiles(), JsonFiles(), ParquetFiles()], ids=lambda files: files.type)
def test_a_recipient_reads_what_is_delivered_without_encryption(rig, alice, sender, signed, files, reader):  # noqa: PLR0917
    rig.lake(1000)
    rig.declare(files=files)
    rig.run()
    (plain,) = rig.parts()
    shutil.rmtree(rig.root / "delivered")
    rig.declare(encryption=signed)
    rig.run()
    (content,) = rig.parts()
    assert reader(content, alice, sender) == plain
    name = f"part-00000-{hashlib.sha256(content).hexdigest()[:32]}{files.extension}.gpg"
    manifest = rig.manifest()
    (entry,) = manifest["entries"]
    meta = {name: entry["meta"][name] for name in ("content_length", "record_count", "sha256")}
    assert (manifest["exportResults"][0]["name"], meta) == (
        name,
        {"content_length": len(content), "record_count": 1000, "sha256": hashlib.sha256(content).hexdigest()},
    )
    assert manifest["export"]["encryption"] == {"recipients": [alice.fingerprint], "signed_by": sender.fingerprint}
    for path in (rig.root / "staging").rglob("*"):
        assert not path.is_file() or not {PASSPHRASE.encode(), sender.secret.encode()} & {path.read_bytes()}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_each_of_several_recipients_reads_every_file_alone_and_nobody_else_does(rig, alice, bob, sender, reader):
    rig.lake(1000)
    base64 = b64encode(bob.public.encode()).decode()  # as Adobe takes it
    rig.declare(
        files=JsonFiles(max_rows=600),
        encryption=PgpEncryption(recipients=(textwrap.indent(alice.public, "    "), base64), extension="pgp"),
    )
    rig.run()
    parts = [content for path, content in rig.delivered().items() if path.endswith(".json.gz.pgp")]
    for key in (alice, bob):
        assert [row["id"] for part in parts for row in rows_of(reader(part, key, None))] == list(range(1000))
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        reader(parts[0], sender, None)
    assert rig.manifest()["export"]["encryption"] == {
        "recipients": sorted([alice.fingerprint, bob.fingerprint]),
        "signed_by": None,
    }


def test_the_same_records_are_left_as_they_are_and_other_recipients_get_another_generation(rig, alice, bob):
    views = Views(files="files.txt", sha256sums="SHA256SUMS")
    rig.declare(
        files=JsonFiles(max_rows=300),
        encryption=PgpEncryption(recipients=(alice.public,)),
        manifest=ManifestFile(views=views),
    )
    rig.lake(1000)
    first, before = rig.run(), identity(rig)
    assert rig.run() == first | {"changed": False}
    assert rig.run(resend=True) == first | {"changed": False}
    maintain(f"file://{rig.root}/staging", None, datetime.now(UTC), {})
    assert rig.run() == first | {"changed": False}, "also when nothing is staged any more"
    assert identity(rig) == before

    rig.declare(encryption=PgpEncryption(recipients=(alice.public, bob.public)))
    assert (rig.run()["generation"], len(encrypted(rig))) == (2, 4)
    assert not set(before) & {path for path in identity(rig) if ".gpg" in path.name}


def test_only_the_files_whose_records_have_changed_are_sent_again(rig, alice):
    rig.declare(
        source=rig.export.source.model_copy(update={"shard_bytes": 1}),
        encryption=PgpEncryption(recipients=(alice.public,)),
    )
    rig.lake(1000)
    rig.run()
    before = identity(rig)
    pq.write_table(pq.read_table(rig.root / "lake/b.parquet").slice(0, 10), rig.root / "lake/b.parquet")
    assert rig.run()["generation"] == 2
    kept = [path.name for path, same in identity(rig).items() if before.get(path) == same]
    assert [name[:16] for name in kept] == ["part-00000-00000"]


def test_a_damaged_file_is_replaced_by_a_new_generation(rig, alice):
    rig.declare(encryption=PgpEncryption(recipients=(alice.public,)))
    rig.lake(100)
    rig.run()
    (path,) = [path for path in identity(rig) if path.name.endswith(".gpg")]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert rig.run()["generation"] == 2
    assert (rig.broken(), len(encrypted(rig)), path.exists()) == ([], 1, False)


def test_a_shard_that_is_encrypted_again_after_it_was_delivered_leaves_nothing_behind(rig, alice):
    rig.declare(encryption=PgpEncryption(recipients=(alice.public,)))
    rig.lake(100)
    stages = rig.deliver()
    stages.serialize_files(0)
    stages.deliver_files(0)
    assert len(encrypted(rig)) == 2
    stages.publish_manifest()
    assert (rig.broken(), len(encrypted(rig))) == ([], 1)


def test_a_window_is_delivered_elsewhere_from_staging(rig, alice):
    rig.declare(encryption=PgpEncryption(recipients=(alice.public,)))
    rig.lake(100)
    rig.run()
    rig.declare(destination=LocalDestination(path=str(rig.root / "elsewhere")))
    assert rig.run(resend=True)["changed"] is True
    (part,) = (rig.root / "elsewhere").rglob("*.gpg")
    assert len(rows_of(READERS[0](part.read_bytes(), alice, None))) == 100


def test_a_file_of_a_run_that_began_without_encryption_is_not_delivered(rig, alice):
    rig.lake(100)
    stages = rig.stages()
    stages.validate_eligibility()
    stages.extract_records(0)
    stages.serialize_files(0)
    rig.declare(encryption=PgpEncryption(recipients=(alice.public,)))
    later = rig.stages(run=stages.staging.run)
    with pytest.raises(NotEligible, match="encryption was declared after the run had begun; run it again"):
        later.deliver_files(0)
    with pytest.raises(NotEligible, match="the keys are others than those that the run was begun with; run it again"):
        later.serialize_files(0)
    assert rig.delivered() == {}


def test_verify_compares_sizes_and_hashes_and_counts_no_rows(rig, alice):
    rig.declare(encryption=PgpEncryption(recipients=(alice.public,)))
    rig.lake(100)
    rig.run()
    (path,) = [path for path in identity(rig) if path.name.endswith(".gpg")]
    document = next(content for name, content in rig.delivered().items() if name.endswith("_manifest.json"))

    def opened(url: str):
        return Path(url.removeprefix("file://")).open("rb")

    (verdict,) = verify(document, opened)
    assert (verdict.rows, verdict.size, verdict.encrypted, verdict.problems) == (None, path.stat().st_size, True, ())
    path.write_bytes(path.read_bytes()[:-1])
    (verdict,) = verify(document, opened)
    assert [problem.partition(" is ")[0] for problem in verdict.problems] == ["size", "sha256"]


def test_a_key_that_must_not_be_used_is_refused_before_anything_is_read(rig, alice, sender, signing):
    rig.lake(10)
    keys = (
        generate("ended", seconds=3600),
        generate("half", subkeys=[ENCRYPTS | {"keyExpirationTime": 86_400}]),
        generate("revoked", revoked=True),
        sender,
        alice,
        generate("renewed", subkeys=[ENCRYPTS | {"keyExpirationTime": 86_400}, ENCRYPTS]),
    )
    rig.declare(
        encryption=PgpEncryption(
            recipients=tuple(key.public for key in keys), signing_conn_id=signing(password=alice.fingerprint)
        )
    )
    with pytest.raises(NotEligible) as refused:
        rig.run()
    extend = "ask its holder to extend it, and paste it again"
    signs = "it is for signing only, or no longer safe; ask its holder for another one"
    locked = (
        "the connection's password is not its passphrase, or it has expired, is revoked or is for encryption only;"
        " correct the connection"
    )
    assert str(refused.value).splitlines() == [
        "the files cannot be encrypted:",
        f"  encryption.recipients[0]: key {keys[0].fingerprint} expired on 2020-01-01; {extend}",
        f"  encryption.recipients[1]: key {keys[1].fingerprint} expired on 2020-01-02; {extend}",
        f"  encryption.recipients[2]: key {keys[2].fingerprint} is revoked; ask its holder for another one",
        f"  encryption.recipients[3]: key {sender.fingerprint} cannot encrypt: {signs}",
        f"  encryption.signing_conn_id: the key of Airflow connection 'signing' cannot sign: {locked}",
    ]
    assert not list((rig.root / "staging").rglob("plan.json"))


@pytest.mark.parametrize("key", ["", "nonsense", "AAAA"])
def test_a_signing_key_that_is_none_is_refused(rig, alice, signing, key):
    rig.lake(10)
    rig.declare(encryption=PgpEncryption(recipients=(alice.public,), signing_conn_id=signing(key=key or alice.public)))
    with pytest.raises(NotEligible, match="connection 'signing' has no OpenPGP secret key as `private_key` of its"):
        rig.run()


def test_a_signing_connection_that_does_not_exist_is_refused(rig, alice):
    rig.lake(10)
    rig.declare(encryption=PgpEncryption(recipients=(alice.public,), signing_conn_id="nothing"))
    with pytest.raises(NotEligible, match="Airflow connection 'nothing' does not exist; create it or correct conn_id"):
        rig.run()


def test_a_text_that_is_no_public_key_is_refused_when_it_is_declared_and_not_shown(rig, alice, sender):
    recipients = ("nonsense", "bm9uc2Vuc2U=", alice.public[:500], sender.secret, alice.public + sender.public)
    with pytest.raises(DefinitionError) as refused:
        rig.declare(encryption=PgpEncryption(recipients=recipients))
    paste = "paste what `gpg --armor --export <key>` prints, as it is or in Base64"
    assert [f"{problem.field}: {problem.message}" for problem in refused.value.problems] == [
        f"encryption.recipients[0]: is not an OpenPGP public key; {paste}",
        f"encryption.recipients[1]: is not an OpenPGP public key; {paste}",
        f"encryption.recipients[2]: is not an OpenPGP public key; {paste}",
        f"encryption.recipients[3]: is a secret key, which belongs into no definition; {paste}",
        "encryption.recipients[4]: holds 2 keys; write one key a recipient",
    ]


def test_files_that_nobody_could_read_are_refused_when_they_are_declared(rig):
    with pytest.raises(DefinitionError) as refused:
        rig.declare(encryption=PgpEncryption(recipients=()))
    (problem,) = refused.value.problems
    assert (problem.field, problem.message) == (
        "encryption.recipients",
        "is empty, so nobody could read the files; name at least one public key",
    )


def test_memory_does_not_grow_with_the_file(tmp_path, alice):
    """A file of holes reads as fast as memory; 256 MB of them are encrypted in less than 32 MB."""
    source = tmp_path / "source"
    source.touch()
    os.truncate(source, 256 << 20)
    script = """
import resource, sys
from pathlib import Path
from include.exports import pgp
encryption = pgp.PgpEncryption(recipients=(sys.stdin.read(),))
keys = pgp.check(encryption)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pgp.encrypt(encryption, keys, Path(sys.argv[1]), Path(sys.argv[2]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // (1 if sys.platform == "darwin" else 1024))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, source, tmp_path / "target"],
        input=alice.public,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "target").stat().st_size > 256 << 20
    assert int(done.stdout) < 32
