"""Who is told what by a running Airflow, and when."""

from tests.rigs.operated import SUCCESS, delivered, hours, locked


def test_a_refused_run_is_told_by_mail_within_a_minute(running, mailbox):
    running.unpause("refused")
    run = running.trigger("refused", window_start="2024-05-01T00:00:00Z", window_end="2024-05-02T00:00:00Z")

    def mails() -> list[str]:
        bodies = [message.get_body(("html",)).get_content() for _, message in mailbox.received]
        return [body for body in bodies if f"<td>{run}</td>" in body]

    running.until(mails, 60)
    (text,) = mails()
    assert "gone does not exist" in text
    (link,) = [word for word in text.split("<td>") if "/dags/refused/runs/" in word]
    assert link.startswith((running.home / "address").read_text())


def test_a_run_that_is_late_is_told_while_it_goes_on(running, root, hooks, postgres, database):
    with locked(postgres, database):
        running.unpause("late")
        run = running.trigger("late", window_start="2024-05-01T00:00:00Z", window_end="2024-05-02T00:00:00Z")
        running.until(lambda: [body for _, body in hooks.received if body["run"] == run], 60)
        (body,) = (body for _, body in hooks.received if body["run"] == run)
        assert [one["state"] for one in running.runs("late", "manual")] == ["running"]
    assert (body["export"], body["event"], body["run"]) == ("late", "late", run)
    assert body["window"] == "[2024-05-01T00:00:00Z, 2024-05-02T00:00:00Z)"
    assert "0:00:03 after it was queued" in body["reason"]
    assert body["link"] == f"{(running.home / 'address').read_text()}/dags/late/runs/{run}"
    assert running.ended("late", "manual", count=1)[0]["state"] == SUCCESS
    assert delivered(root, "late")["202405020000"] == hours("2024-05-01T00:00+00:00", "2024-05-02T00:00+00:00")
