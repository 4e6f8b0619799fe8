"""A Data Landing Zone, for the contract: a container of Azurite of which nothing is known but a SAS URI."""

from __future__ import annotations

from typing import Any

from include.exports import DataLandingZoneDestination
from include.local.stores import dlz
from tests.rigs.blob import FEW, BlobRig


class DataLandingZoneRig(BlobRig):
    """An empty landing zone."""

    def at(self, conn_id: str, url: str, token: str, options: Any = FEW, **fields: Any) -> Any:
        self.monkeypatch.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}", dlz.connection(f"{url}/{self.container}?{token}", **options)
        )
        return DataLandingZoneDestination(conn_id=conn_id, part_size=self.part_size, **fields)

    def signing(self) -> Any:
        return self.destination
