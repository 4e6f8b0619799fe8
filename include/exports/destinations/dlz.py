"""An Adobe Data Landing Zone: a container of Azure Blob Storage that Adobe provides, for a SAS and nothing else.

What it does differently from a container of one's own, and what follows:

- Everything that [Azure does](#blobdestination) holds here too: blocks, checksums, conditional requests.
- Files are removed after 7 days. The manifest says so (`export.retention_days`): what is still needed then is exported
  again, or copied away before.
- The SAS names account and container, so the definition names neither. It ends, and Adobe gives a new one on request:
  `POST .../data/foundation/connectors/landingzone/credentials?type=dlz_destination&action=refresh`. It is replaced in
  the connection; the definition stays. A run whose SAS ends within the hour is not begun.
- Names of files and folders may have no `" \\ / : | < > * ?`, at most 255 characters, no dot at the end, and not the
  name of a device of DOS, such as `aux`.

The connection holds the `SASUri` of Adobe's credentials as its password:

```json SAS
{"conn_type": "wasb", "password": "https://acme.blob.core.windows.net/dlz-destination?sp=rwd&sv=2024-11-04&sig=c2ln"}
```

Adobe's SAS may do more than is needed (`sp=rwd`); what a missing right costs is told [there](#blobdestination). A SAS
cannot sign share links.

A Data Landing Zone that is hosted on AWS is a bucket: an `S3Destination` with the session token in its connection.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from include.exports.destinations import Capabilities, blob
from include.exports.destinations.azure_client import sas_ends, settings
from include.exports.destinations.azure_errors import errors
from include.exports.destinations.blob_store import BlobStore, Options
from include.exports.destinations.connection import connection
from include.exports.destinations.purpose import Purpose
from include.exports.errors import DeliveryRefused
from include.exports.paths import RelativePath, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

MIB = 1 << 20

CAPABILITIES = Capabilities(
    checksums=blob.CAPABILITIES.checksums,
    parallel=blob.CAPABILITIES.parallel,
    retention=timedelta(days=7),
    forbidden={
        r'["\\:|<>*?]': 'one of " \\ : | < > * ?',
        r"(?i)(^|/)(aux|con|nul|prn|clock\$|(com|lpt)[1-9])(\.[^/]*)?(/|$)": "the name of a device of DOS",
        r"\.(/|$)": "a dot at the end of a name",
        r"[^/]{256}": "a name of more than 255 characters",
    },
    gaps={
        **blob.CAPABILITIES.gaps,
        "test_a_share_link_lets_anybody_read_until_it_expires": "a SAS signs no other",
    },
)


class DataLandingZoneDestination(Purpose):
    """An Adobe Data Landing Zone, or a folder in it."""

    type: Literal["dlz"] = "dlz"
    name: Segment = "dlz"
    """What `%DESTINATION_INSTANCE_NAME%` becomes."""
    conn_id: Annotated[str, Field(min_length=1)]
    """Airflow connection whose password is the SAS URI. It is the whole sign-in, and names the container."""
    prefix: RelativePath = ""
    """Folders inside the container under which everything is written."""
    part_size: int = Field(default=16 * MIB, ge=MIB, le=256 * MIB)
    """Bytes of a block. A file that has no more is sent in one request, a larger one as blocks, four at a time. Grows
    by itself for files of more than 50,000 blocks."""

    @property
    def place(self) -> str:
        """What the paths of two destinations must share to be the same files, whatever else they declare."""
        return f"dlz://{self.conn_id}"


@contextmanager
def connect(destination: DataLandingZoneDestination) -> Iterator[BlobStore]:
    """The container that the connection's SAS URI names. Raises `DeliveryRefused` when it holds none."""
    from azure.core.credentials import AzureSasCredential
    from azure.storage.blob import BlobServiceClient

    conn_id = destination.conn_id
    declared = connection(conn_id)
    account, container, token = _split(declared.password or "", conn_id)
    with errors(f"{account}/{container}", conn_id, "conn_id"):
        service = BlobServiceClient(account, credential=AzureSasCredential(token), **settings(declared.extra_dejson))
    options = Options(field="conn_id", part_size=destination.part_size, always={}, writes={}, files={})
    with service, BlobStore(service, container, conn_id, options) as store:
        yield store


def credential_ends(destination: DataLandingZoneDestination) -> datetime | None:
    """When the SAS ends; None when an access policy of the container says it."""
    return sas_ends(connection(destination.conn_id).password or "")


def _split(sas_uri: str, conn_id: str) -> tuple[str, str, str]:
    """The address of the account, the container and the token. Raises `DeliveryRefused`, without the value."""
    found = urlsplit(sas_uri)
    path, _, container = found.path.strip("/").rpartition("/")
    if not (found.scheme in {"http", "https"} and found.netloc and container and re.search(r"\bsig=", found.query)):
        raise DeliveryRefused(
            f"the password of Airflow connection {conn_id!r} is not the SAS URI of a container,"
            " https://<account>/<container>?<token>; copy the SASUri of the Data Landing Zone's credentials into it"
        )
    return f"{found.scheme}://{found.netloc}/{path}".rstrip("/"), container, found.query
