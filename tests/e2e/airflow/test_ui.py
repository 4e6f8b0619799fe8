"""What people see and do in Airflow's UI, in a browser. The pictures are kept in `.screenshots/`."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.rigs import browser
from tests.rigs.operated import SUCCESS, delivered, hours


@pytest.fixture(scope="module")
def page(running) -> Iterator[Page]:
    """A page of somebody who has signed in, when the windows of an export have been delivered."""
    running.unpause("shown")
    running.ended("shown", "scheduled", count=2)
    with browser.page() as opened:
        opened.goto(running.address)
        opened.fill("input[name=username]", "admin")
        opened.fill("input[name=password]", running.password)
        opened.get_by_role("button", name="Sign in").click()
        opened.get_by_role("link", name="Dags", exact=True).first.wait_for()
        yield opened


def choose(field: Locator, date: str, time: str) -> None:
    """Fill in the date and time of a field of a dialog."""
    field.get_by_test_id("datetime-input").click()
    page = field.page
    page.get_by_placeholder("YYYY/MM/DD").last.fill(date)
    page.get_by_placeholder("HH:mm").last.fill(time)
    page.get_by_role("heading", level=2).last.click()  # which closes the calendar


def named(page: Page, name: str) -> Locator:
    """The field of the dialog of that name."""
    return page.get_by_role("group").filter(has=page.locator("label", has_text=re.compile(f"^{name}\\W*$"))).last


def test_the_list_shows_an_export_by_its_display_name_with_tags_schedule_and_last_run(running, page):
    page.goto(f"{running.address}/dags?name_pattern=Hours for")
    for text in ("1 Dag", "Hours for Partners", "ends 2024-05-03", "0 0 * * * UTC", "2024-05-03 00:00:00"):
        expect(page.get_by_test_id("main-content")).to_contain_text(text)
    browser.keep(page, "list of exports")


def test_the_page_of_an_export_shows_its_tasks_owner_and_documentation(running, page):
    page.goto(f"{running.address}/dags/shown")
    for text in ("validate_eligibility", "publish_manifest", "tests"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    expect(page.get_by_text("Created Asset Events")).to_be_visible()
    browser.keep(page, "an export")
    page.get_by_role("button", name="Dag Docs").click()
    expect(page.get_by_text("An export of the tests.")).to_be_visible()
    browser.keep(page, "its documentation")


def test_the_last_task_of_a_run_leads_to_the_manifest(running, page):
    run = running.runs("shown", "scheduled")[-1]["dag_run_id"]
    page.goto(f"{running.address}/dags/shown/runs/{run}/tasks/publish_manifest/details")
    button = page.get_by_role("link", name="Manifest", exact=True)
    expect(button).to_be_visible()
    browser.keep(page, "the last task of a run")
    button.click()
    expect(page.get_by_text("_manifest.json").first).to_be_visible()


def test_a_run_that_is_triggered_in_the_form_delivers_the_window_that_was_filled_in(running, page, root):
    page.goto(f"{running.address}/dags/shown")
    page.get_by_role("button", name="Trigger").click()
    for name in ("Window start", "Window end", "Resend", "Dry run", "Deliver elsewhere"):
        expect(named(page, name)).to_be_visible()
    choose(named(page, "Window start"), "2024/05/10", "06:00")
    choose(named(page, "Window end"), "2024/05/10", "18:00")
    browser.keep(page, "trigger a run")
    page.get_by_test_id("trigger-dag-submit").click()
    (run,) = running.ended("shown", "manual", count=1)
    assert run["state"] == SUCCESS
    assert delivered(root, "shown")["202405101800"] == hours("2024-05-10T06:00+00:00", "2024-05-10T18:00+00:00")


def test_a_backfill_that_is_started_in_the_dialog_delivers_the_windows_of_its_range(running, page, root):
    page.goto(f"{running.address}/dags/shown")
    page.get_by_role("button", name="Trigger").click()
    page.get_by_text("Run this Dag for a range of dates").click()
    choose(named(page, "From"), "2024/06/01", "00:00")
    choose(named(page, "To"), "2024/06/02", "00:00")
    expect(page.get_by_text("2 runs will be triggered")).to_be_visible()
    browser.keep(page, "start a backfill")
    page.get_by_role("button", name="Run Backfill").click()
    assert {run["state"] for run in running.ended("shown", "backfill", count=2)} == {SUCCESS}
    found = {folder: rows for folder, rows in delivered(root, "shown").items() if folder > "202406"}
    assert found == {
        "202406020000": hours("2024-06-01T00:00+00:00", "2024-06-02T00:00+00:00"),
        "202406030000": hours("2024-06-02T00:00+00:00", "2024-06-03T00:00+00:00"),
    }
