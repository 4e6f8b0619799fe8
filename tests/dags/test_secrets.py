"""No secret of a connection is found anywhere that a run leaves a trace, however the run ends."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rigs import inbox, postgres
from tests.rigs.destinations import RIGS
from tests.rigs.openpgp import LONG_AGO, generate

RUNS = Path(__file__).parents[1] / "rigs" / "secret_runs.py"
DAG = '''"""An export of the tests."""
from include.exports import *
airflow_dag(
    DatasetExport(
        name="secretive", owner="tests", mode="incremental", schedule=Daily(), retries=Retries(count=0),
        source=LakeSource(path="{root}/lake", time_column=TimeColumn(name="at")), files=JsonFiles(),
        order_by=("id",), destination=LocalDestination(path="{root}/out"), folder="%EXPORT_TIME%",
    ),
    doc=__doc__,
)
'''
CANARY = "cAnary/0+=a%b"
"""A secret with characters that are written differently in an address, in JSON and in a log."""
SIG = quote(CANARY, safe="")
SAS = f"sp=rwd&se=2039-01-01T00:00:00Z&sv=2024-11-04&sr=c&sig={SIG}"
SLACK = "T0canary/B0canary/x0canary0canary"
MALFORMED = {
    "adls key": ("adls", {"password": CANARY}),
    "adls SAS": ("adls", {"password": SAS.replace("&sr=c", "&sr=%zz")}),
    "adls string": ("adls", {"extra": {"connection_string": f"AccountKey={CANARY};;=SharedAccessSignature={SAS}"}}),
    "blob key": ("blob", {"password": CANARY, "extra": {}}),
    "blob SAS": ("blob", {"extra": {"sas_token": f"?{SAS}\n"}}),
    "blob string": ("blob", {"extra": {"connection_string": f"DefaultEndpointsProtocol;AccountKey={CANARY}"}}),
    "blob principal": ("blob", {"password": CANARY, "extra": {"tenant_id": "no such tenant"}}),
    "dlz address": ("dlz", {"password": f"127.0.0.1/container?{SAS}"}),
    "dlz port": ("dlz", {"password": f"http://127.0.0.1:port/devstoreaccount1/container?{SAS}"}),
    "gcs key": ("gcs", {"extra": {"keyfile_dict": {"type": "service_account", "private_key": CANARY}}}),
    "gcs text": ("gcs", {"extra": {"keyfile_dict": f'{{"private_key": "{CANARY}'}}),
    "s3 secret": ("s3", {"password": f"{CANARY}\n"}),
    "s3 session": ("s3", {"extra": {"aws_session_token": CANARY}}),
    "sftp key": ("sftp", {"extra": {"private_key": CANARY}}),
    "sftp passphrase": ("sftp", {"extra": {"key_file": "/dev/null", "private_key_passphrase": CANARY}}),
}
"""What is wrong in the connection of a kind of store."""


class Traces(NamedTuple):
    """What is left of all runs."""

    found: dict[str, str]
    """Everything that can be read afterwards, by where."""
    secrets: set[str]
    """In every spelling."""
    states: dict[str, str]
    """How each run ended."""


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def spellings(texts: set[str]) -> set[str]:
    """Every way to write a secret, and the secret part of a SAS and of a connection string."""
    parts = {part for text in texts for part in re.findall(r"(?:sig|AccountKey)=([^&;\s]+)", text)}
    lines = {line.strip() for text in texts | parts for line in text.splitlines()}
    plain = {line for line in lines if line and not line.startswith("-----")}
    decoded = plain | {unquote(text) for text in plain}
    return decoded | {quote(text, safe=safe) for text in decoded for safe in ("", "/")}


def secrets_of(connection: str) -> set[str]:
    document = json.loads(connection)
    extra = document.get("extra", {})
    key = extra.get("keyfile_dict")
    texts = {extra.get(name) for name in ("sas_token", "connection_string", "private_key", "aws_session_token")}
    texts |= {document.get("password"), key["private_key"] if isinstance(key, dict) else None}
    return {text for text in texts if text}


class Runs:
    """What is to be run, and with which connections."""

    def __init__(self) -> None:
        self.changes: dict[str, dict] = {}
        self.connections: dict[str, str] = {}

    def connect(self, **connections: str) -> None:
        self.connections |= {f"AIRFLOW_CONN_{conn_id.upper()}": text for conn_id, text in connections.items()}

    def deliver(self, name: str, destination, **changes) -> None:
        """Add a run to a destination, with a connection of its own that may be another one than the rig's."""
        conn_id = name.replace(" ", "_")
        document = json.loads(os.environ[f"AIRFLOW_CONN_{destination.conn_id.upper()}"])
        self.connect(**{conn_id: json.dumps(document | changes)})
        self.changes[name] = {"destination": destination.model_copy(update={"conn_id": conn_id}).model_dump()}


def to_store(runs: Runs, kind: str, rig) -> None:
    runs.deliver(f"{kind} is forbidden", rig.read_only())  # first: what is there already is not sent
    runs.deliver(f"{kind} works", rig.destination)
    if kind in {"adls", "blob"}:  # elsewhere it is the same credential
        runs.deliver(f"{kind} works by key", rig.signing())
    runs.deliver(f"{kind} is refused", rig.without_login())
    runs.deliver(f"{kind} is not there", rig.through(closed_port()))
    extra = json.loads(os.environ[f"AIRFLOW_CONN_{rig.destination.conn_id.upper()}"]).get("extra", {})
    for name, (of, changes) in MALFORMED.items():
        if of == kind:
            instead = {"sas_token"} if {"password", "connection_string"} & {*changes, *changes.get("extra", {})} else ()
            kept = {name: value for name, value in extra.items() if name not in instead}
            changed = changes | {"extra": kept | changes.get("extra", {})}
            runs.deliver(f"{name} is malformed", rig.destination, **changed)


def from_databases(runs: Runs, database: postgres.Postgres) -> None:
    database.run("create table t (id int, at timestamptz)")
    for name, changes in {
        "sql works": {},
        "sql is refused": {"password": CANARY},
        "sql is not there": {"password": CANARY, "port": closed_port()},
        "sql is malformed": {"password": CANARY, "extra": {"sslmode": "nonsense"}},
    }.items():
        conn_id = name.replace(" ", "_")
        runs.connect(**{conn_id: database.airflow(**changes)})
        source = {"type": "sql", "conn_id": conn_id, "table": "t", "time_column": {"name": "at"}}
        runs.changes[name] = {"source": source}


def signed(runs: Runs) -> None:
    key = generate("sender", passphrase=f"right {CANARY}", subkeys=[{"begun": LONG_AGO, "sign": True}])
    reader = generate("reader")
    for name, passphrase in (("pgp works", f"right {CANARY}"), ("pgp is refused", f"wrong {CANARY}")):
        conn_id = name.replace(" ", "_")
        connection = {"conn_type": "generic", "password": passphrase, "extra": {"private_key": key.secret}}
        runs.connect(**{conn_id: json.dumps(connection)})
        runs.changes[name] = {"encryption": {"recipients": [reader.public], "signing_conn_id": conn_id}}


def told(runs: Runs, mailbox: inbox.Mailbox, forbids: int) -> None:
    """Alerts to servers that are not there, or do not let us in. `forbids` is the port of an HTTP server."""
    port = closed_port()
    host = f"http://127.0.0.1:{{}}/wEbhook0canary?sig={SIG}"
    runs.connect(
        mail=json.dumps(json.loads(mailbox.connection) | {"login": "exports", "password": CANARY}),
        slack=json.dumps(
            {"conn_type": "slackwebhook", "schema": "http", "host": f"127.0.0.1:{port}/services", "password": SLACK}
        ),
        apprise=json.dumps(
            {
                "conn_type": "apprise",
                "extra": {"config": {"path": f"json://me:pAss0canary@127.0.0.1:{port}/aPprise0canary", "tag": "ops"}},
            }
        ),
        webhook=json.dumps({"conn_type": "http", "host": host.format(port), "password": CANARY}),
        forbids=json.dumps({"conn_type": "http", "host": host.format(forbids), "password": CANARY}),
    )
    alerts = [
        {"type": "email", "to": ["a@example.org"], "conn_id": "mail"},
        {"type": "slack", "conn_id": "slack"},
        {"type": "apprise", "conn_id": "apprise"},
        {"type": "webhook", "conn_id": "webhook"},
        {"type": "webhook", "conn_id": "forbids"},
    ]
    runs.changes["alerts works"] = {"alerts": [alert | {"on": ["success"]} for alert in alerts]}


@pytest.fixture(scope="module")
def traces(tmp_path_factory) -> Traces:
    root = tmp_path_factory.mktemp("secrets")
    for folder in ("dags", "lake", *sorted(RIGS)):
        (root / folder).mkdir()
    (root / "dags" / "secretive.py").write_text(DAG.format(root=root))
    at = pa.array([1714521600000000], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": [1], "at": at}), root / "lake" / "a.parquet")
    runs = Runs()
    with (
        pytest.MonkeyPatch.context() as patch,
        postgres.server() as database,
        inbox.mailbox() as mailbox,
        inbox.hooks() as hooks,
    ):
        rigs = {}
        for kind in sorted(RIGS.keys() - {"local"}):
            rigs[kind] = RIGS[kind](root / kind, patch)
            to_store(runs, kind, rigs[kind])  # another kind has connections of the same names
        from_databases(runs, database)
        signed(runs)
        told(runs, mailbox, rigs["s3"].address()[1])
        secrets = spellings({text for connection in runs.connections.values() for text in secrets_of(connection)})
        runs.connect(all=json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{hooks.port}"}))
        of_all = {"type": "webhook", "conn_id": "all", "on": ["start", "success", "failure"]}
        variables = {"AIRFLOW_VAR_EXPORTS_ALERTS": json.dumps({"alerts": [of_all]})}
        (root / "changes.json").write_text(json.dumps(runs.changes))
        finished = subprocess.run(
            [sys.executable, "-P", str(RUNS), *(str(root / name) for name in ("home", "dags", "changes.json"))],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | runs.connections | variables,
        )
        assert finished.returncode == 0, finished.stderr[-5000:]
        found = {"log": finished.stderr, "alerts": repr(hooks.received), "mail": repr(mailbox.received)}
        for kind, rig in rigs.items():
            found |= {f"{kind}: {path}": repr(content) for path, content in rig.visible().items()}
    files = [path for folder in ("home", "out") for path in (root / folder).rglob("*") if path.is_file()]
    found |= {str(path): path.read_bytes().decode(errors="replace") for path in files}  # staging, manifests, database
    states = {run["name"]: run["state"] for run in map(json.loads, finished.stdout.splitlines())}
    secrets |= spellings({CANARY, SLACK, "pAss0canary", "aPprise0canary", "wEbhook0canary"})
    return Traces(found, secrets, states)


def test_the_runs_ended_in_every_way(traces):
    wrong = {name: state for name, state in traces.states.items() if (state == "success") != (" works" in name)}
    assert wrong == {}
    assert len(traces.states) > len(MALFORMED)


def test_no_secret_is_in_any_trace(traces):
    leaks = {
        (where, text[max(0, text.find(spelling) - 100) : text.find(spelling) + 40])
        for where, text in traces.found.items()
        for secret in traces.secrets
        for spelling in {secret, json.dumps(secret)[1:-1]}
        if spelling in text
    }
    assert leaks == set()
