"""A bucket of Amazon S3.

What S3 does differently from a folder, and what follows:

- An object is visible when its upload has ended, and not before. A file larger than `part_size` is sent as a multipart
  upload, its parts in parallel. A worker that is killed leaves such an upload unfinished: no reader sees it, but it is
  stored and billed, so give the bucket a lifecycle rule that aborts incomplete uploads after a day.
- S3 checks and keeps the SHA-256 of what it is sent: of the object, or, for a multipart upload, of its parts and of
  their digests together (a composite checksum). Both are computed from the file before it is sent.
- Writing is conditional: `If-None-Match: *` creates, `If-Match: <ETag>` replaces.
- A HEAD that is refused does not say why, and without the right to list the bucket, what is not there is refused too.
  Refused is therefore taken as "not there": what is written next is refused with the reason, or it is conditional.

What the identity must be allowed to do, as a policy to paste:

```json policy
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
      "Resource": "arn:aws:s3:::exports/*"
    }
  ]
}
```

Without `s3:DeleteObject`, what a new generation supersedes stays where it is. `s3:ListBucket` is never used.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from include.exports.destinations import Capabilities
from include.exports.destinations.connection import connection
from include.exports.destinations.s3_store import S3Store, errors
from include.exports.model import Part
from include.exports.paths import RelativePath, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20

CAPABILITIES = Capabilities(
    checksums=("sha256", "sha256_composite"),
    gaps={
        "test_delete_removes_what_a_killed_writer_left": "finding unfinished uploads takes a right to list them, and"
        " aborting one may hit a writer that is alive; a lifecycle rule of the bucket removes them",
    },
)

_BUCKET = re.compile(r"(?=.{3,63}$)(?!(\d+\.)+\d+$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        remedy = re.sub(r"[^a-z0-9-]+", "-", value.lower()).strip("-")[:63]
        raise ValueError(
            f"{value!r} must be 3 to 63 lower-case letters, digits, hyphens and dots, each label beginning and ending"
            f" with a letter or digit, and no IP address{f'; is it {remedy!r}?' if _BUCKET.fullmatch(remedy) else ''}"
        )
    return value


class S3Destination(Part):
    """A bucket of Amazon S3, or a folder in one."""

    type: Literal["s3"] = "s3"
    name: Segment = "s3"
    """What `%DESTINATION_INSTANCE_NAME%` becomes."""
    conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection of type `aws`: an access key, or a role to assume. When absent, the worker's own identity."""
    bucket: Annotated[str, AfterValidator(_bucket)]
    """The bucket, which must exist."""
    prefix: RelativePath = ""
    """Folders inside the bucket under which everything is written."""
    storage_class: Literal["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"] = "STANDARD"
    """Class of the data files. The manifest and its views, which are small and read often, are always `STANDARD`."""
    kms_key_id: Annotated[str, Field(min_length=1)] | None = None
    """KMS key that encrypts everything written, by id or ARN; the identity needs `kms:GenerateDataKey` and
    `kms:Decrypt`. When absent, the bucket's own default."""
    part_size: int = Field(default=16 * MIB, ge=5 * MIB, le=5 << 30)
    """Bytes of a part of a multipart upload. Grows by itself for files of more than 10,000 parts."""

    @property
    def place(self) -> str:
        """What the paths of two destinations must share to be the same files, whatever else they declare."""
        return f"s3://{self.bucket}"


@contextmanager
def connect(destination: S3Destination) -> Iterator[S3Store]:
    """The bucket, through the client of Airflow's S3Hook. Raises `DeliveryRefused` when there is no such connection.

    Timeouts and retries are botocore's; `config_kwargs` of the connection overrides what is set here.
    """
    with errors(f"s3://{destination.bucket}", destination):
        client = _client(destination)
    try:
        yield S3Store(destination, client)
    finally:
        client.close()


def credential_ends(_: S3Destination) -> None:
    """An access key does not say when it ends, and temporary credentials are renewed when they are used."""


def _client(destination: S3Destination) -> Any:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    if destination.conn_id:
        connection(destination.conn_id)
    hook = S3Hook(aws_conn_id=destination.conn_id)
    retries = {"mode": "standard", "total_max_attempts": 5}
    settings = Config(connect_timeout=10, read_timeout=60, retries=retries, signature_version="s3v4")
    return hook.get_client_type(region_name=hook.region_name, config=settings.merge(hook.config))
