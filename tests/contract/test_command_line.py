"""What the command line says of a window that was delivered to a destination."""

import logging
import re
import subprocess
import sys
from urllib.request import urlopen

import pytest
import structlog
from typer.testing import CliRunner

from include.exports import destinations
from include.exports.cli import app
from include.exports.doctor import LINK
from tests.rigs.runs import DAY

FOLDER = "events/exportTime=201911260000"


def ask(*arguments: str) -> tuple[int, str, str]:
    _be_quiet()  # again: the first import of some hooks has configured it anew
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def _be_quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@pytest.fixture(autouse=True)
def quiet():
    """Airflow's log level is that of its process: here that of all tests, in the command's own one what it asks for."""
    before = structlog.get_config()["wrapper_class"]
    _be_quiet()
    yield
    structlog.configure(wrapper_class=before)


@pytest.fixture
def deliver(tmp_path, monkeypatch, run, export_to):
    """Delivers two files, a view and a manifest to a destination, by an export that the DAGs folder declares."""

    def delivered(destination) -> str:
        dags = tmp_path / "dags"
        dags.mkdir()
        document = export_to(destination).model_dump_json()
        (dags / "events.py").write_text(
            f"from include.exports import *\nairflow_dag(DatasetExport.load({document!r}, __file__), doc=__doc__)\n"
        )
        monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))
        manifest: str = run(destination, rows=100)["manifest"]
        return manifest

    return delivered


def test_a_window_is_verified_by_the_name_of_its_export_and_by_the_address_of_its_manifest(rig, deliver, tmp_path):
    manifest = deliver(rig.destination)
    code, said, wrong = ask("verify", "events", "--window", f"{DAY:%Y-%m-%d}")
    assert (code, wrong) == (0, "")
    command = [sys.executable, "-m", "include.exports", "verify", manifest]
    alone = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, said, "")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["ok", "ok"]
    assert sum(int(re.search(r"  (\d+) rows, ", line)[1]) for line in lines[:-1]) == 100
    assert lines[-1] == "2 files, 0 differ from the manifest"

    (copy,) = (content for path, content in rig.visible().items() if path.endswith("_manifest.json"))
    (tmp_path / "copy.json").write_bytes(copy)
    assert ask("verify", str(tmp_path / "copy.json")) == (0, said, "")

    damaged = min(path for path in rig.visible() if "part-" in path)
    rig.place(damaged, b"damaged")
    code, said, _ = ask("verify", "events", "--window", f"{DAY:%Y-%m-%d}")
    assert (code, said.splitlines()[-1]) == (1, "2 files, 1 differ from the manifest")
    assert "size is 7, the manifest says" in said


def test_what_is_not_there_is_refused_in_our_words(rig, deliver):
    manifest = deliver(rig.destination)
    code, said, wrong = ask("verify", "events", "--window", "2019-11-27")
    assert (code, said) == (2, "")
    assert wrong.endswith("_manifest.json is not there; nothing has been published for this window\n")
    code, said, wrong = ask("verify", manifest.replace("20191126", "20191127"))
    assert (code, said) == (2, "")
    assert "_manifest.json" in wrong
    code, said, wrong = ask("verify", "s3://of-nobody/_manifest.json")
    assert (code, said) == (2, "")
    assert "s3://of-nobody/_manifest.json is at the destination of no declared export" in wrong


def test_links_are_printed_at_which_anybody_reads_the_whole_window(rig, deliver):
    if LINK in destinations.module(rig.destination.type).CAPABILITIES.gaps:
        pytest.skip("declared as a gap")
    deliver(rig.signing())
    code, said, wrong = ask("share", "events", "--window", f"{DAY:%Y-%m-%d}", "--expires", "30m")
    assert (code, wrong) == (0, "")
    *lines, last = said.splitlines()
    assert re.fullmatch(r"4 links, until \d{4}-\d\d-\d\dT\d\d:\d\d\+00:00", last)
    links = dict(line.split("  ", 1) for line in lines)
    read = {}
    for name, link in links.items():
        with urlopen(link) as answer:  # noqa: S310  # what the store has signed
            read[f"{FOLDER}/{name}"] = answer.read()
    assert read == rig.visible()


@pytest.mark.parametrize("expires", ["", "7", "0d", "7 days", "1w", "99999d"])
def test_an_end_of_links_that_is_none_is_refused(expires):
    code, said, wrong = ask("share", "events", "--expires", expires)
    assert (code, said) == (2, "")
    assert "Invalid value for --expires" in wrong


def test_the_doctor_exits_with_what_a_delivery_would(rig, deliver):
    deliver(rig.destination)
    before = rig.visible()
    code, said, wrong = ask("doctor", "events", "--mib", "1")
    assert (code, wrong) == (0, "")
    assert re.search(r"^works +signs in and writes +\S+/_doctor/", said, re.MULTILINE)
    assert said.splitlines()[-1].startswith("all that a delivery needs works")
    assert rig.visible() == before
    code, said, wrong = ask("doctor", rig.missing().model_dump_json(), "--mib", "1")
    assert (code, wrong) == (1, "")
    assert said.splitlines()[-1] == "a delivery would fail"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ('{"type": "s3", "buckt": "exports"}', "destination.buckt: is not a known field; did you mean 'bucket'?"),
        ('{"type": "s4"}', "destination: 's4' is not allowed; use one of adls, blob, "),
        ('{"bucket": "exports"}', "destination: has no 'type', which says what kind it is; add it"),
        ('{"type"', "invalid JSON"),
        ("evnts", "no export is called 'evnts'"),
    ],
)
def test_a_question_that_the_doctor_cannot_answer_is_refused(asked, said):
    code, printed, wrong = ask("doctor", asked)
    assert (code, printed) == (2, "")
    assert said in wrong
