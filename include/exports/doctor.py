"""Tries out a destination as a delivery would use it: what works, which right is missing, how fast it is.

What it writes it removes again.
"""

from __future__ import annotations

import secrets
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal
from urllib.request import urlopen

from include.exports.definition import Destination
from include.exports.destinations import connect, module, path_problem
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, ExportError, VerificationError
from include.exports.model import Definition
from include.exports.scratch import FOLDER, Remains, Scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = Literal["works", "missing", "fails", "not offered", "not tried"]
MIB = 1 << 20
SMALL_FILES, SMALL_SIZE = 64, 4096
ODD_NAMES = ("day=2019-11-25!-_.*'()=", "n" * 150)
RIGHTS = {
    "signs in and writes": "it takes the right to create files, and to look at what was created",
    "reads it back": "it takes the right to read",
    "replaces what it has read": "it takes the right to replace what is there",
    "share link": "it takes the right to read",
    "removes what it wrote": "it takes the right to delete; without it, what a new generation supersedes stays",
}
"""What a case needs and may not have been granted, where the store does not say more than no."""
UNCONDITIONAL = "; this server does not keep a write's conditions, so never run a window of an export twice at one time"
LINK = "test_a_share_link_lets_anybody_read_until_it_expires"
"""The test of the contract that a store without links declares as a gap."""


class DestinationToTry(Definition):
    """A destination that no export declares."""

    destination: Destination
    """What is to be tried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one case has shown."""

    case: str
    result: Result
    """`missing`: a delivery can do without. `fails`: it cannot. `not offered`: no right or setting would change it."""
    facts: str
    """What was measured; of what does not work the reason, and what to grant or to correct."""


@dataclass(slots=True, kw_only=True)
class Examination:
    """What is known of a destination after it was tried out."""

    findings: list[Finding] = field(default_factory=list)
    remains: Remains | None = None
    """None when nothing was written."""

    @property
    def passed(self) -> bool:
        """Whether a delivery has all that it needs."""
        return not any(finding.result == "fails" for finding in self.findings)

    def note(self, case: str, attempt: Callable[[], str], refused: Result = "fails") -> bool:
        """Add what `attempt` says it has measured, or why it went wrong. Returns whether it went well."""
        try:
            finding = Finding(case=case, result="works", facts=attempt())
        except ExportError as error:
            right = RIGHTS.get(case) if isinstance(error, DeliveryRefused) else None
            finding = Finding(case=case, result=refused, facts=f"{error}{f' ({right})' if right else ''}")
        self.findings.append(finding)
        return finding.result == "works"


def examine(destination: Any, size: int, done: Examination) -> None:
    """Run every case against a declared destination and note it in `done`; the largest file has `size` bytes.

    What goes wrong is a finding, and no error. What was written is removed also when this is interrupted.
    """
    kind = module(destination.type)
    done.note("credential", lambda: _credential(kind.credential_ends(destination)))
    try:
        with connect(destination) as store, TemporaryDirectory() as folder:
            scratch = Scratch(destination, store, Path(folder))
            try:
                _try_out(scratch, destination.type, size, done)
            finally:
                done.remains = scratch.remove()
            done.note("removes what it wrote", lambda: _removed(done.remains), refused="missing")
    except ExportError as error:
        done.findings.append(Finding(case="connection", result="fails", facts=str(error)))


def _try_out(scratch: Scratch, kind: str, size: int, done: Examination) -> None:
    capabilities = module(kind).CAPABILITIES
    cases: dict[str, Callable[[], str]] = {
        "reads it back": lambda: _reads_back(scratch),
        "leaves an equal file alone": lambda: _leaves_alone(scratch),
        "one of two writers wins": lambda: _creates_once(scratch),
        "replaces what it has read": lambda: _replaces(scratch),
        "odd and long names": lambda: _names(scratch, kind),
        "large file": lambda: _large(scratch, size),
        "small files": lambda: _small(scratch, capabilities.parallel),
    }
    writes = done.note("signs in and writes", lambda: _writes(scratch))
    for case, attempt in cases.items():
        if writes:
            done.note(case, attempt)
        else:
            done.findings.append(Finding(case=case, result="not tried", facts=""))
    if reason := capabilities.gaps.get(LINK):
        done.findings.append(Finding(case="share link", result="not offered", facts=reason))
    elif writes:
        done.note("share link", lambda: _shares(scratch), refused="missing")


def _credential(ends: datetime | None) -> str:
    if ends is None:
        return "does not say when it ends"
    if ends <= datetime.now(UTC):
        raise DeliveryRefused(f"ended at {ends.isoformat()}; renew it in the Airflow connection")
    return f"ends at {ends.isoformat()}"


def _writes(scratch: Scratch) -> str:
    stored = scratch.put("part", scratch.source([b"rows"]))
    return f"{scratch.url('part')}, verified by {', '.join(stored.checksum) or 'its size'}"


def _reads_back(scratch: Scratch) -> str:
    scratch.expect("part", sha256(b"rows").hexdigest())
    began = time.monotonic()
    scratch.store.stat(scratch.path("part"))
    return f"{(time.monotonic() - began) * 1000:.1f} ms to look at it"


def _leaves_alone(scratch: Scratch) -> str:
    before = scratch.store.read(scratch.path("part"))
    scratch.put("part", scratch.source([b"rows"]))
    if scratch.store.read(scratch.path("part")) != before:
        raise VerificationError(f"{scratch.url('part')} was replaced by an equal file; report this as a defect")
    return ""


def _creates_once(scratch: Scratch) -> str:
    def attempt(content: bytes) -> bool:
        try:
            scratch.write("one.json", content, None)
        except DeliveryInterrupted:
            return False
        return True

    contents = [b"1" * MIB, b"2" * MIB]
    with ThreadPoolExecutor(len(contents)) as pool:
        won = [content for content, wins in zip(contents, pool.map(attempt, contents), strict=True) if wins]
    if len(won) != 1:
        raise VerificationError(f"{scratch.url('one.json')}: {len(won)} of two writers succeeded{UNCONDITIONAL}")
    scratch.expect("one.json", sha256(won[0]).hexdigest())
    return ""


def _replaces(scratch: Scratch) -> str:
    first = scratch.write("m.json", b"1", None)
    scratch.write("m.json", b"2", first)
    try:
        scratch.write("m.json", b"3", first)
    except DeliveryInterrupted:
        scratch.expect("m.json", sha256(b"2").hexdigest())
        return ""
    raise VerificationError(f"{scratch.url('m.json')} was replaced by who had read an older one{UNCONDITIONAL}")


def _names(scratch: Scratch, kind: str) -> str:
    names = [name for name in ODD_NAMES if path_problem(kind, scratch.path(name)) is None]
    for name in names:
        scratch.put(name, scratch.source([name.encode()]))
        scratch.expect(name, sha256(name.encode()).hexdigest())
    return "all but those that a definition is refused for" if len(names) < len(ODD_NAMES) else ""


def _large(scratch: Scratch, size: int) -> str:
    source = scratch.source(_noise(size))
    began = time.monotonic()
    scratch.put("large", source)
    sent = time.monotonic()
    scratch.expect("large", source.sha256)
    out, back = (size / MIB / seconds for seconds in (sent - began, time.monotonic() - sent))
    return f"{size / MIB:.0f} MiB: {out:.0f} MiB/s out, {back:.0f} MiB/s back"


def _noise(size: int) -> Iterator[bytes]:
    """Bytes that nothing compresses, no two MiB of them equal."""
    block = secrets.token_bytes(MIB)
    for start in range(0, size, MIB):
        yield (start.to_bytes(8) + block[8:])[: size - start]


def _small(scratch: Scratch, parallel: int) -> str:
    source = scratch.source([secrets.token_bytes(SMALL_SIZE)])

    def send(number: int) -> float:
        began = time.monotonic()
        scratch.put(f"small-{number:02d}", source)
        return (time.monotonic() - began) * 1000

    began = time.monotonic()
    with ThreadPoolExecutor(parallel) as pool:
        each = statistics.median(pool.map(send, range(SMALL_FILES)))
    rate = SMALL_FILES / (time.monotonic() - began)
    return f"{SMALL_FILES} of {SMALL_SIZE} bytes, {parallel} at once: {rate:.0f} a second, {each:.1f} ms each"


def _shares(scratch: Scratch) -> str:
    link = scratch.store.share_link(scratch.path("part"), timedelta(minutes=5))
    try:
        with urlopen(link, timeout=30) as answer:  # noqa: S310  # what the store has signed
            content = answer.read()
    except OSError as error:
        raise DeliveryRefused(
            f"{scratch.url('part')}: its link is answered by {error}; grant the credential the right to read, and check"
            " that readers reach the store"
        ) from error
    if content != b"rows":
        raise VerificationError(f"{scratch.url('part')}: its link gives other bytes; report this as a defect")
    return ""


def _removed(remains: Remains | None) -> str:
    if remains and remains.error:
        raise remains.error
    return f"{remains.removed if remains else 0} files; a store that has folders keeps the empty {FOLDER}/"
