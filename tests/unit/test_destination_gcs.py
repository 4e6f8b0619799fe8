"""What a declared bucket of Google Cloud Storage may be."""

import pytest

from include.exports import DatasetExport, GcsDestination
from include.exports.destinations import path_problem
from include.exports.errors import DefinitionError

KEY = "projects/p/locations/eu/keyRings/r/cryptoKeys/k"


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("bucket", "Exports 2024", "'Exports 2024' must be 3 to 63 lower-case letters.*; is it 'exports-2024'?"),
        ("bucket", "192.168.0.1", "be no IP address"),
        ("bucket", "ab", "3 to 63"),
        ("bucket", "a" * 64, "3 to 63"),
        ("bucket", f"a.{'b' * 64}.c", "63 between two"),
        ("bucket", ".".join(["a" * 56] * 4), "222 with dots"),
        ("bucket", "-exports", "is it 'exports'"),
        ("bucket", "exports_", "begin and end with a letter or digit"),
        ("bucket", "a..b", "dots"),
        ("bucket", "goog-exports", "nothing like 'goog...'"),
        ("bucket", "my-google-exports", "or 'google'"),
        ("bucket", "my-g00gle-exports", "or 'google'"),
        ("prefix", "a//b", "write 'a/b'"),
        ("part_size", 0, "greater than or equal to 262144"),
        ("part_size", (1 << 20) + 1, "multiple of 262144"),
        ("storage_class", "REGIONAL", "use one of STANDARD"),
        ("conn_id", "", "at least 1 character"),
        ("kms_key_name", "alias/key", "should match pattern"),
    ],
)
def test_a_wrong_declaration_names_value_and_rule(daily, field, value, rule):
    with pytest.raises(DefinitionError, match=rf"(?s)destination\.{field}: .*{rule}"):
        DatasetExport(**(dict(daily) | {"destination": GcsDestination(**({"bucket": "exports"} | {field: value}))}))


def test_two_keys_for_the_same_bytes_are_refused(daily):
    destination = GcsDestination(bucket="exports", kms_key_name=KEY, customer_key_conn_id="key")
    with pytest.raises(DefinitionError, match="two keys for the same bytes; give one"):
        DatasetExport(**(dict(daily) | {"destination": destination}))


@pytest.mark.parametrize(
    "bucket", ["abc", "a_b-c.d0", "0" * 63, "my-exports", "gogle", ".".join(["a" * 63] * 3), "1.2.3", "a--b"]
)
def test_every_name_that_a_bucket_may_have_is_taken(bucket):
    destination = GcsDestination(bucket=bucket, kms_key_name=KEY)
    assert GcsDestination.model_validate_json(destination.model_dump_json()) == destination


def test_the_beginning_that_google_reserves_is_refused():
    problem = "'.well-known/acme-challenge/a' has the reserved beginning '.well-known/acme-challenge/', which"
    assert (path_problem("gcs", ".well-known/acme-challenge/a") or "").startswith(problem)
    assert path_problem("gcs", "a/.well-known/acme-challenge/a") is None
