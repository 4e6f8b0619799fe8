"""One machine's Airflow, prepared in the environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.exports.paths import PROJECT

PREPARE = """
import json, os, pathlib, sys
from include.local.environment import prepare
before = dict(os.environ)
prepare(home=pathlib.Path("airflow"), dotenv=pathlib.Path(".env"))
assert "airflow" not in sys.modules, "airflow reads its environment when it is imported"
json.dump({name: value for name, value in os.environ.items() if before.get(name) != value}, sys.stdout)
"""


def prepared(folder: Path, **given: str) -> dict[str, str]:
    """What `prepare` adds to `given`, in a process of its own that runs in `folder`."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **given}
    command = [sys.executable, "-c", PREPARE]
    return json.loads(subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def test_everything_airflow_needs_is_set_and_stays_the_same(tmp_path: Path) -> None:
    first, second = prepared(tmp_path), prepared(tmp_path)

    assert second == first
    assert len(first.pop("AIRFLOW__API_AUTH__JWT_SECRET")) == 64
    keys = [first.pop(f"AIRFLOW_CONN_EXPORTS_{name}_KEY") for name in ("LINK", "MASK")]
    for key in keys:
        assert key.startswith("generic://:")
        assert len(key) == len("generic://:@") + 64
    assert keys[0] != keys[1]
    assert {name: value for name, value in first.items() if name.startswith("AIRFLOW")} == {
        "AIRFLOW_HOME": "airflow",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    }


def test_secrets_are_for_their_owner_alone_and_differ_between_machines(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        prepared(folder)

    for name in (".env", "airflow/jwt_secret"):
        assert (one / name).stat().st_mode & 0o777 == 0o600
        assert (one / name).read_text() != (other / name).read_text()


def test_the_environment_comes_before_dotenv_and_dotenv_before_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AIRFLOW_CONN_EXPORTS_MASK_KEY=generic://:from-dotenv@\nONE=dotenv\nTWO=dotenv\n")

    added = prepared(tmp_path, TWO="given")

    assert (added["AIRFLOW_CONN_EXPORTS_MASK_KEY"], added["ONE"]) == ("generic://:from-dotenv@", "dotenv")
    assert "TWO" not in added


def test_an_airflow_that_is_configured_already_is_left_as_it_is(tmp_path: Path) -> None:
    assert prepared(tmp_path, AIRFLOW_HOME="/opt/airflow") == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("airflow_database")
def test_pools_of_the_settings_file_are_in_the_database() -> None:
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = {tuple(row) for row in session.execute(select(Pool.pool, Pool.slots))}

    assert found == {("default_pool", 128), ("exports_sources", 4), ("exports_destinations", 8)}
