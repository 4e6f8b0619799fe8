"""Writes the reference pages of `docs/` from the code, or says which of them is not what the code says.

python -m include.local.docs            write them
python -m include.local.docs --check    change nothing; exit with 1 when one differs
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from include.exports import folder
from include.exports.campaigns.recipients import RecipientsExport
from include.exports.campaigns.results import CampaignResultsExport
from include.exports.contract import table
from include.exports.dataset import DatasetExport
from include.exports.manifest import Manifest
from include.exports.model import meanings
from include.exports.paths import PROJECT
from include.local import destinations, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

GENERATED = "<!-- Written by `make docs` from the code. Change the docstrings there. -->\n\n"


def pages() -> dict[str, str]:
    """The text of every generated page, by its path in the project."""
    return {
        "docs/DEFINITION.md": GENERATED
        + _models("Every field of a definition", DatasetExport, CampaignResultsExport, RecipientsExport)
        + _macros(),
        "docs/DESTINATIONS.md": GENERATED + destinations.markdown(),
        "docs/MANIFEST.md": GENERATED + _models("Every field of the manifest", Manifest),
        "docs/METRICS.md": GENERATED + metrics.markdown(),
        "docs/TYPES.md": GENERATED + table.markdown(),
    }


def _models(title: str, *roots: type[BaseModel]) -> str:
    found: list[type[BaseModel]] = []
    for root in roots:
        _reachable(root, found)
    sections = (_section(model) for model in found)
    return f"# {title}\n\n" + "\n".join(sections)


def _reachable(model: type[BaseModel], found: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """`model` and every model that its fields can hold, in the order in which a reader meets them."""
    if model not in found:
        found.append(model)
        for field in model.model_fields.values():
            for nested in _nested(field.annotation):
                _reachable(nested, found)
    return found


def _nested(annotation: Any) -> Iterator[type[BaseModel]]:
    if _is_model(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from _nested(argument)


def _section(model: type[BaseModel]) -> str:
    told = meanings(model)
    rows = "".join(
        f"| `{field.alias or name}` | {_type(field)} | {_default(field)} | {_cell(told[name])} |\n"
        for name, field in model.model_fields.items()
        if name != "type"
    )
    doc = inspect.getdoc(model) or ""
    return f"## {model.__name__}\n\n{doc}\n\n| field | type | default | meaning |\n| --- | --- | --- | --- |\n{rows}"


def _type(field: FieldInfo) -> str:
    return _cell(_name(field.annotation))


def _name(annotation: Any) -> str:  # noqa: PLR0911  # one line a kind of type
    """A type in words: what may be written there."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return "absent"
    if origin is Literal:
        return ", ".join(f"`{argument!r}`" for argument in arguments)
    if origin is Annotated:
        return _name(arguments[0])
    if origin in {tuple, list}:
        return f"list of {_name(arguments[0])}"
    if origin is dict:
        return f"{_name(arguments[0])} to {_name(arguments[1])}"
    if origin:
        return " or ".join(_name(argument) for argument in arguments)
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})" if _is_model(annotation) else annotation.__name__


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default if field.default is not PydanticUndefined else None
    if value is None or isinstance(value, BaseModel):
        return "" if value is None else f"`{type(value).__name__}()`"
    return _cell(f"`{value!r}`" if isinstance(value, (str, bool, int, tuple, dict)) else f"`{value}`")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _macros() -> str:
    table = (inspect.getdoc(folder) or "").partition("\n\n")[2]
    return f"\n## Macros of a folder template\n\n{table}\n"


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; returns the exit code."""
    stale = []
    for name, text in pages().items():
        path = PROJECT / name
        if path.exists() and path.read_text() == text:
            continue
        if arguments == ["--check"]:
            stale.append(name)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {name}")  # noqa: T201  # what a person who ran `make docs` wants to see
    for name in stale:
        print(f"{name} is not what the code says; run: make docs", file=sys.stderr)  # noqa: T201
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
