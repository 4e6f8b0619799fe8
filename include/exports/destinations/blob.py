"""A container of Azure Blob Storage.

What Azure does differently from a folder, and what follows:

- A blob is visible when it was sent whole, or when the list of its blocks was committed, and not before. A file larger
  than `part_size` is sent as blocks, in parallel. A worker that is killed leaves its blocks uncommitted: no reader sees
  them, the next delivery of the file replaces them, and Azure removes them after a week.
- Azure refuses a body whose MD5 is not the one that it was sent with, so each block and each small file is checked on
  arrival. The MD5 of the whole file is kept with the blob and compared; its SHA-256 is in the metadata.
- Writing is conditional: `If-None-Match: *` creates, `If-Match: <ETag>` replaces.
- A wrong credential, or none, is refused before anything is asked: the worker's own identity never takes its place.

The connection is of type `wasb`. A connection string, an account key, a SAS or a service principal:

```json connection string
{"conn_type": "wasb", "extra": {"connection_string":
  "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"}}
```

```json account key
{"conn_type": "wasb", "login": "acme", "password": "c2VjcmV0"}
```

```json SAS
{"conn_type": "wasb", "host": "https://acme.blob.core.windows.net",
 "extra": {"sas_token": "sp=rwd&se=2027-01-01T00:00:00Z&sv=2024-11-04&sr=c&sig=c2ln"}}
```

```json service principal
{"conn_type": "wasb", "host": "https://acme.blob.core.windows.net", "login": "client id", "password": "client secret",
 "extra": {"tenant_id": "tenant id"}}
```

`retry_total`, `retry_backoff_factor`, `connection_timeout` and `read_timeout` in `extra` override how often is asked
again (4 times), after how many seconds (0, 1, 2, 4), and how long is waited (10 and 30 seconds). When a SAS ends it is
replaced in the connection; the definition stays. A run whose SAS ends within the hour is not begun.

What to grant: a SAS of the container (`sr=c`) with `sp=rwd`, and `t` when `tags` are declared (`sp=rwdt`); a service
principal has the role *Storage Blob Data Contributor* on the container. What a missing right costs:

- without `d`, what a new generation supersedes stays where it is;
- with `c` instead of `w` nothing that is there can be replaced: every window is delivered once, and Azure takes a file
  only in one request, so `part_size` must be at least as large as the largest one;
- without `r` nobody can tell what is there, so a window whose delivery was interrupted is refused when it is run again,
  until its files are removed. `sp=c` alone is enough to deliver each window once;
- a SAS cannot sign share links. An account key can, and a service principal that may also generate a *user delegation
  key* (in the role *Storage Blob Delegator*, on the account).
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from include.exports.destinations import Capabilities
from include.exports.destinations.azure_client import encryption_key, sas_ends, settings
from include.exports.destinations.azure_errors import errors
from include.exports.destinations.blob_store import BlobStore, Options
from include.exports.destinations.connection import connection
from include.exports.destinations.purpose import Purpose
from include.exports.errors import DeliveryRefused
from include.exports.paths import RelativePath, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from azure.storage.blob import BlobServiceClient

MIB = 1 << 20

CAPABILITIES = Capabilities(
    checksums=("md5",),
    parallel=6,  # with the 4 blocks in flight, the 10 connections that Azure's transport keeps open
    gaps={
        "test_a_failure_half_way_leaves_nothing_behind": "the blocks that were sent stay, seen by no reader, until the"
        " file is delivered or Azure removes them after a week",
    },
)

_SIGN_IN = {"account_key", "connection_string", "sas_token", "shared_access_key", "tenant_id"}
"""What a connection's extra may sign in with. WasbHook asks the worker's own identity when there is nothing."""
_OF_THE_HOOK = _SIGN_IN | {"client_secret_auth_config"}

_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9 +\-./:=_]*")


def container_name(value: str) -> str:
    """Azure's rule for containers."""
    if not _CONTAINER.fullmatch(value):
        remedy = re.sub(r"[^a-z0-9]+", "-", value.lower())[:63].strip("-")
        raise ValueError(
            f"{value!r} must be 3 to 63 lower-case letters, digits and single hyphens, and begin and end with a letter"
            f" or digit{f'; is it {remedy!r}?' if _CONTAINER.fullmatch(remedy) else ''}"
        )
    return value


def _tags(value: dict[str, str]) -> dict[str, str]:
    """Azure's rules for blob index tags: 10 at most, keys of 1 to 128 characters, values of at most 256."""
    for key, content in value.items():
        if not (0 < len(key) <= 128 and len(content) <= 256 and _TAG.fullmatch(key + content)):  # noqa: PLR2004
            raise ValueError(
                f"{key!r}: {content!r} must have a key of 1 to 128 and a value of at most 256 characters, all of them"
                " letters, digits, spaces and + - . / : = _"
            )
    return value


class BlobDestination(Purpose):
    """A container of Azure Blob Storage, or a folder in one."""

    type: Literal["blob"] = "blob"
    name: Segment = "blob"
    """What `%DESTINATION_INSTANCE_NAME%` becomes."""
    conn_id: Annotated[str, Field(min_length=1)]
    """Airflow connection of type `wasb`: connection string, account key, SAS or service principal."""
    container: Annotated[str, AfterValidator(container_name)]
    """The container, which must exist."""
    prefix: RelativePath = ""
    """Folders inside the container under which everything is written."""
    access_tier: Literal["Hot", "Cool", "Cold"] | None = None
    """Tier of the data files; when absent, the account's default. The manifest and its views, which are small and read
    often, always have the account's default."""
    encryption_scope: Annotated[str, Field(min_length=1)] | None = None
    """Encryption scope of the account, whose key encrypts everything written."""
    customer_key_conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection whose password is a key of 256 bits in base64. Azure encrypts everything written with it and
    keeps no copy: who reads must send it too."""
    tags: Annotated[dict[str, str], Field(max_length=10), AfterValidator(_tags)] = {}
    """Blob index tags of the data files."""
    part_size: int = Field(default=16 * MIB, ge=MIB, le=256 * MIB)
    """Bytes of a block. A file that has no more is sent in one request, a larger one as blocks, four at a time. Grows
    by itself for files of more than 50,000 blocks."""

    @property
    def place(self) -> str:
        """What the paths of two destinations must share to be the same files, whatever else they declare."""
        return f"wasb://{self.conn_id}/{self.container}"

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.encryption_scope and self.customer_key_conn_id:
            raise ValueError("encryption_scope and customer_key_conn_id are two keys for the same bytes; give one")
        return self


@contextmanager
def connect(destination: BlobDestination) -> Iterator[BlobStore]:
    """The container, signed in by Airflow's WasbHook. Raises `DeliveryRefused` when there is no such connection, or no
    credential in it.
    """
    from azure.storage.blob import StandardBlobTier

    conn_id = destination.conn_id
    with errors(f"container {destination.container}", conn_id):
        service = _service(conn_id)
        key = {"cpk": encryption_key(destination.customer_key_conn_id)} if destination.customer_key_conn_id else {}
    scope = {"encryption_scope": destination.encryption_scope} if destination.encryption_scope else {}
    tier = {"standard_blob_tier": StandardBlobTier(destination.access_tier)} if destination.access_tier else {}
    tags = {"tags": destination.tags} if destination.tags else {}
    options = Options(
        field="container",
        part_size=destination.part_size,
        always=key,
        writes={**key, **scope},
        files={**tier, **tags},
    )
    with service, BlobStore(service, destination.container, conn_id, options) as store:
        yield store


def credential_ends(destination: BlobDestination) -> datetime | None:
    """When the SAS of the connection ends; None for keys and service principals, which do not say."""
    extra = _extra(destination.conn_id)
    return sas_ends(extra.get("sas_token") or extra.get("connection_string") or "")


def _service(conn_id: str) -> BlobServiceClient:
    """A client with the credential of the hook's, which takes no retries but those of Azure Storage."""
    from airflow.providers.microsoft.azure.hooks.wasb import WasbHook
    from azure.storage.blob import BlobServiceClient

    extra = _extra(conn_id)
    if not (connection(conn_id).password or any(extra.get(name) for name in _SIGN_IN)):
        raise DeliveryRefused(
            f"Airflow connection {conn_id!r} holds no credential; give it a connection string, an account key, a SAS or"
            " a service principal"
        )
    signed_in = WasbHook(conn_id).get_conn()
    options = settings({name: extra[name] for name in extra.keys() - _OF_THE_HOOK})
    return BlobServiceClient(signed_in.url, credential=signed_in.credential, **options)


def _extra(conn_id: str) -> dict[str, Any]:
    """A connection's extra; the forms of older providers put the hook's name before each field."""
    return {name.removeprefix("extra__wasb__"): value for name, value in connection(conn_id).extra_dejson.items()}
