"""The locks say what the requirements say. `make lint` also asks uv; these need no network."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from include.exports.paths import PROJECT

LOCKS = {
    "requirements.lock": ("requirements.txt", "requirements-dev.txt"),
    "benchmarks/requirements.lock": ("benchmarks/requirements.txt",),
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: str) -> dict[str, str]:
    """Name to version of each line of a requirements file or lock that asks for a package. All must be pinned."""
    lines = [line.split("#")[0].strip() for line in (PROJECT / path).read_text().splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("-r ", "--hash="))]
    matches = [re.match(r"([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", line) for line in wanted]
    assert [line for line, match in zip(wanted, matches, strict=True) if match is None] == []
    return {normal(match[1]): match[2] for match in matches if match}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_locked_at_its_version_or_left_out_on_purpose(lock: str) -> None:
    required = {name: version for path in LOCKS[lock] for name, version in pins(path).items()}
    left_out = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-dependencies"]

    expected = {name: version for name, version in required.items() if name not in left_out}
    assert expected
    assert {name: version for name, version in pins(lock).items() if name in required} == expected


@pytest.mark.parametrize("path", [*LOCKS, *(path for paths in LOCKS.values() for path in paths)])
def test_no_registry_is_named(path: str) -> None:
    text = (PROJECT / path).read_text()

    assert re.findall(r"://|--(?:extra-)?index|--find-links|--trusted-host", text) == []


def imported(path: Path) -> set[str]:
    """The packages a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.split(".")[0])
    return found - sys.stdlib_module_names - {"include"}


@pytest.mark.parametrize(
    ("folder", "files"), [("include/exports", ("requirements.txt",)), ("include", LOCKS["requirements.lock"])]
)
def test_every_package_that_the_code_imports_is_a_requirement(folder: str, files: tuple[str, ...]) -> None:
    packages = {package for path in (PROJECT / folder).rglob("*.py") for package in imported(path)}
    provided = packages_distributions()

    required = {name for path in files for name in pins(path)}
    assert {name for name in packages if not required & {normal(by) for by in provided.get(name, ())}} == set()


def test_the_lock_of_azurite_pins_each_package_by_its_hash_and_names_no_registry():
    lock = json.loads((PROJECT / "include/local/azurite/package-lock.json").read_text())
    wanted = json.loads((PROJECT / "include/local/azurite/package.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert lock["packages"][""]["dependencies"] == wanted["dependencies"]
    assert [name for name, package in packages.items() if "integrity" not in package or "resolved" in package] == []
