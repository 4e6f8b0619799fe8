"""Makes this process, and those it starts, an Airflow of this project on one machine."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from include.exports.paths import PROJECT
from include.local import settings

if TYPE_CHECKING:
    from pathlib import Path


def prepare(home: Path = PROJECT / ".airflow", dotenv: Path = PROJECT / ".env") -> None:
    """Set the environment variables that Airflow reads when it is imported, so call this before.

    What is set already stays; then come `dotenv`, airflow_settings.yaml, and our defaults. Where AIRFLOW_HOME is set
    nothing happens: that Airflow has its own connections, and those of this machine must not hide them.
    `dotenv` is written with new random secrets when it is missing.
    """
    if "AIRFLOW_HOME" in os.environ:
        return
    home.mkdir(parents=True, exist_ok=True)
    if not dotenv.exists():
        write_secret(dotenv, _filled((PROJECT / ".env.example").read_text()))
    signing_key = home / "jwt_secret"
    if not signing_key.exists():
        write_secret(signing_key, secrets.token_hex(32))
    values = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API_AUTH__JWT_SECRET": signing_key.read_text(),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        **settings.read(PROJECT / "airflow_settings.yaml").environment(),
        **{name: value or "" for name, value in dotenv_values(dotenv, interpolate=False).items()},
    }
    for name, value in values.items():
        os.environ.setdefault(name, value)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))


def _filled(example: str) -> str:
    first, *rest = example.split("<random>")
    return first + "".join(secrets.token_hex(32) + text for text in rest)


def write_secret(path: Path, text: str) -> None:
    """Write `path` whole and for its owner alone, however this process ends."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)
