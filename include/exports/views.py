"""Files derived from the manifest, for readers that understand something simpler than a manifest."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.exports.manifest import Manifest
    from include.exports.plan import Plan


def names(plan: Plan, flow_run_id: str) -> dict[str, str]:
    """The kind and file name of every declared view."""
    declared = plan.export.manifest.views
    adobe = f"manifest-{plan.export.macro_values()['DESTINATION_INSTANCE_ID']}-{flow_run_id}.json"
    kinds = {
        "files": declared.files,
        "sha256sums": declared.sha256sums,
        "adobe": adobe if declared.adobe else None,
        "success": declared.success,
    }
    return {kind: name for kind, name in kinds.items() if name}


def views(plan: Plan, manifest: Manifest) -> dict[str, bytes]:
    """Path and content of every declared view, in the order in which they are written."""
    return {
        plan.view(name): _content(kind, plan, manifest).encode()
        for kind, name in names(plan, manifest.flowRunId).items()
    }


def _content(kind: str, plan: Plan, manifest: Manifest) -> str:
    match kind:
        case "files":
            return "".join(f"{entry.url}\n" for entry in manifest.entries)
        case "sha256sums":
            folder = "/" + posixpath.dirname(plan.manifest)
            return "".join(
                f"{entry.meta.sha256}  {posixpath.relpath(posixpath.join(file.sinkPath, file.name), folder)}\n"
                for entry, file in zip(manifest.entries, manifest.exportResults, strict=True)
            )
        case "adobe":
            return manifest.model_dump_json(include={"flowRunId", "scheduledTime", "exportResults"}) + "\n"
        case _:
            return ""
