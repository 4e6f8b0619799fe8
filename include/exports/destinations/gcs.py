"""A bucket of Google Cloud Storage.

What Cloud Storage does differently from a folder, and what follows:

- An object is visible when its upload has ended, and not before. A file of more than 8 MiB is sent as a resumable
  upload, one chunk of `part_size` after the other. A worker that is killed leaves the session of such an upload: no
  reader sees it, nothing lists it, and Google forgets it after a week.
- Cloud Storage checks the CRC32C that it is sent with the bytes and keeps it. It is computed, in the same pass as the
  SHA-256, from the file before it is sent, and compared with the answer; the SHA-256 stands in the object's metadata.
- Writing is conditional on the generation of what is there: 0 creates, another one replaces exactly that.
- Replacing an object takes the right to delete it. **Who may not delete can deliver each window once**: new files and
  a new manifest, but no later generation of it, and nothing that is damaged is mended.
- Without the right to list the bucket, what is not there is refused like what may not be read. Refused is therefore
  taken as "not there": what is written next is refused with the reason, or it is conditional.
- A file is sent by one stream; several small files, or two large ones, are sent at once. Parallel parts of one file
  would be objects of their own for a while (compose), which readers see and somebody must remove, or take the XML API's
  multipart upload, which is billed until it is aborted and takes rights of its own.

Signing in by a service account's key, as a file on the workers:

```json service account key file
{"conn_type": "google_cloud_platform", "extra": {"key_path": "/run/secrets/partner.json"}}
```

The same key in the connection:

```json service account key
{"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": {"type": "service_account", "project_id": "..."}}}
```

By the worker's own identity, also workload identity: no `conn_id`. Or, with it, as a service account:

```json impersonation
{"conn_type": "google_cloud_platform", "extra": {"impersonation_chain": "exports@project.iam.gserviceaccount.com"}}
```

HMAC keys are not taken: Google's client library knows none. An `S3Destination` whose connection has the `endpoint_url`
`https://storage.googleapis.com` signs with them, but that API does not check the SHA-256 and the conditions on which
an `S3Destination` relies.

What the identity must be allowed to do, as a role for `gcloud iam roles create`, to be granted on the bucket:

```json policy
{
  "title": "Exports",
  "includedPermissions": ["storage.objects.create", "storage.objects.get", "storage.objects.delete"]
}
```

Where deleting is too much, grant `storage.objects.delete` in a role of its own, with the IAM condition
`resource.name.endsWith("/_manifest.json")` and one more for each view that is declared. Every generation can be
published then, and what it supersedes stays where it is. `storage.objects.list` is never used.

More in the connection's `extra`: `num_retries` (5), with which a request that may pass is repeated after 0.5, 1, 2 ...
seconds at most, and given up after 2 to that power, 32 seconds; `timeout` (60), the seconds to wait for the next bytes
of an answer; `gcs.endpoint`, the address of the API where it is not Google's public one, which Airflow's own `gs://`
paths read too.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from include.exports.destinations import Capabilities
from include.exports.destinations.connection import customer_key, number
from include.exports.destinations.gcs_store import GcsStore, errors
from include.exports.destinations.purpose import Purpose
from include.exports.errors import DeliveryRefused
from include.exports.paths import RelativePath, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
CHUNK = 256 << 10
"""Chunks of a resumable upload are multiples of this."""

_SESSION = "the session of a large upload stays, seen by no reader and listed by nothing, until Google forgets it"
CAPABILITIES = Capabilities(
    checksums=("crc32c",),
    gaps={
        "test_a_failure_half_way_leaves_nothing_behind": _SESSION,
        "test_delete_removes_what_a_killed_writer_left": _SESSION,
        "test_what_a_failure_half_way_left_is_gone_when_the_file_has_arrived": _SESSION,
    },
    parallel=8,  # the client keeps 10 connections
    forbidden={r"^\.well-known/acme-challenge/": "the reserved beginning '.well-known/acme-challenge/'"},
)

PATIENCE = {"num_retries": 5.0, "timeout": 60.0}
"""What the extra of a connection overrides."""

_BUCKET = re.compile(
    r"(?=.{3,222}$)(?!.*[^.]{64})(?!.*\.\.)(?!(\d+\.){3}\d+$)(?!goog)(?!.*g[o0]{2}g[li1]e)"
    r"[a-z0-9][a-z0-9_.-]*[a-z0-9]"
)
_KMS_KEY = r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"


def _bucket(value: str) -> str:
    """https://cloud.google.com/storage/docs/buckets#naming"""
    if not _BUCKET.fullmatch(value):
        remedy = re.sub(r"[^a-z0-9_-]+", "-", value.lower()).strip("-_")[:63]
        raise ValueError(
            f"{value!r} must be 3 to 63 lower-case letters, digits, hyphens, underscores and dots (222 with dots, of"
            " which 63 between two), begin and end with a letter or digit, and be no IP address and nothing like"
            f" 'goog...' or 'google'{f'; is it {remedy!r}?' if _BUCKET.fullmatch(remedy) else ''}"
        )
    return value


class GcsDestination(Purpose):
    """A bucket of Google Cloud Storage, or a folder in one."""

    type: Literal["gcs"] = "gcs"
    name: Segment = "gcs"
    """What `%DESTINATION_INSTANCE_NAME%` becomes."""
    conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection of type `google_cloud_platform`: a service account's key. When absent, the worker's own
    identity."""
    bucket: Annotated[str, AfterValidator(_bucket)]
    """The bucket, which must exist."""
    prefix: RelativePath = ""
    """Folders inside the bucket under which everything is written."""
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] = "STANDARD"
    """Class of the data files. The manifest and its views, which are small and read often, are always `STANDARD`."""
    kms_key_name: Annotated[str, Field(pattern=_KMS_KEY)] | None = None
    """KMS key that encrypts everything written, such as `projects/p/locations/eu/keyRings/r/cryptoKeys/k`; the
    project's Cloud Storage service agent needs the right to use it. When absent, the bucket's own default."""
    customer_key_conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection whose password is the key that Google encrypts everything with and does not keep: 256 bits in
    base64. Every reader needs it. Excludes `kms_key_name`."""
    part_size: int = Field(default=16 * MIB, ge=CHUNK, multiple_of=CHUNK)
    """Bytes of a chunk of a resumable upload, a multiple of 256 KiB. Up to four of them are in memory."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.kms_key_name and self.customer_key_conn_id:
            raise ValueError("kms_key_name and customer_key_conn_id are two keys for the same bytes; give one")
        return self

    @property
    def place(self) -> str:
        """What the paths of two destinations must share to be the same files, whatever else they declare."""
        return f"gs://{self.bucket}"


@contextmanager
def connect(destination: GcsDestination) -> Iterator[GcsStore]:
    """The bucket, by the credentials of Airflow's GCSHook. Raises `DeliveryRefused` when there is no such connection,
    or its key is none."""
    with errors(f"gs://{destination.bucket}", destination):
        key = customer_key(destination.customer_key_conn_id) if destination.customer_key_conn_id else None
        patience = dict(PATIENCE)
        if destination.conn_id:
            patience = {name: number(destination.conn_id, name, default) for name, default in PATIENCE.items()}
        client = _client(destination)
        store = GcsStore(destination, client, key, retries=patience["num_retries"], timeout=patience["timeout"])
    try:
        yield store
    finally:
        client.close()


def credential_ends(_: GcsDestination) -> None:
    """A service account's key does not say when it ends, and tokens are renewed when they are used."""


def _client(destination: GcsDestination) -> Any:
    """Google's client, made as `GCSHook.get_conn` makes it, but for `gcs.endpoint`, which that does not read."""
    from airflow.providers.google.cloud.hooks.gcs import GCSHook
    from airflow.providers.google.common.consts import CLIENT_INFO
    from airflow.sdk.exceptions import AirflowException
    from google.cloud.storage import Client

    # For traces the client looks every bucket up in the background: one more right, one more login that is refused.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    logging.getLogger("urllib3.connectionpool").addFilter(_is_news)
    if destination.conn_id is None:
        return Client(client_info=CLIENT_INFO)
    hook = GCSHook(gcp_conn_id=destination.conn_id)
    try:
        credentials = hook.get_credentials()
    except (AirflowException, KeyError, OSError, ValueError) as error:  # what becomes of half a key
        raise DeliveryRefused(
            f"{type(error).__name__}: {error}; check the credentials of Airflow connection {destination.conn_id!r}"
        ) from error
    return Client(
        credentials=credentials,
        project=hook.project_id,
        client_info=CLIENT_INFO,
        client_options=hook.get_client_options(hook.extras.get("gcs.endpoint")),
    )


def _is_news(record: logging.LogRecord) -> bool:
    """In the background google-auth asks Google where an account may be used, and goes on without an answer. Where the
    network lets nobody out, that would be warned of again and again."""
    return "/allowedLocations" not in record.getMessage()
