"""Loads what DAG files import, before there are any: the DAG processor parses each file in a copy of itself."""

from include.exports import dag  # noqa: F401  # to have been loaded is all
