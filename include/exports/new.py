"""Writes a definition file from a few answers: a start to edit, complete enough to pass `check`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from pydantic import TypeAdapter, ValidationError

from include.exports import catalog
from include.exports.errors import DefinitionError, Problem
from include.exports.paths import Name

FORMATS = {
    "json": 'JsonFiles(compression="gzip")',
    "csv": 'CsvFiles(compression="gzip")',
    "parquet": 'ParquetFiles(compression="zstd")',
    "xlsx": "XlsxFiles()",
}
SCHEDULES = {
    "once": "Once(at={start})",
    "hourly": "Every(hours=1, timezone={timezone}, start={start})",
    "daily": 'Daily(at="00:00", timezone={timezone}, start={start})',
    "weekly": 'Weekly(on="monday", timezone={timezone}, start={start})',
    "monthly": "Monthly(on=1, timezone={timezone}, start={start})",
}

TEMPLATE = '''"""# {name}

What is sent, and why.

**Who reads it**: the people or systems that depend on it.

**When it is late**: whom to tell, and by when.

**When it fails**: read the log of the red task, its last lines say what to do. Running a window again is always safe.
"""

from include.exports import (
{imports}
)

airflow_dag(
    DatasetExport(
        name={quoted_name},
        owner={owner},
        source={source},{order_by}
        mode="{mode}",
        schedule={schedule},
        files={files},
        destination=LocalDestination(path="exports"),
    ),
    doc=__doc__,
)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a definition cannot do without."""

    name: str
    owner: str
    source: str
    """`lake` or `sql`."""
    location: str
    """The folder of a lake, or `connection:table`."""
    order_by: str
    """Column that orders the rows of a table; empty for a lake."""
    time_column: str
    """Empty for a full export."""
    schedule: str
    """A key of `SCHEDULES`."""
    timezone: str
    start: str
    files: str
    """A key of `FORMATS`."""


def ask() -> Answers:
    """Ask on the terminal."""
    name = typer.prompt("Name (lower case, it is the DAG id)")
    owner = typer.prompt("Owner (team to ask)")
    source = _choice("Where are the records", ("lake", "sql"))
    location = typer.prompt(
        "Folder or URL of the files" if source == "lake" else "Connection and table (conn:schema.table)"
    )
    order_by = typer.prompt("Column that orders the rows (primary key)") if source == "sql" else ""
    schedule = _choice("How often", tuple(SCHEDULES))
    time_column = "" if schedule == "once" else typer.prompt("Time column (empty: everything each time)", default="")
    timezone = "UTC" if schedule == "once" else typer.prompt("Time zone", default="UTC")
    start = typer.prompt("When does it run (YYYY-MM-DD)" if schedule == "once" else "First day (YYYY-MM-DD)")
    files = _choice("File format", tuple(FORMATS))
    return Answers(
        name=name,
        owner=owner,
        source=source,
        location=location,
        order_by=order_by,
        time_column=time_column,
        schedule=schedule,
        timezone=timezone,
        start=start,
        files=files,
    )


def write(answers: Answers) -> Path:
    """The new file in Airflow's DAGs folder.

    Raises `DefinitionError`, leaving no file, when the answers do not make a definition or the name is taken.
    """
    file = catalog.dags_folder() / f"{answers.name}.py"
    try:
        TypeAdapter(Name).validate_python(answers.name)  # before it becomes part of a path and of a docstring
    except ValidationError as error:
        (item,) = error.errors()
        raise DefinitionError("the answers", "DatasetExport", [Problem("name", str(item["ctx"]["error"]))]) from None
    if file.exists() or answers.name in {item.export.name for item in catalog.read().declared}:
        raise DefinitionError(str(file), "the file", [Problem("name", "is taken already; choose another name")])
    text = _text(answers)
    with TemporaryDirectory() as folder:
        draft = Path(folder, file.name)
        draft.write_text(text, encoding="utf-8")
        for found in catalog.read(draft.parent).errors:
            raise DefinitionError("the answers", found.what, list(found.problems))
    file.write_text(text, encoding="utf-8")
    return file


def _text(answers: Answers) -> str:
    time_column = f"TimeColumn(name={_quoted(answers.time_column)})" if answers.time_column else ""
    if answers.source == "lake":
        arguments = [f"path={_quoted(answers.location)}"]
    else:
        connection, _, table = answers.location.partition(":")
        arguments = [f"conn_id={_quoted(connection)}", f"table={_quoted(table)}"]
    if time_column:
        arguments.append(f"time_column={time_column}")
    source = f"{'LakeSource' if answers.source == 'lake' else 'SqlSource'}({', '.join(arguments)})"
    schedule = SCHEDULES[answers.schedule].format(start=_quoted(answers.start), timezone=_quoted(answers.timezone))
    files = FORMATS[answers.files]
    used = {text.partition("(")[0] for text in (source, schedule, files, time_column) if text}
    imports = [*sorted({"DatasetExport", "LocalDestination", *used}), "airflow_dag"]
    return TEMPLATE.format(
        imports="\n".join(f"    {name}," for name in imports),
        name=answers.name,
        quoted_name=_quoted(answers.name),
        owner=_quoted(answers.owner),
        source=source,
        order_by=f"\n        order_by=({_quoted(answers.order_by)},)," if answers.order_by else "",
        mode="incremental" if time_column else "full",
        schedule=schedule,
        files=files,
    )


def _quoted(text: str) -> str:
    """A Python literal: JSON's escapes are Python's too, but for pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False)


def _choice(question: str, options: tuple[str, ...]) -> str:
    def one_of(answer: str) -> str:
        if answer not in options:
            raise typer.BadParameter(f"{answer!r} is none of {', '.join(options)}")
        return answer

    return str(typer.prompt(f"{question} ({', '.join(options)})", default=options[0], value_proc=one_of))
