"""ministack: an S3 server in a process of its own, which checks signatures, policies and checksums.

It keeps everything in memory. The tests of this project use moto as well, which can be made to fail.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from include.exports import S3Destination
from include.exports.destinations import s3
from include.local.stores import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"
BUCKET = "exports"
CONN_ID = "local_s3"
PATIENCE_SECONDS = 30.0
RUN_AND_END_WITH_US = """\
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
runpy.run_module("ministack", run_name="__main__")"""
"""Our end of its standard input closes with our process, also when that is killed."""
_ADMIN = {"aws_access_key_id": "AKIAADMINISTRATOR000", "aws_secret_access_key": "administrator"}


@contextmanager
def serve(folder: Path) -> Iterator[LocalStore]:
    """A bucket, for an identity with the rights that the destination's documentation asks for. Its log is in `folder`.

    Raises `RuntimeError` when the server does not start.
    """
    with _ministack(folder) as url:
        client("s3", url, _ADMIN).create_bucket(Bucket=BUCKET)
        credentials = identity(url, _ADMIN, "exporter", policy())
        yield LocalStore(
            destination=S3Destination(conn_id=CONN_ID, bucket=BUCKET),
            connections={CONN_ID: connection(url, credentials)},
        )


def policy() -> str:
    """The policy that the destination's documentation says to paste, in JSON."""
    (found,) = re.findall(r"```json policy\n(.*?)```", s3.__doc__ or "", re.DOTALL)
    return str(found)


def identity(url: str, admin: dict[str, str], name: str, document: str) -> dict[str, str]:
    """A new user with one policy, as the credentials of an access key of it."""
    iam = client("iam", url, admin)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def client(service: str, url: str, credentials: dict[str, str], **options: Any) -> Any:
    """boto3's own client of a server."""
    return boto3.client(service, endpoint_url=url, region_name=REGION, **credentials, **options)


def connection(url: str, credentials: dict[str, str], **options: Any) -> str:
    """The Airflow connection of an access key, in JSON; `options` go to botocore."""
    extra = {"endpoint_url": url, "region_name": REGION, "config_kwargs": options}
    login = {"login": credentials["aws_access_key_id"], "password": credentials["aws_secret_access_key"]}
    return json.dumps({"conn_type": "aws", **login, "extra": extra})


@contextmanager
def _ministack(folder: Path) -> Iterator[str]:
    """The address of the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,iam,sts",
        "HOME": str(folder),
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": _ADMIN["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": _ADMIN["aws_secret_access_key"],
    }
    command, log = [sys.executable, "-c", RUN_AND_END_WITH_US], folder / "ministack.log"
    environment = os.environ | environment
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=output
        ) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process, log)
            yield url
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    quick = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    asked = client("s3", url, _ADMIN, config=quick)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            asked.list_buckets()
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"ministack does not start: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
