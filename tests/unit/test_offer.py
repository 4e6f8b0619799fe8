"""What a source could export, before anything is declared."""

import json
import sqlite3

import pytest

from include.exports.errors import NotEligible
from include.exports.offer import Offer, offers


def test_a_lake_is_offered_with_its_columns_and_its_times(rig):
    rig.lake(10)
    path = str(rig.root / "lake")
    assert list(offers(path)) == [
        Offer(
            name=f"{path} (parquet)",
            columns=("id BIGINT", "at TIMESTAMP WITH TIME ZONE", "name VARCHAR"),
            time_columns=("at (timestamptz)",),
        )
    ]


def test_text_is_offered_once_its_types_are_declared(tmp_path):
    (tmp_path / "a.csv").write_text("id,day\n1,2024-05-01\n")
    (offer,) = offers(str(tmp_path))
    assert offer.problems == (
        "text does not say its types; declare `types` of every column, and look again with it as JSON",
    )
    types = {"id": "BIGINT", "day": "DATE"}
    source = {"type": "lake", "path": str(tmp_path), "format": "csv", "types": types}
    assert list(offers(json.dumps(source))) == [
        Offer(name=str(tmp_path), columns=("id BIGINT", "day DATE"), time_columns=("day (date)",))
    ]


@pytest.mark.parametrize(
    ("time_column", "problem"),
    [
        ({"name": "when"}, "source.time_column: the source has no column 'when'; name one that it has"),
        ({"name": "at", "kind": "timestamp"}, "source.time_column: 'at' is TIMESTAMP WITH TIME ZONE, not of kind"),
    ],
)
def test_a_time_column_that_no_window_can_be_compared_with_is_a_problem(rig, time_column, problem):
    rig.lake(10)
    source = {"type": "lake", "path": str(rig.root / "lake"), "time_column": time_column}
    (offer,) = offers(json.dumps(source))
    (said,) = offer.problems
    assert said.startswith(problem)


def test_a_database_is_offered_table_by_table(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "lite.db")}))
    with sqlite3.connect(tmp_path / "lite.db") as database:
        database.execute("create table orders (id integer primary key, at timestamp)")
        database.execute("create table notes (text text)")
    database.close()
    types = "its results do not say their types; declare `types` for every column"
    key = "has no primary key; name in `order_by` columns that tell its rows apart"
    assert list(offers("lite")) == [
        Offer(name="notes", columns=("text TEXT",), problems=(types, key)),
        Offer(name="orders", columns=("id INTEGER", "at TIMESTAMP"), time_columns=("at",), problems=(types,)),
    ]


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotEligible, match=r"nowhere does not exist; check source.path"):
        list(offers(str(tmp_path / "nowhere")))
    with pytest.raises(NotEligible, match="holds no files of parquet, ndjson, csv; check the path"):
        list(offers(str(tmp_path)))
    with pytest.raises(NotEligible, match="Airflow connection 'warehaus' does not exist"):
        list(offers("warehaus"))
