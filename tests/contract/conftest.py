"""Every destination of the registry takes the contract's tests because it is registered."""

import pytest

from include.exports import destinations
from include.exports.destinations import DESTINATIONS, connect
from tests.rigs.destinations import RIGS


@pytest.fixture(params=DESTINATIONS)
def rig(request, tmp_path, monkeypatch):
    """An empty destination; a test that it has declared a gap for must fail."""
    gaps = destinations.module(request.param).CAPABILITIES.gaps
    if reason := gaps.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    return RIGS[request.param](tmp_path, monkeypatch)


@pytest.fixture
def store(rig):
    """The destination, open."""
    with connect(rig.destination) as opened:
        yield opened


@pytest.fixture
def source(tmp_path):
    """A file of that content, to be sent."""

    def write(content: bytes):
        path = tmp_path / "source"
        path.write_bytes(content)
        return path

    return write
