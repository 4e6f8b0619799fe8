"""A bucket of Amazon S3.

What S3 does differently from a folder, and what follows:

- An object is visible when its upload has ended, and not before. A file larger than `part_size` is sent as a multipart
  upload, its parts in parallel. A worker that is killed leaves such an upload unfinished: no reader sees it, but it is
  stored and billed, so give the bucket a lifecycle rule that aborts incomplete uploads after a day.
- S3 checks and keeps the SHA-256 of what it is sent: of the object, or, for a multipart upload, of its parts and of
  their digests together (a composite checksum). Its answer is compared with what was computed from the file.
- Writing is conditional: `If-None-Match: *` creates, `If-Match: <ETag>` replaces. A file of at most `part_size` costs
  one request, unless something is there already.
- A HEAD that is refused does not say why, and without the right to list the bucket, what is not there is refused too.
  Refused is therefore taken as "not there": what is written next is refused with the reason, or it is conditional.
- A share link lasts for 7 days at most, and no longer than the credential that signed it: that of a role, hours. What
  is encrypted with a customer key has none.

Sign in with an access key, and `aws_session_token` in `extra` when it is a temporary one:

```json access key
{
  "conn_type": "aws",
  "login": "<access key id>",
  "password": "<secret access key>",
  "extra": {"region_name": "eu-central-1"}
}
```

or with an access key, or the worker's own identity where there is none, that may assume a role:

```json role
{
  "conn_type": "aws",
  "login": "<access key id>",
  "password": "<secret access key>",
  "extra": {"region_name": "eu-central-1", "role_arn": "arn:aws:iam::123456789012:role/exports"}
}
```

or without `conn_id`: the worker's own identity, from its environment, its profile, or the machine or container it runs
on. Session tokens that have expired are refused at once; those of roles are renewed. `endpoint_url` in `extra` leads to
another store that speaks S3, `config_kwargs` sets timeouts and retries (`{"retries": {"total_max_attempts": 8}}`).

What the identity must be allowed to do, as a policy to paste, for a bucket called `exports`:

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

| right | what is lost without it |
| --- | --- |
| `s3:PutObject` | everything |
| `s3:GetObject` | everything but the first delivery of a window |
| `s3:AbortMultipartUpload` | a large file that fails half-way is billed until the lifecycle rule removes it |
| `s3:DeleteObject` | what a new generation supersedes stays where it is, and the log says so |
| `s3:PutObjectTagging` | `tags`: with them, everything |
| `kms:GenerateDataKey`, `kms:Decrypt` on the key | `kms_key_id`, or a bucket with such a default: everything |

`s3:ListBucket` is never used. `customer_key_conn_id` needs no right, but a bucket that takes such keys: those made
since April 2026 do not, until their encryption configuration says otherwise.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from include.exports.destinations import Capabilities
from include.exports.destinations.connection import connection, customer_key
from include.exports.destinations.purpose import Purpose
from include.exports.destinations.s3_store import S3Store, errors
from include.exports.paths import RelativePath, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20

PARTS_AT_ONCE = 10
"""Of all large files together, as many as boto3's own transfers send. One connection to S3 carries about 90 MB/s."""

CAPABILITIES = Capabilities(
    checksums=("sha256", "sha256_composite"),
    parallel=32,  # when S3 answers after 30 ms, 4 send 77 files a second, 16 send 300, 32 send 510
    gaps={
        "test_delete_removes_what_a_killed_writer_left": "finding unfinished uploads takes a right to list them, and"
        " aborting one may hit a writer that is alive; a lifecycle rule of the bucket removes them",
    },
)

_TAG = re.compile(r"[\w .:/+=@-]*")
_BUCKET = re.compile(r"(?=.{3,63}$)(?!(\d+\.)+\d+$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        remedy = re.sub(r"[^a-z0-9-]+", "-", value.lower()).strip("-")[:63]
        raise ValueError(
            f"{value!r} must be 3 to 63 lower-case letters, digits, hyphens and dots, each label beginning and ending"
            f" with a letter or digit, and no IP address{f'; is it {remedy!r}?' if _BUCKET.fullmatch(remedy) else ''}"
        )
    return value


def _tags(value: dict[str, str]) -> dict[str, str]:
    """S3's rules for the tags of objects; 10 of them is another."""
    for key, content in value.items():
        fits = 0 < len(key) <= 128 and len(content) <= 256 and _TAG.fullmatch(key + content)  # noqa: PLR2004
        if not fits or key.startswith("aws:"):
            raise ValueError(
                f"{key!r}: {content!r} must have a key of 1 to 128 and a value of at most 256 characters, letters,"
                " digits, spaces and + - = . _ : / @, and the key may not begin with 'aws:'"
            )
    return value


class S3Destination(Purpose):
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
    customer_key_conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection whose password is the key that S3 encrypts everything with and does not keep: 256 bits in
    base64. Every reader needs it. Excludes `kms_key_id`."""
    tags: Annotated[dict[str, str], Field(max_length=10), AfterValidator(_tags)] = {}
    """Object tags of everything written; the identity needs `s3:PutObjectTagging`."""
    part_size: int = Field(default=16 * MIB, ge=5 * MIB, le=5 << 30)
    """Bytes of a part of a multipart upload. Grows by itself for files of more than 10,000 parts."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.kms_key_id and self.customer_key_conn_id:
            raise ValueError("kms_key_id and customer_key_conn_id are two keys for the same bytes; give one")
        return self

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
    key = customer_key(destination.customer_key_conn_id) if destination.customer_key_conn_id else None
    with closing(client), ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
        yield S3Store(destination, client, pool, key)


def credential_ends(_: S3Destination) -> None:
    """An access key does not say when it ends, and temporary credentials are renewed when they are used."""


def _client(destination: S3Destination) -> Any:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    if destination.conn_id:
        connection(destination.conn_id)
    hook = S3Hook(aws_conn_id=destination.conn_id)
    retries = {"mode": "standard", "total_max_attempts": 5}
    settings = Config(
        connect_timeout=10,
        read_timeout=60,
        retries=retries,
        signature_version="s3v4",  # what presigns otherwise in the oldest regions does not know KMS
        max_pool_connections=CAPABILITIES.parallel + PARTS_AT_ONCE,
    )
    return hook.get_client_type(region_name=hook.region_name, config=settings.merge(hook.config))
