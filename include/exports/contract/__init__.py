"""What becomes of a value of each type in JSON, CSV and Parquet: kept exactly, or refused; never guessed.

problems        which columns have a type that cannot be kept, before anything is read
cast_problem    why a type cannot be cast to another one, before anything is read
cast_exactly    a value as another type
staged          a column as it is put into Parquet
json_text       a column as JSON
json_object     the values of a record as a JSON object
csv_text        a column as the text of a CSV field
refusals        turns a value that the SQL of these refuses into `SourceRefused`
markdown        the contract as a table, with an example of each type
"""

from include.exports.contract.casts import cast_exactly, cast_problem
from include.exports.contract.kinds import is_plain, json_problems, kind, problems
from include.exports.contract.refusal import refusal, refusals
from include.exports.contract.staged import staged
from include.exports.contract.table import markdown
from include.exports.contract.text import NonFinite, Policy, csv_text, json_object, json_text

__all__ = [
    "NonFinite",
    "Policy",
    "cast_exactly",
    "cast_problem",
    "csv_text",
    "is_plain",
    "json_object",
    "json_problems",
    "json_text",
    "kind",
    "markdown",
    "problems",
    "refusal",
    "refusals",
    "staged",
]
