"""The strict base of everything that can be declared.

Every declared model is frozen, knows no extra fields, documents each field in the string under it, and survives
`model_dump_json` and back without loss.

A definition reports all its problems at once, also those of the models nested in it. Python builds the nested models
first, so one that is wrong does not raise where it is written: it becomes `Broken`, its arguments as they were given,
and the definition it is handed to validates those again in their place, under their full field path.
"""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic._internal._docs_extraction import extract_docstrings_from_cls  # what use_attribute_docstrings calls
from pydantic._internal._model_construction import ModelMetaclass  # the only hook before __init__ raises

from include.exports.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Problems(ValueError):
    """Several problems found by one validator, each with the field it is about."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.message for problem in problems))


@dataclass(frozen=True, slots=True)
class Broken:
    """A nested model whose arguments are wrong, waiting for the definition that reports it."""

    model: type[BaseModel]
    arguments: dict[str, Any]

    def raw(self) -> dict[str, Any]:
        """The arguments, with the `type` that tells a union which model they belong to."""
        kind = self.model.model_fields.get("type")
        return {**({"type": kind.default} if kind else {}), **_raw(self.arguments)}


class _PartMeta(ModelMetaclass):
    def __call__(cls, *args: Any, **arguments: Any) -> Any:  # noqa: N805  # of a metaclass, self is a class
        try:
            return super().__call__(*args, **arguments)
        except ValidationError:
            return Broken(cast("type[BaseModel]", cls), arguments)


class _DefinitionMeta(ModelMetaclass):
    def __call__(cls, *args: Any, **arguments: Any) -> Any:  # noqa: N805  # of a metaclass, self is a class
        try:
            return super().__call__(*args, **arguments)
        except ValidationError as error:
            where = sys._getframe(1).f_code.co_filename  # noqa: SLF001  # the file that declares it, for the message
            raise definition_error(cast("type[BaseModel]", cls), where, arguments, error) from None


class Model(BaseModel):
    """Frozen, strict about field names, documented by the strings under its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _unbreak(cls, data: Any) -> Any:
        return _raw(data) if isinstance(data, dict) else data


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The string under each field. Read when it is asked for: `use_attribute_docstrings` parses the source of every
    model when it is imported, which takes longer than all the rest of the import."""
    found: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        if issubclass(parent, Model):
            found |= dict.fromkeys(parent.__annotations__, "") | extract_docstrings_from_cls(parent, use_inspect=True)
    return {name: found[name] for name in model.model_fields}


class Part(Model, metaclass=_PartMeta):
    """A model that is declared inside a definition."""


class Definition(Model, metaclass=_DefinitionMeta):
    """A model that is declared at the top of a file. Raises `DefinitionError` naming that file."""

    @classmethod
    def load(cls, document: str | bytes, where: str) -> Self:
        """The definition in a JSON document. Raises `DefinitionError`, `where` naming the document's origin."""
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            raise definition_error(cast("type[BaseModel]", cls), where, {}, error) from None


def definition_error(
    model: type[BaseModel], where: str, arguments: dict[str, Any], error: ValidationError
) -> DefinitionError:
    """All problems of a failed validation, in our words."""
    name = arguments.get("name")
    what = f"{model.__name__} {name!r}" if isinstance(name, str) else model.__name__
    problems = [problem for item in error.errors(include_url=False) for problem in _problems(model, item)]
    return DefinitionError(where, what, problems)


def _problems(model: type[BaseModel], item: ErrorDetails) -> list[Problem]:
    path = _path(model, item["loc"])
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, Problems):
        return [Problem(".".join(filter(None, (path, found.field))), found.message) for found in cause.problems]
    return [Problem(path or "the definition", _message(model, item))]


def _raw(value: Any) -> Any:
    if isinstance(value, Broken):
        return value.raw()
    if isinstance(value, dict):
        return {key: _raw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_raw(item) for item in value)
    return value


def _walk(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[str], set[type[BaseModel]]]:
    """The path of `loc` as a person writes it, without union tags, and the models its last step may belong to."""
    path: list[str] = []
    owners: set[type[BaseModel]] = {model}
    is_key = False  # of a dictionary, which may be called as a type is
    for step in loc:
        tagged = {owner for owner in owners if (kind := owner.model_fields.get("type")) and kind.default == step}
        if tagged and not is_key and not any(step in owner.model_fields for owner in owners):
            owners = tagged
            continue
        path.append(f"[{step}]" if isinstance(step, int) else step)
        fields = [owner.model_fields[step] for owner in owners if isinstance(step, str) and step in owner.model_fields]
        is_key = any(get_origin(field.annotation) is dict for field in fields)
        if fields:
            owners = {found for field in fields for found in _models(field.annotation)} or owners
    return path, owners


def _models(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {found for argument in get_args(annotation) for found in _models(argument)}


def _path(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    return ".".join(_walk(model, loc)[0]).replace(".[", "[")


def _message(model: type[BaseModel], item: ErrorDetails) -> str:
    loc, value = item["loc"], item["input"]
    match item["type"]:
        case "value_error":
            return str(item["ctx"]["error"])
        case "extra_forbidden":
            known = sorted({name for owner in _walk(model, loc[:-1])[1] for name in owner.model_fields} - {"type"})
            return f"is not a known field; {_nearest(str(loc[-1]), known)}"
        case "missing":
            owner = next((owner for owner in _walk(model, loc[:-1])[1] if loc[-1] in owner.model_fields), None)
            meaning = meanings(owner).get(str(loc[-1]), "") if owner else ""
            return f"is required: {meaning.splitlines()[0]}" if meaning else "is required"
        case "union_tag_not_found":
            return "has no 'type', which says what kind it is; add it"
        case "literal_error" | "union_tag_invalid":
            allowed = item["ctx"].get("expected", item["ctx"].get("expected_tags", ""))
            options = [word.strip(" '") for word in allowed.replace(" or ", ", ").split(",")]
            given = value.get("type") if isinstance(value, dict) else value
            return f"{given!r} is not allowed; {_nearest(str(given), options)}"
        case _:
            return f"{value!r}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _nearest(given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(known)}"
