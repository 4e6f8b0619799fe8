"""What a declared bucket may be."""

import pytest

from include.exports import DatasetExport, S3Destination
from include.exports.errors import DefinitionError


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("bucket", "Exports_2024", "'Exports_2024' must be 3 to 63 lower-case letters.*; is it 'exports-2024'?"),
        ("bucket", "192.168.0.1", "and no IP address"),
        ("bucket", "ab", "3 to 63"),
        ("bucket", "a" * 64, "3 to 63"),
        ("bucket", "-exports", "is it 'exports'"),
        ("bucket", "a..b", "each label"),
        ("prefix", "a//b", "write 'a/b'"),
        ("part_size", 1 << 20, "greater than or equal to 5242880"),
        ("storage_class", "DEEP_ARCHIVE", "use one of STANDARD"),
        ("conn_id", "", "at least 1 character"),
        ("tags", {"team": "growth & sales"}, "'team': 'growth & sales' must have"),
        ("tags", {"": "x"}, "'': 'x' must have a key of 1 to 128"),
        ("tags", {"aws:team": "x"}, "may not begin with 'aws:'"),
        ("tags", {"team": "x" * 257}, "at most 256 characters"),
        ("tags", {str(number): "x" for number in range(11)}, "at most 10 items"),
    ],
)
def test_a_wrong_declaration_names_value_and_rule(daily, field, value, rule):
    with pytest.raises(DefinitionError, match=rf"(?s)destination\.{field}: .*{rule}"):
        DatasetExport(**(dict(daily) | {"destination": S3Destination(**({"bucket": "exports"} | {field: value}))}))


@pytest.mark.parametrize("bucket", ["abc", "a.b-c.d0", "0" * 63, "my-exports"])
def test_every_name_that_a_bucket_may_have_is_taken(bucket):
    destination = S3Destination(bucket=bucket)
    assert S3Destination.model_validate_json(destination.model_dump_json()) == destination


def test_two_keys_for_the_same_bytes_are_refused(daily):
    destination = S3Destination(bucket="exports", kms_key_id="key", customer_key_conn_id="key")
    with pytest.raises(DefinitionError, match="kms_key_id and customer_key_conn_id are two keys for the same bytes"):
        DatasetExport(**(dict(daily) | {"destination": destination}))
