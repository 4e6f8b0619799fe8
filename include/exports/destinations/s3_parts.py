"""A large file on its way to S3: a multipart upload whose parts are hashed in one pass and sent at once.

boto3's own transfer computes the checksum of every part again, and knows the file's only when it is visible already.
"""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from include.exports.destinations import Sent

MIB = 1 << 20
MAX_PARTS = 10_000
AHEAD = 16
"""Parts that are hashed before they are sent: few enough that they are still in the page cache then."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a file."""

    number: int
    start: int
    size: int
    sha256: bytes


@dataclass(slots=True)
class Reading:
    """A file that is read in parts, once. What it is as a whole is known when `parts` has been read to the end."""

    source: Path
    size: int
    part_size: int
    sha256: str = ""
    composite: str = ""
    """S3's checksum of a file sent in these parts, as in `Stored.checksum`."""

    def parts(self) -> Iterator[Part]:
        """The parts, each hashed."""
        whole, digests = hashlib.sha256(), []
        with self.source.open("rb") as stream:
            for number, start in enumerate(range(0, self.size, self.part_size), start=1):
                part, end = hashlib.sha256(), min(start + self.part_size, self.size)
                for at in range(start, end, MIB):
                    chunk = stream.read(min(MIB, end - at))
                    part.update(chunk)
                    whole.update(chunk)
                digests.append(part.digest())
                yield Part(number, start, end - start, part.digest())
        self.sha256 = whole.hexdigest()
        self.composite = f"{hashlib.sha256(b''.join(digests)).hexdigest()}-{len(digests)}"


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that `create_multipart_upload` has begun."""

    client: Any
    at: Mapping[str, str]
    """Bucket, key and id."""
    encryption: Mapping[str, Any]
    """The customer's key, of which S3 keeps nothing."""

    def send(self, file: Reading, pool: Executor, sent: Sent) -> list[dict[str, Any]]:
        """Send every part while the next ones are hashed; returns what S3 must be told to put them together.

        Raises what the first of the parts raised that failed. No part is on its way any more then.
        """
        running: list[Future[dict[str, Any]]] = []
        try:
            for part in file.parts():
                running.append(pool.submit(self._send_part, file.source, part, sent))
                if len(running) > AHEAD:
                    running[-AHEAD].result()
            return [future.result() for future in running]
        finally:
            for future in running:
                future.cancel()
            wait(running)

    def _send_part(self, source: Path, part: Part, sent: Sent) -> dict[str, Any]:
        from s3transfer.utils import ReadFileChunk

        checksum = base64.b64encode(part.sha256).decode()
        count = [lambda bytes_transferred: sent(bytes_transferred)]  # noqa: PLW0108  # it is given by this name
        with ReadFileChunk.from_filename(str(source), part.start, part.size, count) as body:
            answer = self.client.upload_part(
                **self.at, **self.encryption, PartNumber=part.number, Body=body, ChecksumSHA256=checksum
            )
        return {"PartNumber": part.number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def complete(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """Make it visible; returns what S3 answers."""
        answer: dict[str, Any] = self.client.complete_multipart_upload(
            **self.at, **self.encryption, MultipartUpload={"Parts": parts}
        )
        return answer

    def abort(self) -> None:
        """Remove what was sent. When that fails too, the bucket's lifecycle rule does."""
        from botocore.exceptions import BotoCoreError, ClientError

        with suppress(BotoCoreError, ClientError):
            self.client.abort_multipart_upload(**self.at)
