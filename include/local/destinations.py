"""The page about destinations: what they share, what tells them apart, and how to set each one up.

Nothing on it is written twice. What a destination does and how to sign in is the docstring of its module, where the
words after the language of a fenced block say what the block is: ```` ```json access key ```` is the connection of one
kind of sign-in, ```` ```json policy ```` the rights to grant. What it was seen to do is `docs/contract.json`, which
`make contract` writes.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any, get_args

from include.exports import definition, destinations
from include.exports.destinations import DESTINATIONS
from include.exports.paths import LONGEST_PATH, LONGEST_SEGMENT, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable

OUTCOMES = PROJECT / "docs" / "contract.json"
"""By destination and test of the contract: `passed`, or `gap` where a declared gap was seen to be one."""

PROVED_BY = {
    "complete or not visible": (
        "test_a_failure_half_way_leaves_nothing_visible_and_in_nobodys_way",
        "test_what_a_killed_writer_left_is_not_visible_and_in_nobodys_way",
    ),
    "conditional manifest": (
        "test_a_document_is_replaced_only_by_who_names_its_version",
        "test_of_many_writers_of_a_new_document_one_wins",
    ),
    "share link": ("test_a_share_link_lets_anybody_read_until_it_expires",),
}
"""What a column of the first table says, with the tests that must have passed for a yes."""

INTRODUCTION = f"""\
An export goes to another place by another `destination` in its definition; everything else stays as it is. Every
destination keeps the same promises, held against a real server of its kind by the same tests ([below](#contract)).

{{table}}

- **complete or not visible**: whatever interrupts a delivery, a reader never finds half a file.
- **verified by**: the checksum that the store keeps with a file, compared with that of what was sent; each section says
  who computed it. A server of SFTP keeps none: it is compared by size, unless `verify="sha256"` has it read back.
- **conditional manifest**: of two runs that publish one window at the same time, one wins and the other notices.
- **at once**: how many files one task sends side by side.
- **kept**: how long, if the store removes files by itself.
- **share link**: the store signs addresses at which anybody can read for a while: `python -m include.exports share`.

No destination is ever listed, so nobody needs that right: what belongs to a window stands in its manifest and staging.

Paths have letters, digits and ``! - _ . * ' ( ) =``, segments of at most {LONGEST_SEGMENT} and folders of at most
{LONGEST_PATH} characters. Where a store has metadata, each file has its `sha256` there, and the `export`, `window` and
`generation` that it was sent for.

A connection is an Airflow connection. The examples are its JSON, as the environment variable `AIRFLOW_CONN_<CONN_ID>`
or `airflow connections add --conn-json` takes it. Before the first run, `python -m include.exports doctor <export>`
tries out what the definition, the connection and the rights allow, and says what is missing.
"""


def markdown() -> str:
    """The whole page."""
    outcomes = json.loads(OUTCOMES.read_text())
    sections = "\n".join(_section(kind) for kind in DESTINATIONS)
    return f"# Destinations\n\n{INTRODUCTION.format(table=_overview(outcomes))}\n{sections}\n{contract(outcomes)}"


def sign_ins(kind: str) -> dict[str, str]:
    """The connections that the docstring of a destination shows: JSON by the kind of sign-in."""
    return {name: text for name, text in _blocks(kind).items() if name != "policy"}


def _blocks(kind: str) -> dict[str, str]:
    return dict(re.findall(r"^```json (.+)\n((?s:.*?))^```$", _docstring(kind), re.MULTILINE))


def _docstring(kind: str) -> str:
    return inspect.getdoc(destinations.module(kind)) or ""


def _overview(outcomes: dict[str, dict[str, str]]) -> str:
    rows = []
    for kind in DESTINATIONS:
        capabilities = destinations.module(kind).CAPABILITIES
        proved = {
            column: "yes" if all(outcomes.get(kind, {}).get(test) == "passed" for test in tests) else "no"
            for column, tests in PROVED_BY.items()
        }
        rows.append(
            {
                "destination": f"[{kind}](#{_model(kind).__name__.lower()})",
                "sign-in": ", ".join(sign_ins(kind)) or "none",
                "complete or not visible": proved["complete or not visible"],
                "verified by": ", ".join(capabilities.checksums) or "size",
                "conditional manifest": proved["conditional manifest"],
                "at once": capabilities.parallel,
                "kept": f"{capabilities.retention.days} days" if capabilities.retention else "until removed",
                "share link": proved["share link"],
                "gaps": len(capabilities.gaps) or "none",
            }
        )
    return _table(list(rows[0]), (row.values() for row in rows))


def _section(kind: str) -> str:
    model, capabilities = _model(kind), destinations.module(kind).CAPABILITIES
    text = re.sub(r"^```json .+$", "```json", _docstring(kind), flags=re.MULTILINE)
    facts = [f"Fields: [{model.__name__}](DEFINITION.md#{model.__name__.lower()})."]
    if capabilities.forbidden:
        facts.append(f"Names may not have {'; nor '.join(capabilities.forbidden.values())}.")
    if capabilities.gaps:
        reasons = sorted(set(capabilities.gaps.values()))
        tests = ([test for test in sorted(capabilities.gaps) if capabilities.gaps[test] == why] for why in reasons)
        gaps = "\n".join(f"- {why}: *{', '.join(map(_words, each))}*" for why, each in zip(reasons, tests, strict=True))
        facts.append(f"What others promise ([each test](#contract)) and this one does not:\n\n{gaps}")
    return "\n\n".join([f"## {model.__name__}", text, *facts]) + "\n"


def contract(outcomes: dict[str, dict[str, str]]) -> str:
    """The section of what was seen, a row a test."""
    tests = sorted({test for found in outcomes.values() for test in found})
    rows = ([_words(test), *(outcomes.get(kind, {}).get(test, "") for kind in DESTINATIONS)] for test in tests)
    return (
        "## Contract\n\nWhat every destination was asked when `make contract` last ran. A gap is declared above, and it"
        f" was seen.\n\n{_table(['', *DESTINATIONS], rows)}\n"
    )


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _model(kind: str) -> Any:
    models = get_args(get_args(definition.Destination)[0])
    return next(model for model in models if model.model_fields["type"].default == kind)


def _table(header: list[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [header, ["---"] * len(header), *(map(str, row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
