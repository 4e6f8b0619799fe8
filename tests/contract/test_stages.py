"""The whole path of a record to every destination, by an identity with the documented rights."""

import gzip
import hashlib
import json
import logging
import re

FOLDER = "events/exportTime=201911260000"


def ids(visible: dict[str, bytes]) -> list[int]:
    """What a reader has who goes by the manifest."""
    manifest = json.loads(visible[f"{FOLDER}/_manifest.json"])
    found = []
    for entry in manifest["entries"]:
        (path,) = (path for path in visible if entry["url"].endswith(f"/{path}"))
        content = visible[path]
        assert hashlib.sha256(content).hexdigest() == entry["meta"]["sha256"]
        found += [json.loads(line)["id"] for line in gzip.decompress(content).splitlines()]
    return found


def test_a_window_is_delivered_again_without_a_change_and_then_replaced(rig, run):
    first = run(rig.destination, rows=100)
    delivered = rig.visible()
    assert (first["generation"], first["changed"], first["rows"], first["files"]) == (1, True, 100, 2)
    assert len(delivered) == 4, "two parts, a view and the manifest"
    assert ids(delivered) == list(range(100))

    writes = {path: rig.identity(path) for path in delivered}
    assert run(rig.destination, rows=100) == first | {"changed": False}
    assert {path: rig.identity(path) for path in rig.visible()} == writes

    assert run(rig.destination, rows=130)["generation"] == 2
    assert ids(rig.visible()) == list(range(130))
    assert len(rig.visible()) == 5, "of the first generation only what the second one has too"
    assert rig.leftovers() == []


def test_who_may_not_delete_publishes_and_is_told_what_stays(rig, run, caplog):
    destination = rig.without_delete()
    run(destination, rows=100)
    before = rig.visible()
    with caplog.at_level(logging.WARNING):
        assert run(destination, rows=130)["generation"] == 2
    assert ids(rig.visible()) == list(range(130))
    assert before.keys() <= rig.visible().keys()
    stays = [record.getMessage() for record in caplog.records if "stays, though" in record.getMessage()]
    assert len(stays) == 2
    assert all(re.search("DeleteObject|Authorization|objects.delete|to delete", message) for message in stays)


def test_trying_it_out_leaves_nothing_and_one_file_for_all_runs_where_nothing_may_be_removed(rig, run):
    run(rig.destination, rows=100)
    assert [path for path in rig.visible() if "_probe-" in path] == []
    destination = rig.without_delete()
    for rows in (100, 130):
        run(destination, rows=rows)
        assert len([path for path in rig.visible() if "_probe-" in path]) == 1
