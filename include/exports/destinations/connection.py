"""Looks an Airflow connection up before a hook does.

A hook that does not find its connection goes on with whatever identity the worker has, or says so in words that name
neither the definition nor the remedy.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from include.exports.errors import DeliveryRefused

if TYPE_CHECKING:
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

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise DeliveryRefused(f"Airflow connection {conn_id!r} does not exist; create it or correct conn_id") from error


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
