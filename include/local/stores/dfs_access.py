"""Whether a request of the Data Lake (DFS) API may be answered: its signature, its time and its permissions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from azure.storage.blob import generate_container_sas

from include.local.stores.azurite import ACCOUNT, KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

PERMISSIONS = {"create": "cw", "append": "w", "flush": "w", "rename": "m", "delete": "d"}
"""The operations, and what a SAS must have for each: one of these letters."""
SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
"""The standard headers of which a Shared Key signature is made, in that order."""


class Refused(Exception):
    """An answer that is an error of Azure's."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


def authorize(operation: str, container: str, method: str, target: str, headers: Mapping[str, str]) -> None:
    """Raise `Refused` when the request is not signed, by another key, too late, or for something else.

    An operation that is none of `PERMISSIONS` is refused, too: this is not all of Azure.

    `target` is path and query as they were sent, `headers` have lower-case names. Of a token, only the claims are
    looked at, as Azurite does.
    """
    if operation not in PERMISSIONS:
        raise Refused(501, "NotImplemented")
    scheme, _, given = headers.get("authorization", "").partition(" ")
    query = dict(parse_qsl(target.partition("?")[2]))
    if scheme == "SharedKey":
        if given != f"{ACCOUNT}:{shared_key(method, target, headers)}":
            raise Refused(403, "AuthenticationFailed")
    elif scheme == "Bearer":
        claims = json.loads(base64.urlsafe_b64decode(given.split(".")[1] + "=="))
        if claims["aud"].rstrip("/") != "https://storage.azure.com" or claims["exp"] < datetime.now(UTC).timestamp():
            raise Refused(401, "InvalidAuthenticationInfo")
    elif "sig" in query:
        _authorize_sas(operation, container, query)
    else:
        raise Refused(401, "NoAuthenticationInformation")


def shared_key(method: str, target: str, headers: Mapping[str, str]) -> str:
    """The Shared Key signature of a request; `headers` have lower-case names.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    path, _, query = target.partition("?")
    signed = dict(headers)
    if signed.get("content-length") == "0":
        del signed["content-length"]
    if "x-ms-date" in signed:
        signed.pop("date", None)
    lines = [method, *(signed.get(name, "") for name in SIGNED)]
    lines += [f"{name}:{signed[name].strip()}" for name in sorted(signed) if name.startswith("x-ms-")]
    lines.append(f"/{ACCOUNT}{path}")
    lines += [f"{name.lower()}:{value}" for name, value in sorted(parse_qsl(query, keep_blank_values=True))]
    digest = hmac.new(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _authorize_sas(operation: str, container: str, query: Mapping[str, str]) -> None:
    permission, starts, ends = (query.get(name, "") for name in ("sp", "st", "se"))
    again = generate_container_sas(
        *(ACCOUNT, container, KEY, None, permission, ends, starts or None), protocol=query.get("spr")
    )
    now = datetime.now(UTC)
    if (
        query.get("sr") != "c"
        or dict(parse_qsl(again))["sig"] != query["sig"]
        or now >= datetime.fromisoformat(ends)
        or (starts and now < datetime.fromisoformat(starts))
    ):
        raise Refused(403, "AuthenticationFailed")
    if not set(PERMISSIONS[operation]) & set(permission):
        raise Refused(403, "AuthorizationPermissionMismatch")
