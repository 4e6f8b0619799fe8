"""Gives a delivered file to the signed-in Airflow user that a link was made for. Runs in Airflow's API server."""

from __future__ import annotations

import posixpath
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

import jwt
from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002  # FastAPI reads it
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from include.exports.definition import Destination
from include.exports.destinations import connect
from include.exports.errors import DeliveryRefused
from include.exports.share import ALGORITHM, AUDIENCE, KEY, signing_key

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20
AGAIN = "ask for a new one: python -m include.exports share"

app = FastAPI(title="Files of exports", openapi_url=None)


@app.get("/")
def give(token: str, user: GetUserDep) -> StreamingResponse:
    """The file of a link.

    401 for who is not signed in, 403 for somebody else and for a link that was changed, 410 for one that has ended and
    for a file that is gone.
    """
    try:
        claims = jwt.decode(
            token, signing_key(KEY), [ALGORITHM], audience=AUDIENCE, options={"require": ["exp", "sub"]}
        )
    except jwt.ExpiredSignatureError:
        raise HTTPException(410, f"this link has ended; {AGAIN}") from None
    except jwt.InvalidTokenError:
        raise HTTPException(403, f"this link is not one of ours, or was changed; {AGAIN}") from None
    if claims["sub"] != user.get_name():
        raise HTTPException(403, "this link was made for somebody else; ask for one of your own")
    opened = ExitStack()
    try:
        store = opened.enter_context(connect(TypeAdapter(Destination).validate_python(claims["destination"])))
        file = opened.enter_context(store.open(claims["path"]))
    except DeliveryRefused:
        opened.close()
        raise HTTPException(410, "this file is gone: a later run has replaced it; ask for a new link") from None
    except BaseException:
        opened.close()
        raise
    name = quote(posixpath.basename(claims["path"]))
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_chunks(file, opened), media_type="application/octet-stream", headers=headers)


def _chunks(file: IO[bytes], opened: ExitStack) -> Iterator[bytes]:
    with opened:
        while chunk := file.read(CHUNK):
            yield chunk
