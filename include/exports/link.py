"""The button of `publish_manifest` in the Airflow UI that leads to what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class ManifestLink(BaseOperatorLink):
    """The manifest, where its address is one that browsers open; else the page of the UI that shows the address."""

    name = "Manifest"

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the link for the UI, which knows no code of ours."""
        return "manifest_link"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002
        """Asked for in the task when it has ended; `ti_key` is its task instance. Empty when nothing was published."""
        published = ti_key.xcom_pull(task_ids=ti_key.task_id)
        if not published:
            return ""
        url: str = published["manifest"]
        return url if url.startswith(("https://", "http://")) else f"{ti_key.log_url.partition('?')[0]}/xcom"
