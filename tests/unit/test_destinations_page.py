"""The page about destinations: what it takes from docstrings and from the contract's run is there."""

import json

import pytest

from include.exports.destinations import DESTINATIONS
from include.local import destinations


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_every_example_of_a_sign_in_is_a_connection(kind):
    found = destinations.sign_ins(kind)
    assert found or kind == "local"
    for name, text in found.items():
        connection = json.loads(text)
        assert connection["conn_type"], name
        assert connection.keys() <= {"conn_type", "host", "schema", "login", "password", "port", "extra"}, name


def test_what_proves_a_column_was_run_for_every_destination():
    outcomes = json.loads(destinations.OUTCOMES.read_text())
    proofs = {test for tests in destinations.PROVED_BY.values() for test in tests}
    assert {kind: proofs - found.keys() for kind, found in outcomes.items()} == {kind: set() for kind in DESTINATIONS}


def test_the_page_has_a_row_for_each_test_and_a_column_for_each_destination():
    outcomes = {kind: {"test_a": "passed", "test_b_c": "gap"} for kind in DESTINATIONS}
    found = destinations.contract(outcomes).splitlines()[-4:]
    columns = len(DESTINATIONS)
    assert found == [
        f"|  | {' | '.join(DESTINATIONS)} |",
        f"| {' | '.join(['---'] * (columns + 1))} |",
        f"| {' | '.join(['a', *['passed'] * columns])} |",
        f"| {' | '.join(['b c', *['gap'] * columns])} |",
    ]
