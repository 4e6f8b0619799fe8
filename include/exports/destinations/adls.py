"""A container of Azure Data Lake Storage Gen2: a storage account with a hierarchical namespace.

What it does differently from a folder, and what follows:

- A file is visible while it is written. Files are written as `.<name>.partial/<some name>` beside their place and
  renamed, which is one step to readers. Names that begin with a dot are skipped by Spark, Hive and most readers.
- A worker that is killed leaves its `.partial` folder; the next delivery or removal of the same file takes it away.
- A file larger than `part_size` is appended in parts, in parallel. Azure refuses a part whose MD5 is not the one that
  it was sent with, so each is checked on arrival. The MD5 of the whole file is kept with it and compared; it is the one
  that was computed here, since Azure computes none of what was appended. Its SHA-256 is in the metadata.
- Renaming is conditional: `If-None-Match: *` creates, `If-Match: <ETag>` replaces.
- Folders come with the files in them, and stay when the last of them is removed.
- A connection without credential is refused: the worker's own identity never takes its place.

The connection is of type `adls`. Of `abfss://<container>@<account>.dfs.core.windows.net`, as Azure and Adobe write it,
the container is the definition's `container` and the account is the connection's `host`. Tenant, id and key of a
service principal are `tenant_id` in the extra, login and password.

```json service principal
{"conn_type": "adls", "host": "acme", "login": "client id", "password": "client secret",
 "extra": {"tenant_id": "tenant id"}}
```

```json account key
{"conn_type": "adls", "host": "acme", "password": "c2VjcmV0"}
```

```json SAS
{"conn_type": "adls", "host": "acme", "password": "sp=rwdm&se=2027-01-01T00:00:00Z&sv=2024-11-04&sr=c&sig=c2ln"}
```

```json connection string
{"conn_type": "adls", "extra": {"connection_string":
  "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"}}
```

Files are written through `<account>.dfs.core.windows.net` and looked at through `<account>.blob.core.windows.net`, so a
private network needs an endpoint for both. `account_url` in `extra` names another address than these.
`retry_total`, `retry_backoff_factor`, `connection_timeout` and `read_timeout` in `extra` override how often is asked
again (4 times), after how many seconds (0, 1, 2, 4), and how long is waited (10 and 30 seconds). When a SAS ends it is
replaced in the connection; the definition stays. A run whose SAS ends within the hour is not begun.

What to grant: a service principal has the role *Storage Blob Data Contributor* on the container, or, for less than a
container, `--x` on each folder above `prefix` and `rwx` on it, as access and as default entry of the access control
list. A SAS of the container (`sr=c`) has `sp=rwdm`: `m`, to move, is what renaming takes. What a missing right costs:

- without `d`, what a new generation supersedes stays where it is, and an empty `.partial` folder beside each file that
  was sent;
- without `r` nothing can be verified, and without `m` nothing can be published: nothing is delivered;
- a SAS cannot sign share links. An account key can, and a service principal that may also generate a *user delegation
  key* (in the role *Storage Blob Delegator*, on the account).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from include.exports.destinations import Capabilities
from include.exports.destinations.adls_store import CONCURRENCY, AdlsStore
from include.exports.destinations.azure_client import encryption_key, sas_ends, settings
from include.exports.destinations.azure_errors import errors
from include.exports.destinations.blob import container_name
from include.exports.destinations.connection import connection
from include.exports.destinations.purpose import Purpose
from include.exports.errors import DeliveryRefused
from include.exports.paths import RelativePath, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from azure.storage.filedatalake import DataLakeServiceClient

MIB = 1 << 20

CAPABILITIES = Capabilities(
    checksums=("md5",),
    gaps={},
    parallel=6,  # with the 4 appends in flight, the 10 connections that Azure's transport keeps open
    forbidden={
        r"\.(/|$)": "a segment that ends in a dot",
        r"^([^/]+/){60}": "more than 59 folders",  # 63 segments with account, container, and the folder of attempts
    },
)

_OF_THE_HOOK = {
    *("account_url", "connection_string", "tenant_id"),
    *("managed_identity_client_id", "workload_identity_tenant_id"),
}
"""Keys of a connection's extra that are not for Azure's client."""


class AdlsDestination(Purpose):
    """A container (file system) of Azure Data Lake Storage Gen2, or a folder in one."""

    type: Literal["adls"] = "adls"
    name: Segment = "adls"
    """What `%DESTINATION_INSTANCE_NAME%` becomes."""
    conn_id: Annotated[str, Field(min_length=1)]
    """Airflow connection of type `adls`: service principal, account key, SAS or connection string."""
    container: Annotated[str, AfterValidator(container_name)]
    """The container, which must exist."""
    prefix: RelativePath = ""
    """Folders inside the container under which everything is written."""
    customer_key_conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection whose password is a key of 256 bits in base64. Azure encrypts everything written with it and
    keeps no copy: who reads must send it too. When absent, the container's encryption scope, or the account's key."""
    part_size: int = Field(default=8 * MIB, ge=MIB, le=100 * MIB)
    """Bytes of an append; four appends are in memory at once. Grows by itself for files of more than 50,000."""

    @property
    def place(self) -> str:
        """What the paths of two destinations must share to be the same files, whatever else they declare."""
        return f"adls://{self.conn_id}/{self.container}"


@contextmanager
def connect(destination: AdlsDestination) -> Iterator[AdlsStore]:
    """The container, signed in by Airflow's AzureDataLakeStorageV2Hook. Raises `DeliveryRefused` when there is no such
    connection, or no credential in it.
    """
    with errors(f"container {destination.container}", destination.conn_id):
        service = _service(destination.conn_id)
        key = {"cpk": encryption_key(destination.customer_key_conn_id)} if destination.customer_key_conn_id else {}
    with service, ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="appends") as pool:
        yield AdlsStore(destination, service, key, pool)


def credential_ends(destination: AdlsDestination) -> datetime | None:
    """When the SAS of the connection ends; None for keys and service principals, which do not say."""
    declared = connection(destination.conn_id)
    return sas_ends(declared.extra_dejson.get("connection_string") or declared.password or "")


def _service(conn_id: str) -> DataLakeServiceClient:
    """A client that signs in as the hook's does, with our timeouts and retries."""
    from airflow.providers.microsoft.azure.hooks.data_lake import AzureDataLakeStorageV2Hook
    from azure.core.credentials import AzureNamedKeyCredential
    from azure.storage.filedatalake import DataLakeServiceClient

    declared = connection(conn_id)
    extra = {name.removeprefix("extra__adls__"): value for name, value in declared.extra_dejson.items() if value}
    if not (declared.password or extra.get("connection_string")):  # the hook would ask the worker's own identity
        raise DeliveryRefused(
            f"Airflow connection {conn_id!r} holds no credential; give it a connection string, or as its password an"
            " account key, a SAS or the secret of a service principal"
        )
    found = AzureDataLakeStorageV2Hook(conn_id).get_conn()
    credential = found.credential  # None for a SAS, which is part of the address
    if hasattr(credential, "account_key"):  # the clients for blobs inside of the new one do not take this one's kind
        credential = AzureNamedKeyCredential(credential.account_name, credential.account_key)
    options = {name: extra[name] for name in extra.keys() - _OF_THE_HOOK}
    return DataLakeServiceClient(found.url, credential=credential, **settings(options))
