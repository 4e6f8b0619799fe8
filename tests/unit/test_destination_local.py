"""What a folder does besides what every destination promises: see tests/contract."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from include.exports import LocalDestination
from include.exports.destinations import connect
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
