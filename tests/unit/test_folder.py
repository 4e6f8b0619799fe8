"""Folder templates: Adobe's macros, filled from the plan alone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from include.exports.folder import FolderTemplate, render, units

VALUES = {
    "DATASET_ID": "5f2c",
    "DATASET_NAME": "orders",
    "DESTINATION": "s3",
    "DESTINATION_INSTANCE_ID": "9ab1",
    "DESTINATION_INSTANCE_NAME": "lake",
    "ORGANIZATION_NAME": "acme",
    "SANDBOX_NAME": "prod",
}
AS_OF = datetime(2024, 4, 5, 23, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("template", "folder"),
    [
        ("%DATASET_NAME%/%EXPORT_TIME%", "orders/exportTime=202404052306"),
        ("%DESTINATION%_%DATASET_ID%_%DATETIME(YYYYMMdd_HHmmss)%", "s3_5f2c_20240406_080601"),
        ("a/%DATETIME(yyyy)%/%DATETIME(MM)%/%DATETIME(dd-HH.mm)%", "a/2024/04/06-08.06"),
        ("%ORGANIZATION_NAME%/%SANDBOX_NAME%", "acme/prod"),
        ("%DESTINATION_INSTANCE_NAME%-%DESTINATION_INSTANCE_ID%", "lake-9ab1"),
        ("plain", "plain"),
    ],
)
def test_macros_become_the_values_of_the_run(template, folder):
    assert render(template, VALUES, AS_OF, "Asia/Seoul") == folder


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("%DATASET%", "%DATASET% is not a macro; use one of %DATASET_ID%"),
        ("%DATETIME(YYYY-MM-DD)%", "%DATETIME(YYYY-MM-DD)%: 'D' cannot be used"),
        ("%DATETIME()%", "%DATETIME()%: 'an empty pattern' cannot be used"),
        ("%DATASET_NAME", "'%DATASET_NAME' is not a safe path"),
        ("a/../b", "'a/../b' is not a safe path: segment '..'"),
        ("/a", "'/a' must have no leading, trailing or double slash; write 'a'"),
        ("a//b", "'a//b' must have no leading, trailing or double slash; write 'a/b'"),
        ("a\\b", "is not a safe path"),
        ("a\nb", "is not a safe path"),
    ],
)
def test_what_would_become_another_path_is_refused(template, message):
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(FolderTemplate).validate_python(template)
    assert message in str(refused.value)


def test_a_template_tells_folders_apart_by_the_units_of_its_macros():
    assert units("%DATETIME(YYYYMM)%/x", "UTC") == {"year", "month"}
    assert units("%DATETIME(YYYYMMdd_HHmmss)%", "Asia/Seoul") == {"year", "month", "day", "hour", "minute", "second"}
    assert units("%EXPORT_TIME%", "Europe/Berlin") == {"year", "month", "day", "hour", "minute"}
    assert units("%DATASET_NAME%", "UTC") == set()


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Pyongyang"])
def test_the_hours_of_a_clock_that_changes_tell_no_folders_apart(timezone):
    assert units("%DATETIME(YYYYMMddHHmm)%", timezone) == {"year", "month", "day"}


@given(
    first=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)),
    minutes=st.integers(min_value=1, max_value=10_000_000),
    timezone=st.sampled_from(sorted(available_timezones())),
)
def test_two_windows_that_end_a_minute_apart_have_different_folders(first, minutes, timezone):
    """Also in the hour that a clock change repeats: the export time is in UTC."""
    one = first.replace(tzinfo=UTC)
    two = one + timedelta(minutes=minutes)
    assert render("%EXPORT_TIME%", {}, one, timezone) != render("%EXPORT_TIME%", {}, two, timezone)
