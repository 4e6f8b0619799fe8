"""The exports that the files of a folder declare, read without Airflow."""

from __future__ import annotations

import difflib
import os
import posixpath
import runpy
import traceback
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.exports.errors import DefinitionError, Problem
from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from include.exports.definition import Export


def dags_folder() -> Path:
    """Airflow's DAGs folder: `dags/` of this project unless Airflow's own environment variable names another one."""
    return Path(os.environ.get("AIRFLOW__CORE__DAGS_FOLDER", PROJECT / "dags")).expanduser()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An export and where it is declared."""

    export: Export
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What a folder declares."""

    folder: Path
    declared: tuple[Declared, ...]
    """Ordered by name."""
    errors: tuple[DefinitionError, ...]
    """One for each file that cannot be read, and for each name or folder that is declared twice."""

    def find(self, name: str) -> Export:
        """The export of that name. Raises `DefinitionError` with the nearest name when there is none."""
        for found in self.declared:
            if found.export.name == name:
                return found.export
        names = [found.export.name for found in self.declared]
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names) or 'none'}"
        raise DefinitionError(
            str(self.folder), "the catalog", [Problem("name", f"no export is called {name!r}; {hint}")]
        )


_collected: ContextVar[list[Export] | None] = ContextVar("_collected", default=None)


def is_read() -> bool:
    """Whether a catalog is being read, so that files are to declare and not to build."""
    return _collected.get() is not None


def collect(export: Export) -> bool:
    """Note an export that a file declares; False when nobody reads a catalog, so that a DAG is to be built."""
    collected = _collected.get()
    if collected is None:
        return False
    collected.append(export)
    return True


def read(folder: Path | None = None) -> Catalog:
    """Run every Python file of `folder`, by default `dags_folder()`, and note what it declares.

    Files with errors do not hide the others.
    """
    folder = folder or dags_folder()
    declared: dict[str, Declared] = {}
    places: dict[tuple[str, str], Declared] = {}
    errors = []
    for file in sorted(folder.rglob("*.py")):
        exports: list[Export] = []
        token = _collected.set(exports)
        try:
            runpy.run_path(str(file))
        except DefinitionError as error:
            errors.append(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a file raises is a problem of that file
            errors.append(_unreadable(file, error))
        finally:
            _collected.reset(token)
        for export in exports:
            if other := declared.get(export.name):
                problem = Problem("name", f"{export.name!r} is declared in {other.file} too; rename one of them")
            elif other := places.get(_place(export)):
                rule = f"is also that of {other.export.name!r}, at the same destination; give one of them another"
                problem = Problem("folder", f"{export.folder!r} {rule}")
            else:
                declared[export.name] = places[_place(export)] = Declared(export=export, file=file)
                continue
            errors.append(DefinitionError(str(file), f"{type(export).__name__} {export.name!r}", [problem]))
    return Catalog(folder=folder, declared=tuple(declared[name] for name in sorted(declared)), errors=tuple(errors))


def _place(export: Export) -> tuple[str, str]:
    """Destination and folder, as far as they do not depend on the run. Two exports there would take turns."""
    folder = posixpath.join(export.destination.prefix, export.folder)
    for macro, value in export.macro_values().items():
        folder = folder.replace(f"%{macro}%", value)
    return export.destination.place, folder


def _unreadable(file: Path, error: BaseException) -> DefinitionError:
    """An error of Python's, with the line of the file that it comes from."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    where = f"{file}:{lines[-1]}" if lines else str(file)
    return DefinitionError(where, "the file", [Problem(type(error).__name__, str(error))])
