"""What a run tells others about where its files come from: the facets that Airflow's OpenLineage provider sends.

They are read back from the manifest at the destination, and only where OpenLineage is set up.
"""

from __future__ import annotations

import logging
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from include.exports.destinations import connect, open_url
from include.exports.manifest import Manifest
from include.exports.sources.lake import LakeSource
from include.exports.sources.sql import SqlSource, open_hook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset

    from include.exports.definition import Export


log = logging.getLogger(__name__)


def report(export: Export, published: Mapping[str, Any], task: Any) -> None:
    """Have the provider told, when `task` has ended, what it has published and of what. Raises nothing: what is
    published stays so when this cannot be said.

    It is found out now, because the provider asks in a process in which no connection can be had.
    """
    from airflow.providers.openlineage.conf import is_disabled

    if is_disabled():
        return
    try:
        found = _facets(export, published["manifest"])
    except Exception as error:  # noqa: BLE001  # hooks of databases raise whatever their drivers do
        log.warning("OpenLineage is not told what was published: %s", error)
    else:
        task.get_openlineage_facets_on_complete = lambda _: found


def _facets(export: Export, url: str) -> OperatorLineage[Any, Any]:
    """The published dataset with its columns, rows, files and bytes, and the one that was read."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset, schema_dataset

    with connect(export.destination) as store, open_url(store, url) as stream:
        manifest = Manifest.model_validate_json(stream.read())
    columns = [
        schema_dataset.SchemaDatasetFacetFields(name=element.name, type=element.type.base)
        for element in manifest.columns.elements
    ]
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=manifest.meta.record_count, size=manifest.meta.content_length, fileCount=len(manifest.entries)
    )
    namespace, name = dataset(posixpath.dirname(url))
    written = OutputDataset(
        namespace=namespace,
        name=name,
        facets={"schema": schema_dataset.SchemaDatasetFacet(fields=columns)},
        outputFacets={"outputStatistics": statistics},
    )
    return OperatorLineage(inputs=_read(export.source, manifest.export.source_count), outputs=[written])


def dataset(url: str) -> tuple[str, str]:
    """Namespace and name of what lies at an address or a local path, as OpenLineage names files."""
    found = urlsplit(url)
    if found.scheme in {"", "file"}:
        return "file", unquote(found.path)
    return f"{found.scheme}://{found.netloc}", unquote(found.path).strip("/")


def _read(source: Any, rows: int) -> list[InputDataset]:
    """What was read. A query may read any number of tables, and is not taken apart."""
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import input_statistics_input_dataset

    match source:
        case LakeSource():
            namespace, name = dataset(source.path)
        case SqlSource(table=tuple(table)):
            hook = open_hook(source.conn_id)
            info = hook.get_openlineage_database_info(hook.connection)
            namespace = f"{info.scheme}://{info.authority}" if info else source.conn_id
            name = ".".join([*filter(None, [info.database if info else None]), *table])
        case _:
            return []
    statistics = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows)
    return [InputDataset(namespace=namespace, name=name, inputFacets={"inputStatistics": statistics})]
