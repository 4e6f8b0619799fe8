"""The command line: list, check, eligible, plan, run, verify, share, doctor, new.

Exit codes: 0 all is well; 1 a run failed, delivered files differ from their manifest, a destination lacks what a
delivery needs, or a source has what cannot be exported as it is; 2 the question cannot be answered: a wrong definition,
an unknown name, a source that is not there, nothing that was published.
"""

from __future__ import annotations

import typer

from include.exports.cli import declared, delivered

app = typer.Typer(
    help="Declared exports: look at them, run them, verify and share what they delivered, try out where they deliver.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("list")(declared.list_exports)
app.command()(declared.check)
app.command()(declared.eligible)
app.command()(declared.plan)
app.command()(declared.run)
app.command()(delivered.verify)
app.command()(delivered.share)
app.command()(delivered.doctor)
app.command()(declared.new)
