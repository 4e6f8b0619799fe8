"""OpenPGP, known as PGP and GnuPG: the keys that an export declares, and what they do to a file.

Sequoia does it from file to file, in memory that does not grow with them. What it writes follows from the recipients'
keys: AES-256 with a modification detection code, which GnuPG and all other programs read, unless every key says that
its holder's program reads the newer AEAD format of RFC 9580. GnuPG's keys do not say so.
"""

from __future__ import annotations

from base64 import b64decode
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from include.exports.destinations.connection import connection
from include.exports.errors import ExportError, NotEligible
from include.exports.manifest import Encryption
from include.exports.model import Part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pysequoia import Cert, PySigner, Tsk
    from pysequoia.packet import Packet

EXPORT = "paste what `gpg --armor --export <key>` prints, as it is or in Base64"


def _public_key(text: str) -> str:
    """One public key. A secret one would let whoever reads the definition read the files."""
    from pysequoia import Cert

    try:
        key = _decoded(text)
        secret = _is_secret(key)
        certificates = 0 if secret else len(Cert.split_bytes(key))
    except (ValueError, RuntimeError):
        raise ValueError(f"is not an OpenPGP public key; {EXPORT}") from None
    if secret:
        raise ValueError(f"is a secret key, which belongs into no definition; {EXPORT}")
    if certificates != 1:
        raise ValueError(f"holds {certificates} keys; write one key a recipient")
    return text


def _somebody(recipients: tuple[str, ...]) -> tuple[str, ...]:
    """Pydantic's own message for too few would show the keys."""
    if not recipients:
        raise ValueError("is empty, so nobody could read the files; name at least one public key")
    return recipients


class PgpEncryption(Part):
    """OpenPGP (PGP, GnuPG) encryption of every data file. The manifest and its views stay readable to all."""

    recipients: Annotated[tuple[Annotated[str, AfterValidator(_public_key)], ...], AfterValidator(_somebody)]
    """The public keys of those who are to read the files: the text of `gpg --armor --export`, or that in Base64, as
    Adobe takes it. Each of them decrypts every file alone."""
    signing_conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection with the key that signs the files: `private_key` of its extra is the text of `gpg --armor
    --export-secret-keys`, its password the key's passphrase. Not signed when absent."""
    extension: Literal["gpg", "pgp"] = "gpg"
    """What is added to the names of the files."""


def check(encryption: PgpEncryption) -> Encryption:
    """The keys that a run encrypts and signs with. Raises `NotEligible` with every reason why it cannot."""
    problems = [
        f"encryption.recipients[{number}]: key {certificate.fingerprint} {problem}"
        for number, certificate in enumerate(_certificates(encryption))
        if (problem := _problem(certificate, datetime.now(UTC)))
    ]
    try:
        _signer(encryption)
    except ExportError as error:
        problems.append(f"encryption.signing_conn_id: {error}")
    if problems:
        raise NotEligible("the files cannot be encrypted:" + "".join(f"\n  {problem}" for problem in problems))
    return _keys(encryption)


def encrypt(encryption: PgpEncryption, keys: Encryption | None, source: Path, target: Path) -> None:
    """Write `source`, encrypted, as the new file `target`. Sequoia holds up all threads until it has.

    Raises `NotEligible` when the keys are no longer `keys`, those that the run was begun with.
    """
    from pysequoia import encrypt_file

    if _keys(encryption) != keys:
        raise NotEligible("encryption: the keys are others than those that the run was begun with; run it again")
    encrypt_file(source, target, _certificates(encryption), _signer(encryption), armor=False)


def _keys(encryption: PgpEncryption) -> Encryption:
    return Encryption(
        recipients=sorted(certificate.fingerprint for certificate in _certificates(encryption)),
        signed_by=_signing_key(encryption.signing_conn_id)[0].extract_certificate().fingerprint
        if encryption.signing_conn_id
        else None,
    )


def _certificates(encryption: PgpEncryption) -> list[Cert]:
    from pysequoia import Cert

    return [Cert.from_bytes(_decoded(text)) for text in encryption.recipients]


def _problem(certificate: Cert, now: datetime) -> str | None:
    """Why nothing may be encrypted for a key. Sequoia encrypts for one that has expired when there is no other."""
    from pysequoia import encrypt as encrypt_bytes

    if certificate.is_revoked:
        return "is revoked; ask its holder for another one"
    last = datetime.max.replace(tzinfo=UTC)
    ends = [min(end or last, certificate.expiration or last) for end in _encryption_ends(certificate)]
    if ends and max(ends) <= now:
        return f"expired on {max(ends):%Y-%m-%d}; ask its holder to extend it, and paste it again"
    try:
        encrypt_bytes(b"", [certificate])
    except RuntimeError:
        return "cannot encrypt: it is for signing only, or no longer safe; ask its holder for another one"
    return None


def _encryption_ends(certificate: Cert) -> Iterator[datetime | None]:
    """When each part of a key that encrypts expires by itself; None for never. Its newest signature decides."""
    from pysequoia.packet import PacketPile, SignatureType

    created: dict[str | None, datetime] = {}
    newest: dict[str | None, Packet] = {}
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.key_created:
            part = packet.fingerprint
            created[part] = packet.key_created
        elif packet.key_flags or packet.signature_type == SignatureType.SubkeyRevocation:
            newest[part] = max(newest.get(part, packet), packet, key=lambda signature: signature.signature_created)
    for part, signature in newest.items():
        flags, lasts = signature.key_flags, signature.key_validity_period
        if flags and (flags.transport_encryption or flags.storage_encryption):
            yield created[part] + lasts if lasts else None


def _signer(encryption: PgpEncryption) -> PySigner | None:
    """What signs; None when nothing does. Raises `NotEligible`, or what `connection` does."""
    if encryption.signing_conn_id is None:
        return None
    key, passphrase = _signing_key(encryption.signing_conn_id)
    try:
        return key.signer(passphrase)
    except RuntimeError:  # its message is for programmers
        raise NotEligible(
            f"the key of Airflow connection {encryption.signing_conn_id!r} cannot sign: the connection's password is"
            " not its passphrase, or it has expired, is revoked or is for encryption only; correct the connection"
        ) from None


def _signing_key(conn_id: str) -> tuple[Tsk, str | None]:
    """The signing key and its passphrase."""
    from pysequoia import Tsk

    found = connection(conn_id)
    with suppress(ValueError, RuntimeError):
        key = _decoded(found.extra_dejson.get("private_key", ""))
        if _is_secret(key):
            return Tsk.from_bytes(key), found.password
    raise NotEligible(
        f"Airflow connection {conn_id!r} has no OpenPGP secret key as `private_key` of its extra; paste what `gpg"
        " --armor --export-secret-keys <key>` prints, as it is or in Base64"
    )


def _is_secret(key: bytes) -> bool:
    from pysequoia.packet import PacketPile, Tag

    return any(packet.tag == Tag.SecretKey for packet in PacketPile.from_bytes(key))


def _decoded(text: str) -> bytes:
    """A key, armored or binary, that is written as it is or in Base64. Raises ValueError for other text."""
    return text.encode() if "-----BEGIN" in text else b64decode("".join(text.split()), validate=True)
