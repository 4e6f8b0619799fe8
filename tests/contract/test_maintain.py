"""What runs that never published have left is removed from every destination, and nothing else is."""

from datetime import UTC, datetime, timedelta

from include.exports.maintain import maintain
from tests.rigs.runs import DAY, Runs

LATER = timedelta(days=1)


def test_what_no_manifest_names_is_removed_once_its_run_is_old(rig, tmp_path, export_to):
    runs = Runs(tmp_path, export_to(rig.destination))
    staging, exports = f"file://{tmp_path}/staging", {"events": runs.export}
    runs.lake(100)
    runs.run()
    rig.place("events/exportTime=201911260000/not-ours.json.gz", b"{}")
    published = rig.visible()
    runs.lake(130)
    runs.deliver()
    runs.deliver(DAY + LATER)  # a window that was never published
    left = len(rig.visible().keys() - published.keys())
    assert left >= 1

    assert maintain(staging, None, datetime.now(UTC) - LATER, exports).delivered == 0
    assert len(rig.visible()) == len(published) + left, "a run that may still be under way keeps its files"
    assert maintain(staging, None, datetime.now(UTC) + LATER, exports).delivered >= left
    assert rig.visible() == published
    assert maintain(staging, None, datetime.now(UTC) + LATER, exports).delivered == 0


def test_a_destination_that_cannot_be_asked_is_asked_again_the_next_time(rig, tmp_path, export_to):
    runs = Runs(tmp_path, export_to(rig.destination))
    staging, after = f"file://{tmp_path}/staging", datetime.now(UTC) + LATER
    runs.lake(100)
    runs.deliver()
    assert maintain(staging, None, after, {}).delivered == 0, "its export is not declared"
    assert rig.visible() != {}
    assert maintain(staging, None, after, {"events": runs.export}).delivered == 2, "its parts"
    assert rig.visible() == {}
