"""Sphinx extension: what tests need and readers do not is left out of the pages."""

import re

from sphinx.application import Sphinx


def without_last_blank_line(app, docname: str, source: list[str]) -> None:
    """Remove the blank line at a code block's end, which ends a doctest's expected output."""
    source[0] = re.sub(r"\n\n(```\n)", r"\n\1", source[0])


def without_foreign_references(app, what, name, obj, options, lines: list[str]) -> None:
    """Make plain text of what docstrings inherited from scikit-learn refer to in its pages."""
    reference = re.compile(r":(?:ref|term):`([^`<]*?)(?: <[^`]*>)?`")
    lines[:] = [reference.sub(r"*\1*", line) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.connect("source-read", without_last_blank_line)
    app.connect("autodoc-process-docstring", without_foreign_references)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
