"""The servers that the demo and the tests start."""

import inspect
from importlib import import_module

import pytest

from include.local import stores


@pytest.mark.parametrize("kind", stores.KINDS)
def test_every_destination_that_is_a_server_has_one_here(kind):
    module = import_module(f"include.local.stores.{kind}")
    assert len(inspect.signature(module.serve).parameters) == 1
    assert module.__doc__, "says what it proves, and what not"
