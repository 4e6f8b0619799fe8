"""Looks an Airflow connection up before a hook does.

A hook that does not find its connection goes on with whatever identity the worker has, or says so in words that name
neither the definition nor the remedy. And in logs Airflow masks a password or a token only where it stands as it is in
the connection, so what is secret in it is told to Airflow here in its other spellings.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from include.exports.errors import DeliveryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Connection


KEY_BYTES = 32
"""Of AES-256, which every store that takes a customer's key encrypts with."""


def customer_key(conn_id: str) -> bytes:
    """The key of 256 bits that is the password of a connection, in base64. Raises `DeliveryRefused` when it is not."""
    try:
        key = base64.b64decode(connection(conn_id).password or "", validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise DeliveryRefused(
            f"the password of Airflow connection {conn_id!r} is not {KEY_BYTES} bytes in base64; `openssl rand -base64"
            f" {KEY_BYTES}` makes such a key"
        )
    return key


def connection(conn_id: str) -> Connection:
    """The Airflow connection of that id. Raises `DeliveryRefused` when there is none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from airflow.sdk.log import mask_secret

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise DeliveryRefused(f"Airflow connection {conn_id!r} does not exist; create it or correct conn_id") from error
    mask_secret([*spellings(found)])  # at once: a task tells its supervisor each time, and waits for it
    return found


def number(conn_id: str, name: str, default: float) -> float:
    """A number of a connection's extra, which URIs of connections hold as text. Raises `DeliveryRefused` when it is
    none."""
    value = connection(conn_id).extra_dejson.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DeliveryRefused(
            f"{name!r} in the extra of Airflow connection {conn_id!r} is {value!r}, which is no number; correct it"
        ) from None


_PART = re.compile(r"\b(?:sig|AccountKey)=([^&;\s\"]+)")
"""What is secret in a SAS, in an address that has one, and in a connection string of Azure."""


def spellings(found: Connection) -> Iterator[str]:
    """What is secret in a connection, written in every way in which a client's message could have it."""
    secrets = [found.password or "", *_PART.findall(f"{found.password} {found.host} {found.extra}")]
    if found.conn_type == "http":  # who knows the address of a webhook may post there
        address = urlsplit(found.host or "")
        secrets += [address.path.strip("/"), address.query]
    for secret in secrets:
        for text in {secret, unquote(secret)}:
            yield from {text, text.lstrip("?"), quote(text), quote(text, safe="")}
