"""What every destination promises, held against a real server of its kind."""

import hashlib
import inspect
import json
import random
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from include.exports import DatasetExport, JsonFiles, LakeSource, Once, destinations
from include.exports.destinations import DESTINATIONS, Document, connect, open_url, path_problem
from include.exports.errors import DefinitionError, DeliveryInterrupted, DeliveryRefused, VerificationError
from include.exports.paths import LONGEST_PATH, LONGEST_SEGMENT, PROJECT, relative_path
from include.local.destinations import OUTCOMES
from tests.rigs import tcp_faults
from tests.rigs.destinations import RIGS

MIB = 1 << 20
GIVEN_UP = 45
"""Seconds. The rigs' connections wait for one second, a few times; without that it would be a minute at least."""


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311  # the same bytes each time


def test_every_destination_of_the_registry_has_a_rig_and_both_are_sorted():
    assert list(RIGS) == list(DESTINATIONS) == sorted(DESTINATIONS)


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_every_gap_names_a_test_of_this_contract(kind):
    here = {name for name in globals() if name.startswith("test_")}
    assert destinations.module(kind).CAPABILITIES.gaps.keys() - here == set()


def test_the_noted_outcomes_are_of_these_tests_and_gaps():
    """A run that is green has no other outcomes than these, so what is noted is stale when it differs."""
    tests = {name for name, test in globals().items() if name.startswith("test_") and _asks_a_destination(test)}
    expected = {
        kind: {test: "gap" if test in destinations.module(kind).CAPABILITIES.gaps else "passed" for test in tests}
        for kind in DESTINATIONS
    }
    assert json.loads(OUTCOMES.read_text()) == expected, "run: make contract"


def _asks_a_destination(test) -> bool:
    return not {"rig", "store"}.isdisjoint(inspect.signature(test).parameters)


@pytest.mark.parametrize("size", ["empty", "one byte", "a part less 1", "a part", "a part and 1", "2 parts and 3"])
def test_a_file_arrives_as_it_was_sent(rig, store, source, size):
    part = rig.part_size
    sizes = {"empty": 0, "one byte": 1, "a part less 1": part - 1, "a part": part, "a part and 1": part + 1}
    content = noise(sizes.get(size, 2 * part + 3))
    stored = store.put(source(content), "a/b/part", sha(content))
    assert rig.visible() == {"a/b/part": content}
    assert stored == store.stat("a/b/part")
    assert stored.size == len(content)
    assert set(stored.checksum) <= set(destinations.module(rig.destination.type).CAPABILITIES.checksums)
    assert len(stored.checksum) == 1
    with store.open("a/b/part") as stream:
        assert stream.read() == content
    assert rig.leftovers() == []


@pytest.mark.parametrize("size", [64 * MIB, pytest.param(1 << 30, marks=pytest.mark.large)], ids=["64 MiB", "1 GiB"])
def test_a_large_file_arrives_as_it_was_sent(store, tmp_path, size):
    block = noise(MIB)
    source, digest = tmp_path / "source", hashlib.sha256()
    with source.open("wb") as stream:
        for number in range(size // MIB):
            chunk = number.to_bytes(8) + block[8:]
            digest.update(chunk)
            stream.write(chunk)
    assert store.put(source, "part", digest.hexdigest()).size == size
    back = hashlib.sha256()
    with store.open("part") as stream:
        while chunk := stream.read(MIB):
            back.update(chunk)
    assert back.hexdigest() == digest.hexdigest()


@pytest.mark.parametrize(
    "path",
    [
        "day=2019-11-25/!-_.*'()=/Part-00000.json.gz",
        "...",
        "a=b=c/-/_",
        "'*'/(x)/=",
        "n" * LONGEST_SEGMENT,
        "/".join(["n" * (LONGEST_PATH // 4 - 1)] * 4) + "n",
    ],
    ids=["every sign", "dots", "signs alone", "globs", "longest segment", "longest path"],
)
def test_every_path_that_a_definition_may_make_is_taken_as_it_is(rig, store, source, path):
    assert relative_path(path) == path
    if problem := path_problem(rig.destination.type, path):
        pytest.skip(problem)
    store.put(source(b"rows"), path, sha(b"rows"))
    version = store.write(f"{path}.m", b"{}", None)
    assert rig.visible() == {path: b"rows", f"{path}.m": b"{}"}
    assert store.read(f"{path}.m") == Document(content=b"{}", version=version)
    assert re.match(rf"(file|https?|gs|s3|sftp|abfss)://.+/{re.escape(path)}$", store.url(path))
    with open_url(store, store.url(path)) as stream:
        assert stream.read() == b"rows"
    store.delete(path)
    assert rig.visible() == {f"{path}.m": b"{}"}


def test_the_same_file_again_changes_nothing(rig, store, source):
    content = noise(rig.part_size + 1)
    first = store.put(source(content), "part", sha(content))
    before = rig.identity("part")
    assert store.put(source(content), "part", sha(content)) == first
    assert rig.identity("part") == before


@pytest.mark.parametrize("damaged", [b"rowz", b"rows, and more", b""], ids=["other bytes", "longer", "empty"])
def test_a_damaged_file_is_replaced(rig, store, source, damaged):
    rig.place("part", damaged)
    store.put(source(b"rows"), "part", sha(b"rows"))
    assert rig.visible() == {"part": b"rows"}


@pytest.mark.parametrize("size", [-1, 1], ids=["shorter", "longer"])
def test_a_source_that_is_not_what_was_announced_is_not_delivered(rig, store, source, size):
    announced = noise(rig.part_size * 2 + 5)
    path = source(announced[:size] if size < 0 else announced + b"x")
    with pytest.raises(VerificationError, match=f"but {sha(announced)} was announced; nothing was"):
        store.put(path, "part", sha(announced))
    assert (rig.visible(), rig.leftovers()) == ({}, [])


def test_a_failure_half_way_leaves_nothing_visible_and_in_nobodys_way(rig, store, source):
    content = noise(rig.part_size * 3)
    path = source(content)
    with rig.breaking(), pytest.raises(DeliveryInterrupted, match="the run is tried again"):
        store.put(path, "part", sha(content))
    assert rig.visible() == {}
    store.put(path, "part", sha(content))
    assert rig.visible() == {"part": content}


def test_what_a_failure_half_way_left_is_gone_when_the_file_has_arrived(rig, store, source):
    content = noise(rig.part_size * 3)
    path = source(content)
    with rig.breaking(), pytest.raises(DeliveryInterrupted):
        store.put(path, "part", sha(content))
    store.put(path, "part", sha(content))
    assert rig.leftovers() == []


def test_a_failure_half_way_leaves_nothing_behind(rig, store, source):
    content = noise(rig.part_size * 3)
    path = source(content)
    with rig.breaking(), pytest.raises(DeliveryInterrupted):
        store.put(path, "part", sha(content))
    assert rig.leftovers() == []


def test_what_a_killed_writer_left_is_not_visible_and_in_nobodys_way(rig, store, source):
    rig.interrupt("part")
    assert (rig.visible(), store.stat("part")) == ({}, None)
    store.put(source(b"rows"), "part", sha(b"rows"))
    assert rig.visible() == {"part": b"rows"}


def test_delete_removes_what_a_killed_writer_left(rig, store):
    rig.interrupt("part")
    store.delete("part")
    assert rig.leftovers() == []


def test_what_is_not_there_is_none_and_deleting_it_is_no_error(rig, store):
    assert store.stat("nothing") is None
    assert store.read("nothing") is None
    store.delete("nothing")
    with pytest.raises(DeliveryRefused, match="nothing"):
        store.open("nothing")
    assert rig.visible() == {}


def test_an_address_of_another_place_is_not_opened(rig, store):
    rig.place("part", b"rows")
    for url in ("part", f"x{store.url('part')}", "s3://another-bucket/part"):
        with pytest.raises(DeliveryRefused, match=re.escape(f"{url} is not at {store.url('')}")):
            open_url(store, url)


def test_delete_removes_one_file_and_no_other(rig, store, source):
    for path in ("a/part", "a/part-2", "a/part/"[:-1] + ".json", "part"):
        rig.place(path, b"theirs")
    store.put(source(b"rows"), "a/par", sha(b"rows"))
    store.delete("a/par")
    assert rig.visible() == dict.fromkeys(("a/part", "a/part-2", "a/part.json", "part"), b"theirs")


def test_a_document_is_replaced_only_by_who_names_its_version(rig, store):
    first = store.write("m.json", b"one, and longer", None)
    assert store.read("m.json") == Document(content=b"one, and longer", version=first)
    with pytest.raises(DeliveryInterrupted, match="written by another run"):
        store.write("m.json", b"two", None)
    second = store.write("m.json", b"two", first)
    with pytest.raises(DeliveryInterrupted, match="written by another run"):
        store.write("m.json", b"three", first)
    assert store.read("m.json") == Document(content=b"two", version=second)
    assert rig.visible() == {"m.json": b"two"}


def test_a_document_that_was_removed_is_not_replaced(rig, store):
    version = store.write("m.json", b"one", None)
    store.delete("m.json")
    with pytest.raises(DeliveryInterrupted, match="written by another run"):
        store.write("m.json", b"two", version)
    assert rig.visible() == {}


def test_of_many_writers_of_a_new_document_one_wins(rig, store):
    def attempt(number: int) -> bool:
        try:
            store.write("m.json", str(number).encode() * 100_000, None)
        except DeliveryInterrupted:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, ok in enumerate(pool.map(attempt, range(8))) if ok]
    assert len(won) == 1
    assert rig.visible() == {"m.json": str(won[0]).encode() * 100_000}
    assert rig.leftovers() == []


def test_many_writers_of_one_part_leave_it_complete(rig, store, source):
    content = noise(rig.part_size + 1)
    path = source(content)
    with ThreadPoolExecutor(4) as pool:
        results = set(map(str, pool.map(lambda _: store.put(path, "part", sha(content)), range(4))))
    assert len(results) == 1
    assert (rig.visible(), rig.leftovers()) == ({"part": content}, [])


def test_a_place_that_does_not_exist_is_refused_and_not_made(rig, source):
    with (
        pytest.raises(
            DeliveryRefused,
            match=r"check that the folder exists, is mounted|create the (bucket|container|folder), or correct",
        ),
        connect(rig.missing()) as store,
    ):
        store.put(source(b"rows"), "part", sha(b"rows"))


def test_a_login_that_is_refused_is_not_repeated(rig, source):
    before = rig.requests()
    with (
        pytest.raises(DeliveryRefused, match=r"check the credentials of Airflow connection 'wrong'"),
        connect(rig.without_login()) as store,
    ):
        store.put(source(b"rows"), "part", sha(b"rows"))
    assert rig.requests() - before <= 1, "0 of a server that does not count"
    assert rig.visible() == {}


def test_what_may_not_be_written_is_refused_and_what_is_there_can_be_read(rig, source):
    rig.place("m.json", b"{}")
    with connect(rig.read_only()) as store:
        with pytest.raises(
            DeliveryRefused,
            match=r"Permission denied|(AccessDenied|Authorization).*grant this action to|grant storage.objects.create",
        ):
            store.put(source(b"rows"), "part", sha(b"rows"))
        document = store.read("m.json")
        assert document is not None
        assert document.content == b"{}"
        with pytest.raises(DeliveryRefused):
            store.write("m.json", b"[]", document.version)
    assert rig.visible() == {"m.json": b"{}"}


def test_who_may_not_delete_can_deliver(rig, source):
    with connect(rig.without_delete()) as store:
        content = noise(rig.part_size + 1)
        store.put(source(content), "part", sha(content))
        version = store.write("m.json", b"one", None)
        store.write("m.json", b"two", version)
        with pytest.raises(DeliveryRefused):
            store.delete("part")
    assert rig.visible() == {"part": content, "m.json": b"two"}


@pytest.mark.parametrize("how", ["500", "503", "429", "reset"])
def test_a_server_that_fails_for_a_moment_is_asked_again(rig, store, source, how):
    rig.failing(how, times=1)
    store.put(source(b"rows"), "part", sha(b"rows"))
    rig.failing(how, times=1)
    store.write("m.json", b"{}", None)
    rig.failing(how, times=2)
    content = noise(rig.part_size * 2)
    store.put(source(content), "parts", sha(content))
    assert rig.visible() == {"part": b"rows", "m.json": b"{}", "parts": content}


@pytest.mark.parametrize("how", ["500", "503", "429", "reset"])
def test_a_server_that_keeps_failing_is_given_up_with_one_error(rig, store, source, how):
    rig.failing(how, times=1_000)
    with pytest.raises(DeliveryInterrupted, match=rf"^{re.escape(store.url('part'))}: .*; the run is tried again$"):
        store.put(source(b"rows"), "part", sha(b"rows"))
    with pytest.raises(DeliveryInterrupted, match=rf"^{re.escape(store.url('m.json'))}: .*; the run is tried again$"):
        store.write("m.json", b"{}", None)
    assert rig.visible() == {}


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.large)])
def test_many_small_files_go_through_few_connections(rig, store, source, count):
    path, parallel = source(b"rows"), destinations.module(rig.destination.type).CAPABILITIES.parallel
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(lambda number: store.put(path, f"part-{number:05d}", sha(b"rows")), range(count)))
    assert len(rig.visible()) == count
    assert rig.connections() <= parallel + 3, "one each, and what the rig itself opens"


def test_how_much_was_sent_is_told_as_it_goes(rig, store, source):
    content, told = noise(2 * rig.part_size + 3), []
    store.put(source(content), "part", sha(content), sent=told.append)
    assert (sum(told), len(told) > 1) == (len(content), True)
    told.clear()
    store.put(source(content), "part", sha(content), sent=told.append)
    assert sum(told) == 0, "what is there already is not sent"


ODD_NAMES = ("a b", "50%", "a+b", "größe", "a\x07b", "a\nb", "a\\b", "a//b", "a/../b", "n" * 1_000)


def test_a_name_that_some_store_changes_or_forbids_is_refused_when_it_is_declared(rig):
    export = {"name": "events", "owner": "tests", "source": LakeSource(path="lake"), "mode": "full"}
    export |= {"files": JsonFiles(), "schedule": Once(at="2024-05-01"), "destination": rig.destination}
    DatasetExport(**export)
    for name in ODD_NAMES:
        elsewhere = type(rig.destination)(**rig.destination.model_dump() | {"prefix": name})
        with pytest.raises(DefinitionError, match=r"destination\.prefix: "):
            DatasetExport(**export | {"destination": elsewhere})
        with pytest.raises(DefinitionError, match=r"folder: "):
            DatasetExport(**export | {"folder": f"{name}/%EXPORT_TIME%"})


KILLED = """
import sys
from pathlib import Path
from pydantic import TypeAdapter
from include.exports.definition import Destination
from include.exports.destinations import connect

with connect(TypeAdapter(Destination).validate_json(sys.argv[1])) as store:
    store.put(Path(sys.argv[2]), "part", sys.argv[3])
"""


def test_a_writer_that_is_killed_half_way_leaves_nothing_visible(rig, store, source):
    content = noise(rig.part_size * 3)
    path = source(content)
    with tcp_faults.between(rig.address()) as network:
        network.rate = rig.part_size / 2
        arguments = rig.through(network.port).model_dump_json(), str(path), sha(content)
        with subprocess.Popen([sys.executable, "-c", KILLED, *arguments], cwd=PROJECT) as writer:
            while network.carried < rig.part_size:
                assert writer.poll() is None, "it ended before it could be killed"
                time.sleep(0.01)
            writer.kill()
    assert (rig.visible(), store.stat("part")) == ({}, None)
    store.put(path, "part", sha(content))
    assert rig.visible() == {"part": content}


def test_a_slow_network_still_delivers(rig, source):
    content = noise(MIB)
    with tcp_faults.between(rig.address()) as network, connect(rig.through(network.port)) as store:
        network.latency, network.rate = 0.01, 4 * MIB
        started = time.monotonic()
        store.put(source(content), "part", sha(content))
        assert time.monotonic() - started > 0.2, "a mebibyte takes a quarter of a second at this rate"
    assert rig.visible() == {"part": content}


def test_a_connection_that_is_reset_in_the_middle_of_a_file_is_taken_up_again_or_leaves_nothing(rig, source):
    content = noise(rig.part_size * 2)
    with tcp_faults.between(rig.address()) as network, connect(rig.through(network.port)) as store:
        network.reset_after, network.resets = rig.part_size // 2, 1
        path = source(content)
        try:
            store.put(path, "part", sha(content))
        except DeliveryInterrupted:
            assert rig.visible() == {}
            store.put(path, "part", sha(content))
        assert network.resets == 0
    assert (rig.visible(), rig.leftovers()) == ({"part": content}, [])


def test_a_connection_that_is_always_reset_ends_in_one_error(rig, source):
    content = noise(rig.part_size * 2)
    with tcp_faults.between(rig.address()) as network, connect(rig.through(network.port)) as store:
        network.reset_after, network.resets = rig.part_size // 2, 1_000
        with pytest.raises(DeliveryInterrupted, match=rf"^{re.escape(store.url('part'))}: .*; the run is tried again$"):
            store.put(source(content), "part", sha(content))
    assert rig.visible() == {}


def test_a_peer_that_falls_silent_is_given_up(rig, source):
    content = noise(rig.part_size * 2)
    with tcp_faults.between(rig.address()) as network, connect(rig.through(network.port)) as store:
        store.write("m.json", b"{}", None)
        network.silent = True
        started = time.monotonic()
        with pytest.raises(DeliveryInterrupted, match=rf"^{re.escape(store.url('part'))}: .*; the run is tried again$"):
            store.put(source(content), "part", sha(content))
        assert time.monotonic() - started < GIVEN_UP
    assert rig.visible() == {"m.json": b"{}"}


def test_a_peer_that_falls_silent_while_a_file_is_read_is_given_up(rig, store, source):
    content = noise(40 * MIB)  # more than any client takes before it is asked for it
    store.put(source(content), "part", sha(content))
    with tcp_faults.between(rig.address()) as network, connect(rig.through(network.port)) as slow:
        with slow.open("part") as stream:
            assert stream.read(10) == content[:10]
            network.silent = True
            started = time.monotonic()
            match = rf"^{re.escape(slow.url('part'))}: .*; the run is tried again$"
            with pytest.raises(DeliveryInterrupted, match=match):
                stream.read()
        assert time.monotonic() - started < GIVEN_UP


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a_server_that_cannot_be_reached_is_given_up(rig, source, how):
    with tcp_faults.between(rig.address()) as network:
        network.silent = True
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # without listen, who connects to it is refused
            port = closed.getsockname()[1] if how == "refused" else network.port
            started = time.monotonic()
            with (
                pytest.raises(DeliveryInterrupted, match=r"; the run is tried again$"),
                connect(rig.through(port)) as store,
            ):
                store.put(source(b"rows"), "part", sha(b"rows"))
        assert time.monotonic() - started < GIVEN_UP
    assert rig.visible() == {}


def test_a_share_link_lets_anybody_read_until_it_expires(rig, source):
    with connect(rig.signing()) as store:
        store.put(source(b"rows"), "a/part", sha(b"rows"))
        lasting, short = (store.share_link("a/part", timedelta(seconds=seconds)) for seconds in (3600, 1))
    with urlopen(lasting) as answer:  # noqa: S310  # what the store has signed
        assert answer.read() == b"rows"
    time.sleep(2)
    with pytest.raises(HTTPError, match="403"):
        urlopen(short)  # noqa: S310
