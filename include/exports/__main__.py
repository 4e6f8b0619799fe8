"""`python -m include.exports`."""

from include.exports.cli import app

app(prog_name="python -m include.exports")
