"""Lets Airflow's API server give delivered files to the users that links were made for."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from include.exports.share import FILES


async def files(scope: Any, receive: Any, send: Any) -> None:
    """The application, made when it is first asked: every Airflow process imports plugins, and one serves them."""
    from include.exports.download import app

    await app(scope, receive, send)


class ExportFiles(AirflowPlugin):
    """Files of exports in stores that sign no links."""

    name = "export_files"
    fastapi_apps = [{"app": files, "url_prefix": FILES, "name": "Files of exports"}]
