"""Keys, and two programs that read what was encrypted for them: OpenPGP.js, which is always there, and GnuPG."""

import json
import shutil
import subprocess
import tempfile
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.exports.paths import PROJECT
from include.local.stores.azurite import NODE

LIBRARY = PROJECT / ".venv/openpgp/node_modules/openpgp/dist/node/openpgp.mjs"
SCRIPT = Path(__file__).with_name("openpgp.mjs")
LONG_AGO = "2020-01-01T00:00:00Z"
ENCRYPTS = {"begun": LONG_AGO, "sign": False}
"""A part of a key that encrypts and never expires."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of RSA, as Adobe asks for it, with the text of both halves."""

    public: str
    secret: str
    fingerprint: str
    passphrase: str | None


def generate(name, *, passphrase=None, seconds=0, subkeys=(ENCRYPTS,), revoked=False) -> Key:
    """A key that was made long ago and expires so many seconds later, or never."""
    asked = {"name": name, "passphrase": passphrase, "begun": LONG_AGO, "seconds": seconds}
    made = _call("generate", **asked, subkeys=list(subkeys), revoked=revoked)
    return Key(**made, passphrase=passphrase)


def openpgp_js(content: bytes, key: Key, signer: Key | None) -> bytes:
    """What OpenPGP.js makes of a file; raises when it cannot, or when it is not signed by `signer`."""
    asked = {"content": b64encode(content).decode(), "secret": key.secret, "passphrase": key.passphrase}
    read = _call("decrypt", **asked, signer=signer.public if signer else None)
    assert read["signatures"] == bool(signer)
    return b64decode(read["content"])


def gnupg(content: bytes, key: Key, signer: Key | None) -> bytes:
    """What GnuPG makes of a file; raises when it cannot, or when it is not signed by `signer`."""
    if not shutil.which("gpg"):
        pytest.skip("GnuPG is not installed here; OpenPGP.js reads the same files")
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:  # its sockets allow no long path
        program = ["gpg", "--homedir", home, "--batch", "--quiet", "--trust-model", "always"]
        program += ["--pinentry-mode", "loopback", "--passphrase", key.passphrase or ""]

        def run(*arguments: str, given: bytes) -> subprocess.CompletedProcess:
            return subprocess.run([*program, *arguments], input=given, capture_output=True, check=True)

        try:
            run("--import", given=key.secret.encode())
            if signer:
                run("--import", given=signer.public.encode())
            read = run("--status-fd", "2", "--decrypt", given=content)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)  # noqa: S607  # as gpg above
    status = [
        line.split()[1:] for line in read.stderr.decode(errors="replace").splitlines() if line.startswith("[GNUPG:]")
    ]
    assert ["DECRYPTION_INFO", "2", "9"] in [line[:3] for line in status], "AES-256 with a modification detection code"
    signed = [line[-1].lower() for line in status if line[0] == "VALIDSIG"]
    assert signed == ([signer.fingerprint] if signer else [])
    return read.stdout


READERS = (openpgp_js, gnupg)


def _call(what: str, **asked: object) -> dict:
    assert LIBRARY.exists(), f"{LIBRARY} does not exist; install it: make .venv/openpgp/synced"
    text = json.dumps({"what": what} | asked)
    done = subprocess.run([NODE, SCRIPT, LIBRARY], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
