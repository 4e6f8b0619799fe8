"""airflow_settings.yaml, read as the Astro CLI would."""

import json
from pathlib import Path
from textwrap import dedent

import pytest

from include.exports.errors import DefinitionError
from include.exports.paths import PROJECT
from include.local.settings import read


def written(folder: Path, text: str) -> Path:
    path = folder / "airflow_settings.yaml"
    path.write_text(dedent(text))
    return path


def test_connections_and_variables_become_the_environment_that_airflow_reads(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
        airflow:
          connections:
            - conn_id: analytics_lake
              conn_type: aws
              conn_login: reader
              conn_port: 9000
              conn_extra: {endpoint_url: "http://127.0.0.1:9000"}
            - conn_id: warehouse
              conn_uri: postgres://reader@127.0.0.1:5432/events
          variables:
            - variable_name: sandbox
              variable_value: prod
        """,
    )

    environment = read(path).environment()

    lake = json.loads(environment.pop("AIRFLOW_CONN_ANALYTICS_LAKE"))
    assert lake == {
        "conn_type": "aws",
        "login": "reader",
        "port": 9000,
        "extra": {"endpoint_url": "http://127.0.0.1:9000"},
    }
    assert environment == {
        "AIRFLOW_CONN_WAREHOUSE": "postgres://reader@127.0.0.1:5432/events",
        "AIRFLOW_VAR_SANDBOX": "prod",
    }


def test_airflow_finds_a_connection_that_the_file_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import BaseHook

    path = written(
        tmp_path,
        """\
        airflow:
          connections:
            - {conn_id: lake, conn_type: aws, conn_login: reader, conn_extra: {region_name: eu-west-1}}
        """,
    )
    for name, value in read(path).environment().items():
        monkeypatch.setenv(name, value)

    found = BaseHook.get_connection("lake")

    assert found.get_uri() == "aws://reader@/?region_name=eu-west-1"


def test_all_problems_are_named_at_once_with_key_and_remedy(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
        airflow:
          connections:
            - {conn_id: lake, conn_typ: aws}
            - {conn_type: aws}
            - {conn_id: both, conn_type: aws, conn_uri: "aws://"}
          pools:
            - {pool_name: sources, pool_slot: 0}
          variable: []
        """,
    )

    with pytest.raises(DefinitionError) as refused:
        read(path)

    assert str(refused.value) == dedent(
        f"""\
        {path}: 5 problems in Settings
          airflow.connections[0].conn_typ: is not a known field; did you mean 'conn_type'?
          airflow.connections[1].conn_id: is required: Name by which definitions refer to it.
          airflow.connections[2]: needs either conn_type or conn_uri; write one of them
          airflow.pools[0].pool_slot: 0: input should be greater than or equal to 1
          airflow.variable: is not a known field; did you mean 'variables'?"""
    )


def test_a_name_is_declared_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
        airflow:
          connections:
            - {conn_id: lake, conn_type: aws}
            - {conn_id: Lake, conn_type: aws}
        """,
    )

    with pytest.raises(DefinitionError, match="airflow: connections declare 'LAKE' 2 times; keep one"):
        read(path)


def test_the_project_declares_no_secret() -> None:
    declared = read(PROJECT / "airflow_settings.yaml")

    assert [item.conn_id for item in declared.connections if item.conn_password or item.conn_uri] == []
