"""Modules import downwards only, so that a reader can read them in one order."""

import ast
from pathlib import Path

import pytest

from include.exports.paths import PROJECT

ORDER = [
    ["errors"],
    ["model", "paths", "progress"],
    ["conditions", "effort", "governance", "engine", "manifest", "schedules"],
    ["time_column", "folder"],
    ["sources", "formats", "destinations", "tables"],
    ["contract", "compress", "destinations.connection", "sources.exact"],
    ["columns", "alert", "keys", "manifest_file", "permissions"],
    ["share"],
    ["sources.query", "destinations.purpose"],
    ["sources.*", "formats.*", "destinations.*"],
    ["pgp"],
    ["definition"],
    ["dataset"],
    ["catalog", "timetable", "overdue"],
    ["window"],
    ["cover"],
    ["notice"],
    ["endings"],
    ["campaigns"],
    ["campaigns.day", "campaigns.event_types", "campaigns.metrics", "campaigns.avro"],
    ["campaigns.metrics.*"],
    ["campaigns.metrics.registry"],
    ["campaigns.event_lake", "campaigns.event_tables"],
    ["campaigns.events", "campaigns.rules", "campaigns.left_out", "campaigns.names"],
    ["campaigns.measure"],
    ["campaigns.figures"],
    ["campaigns.tidy"],
    ["campaigns.totals", "campaigns.graph"],
    ["campaigns.multichannel", "campaigns.multivariate"],
    ["campaigns.data_series", "campaigns.comparison"],
    ["campaigns.results"],
    ["campaigns.profiles"],
    ["campaigns.received"],
    ["campaigns.reconcile"],
    ["campaigns.recipients"],
    ["staging"],
    ["audit"],
    ["plan"],
    ["verify", "views"],
    ["eligibility.*"],
    ["eligibility"],
    ["extract"],
    ["compose"],
    ["serialize"],
    ["encrypt", "deliver"],
    ["sweep"],
    ["publish"],
    ["stages", "maintain", "lineage", "link"],
    ["trigger_form"],
    ["dag", "download"],
    ["maintenance"],
    ["locate", "scratch"],
    ["run", "new", "doctor", "offer"],
    ["cli.terminal"],
    ["cli.*"],
    ["cli"],
    ["__init__", "__main__"],
]
"""Each module may import modules of earlier rows, and those of its own package when the row is `package.*`."""

ROOT = PROJECT / "include" / "exports"
"""`include.local` stands above the exports; only the command line prepares a machine with it."""


def modules() -> dict[str, Path]:
    paths = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        paths[name.removesuffix(".__init__") if name != "__init__" else name] = path
    return paths


def rank(module: str) -> int:
    """The row of a module; the exact name before its package's star."""
    package = module.rpartition(".")[0]
    for name in (module, f"{package}.*", package):
        for number, row in enumerate(ORDER):
            if name and name in row:
                return number
    raise AssertionError(f"{module} has no place in ORDER; give it one")


def imported(path: Path) -> set[str]:
    """The modules of this package that a module imports when it runs; what only types need does not count."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("include.exports"):
            base = node.module.removeprefix("include.exports").lstrip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}".lstrip(".")
                names.add(full if full in modules() else base)
    return names - {""}


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_comes_before_it(module):
    own = rank(module)
    wrong = {name for name in imported(modules()[module]) if rank(name) >= own and name != module}
    package = module.partition(".")[0]
    assert {name for name in wrong if not (rank(name) == own and name.startswith(f"{package}."))} == set()


def test_every_place_in_the_order_is_taken():
    names = set(modules())
    for row in ORDER:
        for name in row:
            assert name in names or (name.endswith(".*") and name[:-2] in names), f"{name} does not exist"


@pytest.mark.parametrize("module", modules())
def test_a_module_is_small(module):
    """Past about 300 lines a module is two modules."""
    assert len(modules()[module].read_text().splitlines()) <= 320
