"""A destination's credential that ends, looked at before a run begins."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from include.exports import DataLandingZoneDestination
from include.exports.errors import NotEligible
from include.local.stores import dlz


@pytest.fixture
def ending(monkeypatch, rig):
    """Runs into a Data Landing Zone whose SAS ends after that time. Its server does not exist."""

    def after(left: timedelta) -> str:
        ends = datetime.now(UTC).replace(microsecond=0) + left
        address = f"http://127.0.0.1:1/zone?sp=rwd&se={ends:%Y-%m-%dT%H:%M:%SZ}&sig=c2VjcmV0"
        monkeypatch.setenv("AIRFLOW_CONN_ZONE", dlz.connection(address, retry_total=0))
        rig.declare(destination=DataLandingZoneDestination(conn_id="zone"))
        rig.lake(4)
        return f"{ends:%Y-%m-%d %H:%M} UTC"

    return after


@pytest.mark.parametrize(
    ("left", "says"),
    [(timedelta(seconds=-1), "has ended at"), (timedelta(minutes=59), "ends within the hour, at")],
    ids=["ended", "too short"],
)
@pytest.mark.parametrize("resend", [False, True], ids=["run", "resend"])
def test_a_run_whose_credential_ends_is_not_begun(rig, ending, left, says, resend):
    when = ending(left)
    with pytest.raises(NotEligible) as refused:
        rig.run(resend=resend)
    reason = (
        f"the credential of Airflow connection 'zone' {says} {when}; get a new one and put it into the connection, the"
        " definition stays as it is"
    )
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("left", "warned"), [(timedelta(hours=2), True), (timedelta(days=4), False)], ids=["soon", "later"]
)
def test_people_are_warned_before_it_ends(rig, ending, caplog, left, warned):
    when = ending(left)
    with caplog.at_level(logging.WARNING), pytest.raises(ConnectionError):
        rig.run()
    expected = [f"the credential of Airflow connection 'zone' ends at {when}; put a new one into the connection before"]
    assert [line for line in caplog.messages if "credential" in line] == (expected if warned else [])
