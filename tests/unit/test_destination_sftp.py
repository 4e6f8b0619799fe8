"""What a declared SFTP folder may be."""

import pytest

from include.exports import DatasetExport, SftpDestination
from include.exports.errors import DefinitionError


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("path", "", "at least 1 character"),
        ("path", "in/", "no trailing or double slash"),
        ("path", "/in//out", "no trailing or double slash"),
        ("path", "../other", "no segment '.' or '..'"),
        ("path", "/in/./out", "no segment '.' or '..'"),
        ("path", "~/in", "servers do not expand '~'"),
        ("path", "in\x00out", "remove the control characters"),
        ("prefix", "/a", "write 'a'"),
        ("verify", "md5", "use one of size, sha256"),
        ("conn_id", "", "at least 1 character"),
    ],
)
def test_a_wrong_declaration_names_value_and_rule(daily, field, value, rule):
    arguments = {"conn_id": "partner", "path": "in"} | {field: value}
    with pytest.raises(DefinitionError, match=rf"(?s)destination\.{field}: .*{rule}"):
        DatasetExport(**(dict(daily) | {"destination": SftpDestination(**arguments)}))


@pytest.mark.parametrize("path", [".", "/", "in", "/Data Exports/Ünterlagen", "...", "a/..b/c"])
def test_every_folder_that_a_partner_may_have_is_taken(path):
    destination = SftpDestination(conn_id="partner", path=path)
    assert SftpDestination.model_validate_json(destination.model_dump_json()) == destination
    assert destination.place == f"sftp://partner/{path}"
