"""Every destination of the registry takes the contract's tests because it is registered."""

import json
from collections import defaultdict
from pathlib import Path

import airflow  # noqa: F401  # configures logging when it is imported, after which a caplog begun before hears nothing
import pytest
from airflow.sdk._shared.secrets_masker import reset_secrets_masker

from include.exports import (
    Daily,
    DatasetExport,
    JsonFiles,
    LakeSource,
    ManifestFile,
    TimeColumn,
    Views,
    destinations,
)
from include.exports.destinations import DESTINATIONS, connect
from tests.rigs.destinations import OTHERS, RIGS
from tests.rigs.runs import Runs

OUTCOMES = pytest.StashKey[dict[tuple[str, str], set[str]]]()


def pytest_addoption(parser):
    parser.addoption("--outcomes", type=Path, help="write what passed and which gaps were seen to this file")


def pytest_configure(config):
    config.stash[OUTCOMES] = defaultdict(set)


def pytest_itemcollected(item):
    if contract := _of_contract(item):
        item.config.stash[OUTCOMES][contract]  # is there, also when it is not selected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and (contract := _of_contract(item)):
        item.config.stash[OUTCOMES][contract].add("gap" if hasattr(report, "wasxfail") else report.outcome)
    return report


def pytest_sessionfinish(session, exitstatus):
    """Note what this run has seen. What it has not run, or skipped as it does some tests for root, stays as noted."""
    path = session.config.getoption("outcomes")
    if path is None or exitstatus != pytest.ExitCode.OK:
        return
    before = json.loads(path.read_text()) if path.exists() else {}
    noted = {kind: {} for kind in DESTINATIONS}
    for (kind, test), outcomes in session.config.stash[OUTCOMES].items():
        seen = {"gap", "passed"} & outcomes
        if outcome := min(seen) if seen else before.get(kind, {}).get(test):
            noted[kind][test] = outcome
    path.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n")


def _of_contract(item):
    """Destination and test, when it is one that every destination takes."""
    kind = item.callspec.params.get("rig") if hasattr(item, "callspec") else None
    return (_kind(kind), item.originalname) if kind and item.path.name == "test_destinations.py" else None


def _kind(server):
    """The type of destination that a server is for."""
    return server.partition(" ")[0]


@pytest.fixture(autouse=True)
def forgets_secrets():
    """Airflow makes one pattern of all secrets that a process has seen, and makes it anew for each further one."""
    yield
    reset_secrets_masker()


@pytest.fixture(params=[*RIGS, *OTHERS])
def rig(request, tmp_path, monkeypatch):
    """An empty destination; a test that it has declared a gap for must fail."""
    gaps = destinations.module(_kind(request.param)).CAPABILITIES.gaps
    if reason := gaps.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    return (RIGS | OTHERS)[request.param](tmp_path, monkeypatch)


@pytest.fixture
def store(rig):
    """The destination, open."""
    with connect(rig.destination) as opened:
        yield opened


@pytest.fixture
def source(tmp_path):
    """A file of that content, to be sent."""

    def write(content: bytes):
        path = tmp_path / "source"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def export_to(tmp_path):
    """The declaration of an export to a destination."""

    def declared(destination) -> DatasetExport:
        return DatasetExport(
            name="events",
            owner="tests",
            source=LakeSource(path=str(tmp_path / "lake"), time_column=TimeColumn(name="at")),
            mode="incremental",
            schedule=Daily(start="2019-11-24", end="2019-12-01"),
            files=JsonFiles(max_rows=60),
            destination=destination,
            manifest=ManifestFile(views=Views(files="files.txt")),
        )

    return declared


@pytest.fixture
def run(tmp_path, export_to):
    """Runs an export of that many records to a destination."""
    runs = []

    def deliver(destination, rows: int) -> dict:
        runs.append(Runs(tmp_path, export_to(destination), runs=len(runs)))
        runs[-1].lake(rows)
        return runs[-1].run()

    return deliver
