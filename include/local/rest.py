"""What is asked of a running Airflow through its REST API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class Rest:
    """The REST API of the Airflow at `address`, for one user once logged in."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._headers = {"Content-Type": "application/json"}

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """The answer to GET `path`, or to POST or `method` with `body`. Raises `urllib.error.URLError`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data, self._headers, method=method)  # noqa: S310  # an address of ours
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def log_in(self, user: str, password: str) -> None:
        """Ask as `user` from now on."""
        token = self.ask("/auth/token", {"username": user, "password": password})["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"

    def healthy(self) -> bool:
        """Whether the API server answers and all components are alive."""
        try:
            parts = self.ask("/api/v2/monitor/health")
        except urllib.error.URLError:
            return False
        return all(part["status"] == "healthy" for part in parts.values())

    def dags(self) -> dict[str, str]:
        """Id of each DAG, with its file."""
        return {dag["dag_id"]: dag["fileloc"] for dag in self.ask("/api/v2/dags?limit=1000")["dags"]}

    def import_errors(self) -> dict[str, str]:
        """Each file that Airflow cannot read as DAGs, relative to the DAGs folder, with the reason."""
        errors = self.ask("/api/v2/importErrors?limit=1000")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}
