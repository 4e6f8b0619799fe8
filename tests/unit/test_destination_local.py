"""A folder as a destination: complete files only, conditional documents, and nothing of anybody else's touched."""

import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.exports import LocalDestination
from include.exports.destinations import Document, Stored, connect
from include.exports.destinations.local import _errors
from include.exports.errors import DeliveryInterrupted, DeliveryRefused


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "share"


@pytest.fixture
def store(folder):
    with connect(LocalDestination(path=str(folder))) as opened:
        yield opened


@pytest.fixture
def source(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "source"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 20_000], ids=["empty", "one byte", "5 MB"])
def test_a_file_arrives_as_it_was_sent(store, folder, source, content):
    stored = store.put(source(content), "a/b/part", sha(content))
    assert stored == Stored(size=len(content), checksum={"sha256": sha(content)}) == store.stat("a/b/part")
    assert (folder / "a/b/part").read_bytes() == content
    with store.open("a/b/part") as stream:
        assert stream.read() == content
    assert store.url("a/b/part") == (folder / "a/b/part").as_uri()


def test_the_same_file_again_changes_nothing(store, folder, source):
    store.put(source(b"rows"), "part", sha(b"rows"))
    before = (folder / "part").stat()
    store.put(source(b"rows"), "part", sha(b"rows"))
    after = (folder / "part").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_damaged_file_is_replaced(store, folder, source):
    folder.mkdir(exist_ok=True)
    (folder / "part").write_bytes(b"rowz, and more")
    store.put(source(b"rows"), "part", sha(b"rows"))
    assert (folder / "part").read_bytes() == b"rows"


def test_what_is_not_there_is_none_and_deleting_it_is_no_error(store):
    assert store.stat("nothing") is None
    assert store.read("nothing") is None
    store.delete("nothing")
    with pytest.raises(DeliveryRefused, match="No such file"):
        store.open("nothing")


def test_a_document_is_replaced_only_by_who_names_its_version(store):
    first = store.write("m.json", b"one", None)
    assert store.read("m.json") == Document(content=b"one", version=first)
    with pytest.raises(DeliveryInterrupted, match="written by another run"):
        store.write("m.json", b"two", None)
    second = store.write("m.json", b"two", first)
    with pytest.raises(DeliveryInterrupted, match="written by another run"):
        store.write("m.json", b"three", first)
    assert store.read("m.json") == Document(content=b"two", version=second)


def test_of_many_writers_of_a_new_document_one_wins(store, folder):
    def attempt(number: int) -> bool:
        try:
            store.write("m.json", str(number).encode() * 100_000, None)
        except DeliveryInterrupted:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = [number for number, ok in enumerate(pool.map(attempt, range(16))) if ok]
    assert len(won) == 1
    assert (folder / "m.json").read_bytes() == str(won[0]).encode() * 100_000
    assert names(folder) == ["m.json"]


def test_many_writers_of_one_part_leave_it_complete(store, folder, source):
    path = source(b"r" * 3_000_000)
    with ThreadPoolExecutor(8) as pool:
        results = set(map(str, pool.map(lambda _: store.put(path, "part", sha(b"r" * 3_000_000)), range(8))))
    assert len(results) == 1
    assert names(folder) == ["part"]


def test_a_killed_writer_leaves_nothing_visible_and_the_next_one_cleans_up(store, folder, source, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    script = (
        "from pathlib import Path; import sys\n"
        "from include.exports import LocalDestination\n"
        "from include.exports.destinations import connect\n"
        f"with connect(LocalDestination(path={str(folder)!r})) as store: store.put(Path({str(pipe)!r}), 'part', 'x')"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as writer:
        sending = os.open(pipe, os.O_WRONLY)
        os.write(sending, b"half" * 10_000)
        while not (folder / ".part.partial").exists():
            time.sleep(0.01)
        writer.kill()
        writer.wait()
        os.close(sending)
    assert names(folder) == [".part.partial"]
    store.put(source(b"whole"), "part", sha(b"whole"))
    assert names(folder) == ["part"]


def test_delete_removes_what_a_killed_writer_left(store, folder):
    folder.mkdir(exist_ok=True)
    (folder / ".part.partial").write_bytes(b"half")
    store.delete("part")
    assert names(folder) == []


def test_a_share_that_is_not_mounted_is_not_replaced_by_an_empty_folder(tmp_path):
    with (
        pytest.raises(DeliveryRefused, match="check that the folder exists, is mounted"),
        connect(LocalDestination(path=str(tmp_path / "mnt/share/exports"))),
    ):
        pass


def test_a_name_that_no_file_can_have_is_refused_and_not_tried_again(store):
    with pytest.raises(DeliveryRefused, match="File name too long; shorten the folder or the name"):
        store.write("x" * 300, b"", None)
    with pytest.raises(DeliveryRefused, match="null byte"):
        store.write("a\0b", b"", None)


def test_a_full_destination_is_said_to_be_full_and_tried_again():
    """Writing to /dev/full fails like writing to a disk without space."""
    full = Path("/dev/full")
    with (
        pytest.raises(DeliveryInterrupted, match="No space left on device; the destination is full: free space there"),
        _errors(full),
    ):
        full.write_bytes(b"rows")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(store, folder, source):
    folder.chmod(0o500)
    with pytest.raises(DeliveryRefused, match="Permission denied"):
        store.put(source(b"rows"), "part", sha(b"rows"))
