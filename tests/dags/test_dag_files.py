"""The files of `dags/`: they declare, and do nothing else."""

import ast
import subprocess
import sys

import pytest

from include.exports import catalog
from include.exports.paths import PROJECT

FILES = sorted((PROJECT / "dags").rglob("*.py"))
ALLOWED = (
    ast.Module,
    ast.Expr,
    ast.Constant,
    ast.ImportFrom,
    ast.alias,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Load,
    ast.Tuple,
    ast.Dict,
    ast.UnaryOp,
    ast.USub,
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_dag_file_holds_a_docstring_imports_and_calls_only(file):
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), "the docstring is the DAG's documentation"
    assert [type(node).__name__ for node in ast.walk(tree) if not isinstance(node, ALLOWED)] == []
    assert {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} == {"include.exports"}
    calls = [node for node in tree.body[1:] if not isinstance(node, ast.ImportFrom)]
    assert {call.value.func.id for call in calls} <= {"airflow_dag", "maintenance_dag"}


def test_every_sample_is_declared_without_error():
    found = catalog.read()
    assert found.errors == ()
    assert [item.export.name for item in found.declared] == [
        "campaign_recipients",
        "campaign_results_daily",
        "clicks_for_partner",
        "impressions_daily",
        "impressions_full",
        "open_bandit_results",
    ]


def test_parsing_touches_no_variable_connection_clock_or_network():
    """In a process of its own, where all of these raise, every file still parses into its DAG."""
    script = """
import datetime, socket, sys, time
sys.path.insert(0, sys.argv[1])
import airflow.sdk, airflow.sdk.definitions.connection, airflow.sdk.definitions.variable
from airflow.dag_processing.dagbag import DagBag
import include.exports.dag, duckdb, croniter

def refuse(*args, **kwargs):
    raise AssertionError("a DAG file touched the world while it was parsed")

airflow.sdk.Variable.get = airflow.sdk.BaseHook.get_connection = airflow.sdk.Connection.get = refuse
socket.socket.connect = refuse
def watch(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "sqlite3.connect"}:
        refuse()
sys.addaudithook(watch)
import runpy, pathlib
for file in sorted(pathlib.Path(sys.argv[1], "dags").rglob("*.py")):
    runpy.run_path(str(file))
print("parsed")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(PROJECT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "parsed"


def test_a_manual_run_outside_of_the_schedule_has_all_its_tasks():
    """Airflow makes no task that begins after or ends before the run's logical date, and calls that run a success."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    dags = DagBag(dag_folder=str(PROJECT / "dags")).dags
    for dag in dags.values():
        read = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert {(task.start_date, task.end_date) for task in read.tasks} == {(None, None)}


def test_reading_and_delivering_take_slots_of_the_declared_pools():
    from airflow.dag_processing.dagbag import DagBag

    tasks = DagBag(dag_folder=str(PROJECT / "dags")).dags["clicks_for_partner"].tasks
    assert {task.task_id: task.pool for task in tasks} == {
        "validate_eligibility": "default_pool",
        "shard.extract_records": "exports_sources",
        "shard.serialize_files": "default_pool",
        "shard.deliver_files": "exports_destinations",
        "publish_manifest": "exports_destinations",
    }


def test_the_scheduler_runs_the_windows_between_start_and_end_and_no_others():
    """Asked as the scheduler asks, of the DAG as it is stored."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    dags = DagBag(dag_folder=str(PROJECT / "dags")).dags
    daily, once = (
        DagSerialization.from_dict(DagSerialization.to_dict(dags[name]))
        for name in ("impressions_daily", "impressions_full")
    )
    windows, info = [], None
    while info := daily.next_dagrun_info(last_automated_run_info=info):
        windows.append(f"{info.data_interval.start:%Y-%m-%d}..{info.data_interval.end:%Y-%m-%d}")
    assert windows == [f"2019-11-{day}..2019-11-{day + 1}" for day in range(24, 30)] + ["2019-11-30..2019-12-01"]
    assert daily.timetable.summary == "0 0 * * * UTC"
    first = once.next_dagrun_info(last_automated_run_info=None)
    assert f"{first.run_after:%Y-%m-%d}" == "2019-12-01"
    assert once.next_dagrun_info(last_automated_run_info=first) is None


@pytest.mark.parametrize(
    ("uri", "mode", "more"),
    [(None, "incremental", ["other_windows", "run_other_windows"]), ("s3://lake/orders", "full", [])],
)
def test_an_export_on_an_asset_is_scheduled_on_it_and_runs_the_windows_of_its_events(uri, mode, more):
    """As it is stored: only a run of the asset itself is told the events, one of a reference to it is not."""
    from airflow.serialization.serialized_objects import DagSerialization

    from include.exports import OnAsset
    from include.exports.dag import build

    export = catalog.read().find("impressions_daily")
    on_asset = {"schedule": OnAsset(asset="orders", uri=uri), "mode": mode, "display_name": "Clicks!"}
    dag = DagSerialization.from_dict(DagSerialization.to_dict(build(type(export)(**dict(export) | on_asset), doc=None)))
    ((asset, _),) = dag.timetable.asset_condition.iter_assets()
    assert (asset.name, asset.uri) == ("orders", uri or "orders")
    assert [task.task_id for task in dag.tasks][5:] == more
    assert dag.dag_display_name == "Clicks!"
    assert not dag.timetable.periodic, "so that Airflow refuses a backfill"


def test_the_roles_of_a_definition_see_or_run_its_dag_and_no_other():
    from include.exports.dag import build

    export = catalog.read().find("impressions_daily")
    dag = build(type(export)(**dict(export) | {"access": {"finance": "see", "marketing": "run"}}), doc=None)
    assert dag.access_control == {
        "finance": {"DAGs": {"can_read"}, "DAG Runs": {"can_read"}},
        "marketing": {"DAGs": {"can_read", "can_edit"}, "DAG Runs": {"can_read", "can_create"}},
    }
    assert build(export, doc=None).access_control == {}, "which takes back what a former definition gave"
