"""What the doctor says of every destination, and that it leaves nothing there."""

import re

import pytest

from include.exports import destinations
from include.exports.doctor import LINK, Examination, examine
from tests.rigs.s3 import S3Rig

CASES = [
    "credential",
    "signs in and writes",
    "reads it back",
    "leaves an equal file alone",
    "one of two writers wins",
    "replaces what it has read",
    "odd and long names",
    "large file",
    "small files",
    "share link",
    "removes what it wrote",
]


def examined(rig, destination) -> Examination:
    done = Examination()
    examine(destination, rig.part_size + 1, done)
    return done


def results(done: Examination) -> dict[str, str]:
    return {finding.case: finding.result for finding in done.findings}


def facts(done: Examination, case: str) -> str:
    (found,) = (finding.facts for finding in done.findings if finding.case == case)
    return found


def gaps(rig) -> set[str]:
    return set(destinations.module(rig.destination.type).CAPABILITIES.gaps)


def test_where_all_is_granted_all_works_and_nothing_stays(rig):
    rig.place("theirs", b"theirs")
    done = examined(rig, rig.destination)
    link = "not offered" if LINK in gaps(rig) else "works" if rig.signing() == rig.destination else "missing"
    assert results(done) == dict.fromkeys(CASES, "works") | {"share link": link}, done.findings
    assert re.fullmatch(r"\d+ MiB: \d+ MiB/s out, \d+ MiB/s back", facts(done, "large file"))
    assert re.search(r"64 of 4096 bytes, \d+ at once: \d+ a second", facts(done, "small files"))
    assert done.passed
    assert (done.remains.stays, done.remains.may_stay) == ([], [])
    assert (rig.visible(), rig.leftovers()) == ({"theirs": b"theirs"}, [])


def test_who_may_not_delete_is_told_which_right_is_missing_and_what_stays(rig):
    if "test_who_may_not_delete_can_deliver" in gaps(rig):
        pytest.skip("declared as a gap")
    done = examined(rig, rig.without_delete())
    assert results(done)["removes what it wrote"] == "missing"
    assert "it takes the right to delete" in facts(done, "removes what it wrote")
    assert done.passed, "a delivery can do without"
    assert len(done.remains.stays) == len(rig.visible()) > 60
    for path in rig.visible():
        assert any(url.endswith(f"/{path}") for url in done.remains.stays)


def test_who_may_not_write_is_told_which_right_is_missing(rig):
    done = examined(rig, rig.read_only())
    assert not done.passed
    assert results(done)["signs in and writes"] == "fails"
    assert re.search(r"(grant |may be written).*the right to create", facts(done, "signs in and writes"))
    assert {results(done)[case] for case in CASES[2:9]} == {"not tried"}
    assert (rig.visible(), done.remains.stays) == ({}, [])


def test_who_may_write_and_not_read_is_told_so_and_what_may_be_there(tmp_path, monkeypatch):
    rig = S3Rig(tmp_path, monkeypatch)
    done = examined(rig, rig.by("blind"))
    assert "grant this action to Airflow connection 'blind' (it takes the right to read)" in facts(
        done, "reads it back"
    )
    assert "grant s3:GetObject on it, so that it can be verified" in facts(done, "large file")
    assert sorted(done.remains.stays + done.remains.may_stay) == sorted(
        f"{rig.destination.place}/{path}" for path in rig.visible()
    ), "it may not remove anything either"


def test_who_is_refused_is_told_which_connection_is_wrong(rig):
    if "test_a_login_that_is_refused_is_not_repeated" in gaps(rig):
        pytest.skip("declared as a gap")
    done = examined(rig, rig.without_login())
    assert not done.passed
    assert any("check the credentials of Airflow connection 'wrong'" in finding.facts for finding in done.findings)
    assert rig.visible() == {}


def test_a_place_that_does_not_exist_is_named(rig):
    done = examined(rig, rig.missing())
    assert not done.passed
    assert any(re.search(r"create |check that the folder exists", finding.facts) for finding in done.findings)


def test_what_breaks_half_way_is_said_and_leaves_nothing(rig):
    if rig.requests() == 0:
        pytest.skip("without a server, what breaks a delivery breaks the doctor's own files, too")
    done = Examination()
    with rig.breaking():
        examine(rig.destination, 2 * rig.part_size + 3, done)
    assert not done.passed
    assert results(done)["large file"] == "fails"
    assert results(done)["removes what it wrote"] == "works"
    assert rig.visible() == {}
