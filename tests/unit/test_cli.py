"""The command line: what it prints, what it says is wrong, and how it exits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from include.exports import catalog, new
from include.exports.cli import app
from include.exports.errors import DefinitionError
from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

DAY = datetime(2024, 5, 1, tzinfo=UTC)

DEFINITION = '''\
"""Events."""

from include.exports import *

airflow_dag(
    DatasetExport(
        name={name!r},
        owner="tests",
        source=LakeSource(path={lake!r}, time_column=TimeColumn(name="at"), partition=HivePartition(column="day")),
        columns=Columns(exclude=("day",)),
        filter="n >= 0",
        mode="incremental",
        schedule=Daily(start="2024-05-01", timezone="Asia/Seoul"),
        files=JsonFiles(compression="gzip", max_rows=400),
        destination=LocalDestination(path={out!r}, prefix="a/b"),
        manifest=ManifestFile(views=Views(files="files.txt")),
    ),
    doc=__doc__,
)
'''


@pytest.fixture
def dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGs folder with the export `events` of a lake with three days of 1,000 events each."""
    for day in range(3):
        folder = tmp_path / f"lake/day=2024-05-0{day + 1}"
        folder.mkdir(parents=True)
        seconds = range(day * 86_400, day * 86_400 + 1000)
        times = [DAY + timedelta(seconds=second) for second in seconds]
        pq.write_table(pa.table({"n": list(seconds), "at": times}), folder / "events.parquet")
    folder = tmp_path / "dags"
    folder.mkdir()
    put(folder, "events")
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder))
    return folder


def put(dags: Path, name: str, **changes: str) -> None:
    root = dags.parent
    places = {"name": name, "lake": str(root / "lake"), "out": str(root / "out")}
    (dags / f"{name}.py").write_text(DEFINITION.format(**places | changes))


def ask(*arguments: str, answers: str | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command in this process."""
    result = CliRunner().invoke(app, arguments, input=answers, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


# list and check


def test_list_prints_a_line_for_each_export_that_a_program_can_read(dags):
    put(dags, "clicks")
    code, said, wrong = ask("list")
    assert (code, wrong) == (0, "")
    assert said == (
        "name    owner  source  mode         schedule              files      destination\n"
        "clicks  tests  lake    incremental  0 0 * * * Asia/Seoul  json gzip  local\n"
        "events  tests  lake    incremental  0 0 * * * Asia/Seoul  json gzip  local\n"
    )


def test_check_names_every_problem_of_every_file_and_exits_with_2(dags):
    assert ask("check") == (0, "ok  events  events.py\n", "")
    put(dags, "Bad Name")
    (dags / "broken.py").write_text("import nothing_like_this\n")
    code, said, wrong = ask("check")
    assert (code, said) == (2, "ok  events  events.py\n")
    assert (
        wrong
        == f"""\
{dags}/Bad Name.py: 1 problem in DatasetExport 'Bad Name'
  name: 'Bad Name' must be lower-case letters, digits and underscores, start with a letter and have at most 100\
 characters; write 'bad_name'
{dags}/broken.py:1: 1 problem in the file
  ModuleNotFoundError: No module named 'nothing_like_this'
"""
    )
    assert ask("list")[0] == 2


@pytest.mark.usefixtures("dags")
def test_check_needs_no_airflow_and_takes_no_time():
    """In a process in which Airflow, its database driver and all that reads records cannot be imported."""
    missing = ("airflow", "sqlalchemy", "duckdb", "pyarrow")
    script = f"""
import sys
sys.modules.update(dict.fromkeys({missing!r}))
from include.exports.cli import app
app(["check"])"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok  events  events.py\n", "")
    assert time.monotonic() - began < 30, "a moment, also on a busy machine"


# plan


def test_plan_shows_what_a_run_would_do_whole_and_does_nothing(dags):
    code, said, wrong = ask("plan", "events", "--window", "2024-05-02")
    lake, root = dags.parent / "lake", dags.parent
    assert (code, wrong) == (0, "")
    size = sum((lake / f"day=2024-05-0{day}/events.parquet").stat().st_size for day in (1, 2))
    assert (
        said
        == f"""\
window          [2024-05-01T15:00:00+00:00, 2024-05-02T15:00:00+00:00)
scheduled time  2024-05-02T15:00:00+00:00
destination     LocalDestination(marketing_actions=(), type='local', name='local', path='{root}/out', prefix='a/b')
folder          a/b/events/exportTime=202405021500/
files           a/b/events/exportTime=202405021500/part-00000-<first 32 hex digits of sha256>.json.gz
manifest        a/b/events/exportTime=202405021500/_manifest.json
views           files.txt
shards          1
to read         2 source file(s), about 2,000 rows, {size:,} bytes
columns         n BIGINT, at TIMESTAMP WITH TIME ZONE
query           select "n", "at"
                from read_parquet(['{lake}/day=2024-05-01/events.parquet', '{lake}/day=2024-05-02/events.parquet'],\
 union_by_name=true, hive_partitioning=true, hive_types_autocast=false)
                where "at" >= timestamptz '2024-05-01 15:00:00+00:00'
                  and "at" < timestamptz '2024-05-02 15:00:00+00:00'
                  and (n >= 0)
parameters      none
"""
    )
    assert sorted(path.name for path in root.iterdir()) == ["dags", "lake"]


@pytest.mark.usefixtures("dags")
@pytest.mark.parametrize(
    ("window", "covered"),
    [
        ("2024-05-02T23:59", "[2024-05-01T15:00:00+00:00, 2024-05-02T15:00:00+00:00)"),
        ("2024-05-02T15:00Z", "[2024-05-02T15:00:00+00:00, 2024-05-03T15:00:00+00:00)"),
        ("2024-05-01", "[open, 2024-05-01T15:00:00+00:00)"),
        ("2024-05-02T06:00..2024-05-02T07:30", "[2024-05-01T21:00:00+00:00, 2024-05-01T22:30:00+00:00)"),
    ],
)
def test_a_window_is_an_instant_of_the_schedule_or_an_interval_in_its_time_zone(window, covered):
    code, said, _ = ask("plan", "events", "--window", window)
    assert (code, said.splitlines()[0]) == (0, f"window          {covered}")


@pytest.mark.usefixtures("dags")
@pytest.mark.parametrize("window", ["yesterday", "2024-05-03..2024-05-02", "2024-05-02..", "1..2..3"])
def test_a_window_that_is_none_is_refused(window):
    code, said, wrong = ask("plan", "events", "--window", window)
    assert (code, said) == (2, "")
    assert "Invalid value for --window" in wrong


def test_an_export_on_an_asset_is_asked_for_both_ends_or_of_a_full_one_for_an_instant(dags):
    put(dags, "incremental")
    text = (dags / "incremental.py").read_text().replace('Daily(start="2024-05-01"', 'OnAsset(asset="orders"')
    (dags / "incremental.py").write_text(text)
    (dags / "full.py").write_text(text.replace("'incremental'", "'full'").replace('"incremental"', '"full"'))
    both = ask("plan", "incremental", "--window", "2024-05-01..2024-05-02")[1]
    assert both.startswith("window          [2024-04-30T15:00:00+00:00, 2024-05-01T15:00:00+00:00)\n")
    assert "Invalid value for --window" in ask("plan", "incremental", "--window", "2024-05-01")[2]
    assert "this run has no window" in ask("plan", "incremental")[2]
    instant = ask("plan", "full", "--window", "2024-05-01")[1]
    assert instant.startswith("window          everything as of 2024-04-30T15:00:00+00:00\n")


def test_plan_refuses_what_it_cannot_answer_in_our_words(dags):
    code, said, wrong = ask("plan", "event")
    assert (code, said) == (2, "")
    assert wrong == f"{dags}: 1 problem in the catalog\n  name: no export is called 'event'; did you mean 'events'?\n"
    (dags / "clicks.py").write_text("raise ValueError('half written')\n")
    code, said, wrong = ask("plan", "clicks")
    assert (code, said) == (2, "")
    assert wrong.startswith(f"{dags}/clicks.py:1: 1 problem in the file\n  ValueError: half written\n")
    put(dags, "nowhere", lake="/nowhere")
    assert ask("plan", "nowhere", "--window", "2024-05-02") == (
        2,
        "",
        "/nowhere does not exist; check source.path, and that it is mounted on the worker\n",
    )


# run, in an Airflow of its own


def airflow(dags: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with a home and DAGs folder of its own."""
    own = {
        "AIRFLOW_HOME": str(dags.parent / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(PROJECT),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    command = [sys.executable, "-m", "include.exports", *arguments]
    return subprocess.run(command, env=kept | own, cwd=dags, check=False, capture_output=True, text=True)


def test_run_goes_through_the_dag_and_shows_what_was_decided(dags):
    put(dags, "broken", lake="/nowhere")
    manifest = dags.parent / "out/a/b/events/exportTime=202405021500/_manifest.json"

    first = airflow(dags, "run", "events", "--window", "2024-05-02")
    again = airflow(dags, "run", "events", "--window", "2024-05-02", "--resend")
    failed = airflow(dags, "run", "broken", "--window", "2024-05-02")
    unknown = airflow(dags, "run", "evnts")

    document = json.loads(manifest.read_bytes())
    size = document["meta"]["content_length"]
    assert document["meta"]["record_count"] == 1000
    facts = f"generation 1, 1,000 rows in 3 files, {size:,} bytes\nfile://{manifest}\n"
    assert (first.returncode, first.stdout) == (0, f"events: published, {facts}")
    assert (again.returncode, again.stdout) == (0, f"events: current already, {facts}")
    for run, verbs in ((first, "reading extracted serialized delivered published"), (again, "taking serialized")):
        lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in run.stderr.splitlines()]
        for verb in verbs.split():
            assert any(line.startswith(verb) for line in lines), f"{verb} is not said in {run.stderr}"
        assert not [line for line in lines if "[info" in line or "alembic" in line]
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "validate_eligibility: NotEligible: /nowhere does not exist; check source.path" in failed.stderr
    assert failed.stderr.endswith(f"broken failed; Airflow's own log is {dags.parent}/home/logs/run.log\n")
    assert "Traceback" not in failed.stderr
    assert "Traceback" in (dags.parent / "home/logs/run.log").read_text()
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no export is called 'evnts'; did you mean 'events'?" in unknown.stderr

    verified = ask("verify", str(manifest))
    assert verified[0] == 0
    assert verified[1].endswith("3 files, 0 differ from the manifest\n")
    part = sorted(manifest.parent.glob("part-*"))[1]
    part.write_bytes(part.read_bytes()[:-1])
    code, said, _ = ask("verify", f"file://{manifest}")
    assert code == 1
    assert [line.split()[0] for line in said.splitlines() if "file://" in line] == ["ok", "differs", "ok"]
    assert said.endswith("3 files, 1 differ from the manifest\n")


def test_verify_refuses_what_is_not_a_manifest(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    assert ask("verify", str(tmp_path / "none.json")) == (
        2,
        "",
        f"{tmp_path}/none.json: No such file or directory; give the path of a manifest\n",
    )
    code, said, wrong = ask("verify", str(tmp_path / "x.json"))
    assert (code, said) == (2, "")
    assert wrong == f"{tmp_path}/x.json: this is not a manifest of this project: entries: Field required\n"


# new

ANSWERS = {
    "lake": ["orders_daily", "sales", "lake", "s3://bucket/orders"],
    "sql": ["orders_daily", "sales", "sql", "shop:public.orders", "id"],
}


@pytest.mark.parametrize("source", ANSWERS)
@pytest.mark.parametrize("schedule", new.SCHEDULES)
@pytest.mark.parametrize("files", new.FORMATS)
def test_new_writes_a_definition_that_check_accepts_and_ruff_leaves_alone(dags, source, schedule, files):
    timing = ["2024-05-01"] if schedule == "once" else ["created_at", "Asia/Seoul", "2024-05-01"]
    answers = [*ANSWERS[source], schedule, *timing, files]
    code, said, wrong = ask("new", answers="\n".join(answers) + "\n")
    assert (code, wrong) == (0, "")
    assert said.endswith(f"wrote {dags}/orders_daily.py; look at it, then: python -m include.exports check\n")
    assert ask("check")[1] == "ok  events        events.py\nok  orders_daily  orders_daily.py\n"
    written = (dags / "orders_daily.py").read_text()
    for style in (["format", "--check"], ["check"]):
        command = [sys.executable, "-m", "ruff", *style, "--config", str(PROJECT / "pyproject.toml")]
        ruff = subprocess.run(
            [*command, "--stdin-filename", "dags/orders_daily.py", "-"],
            input=written,
            check=False,
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )
        assert ruff.returncode == 0, ruff.stdout + ruff.stderr


def answers(**changes: str) -> new.Answers:
    given = {
        "name": "orders",
        "owner": "sales",
        "source": "lake",
        "location": "lake/orders",
        "order_by": "",
        "time_column": "",
        "schedule": "daily",
        "timezone": "UTC",
        "start": "2024-05-01",
        "files": "json",
    }
    return new.Answers(**given | changes)


HOSTILE = '"),\n    doc=print("run"))\n"""\\" \' {name} \t\u2028 \U0001f600 \\u0041'


@pytest.mark.usefixtures("dags")
@pytest.mark.parametrize("field", ["owner", "location", "time_column", "order_by"])
def test_no_answer_breaks_out_of_the_file(field):
    new.write(answers(**{field: HOSTILE}))
    found = catalog.read().find("orders")
    values = {
        "owner": found.owner,
        "location": found.source.path,
        "time_column": found.source.time_column and found.source.time_column.name,
        "order_by": found.order_by and found.order_by[0],
    }
    assert values[field] == HOSTILE


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "Orders Daily"}, "name"),
        ({"name": "../orders"}, "name"),
        ({"name": '"""\nprint()'}, "name"),
        ({"name": "events"}, "name"),
        ({"start": "soon"}, "schedule.start"),
        ({"timezone": "Mars"}, "schedule.timezone"),
        ({"location": ""}, "source.path"),
        ({"source": "sql", "location": "orders"}, "source.table"),
        ({"source": "sql", "location": "shop:orders"}, "order_by"),
    ],
)
def test_answers_that_make_no_definition_leave_no_file(dags, wrong, field):
    before = {path: path.read_bytes() for path in dags.parent.rglob("*") if path.is_file()}
    with pytest.raises(DefinitionError) as error:
        new.write(answers(**wrong))
    assert [problem.field for problem in error.value.problems] == [field]
    assert {path: path.read_bytes() for path in dags.parent.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("dags")
def test_new_asks_again_for_a_choice_and_says_what_is_wrong_with_an_answer():
    given = ["Orders", "sales", "hive", "lake", "lake/orders", "once", "2024-05-01", "json", ""]
    code, said, wrong = ask("new", answers="\n".join(given))
    assert "Where are the records (lake, sql) [lake]: hive\nError: 'hive' is none of lake, sql\n" in said
    assert code == 2
    assert wrong.startswith("the answers: 1 problem in DatasetExport\n  name: 'Orders' must be lower-case letters")
    assert wrong.endswith("write 'orders'\n")


# help


@pytest.mark.parametrize("command", ["list", "check", "plan", "run", "verify", "new"])
def test_every_command_explains_itself_with_an_example(command):
    code, said, _ = ask(command, "--help")
    assert code == 0
    assert re.search(rf"Example: python -m include\.exports {command}\b", " ".join(said.split()))
    assert f"  {command} " in ask("--help")[1].replace("│", " ")
