"""What a declared container, and a declared Data Landing Zone, may be."""

import pytest

from include.exports import BlobDestination, DataLandingZoneDestination, DatasetExport
from include.exports.destinations import path_problem
from include.exports.errors import DefinitionError

MIB = 1 << 20


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("container", "Exports_2024", "'Exports_2024' must be 3 to 63 lower-case letters.*; is it 'exports-2024'?"),
        ("container", "ab", "3 to 63"),
        ("container", "a" * 64, "3 to 63"),
        ("container", "-exports", "is it 'exports'"),
        ("container", "a--b", "single hyphens.*is it 'a-b'"),
        ("container", "a.b", "is it 'a-b'"),
        ("conn_id", "", "at least 1 character"),
        ("prefix", "a//b", "write 'a/b'"),
        ("access_tier", "Archive", "use one of Hot, Cool, Cold"),
        ("part_size", 1000, "greater than or equal to 1048576"),
        ("tags", {"a": "b?"}, "'a': 'b.' must have a key of 1 to 128.*letters, digits, spaces and"),
        ("tags", {"": "b"}, "a key of 1 to 128"),
        ("tags", {"a": "b" * 257}, "at most 256"),
        ("tags", {str(number): "" for number in range(11)}, "at most 10 items"),
    ],
)
def test_a_wrong_declaration_names_value_and_rule(daily, field, value, rule):
    declared = {"conn_id": "lake", "container": "exports"} | {field: value}
    with pytest.raises(DefinitionError, match=rf"(?s)destination\.{field}: .*{rule}"):
        DatasetExport(**(dict(daily) | {"destination": BlobDestination(**declared)}))


def test_two_keys_for_the_same_bytes_are_refused(daily):
    both = BlobDestination(conn_id="lake", container="exports", encryption_scope="a", customer_key_conn_id="b")
    with pytest.raises(DefinitionError, match=r"encryption_scope and customer_key_conn_id are two keys.*; give one"):
        DatasetExport(**(dict(daily) | {"destination": both}))


@pytest.mark.parametrize(
    "declared",
    [
        BlobDestination(conn_id="lake", container="a-b-0", access_tier="Cold", tags={"team": "a b+-./:=_"}),
        BlobDestination(conn_id="lake", container="0" * 63, customer_key_conn_id="key", part_size=256 * MIB),
        DataLandingZoneDestination(conn_id="zone", prefix="a/b"),
    ],
)
def test_a_declaration_survives_json(declared):
    assert type(declared).model_validate_json(declared.model_dump_json()) == declared


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a/b*.json", 'one of " '),
        ("a/AUX/b", "a device of DOS"),
        ("a/lpt1.json", "a device of DOS"),
        ("a./b", "a dot at the end"),
        ("a/b.", "a dot at the end"),
        ("a/" + "b" * 256, "more than 255"),
    ],
)
def test_what_a_landing_zone_forbids_is_refused_when_it_is_declared(path, rule):
    assert rule in path_problem("dlz", path)
    assert path_problem("blob", path) is None


@pytest.mark.parametrize("path", ["a/auxiliary.json", "lpt10", "con-1/x.aux", "day=2024-01-01/!-_.'()=", "b" * 255])
def test_other_names_are_free(path):
    assert path_problem("dlz", path) is None
