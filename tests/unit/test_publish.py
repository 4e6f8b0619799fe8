"""The commit protocol: what a run replaces and removes, and what it never touches."""

from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from include.exports import ManifestFile, Views
from include.exports import publish as publishing
from include.exports.destinations import Document, local
from include.exports.errors import DeliveryRefused
from tests.rigs.runs import DAY

VIEWS = ManifestFile(views=Views(files="files.txt", sha256sums="SHA256SUMS", success="_SUCCESS"))
FOLDER = "events/exportTime=201911260000"


class Killed(BaseException):
    """Stops a run where it stands, as a signal would."""


def killed(*_args: object) -> None:
    raise Killed


def test_what_the_first_try_of_a_cleared_run_uploaded_is_removed(rig):
    rig.lake(10)
    rig.deliver(run="one")
    rig.lake(11)
    rig.run(run="one")
    assert len(rig.parts()) == 1
    assert rig.broken() == []


def test_what_a_run_could_not_remove_is_removed_when_it_is_cleared(rig, monkeypatch):
    rig.lake(10)
    rig.run(run="one")
    rig.lake(11)
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_sweep", killed)
        with pytest.raises(Killed):
            rig.run(run="one")
    assert len(rig.parts()) == 2
    assert rig.run(run="one")["changed"] is False
    assert len(rig.parts()) == 1


def test_an_export_that_was_refused_a_folder_does_not_remove_files_there_from_another(rig):
    rig.lake(10)
    rig.run()
    rig.declare(name="others", dataset="events")
    with pytest.raises(DeliveryRefused, match="belongs to the export 'events'"):
        rig.deliver()
    rig.declare(folder="others/%EXPORT_TIME%")
    rig.run()
    assert rig.broken() == []


@pytest.mark.parametrize("change", [{"folder": "x/%EXPORT_TIME%"}, {"manifest": ManifestFile(name="_m2.json")}])
def test_what_was_published_under_another_manifest_stays_complete(rig, change):
    rig.lake(10)
    rig.run()
    rig.declare(**change)
    for rows in (10, 11, 12):
        rig.lake(rows)
        assert rig.run()["rows"] == rows
        assert rig.broken() == []
    assert len(rig.parts()) == 2


def test_files_at_another_destination_are_not_taken_for_ours(rig):
    rig.declare(manifest=VIEWS)
    rig.lake(10)
    rig.run()
    foreign = rig.root / "elsewhere" / FOLDER / "_SUCCESS"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("Spark's")
    elsewhere = rig.export.destination.model_copy(update={"path": str(rig.root / "elsewhere")})
    rig.declare(manifest=ManifestFile(), destination=elsewhere)
    rig.run()
    assert foreign.read_text() == "Spark's"


def test_a_view_does_not_replace_a_file_that_we_did_not_write(rig):
    rig.declare(manifest=VIEWS)
    rig.lake(10)
    foreign = rig.root / "delivered" / FOLDER / "_SUCCESS"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("Spark's")
    with pytest.raises(DeliveryRefused, match="was not written by this export and is left alone"):
        rig.run()
    assert foreign.read_text() == "Spark's"
    assert [path for path in rig.delivered() if path.endswith("_manifest.json")] == []
    rig.declare(manifest=ManifestFile())
    rig.run()
    assert foreign.read_text() == "Spark's"


def test_views_follow_their_declaration_when_the_records_are_the_same(rig):
    rig.lake(10)
    rig.run()
    rig.declare(manifest=VIEWS)
    assert rig.run()["generation"] == 2
    assert sorted(rig.manifest()["export"]["views"]) == ["SHA256SUMS", "_SUCCESS", "files.txt"]
    rig.declare(manifest=ManifestFile())
    assert rig.run()["generation"] == 3
    assert len(rig.delivered()) == 2


def test_views_of_a_run_that_died_before_its_manifest_are_put_right(rig, monkeypatch):
    rig.declare(manifest=VIEWS)
    rig.lake(10)
    rig.run()
    before = rig.delivered()
    rig.lake(11)
    write = local.LocalStore.write

    def dies_at_the_manifest(self, path, content, *rest):
        if path.endswith("_manifest.json"):
            raise Killed
        return write(self, path, content, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(local.LocalStore, "write", dies_at_the_manifest)
        with pytest.raises(Killed):
            rig.run()
    assert rig.delivered() != before
    rig.lake(10)
    assert rig.run()["changed"] is False
    assert rig.delivered() == before


def test_a_manual_window_with_the_end_of_another_is_refused_before_anything_is_read(rig):
    rig.declare(schedule=rig.export.schedule.model_copy(update={"start": datetime(2019, 11, 20)}))
    rig.lake(10)
    rig.run()
    longer = rig.stages()
    wrong = type(longer)(
        longer.export,
        type(longer.window)(start=DAY - timedelta(days=1), end=longer.window.end, as_of=longer.window.as_of),
        longer.staging,
    )
    with pytest.raises(DeliveryRefused, match=r"is of the window 2019-11-25.* and this run's is 2019-11-24"):
        wrong.validate_eligibility()


def test_a_window_stays_its_own_when_the_schedule_is_written_in_other_words(rig):
    rig.lake(10)
    rig.run()
    rig.declare(schedule=rig.export.schedule.model_copy(update={"timezone": "Etc/UTC"}))
    assert rig.run()["rows"] == 10
    rig.declare(schedule=rig.export.schedule.model_copy(update={"start": datetime(2019, 11, 25)}))
    assert rig.run()["rows"] == 10
    assert rig.manifest()["export"]["interval"]["start"] is None
    assert len(rig.parts()) == 1


def test_a_full_export_in_a_fixed_folder_is_not_replaced_by_an_older_one(rig):
    rig.declare(mode="full", folder="latest")
    rig.lake(10)
    rig.run()
    rig.run(DAY + timedelta(days=1))
    with pytest.raises(DeliveryRefused, match="newer than this run's"):
        rig.run(resend=True)
    assert rig.manifest()["scheduledTime"] == datetime(2019, 11, 27, tzinfo=UTC).isoformat()


def test_two_windows_of_one_folder_do_not_take_away_each_others_files(rig):
    """The second removes what it replaced while the third, whose files are the same, is about to name them."""
    rig.declare(mode="full", folder="latest")
    rig.lake(10)
    rig.run()
    rig.lake(11)
    second = rig.deliver(DAY + timedelta(days=1))
    rig.lake(10)
    third = rig.deliver(DAY + timedelta(days=2))
    assert second.staging.window != third.staging.window
    order = []
    with second.staging.exclusive(second.plan.target):
        waiting = Thread(target=lambda: order.append(third.publish_manifest()["rows"]))
        waiting.start()
        waiting.join(timeout=1)
        order.append("the second is done")
    waiting.join(timeout=30)
    assert order == ["the second is done", 10]
    with pytest.raises(DeliveryRefused, match="newer than this run's"):
        second.publish_manifest()
    assert rig.broken() == []


def test_a_destination_that_is_declared_otherwise_is_the_same_place(rig):
    rig.lake(10)
    rig.run()
    rig.declare(destination=rig.export.destination.model_copy(update={"name": "renamed"}))
    rig.lake(11)
    assert rig.run()["generation"] == 2
    assert len(rig.parts()) == 1


@pytest.mark.parametrize("refusal", ["is not there", "is refused", "is no manifest"])
def test_what_a_manifest_that_cannot_be_read_may_name_stays(rig, monkeypatch, refusal):
    """Many stores say of what may not be read that it is not there."""
    rig.lake(10)
    rig.run()
    rig.declare(manifest=ManifestFile(name="_m2.json"))
    rig.run()
    read = local.LocalStore.read

    def refuses(self, path):
        if not path.endswith("_manifest.json"):
            return read(self, path)
        if refusal == "is refused":
            raise DeliveryRefused(path)
        return Document(content=b"{}", version="1") if refusal == "is no manifest" else None

    monkeypatch.setattr(local.LocalStore, "read", refuses)
    rig.lake(11)
    assert rig.run()["generation"] == 2
    assert len(rig.parts()) == 2, "the part of both first generations, and the new one"
    assert rig.broken() == []
