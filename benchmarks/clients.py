"""The stores' own clients, each as its documentation says to use it.

Each one has the signature `(files, store, folder)`: it uploads files, called as they are, into a new folder of a local
store, with as many files or parts in flight as this project's destination has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from include.exports import destinations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from include.local.stores import LocalStore

    Client = Callable[[Sequence[Path], LocalStore, str], None]

RCLONE = Path(sysconfig.get_path("scripts"), "rclone")


def boto3(files: Sequence[Path], store: LocalStore, folder: str) -> None:
    """boto3's `upload_file`."""
    import boto3 as aws
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    from include.exports.destinations.s3 import PARTS_AT_ONCE

    connection, bucket, part = _connection(store), store.destination.bucket, store.destination.part_size
    client = aws.client(
        "s3",
        endpoint_url=connection["extra"]["endpoint_url"],
        region_name=connection["extra"]["region_name"],
        aws_access_key_id=connection["login"],
        aws_secret_access_key=connection["password"],
        config=Config(max_pool_connections=max(_parallel(store), PARTS_AT_ONCE)),
    )
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, max_concurrency=PARTS_AT_ONCE)
    _each(files, store, lambda file: client.upload_file(str(file), bucket, f"{folder}/{file.name}", Config=config))


def rclone_s3(files: Sequence[Path], store: LocalStore, folder: str) -> None:
    """`rclone copy` to S3."""
    from include.exports.destinations.s3 import PARTS_AT_ONCE

    connection, part = _connection(store), store.destination.part_size
    _rclone(
        files,
        store,
        f"store:{store.destination.bucket}/{folder}",
        type="s3",
        provider="Other",
        endpoint=connection["extra"]["endpoint_url"],
        region=connection["extra"]["region_name"],
        access_key_id=connection["login"],
        secret_access_key=connection["password"],
        chunk_size=f"{part}B",
        upload_cutoff=f"{part}B",
        upload_concurrency=PARTS_AT_ONCE,
        no_check_bucket=True,
        no_head=True,  # which asks whether what was just written is there
    )


def azure_blob(files: Sequence[Path], store: LocalStore, folder: str) -> None:
    """Azure's `upload_blob` with an MD5 of each request, which this project sends too; Azurite is slower without."""
    from azure.storage.blob import ContainerClient

    from include.exports.destinations.blob_store import CONCURRENCY

    connection, part = _connection(store), store.destination.part_size
    if store.destination.type == "dlz":
        address = connection["password"]
    else:
        address = f"{connection['host']}/{store.destination.container}?{connection['extra']['sas_token']}"
    with ContainerClient.from_container_url(address, max_block_size=part, max_single_put_size=part) as client:

        def upload(file: Path) -> None:
            with file.open("rb") as data:
                client.upload_blob(f"{folder}/{file.name}", data, max_concurrency=CONCURRENCY, validate_content=True)

        _each(files, store, upload)


def azure_datalake(files: Sequence[Path], store: LocalStore, folder: str) -> None:
    """Azure's `upload_data` with an MD5 of each request, which this project sends too."""
    from azure.storage.filedatalake import FileSystemClient

    from include.exports.destinations.adls_store import CONCURRENCY

    connection, part = _connection(store), store.destination.part_size
    account, container = connection["extra"]["account_url"], store.destination.container
    with FileSystemClient(account, container, credential=connection["password"]) as client:

        def upload(file: Path) -> None:
            options = {"chunk_size": part, "max_concurrency": CONCURRENCY, "validate_content": True}
            with file.open("rb") as data:
                client.get_file_client(f"{folder}/{file.name}").upload_data(data, overwrite=True, **options)

        _each(files, store, upload)


def google(files: Sequence[Path], store: LocalStore, folder: str) -> None:
    """Google's `upload_from_filename`, which sends one part after another."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    endpoint = _connection(store)["extra"]["gcs.endpoint"]
    options = {"credentials": AnonymousCredentials(), "client_options": {"api_endpoint": endpoint}}
    with closing(Client(project="local", **options)) as client:  # type: ignore[no-untyped-call]
        bucket, part = client.bucket(store.destination.bucket), store.destination.part_size

        def upload(file: Path) -> None:
            bucket.blob(f"{folder}/{file.name}", chunk_size=part).upload_from_filename(str(file))

        _each(files, store, upload)


def rclone_sftp(files: Sequence[Path], store: LocalStore, folder: str) -> None:
    """`rclone copy` to SFTP."""
    connection = _connection(store)
    hidden = subprocess.run([RCLONE, "obscure", connection["password"]], capture_output=True, text=True, check=True)
    _rclone(
        files,
        store,
        f"store:{store.destination.path}/{folder}",
        type="sftp",
        host=connection["host"],
        port=connection["port"],
        user=connection["login"],
        **{"pass": hidden.stdout.strip()},
        known_hosts_file="none",  # it would say at each connection that it checks no host key
        shell_type="none",
        set_modtime=False,
    )


CLIENTS: Mapping[str, Mapping[str, Client]] = MappingProxyType(
    {
        "adls": {"azure": azure_datalake},
        "blob": {"azure": azure_blob},
        "dlz": {"azure": azure_blob},
        "gcs": {"google": google},
        "s3": {"boto3": boto3, "rclone": rclone_s3},
        "sftp": {"rclone": rclone_sftp},
    }
)
"""The clients of each kind of destination that has a local server, by name."""


def _each(files: Sequence[Path], store: LocalStore, upload: Callable[[Path], object]) -> None:
    with ThreadPoolExecutor(_parallel(store)) as pool:
        for _ in pool.map(upload, files):
            pass


def _rclone(files: Sequence[Path], store: LocalStore, target: str, **options: object) -> None:
    """Copy the folder of the files; what is there is not looked at, as it takes a right to list."""
    environment = {f"RCLONE_CONFIG_STORE_{name.upper()}": str(value) for name, value in options.items()}
    flags = ["--no-check-dest", "--retries=1", f"--transfers={_parallel(store)}", "--files-from-raw=-", "--config="]
    subprocess.run(
        [RCLONE, "copy", files[0].parent, target, *flags],
        input="".join(f"{file.name}\n" for file in files),
        env=os.environ | environment,
        text=True,
        check=True,
    )


def _parallel(store: LocalStore) -> int:
    return destinations.module(store.destination.type).CAPABILITIES.parallel


def _connection(store: LocalStore) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.connections[store.destination.conn_id])
    return found
