"""Reads airflow_settings.yaml, the Astro CLI's file of connections, pools and variables.

Astro writes them to Airflow's database. Here connections and variables become environment variables, which need no
database and come before it, and `include.local.database` writes the pools.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from include.exports.model import Model, definition_error

if TYPE_CHECKING:
    from pathlib import Path


class Connection(Model):
    """An Airflow connection, by `conn_type` and parts or by `conn_uri`."""

    conn_id: str
    """Name by which definitions refer to it."""
    conn_type: str | None = None
    """Airflow's name of the kind of connection, such as `aws` or `postgres`."""
    conn_host: str | None = None
    """Host name or address."""
    conn_schema: str | None = None
    """Database, or what the kind of connection takes it for."""
    conn_login: str | None = None
    """User."""
    conn_password: str | None = None
    """Secret. Set the whole connection in the environment instead, as AIRFLOW_CONN_<ID>."""
    conn_port: int | None = None
    """Port."""
    conn_extra: dict[str, Any] | str | None = None
    """What else the kind of connection takes: a mapping, or its JSON text."""
    conn_uri: str | None = None
    """All of it in one URI."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        """Astro takes the parts where both are given, and drops the URI without a word."""
        if (self.conn_uri is None) == (self.conn_type is None):
            raise ValueError("needs either conn_type or conn_uri; write one of them")
        return self

    def text(self) -> str:
        """What Airflow reads from AIRFLOW_CONN_<ID>."""
        if self.conn_uri is not None:
            return self.conn_uri
        parts = {
            "conn_type": self.conn_type,
            "host": self.conn_host,
            "schema": self.conn_schema,
            "login": self.conn_login,
            "password": self.conn_password,
            "port": self.conn_port,
            "extra": self.conn_extra,
        }
        return json.dumps({name: value for name, value in parts.items() if value is not None})


class Pool(Model):
    """A limit on tasks that run at the same time."""

    pool_name: str
    """Name by which tasks refer to it."""
    pool_slot: int = Field(ge=1)
    """How many of its tasks run at the same time."""
    pool_description: str = ""
    """What it protects, for the Airflow UI."""


class Variable(Model):
    """An Airflow variable."""

    variable_name: str
    """Name by which it is read."""
    variable_value: str
    """Its text."""


class Airflow(Model):
    """What the file declares."""

    connections: tuple[Connection, ...] = ()
    """Connections, by `conn_id`."""
    pools: tuple[Pool, ...] = ()
    """Pools, by `pool_name`."""
    variables: tuple[Variable, ...] = ()
    """Variables, by `variable_name`."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        """Of two with one name the last would win. Environment variables do not tell upper from lower case."""
        for kind, names in (
            ("connections", [item.conn_id.upper() for item in self.connections]),
            ("pools", [item.pool_name for item in self.pools]),
            ("variables", [item.variable_name.upper() for item in self.variables]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind} declare {name!r} {names.count(name)} times; keep one")
        return self

    def environment(self) -> dict[str, str]:
        """The environment variables in which Airflow finds the connections and variables."""
        connections = {f"AIRFLOW_CONN_{item.conn_id.upper()}": item.text() for item in self.connections}
        variables = {f"AIRFLOW_VAR_{item.variable_name.upper()}": item.variable_value for item in self.variables}
        return connections | variables


class Settings(Model):
    """The whole file."""

    airflow: Airflow = Airflow()
    """What is to be in an Airflow."""


def read(path: Path) -> Airflow:
    """What the file declares. Raises `DefinitionError` with all its problems, `yaml.YAMLError` when it is no YAML."""
    with path.open() as stream:  # not its text: so that an error in the YAML names the file
        document = yaml.safe_load(stream)
    try:
        return Settings.model_validate(document).airflow
    except ValidationError as error:
        raise definition_error(Settings, str(path), {}, error) from None
