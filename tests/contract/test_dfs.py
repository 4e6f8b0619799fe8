"""The local Data Lake front answers what Microsoft documents; asked by Microsoft's own client."""

from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.filedatalake import FileSystemClient

from include.local.stores import azurite
from tests.rigs.adls import AdlsRig, url
from tests.rigs.azure import server


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return AdlsRig(tmp_path, monkeypatch)


@pytest.fixture
def container(rig):
    with FileSystemClient(url(rig.front.port), rig.container, credential=azurite.KEY, retry_total=0) as client:
        yield client


@pytest.fixture
def refused():
    """Status and code of an answer that is an error."""

    def ask(call, *arguments, **options) -> tuple[int, str]:
        with pytest.raises(HttpResponseError) as error:
            call(*arguments, **options)
        code = error.value.error_code
        return error.value.status_code, str(getattr(code, "value", code))

    return ask


def file(container, name: str, content: bytes):
    made = container.get_file_client(name)
    made.upload_data(content, overwrite=True)
    return made


def test_a_file_is_its_appends_in_the_order_of_their_positions_once_flushed(rig, container):
    made = container.create_file("a/file", metadata={"of": "me"})
    made.append_data(b"cd", 2)
    made.append_data(b"ab", 0)
    assert rig.visible() == {"a/file": b""}
    made.flush_data(4)
    assert rig.visible() == {"a/file": b"abcd"}
    assert made.get_file_properties().metadata == {"of": "me"}


def test_a_flush_needs_every_byte_before_its_position(container, refused):
    made = container.create_file("file")
    made.append_data(b"cd", 2)
    assert refused(made.flush_data, 4) == (400, "InvalidFlushPosition")
    assert refused(made.append_data, b"x", None) == (400, "MissingRequiredQueryParameter")
    assert refused(container.get_file_client("none").append_data, b"x", 0) == (404, "PathNotFound")


def test_a_part_that_is_not_what_its_md5_says_is_refused(container, refused):
    made, wrong = container.create_file("file"), {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert refused(made.append_data, b"x", 0, headers=wrong) == (400, "Md5Mismatch")


def test_a_rename_is_what_its_conditions_allow(rig, container, refused):
    target, name = file(container, "target", b"old"), f"{rig.container}/target"
    source, stale = file(container, "source", b"new"), target.get_file_properties().etag
    missing = {"match_condition": MatchConditions.IfMissing}
    stale_target = {"match_condition": MatchConditions.IfNotModified, "etag": stale}
    stale_source = {"source_match_condition": MatchConditions.IfNotModified, "source_etag": stale}
    assert refused(source.rename_file, name, **missing) == (409, "PathAlreadyExists")
    assert refused(source.rename_file, name, **stale_source) == (412, "SourceConditionNotMet")
    file(container, "target", b"newer")
    assert refused(source.rename_file, name, **stale_target) == (412, "ConditionNotMet")
    no_folder = f"{rig.container}/no/folder"
    assert refused(source.rename_file, no_folder) == (404, "RenameDestinationParentPathNotFound")
    source.rename_file(name)
    assert rig.visible() == {"target": b"new"}
    assert refused(source.rename_file, name) == (404, "SourcePathNotFound")


def test_a_folder_is_deleted_with_what_is_in_it_only_when_that_is_asked_for(rig, container, refused):
    file(container, "a/b/file", b"x")
    assert refused(container.get_file_client("a").delete_file, recursive=False) == (409, "DirectoryNotEmpty")
    container.get_directory_client("a").delete_directory()
    assert rig.blobs() == {}
    assert refused(container.get_directory_client("a").delete_directory) == (404, "PathNotFound")


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (lambda token: token.replace("sp=c", "sp=rcwdm"), (403, "AuthenticationFailed")),
        (lambda token: token.replace("sig=", "sig=0000"), (403, "AuthenticationFailed")),
        (lambda _: azurite.sas("another", "rcwdm"), (403, "AuthenticationFailed")),
        (lambda token: token, (403, "AuthorizationPermissionMismatch")),
    ],
    ids=["more permissions", "signature", "container", "append by who may only create"],
)
def test_a_sas_is_checked(rig, refused, change, answer):
    token = change(azurite.sas(rig.container, "c"))
    with FileSystemClient(url(rig.front.port), rig.container, credential=token, retry_total=0) as client:
        made = client.get_file_client("file")
        if answer == (403, "AuthorizationPermissionMismatch"):
            made.create_file()
        assert refused(made.append_data, b"x", 0) == answer


def test_a_sas_that_has_ended_and_another_key_are_refused(rig, refused):
    for credential in (azurite.sas(rig.container, "rcwdm", timedelta(seconds=-1)), azurite.KEY[::-1].strip("=") + "=="):
        with FileSystemClient(url(rig.front.port), rig.container, credential=credential, retry_total=0) as client:
            assert refused(client.create_file, "file") == (403, "AuthenticationFailed")
    with FileSystemClient(url(rig.front.port), rig.container, retry_total=0) as client:
        assert refused(client.create_file, "file") == (401, "NoAuthenticationInformation")


def test_what_it_does_not_have_is_said(container, refused):
    made = container.create_file("file")
    assert refused(made.set_access_control, permissions="0777") == (501, "NotImplemented")
    assert refused(lambda: list(container.get_paths())) == (501, "NotImplemented")


def test_azurite_alone_has_no_data_lake(refused, rig):
    """The reason why the front is there; the day this fails, it can go."""
    with FileSystemClient(server(), rig.container, credential=azurite.KEY, retry_total=0) as client:
        assert refused(client.create_file, "file")[0] == 400
