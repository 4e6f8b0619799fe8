"""Azurite behind a server that counts and fails, for all of Azure's stores. Both end with the process."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from azure.storage.blob import BlobServiceClient

from include.local.stores import azurite
from tests.rigs.http_faults import Answer, Front, Request

if TYPE_CHECKING:
    from collections.abc import Callable

_LIFE = ExitStack()
"""Closed by nobody: Azurite ends when the process does, however that ends."""
_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
"""Headers that belong to a connection and not to what it carries."""


@cache
def server() -> str:
    """The address of the account at the one Azurite of all tests."""
    folder = _LIFE.enter_context(tempfile.TemporaryDirectory(prefix="exports-azurite-", ignore_cleanup_errors=True))
    return _LIFE.enter_context(azurite.run(Path(folder)))


@cache
def admin() -> BlobServiceClient:
    """The account's own client, which looks at it from outside. One for all tests: its connections stay open."""
    return BlobServiceClient(server(), credential=azurite.KEY)


@cache
def front() -> Front:
    """The server before it. Signatures cover the path and not the host, so they hold there too."""
    return Front(answer=forward(server()), failure=failure)


def url() -> str:
    """The address of the account at the server before it."""
    return f"http://127.0.0.1:{front().port}/{azurite.ACCOUNT}"


def forward(account: str) -> Callable[[Request], Answer]:
    """What passes a request on as it is, over a connection of its own."""
    host = account.split("/")[2]

    def answer(request: Request) -> Answer:
        with closing(HTTPConnection(host)) as connection:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            found = connection.getresponse()
            headers = {name: value for name, value in found.getheaders() if name.lower() not in _HOP}
            if request.method == "HEAD" and (length := found.getheader("content-length")):
                headers["content-length"] = length
            return Answer(found.status, headers, found.read())

    return answer


def failure(how: str) -> Answer:
    """What Azure answers with a status that may pass."""
    code = {"500": "InternalError", "503": "ServerBusy"}.get(how, "TooManyRequests")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>on purpose</Message></Error>"
    return Answer(int(how), {"content-type": "application/xml", "x-ms-error-code": code}, body.encode())
