"""Sphinx extension: an estimator's page has a table of its parameters, by group, and methods."""

import re

from docutils import nodes
from sphinx.application import Sphinx

# The paragraph that the table replaces
SAID_IN_WORDS = "The parameters are listed in groups"
# First parameter -> name of the group that it begins
GROUPS = {
    "hidden_layer_sizes": "Architecture and inputs",
    "alpha": "Regularization",
    "solver": "Optimization",
    "tol": "Stopping and validation",
    "n_members": "Ensemble",
    "loss": "Loss and target",
    "random_state": "Technical",
}


def add_table(app, what, name, obj, options, lines: list[str]) -> None:
    """Replace what a docstring says of its groups of parameters."""
    start = next((k for k, line in enumerate(lines) if line.startswith(SAID_IN_WORDS)), None)
    if start is None:
        return
    parameters = lines[lines.index(":Parameters:") : lines.index(":Attributes:")]
    table = [".. list-table::", "   :widths: 25 75", ""]
    for line in parameters:
        if match := re.match(r"    \*\*(.+?)\*\* : ", line):
            names = match[1].split(", ")
            links = ", ".join(f"`{x} <#parameter-{x}>`__" for x in names)
            if names[0] in GROUPS:
                table += [f"   * - {GROUPS[names[0]]}", f"     - {links}"]
            else:
                table[-1] += f", {links}"
    methods = [x for x in dir(obj) if not x.startswith("_") and callable(getattr(obj, x))]
    links = ", ".join(f":py:meth:`{x} <{name}.{x}>`" for x in methods)
    table += ["   * - Methods", f"     - {links}"]
    lines[start : lines.index("", start)] = table


def add_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Give each term of the field Parameters the id that the table links to."""
    for field in doctree.findall(nodes.field):
        if field[0].astext() == "Parameters":
            for term in field.findall(nodes.term):
                names = term.astext().partition(":")[0].split(",")
                term["ids"] += [f"parameter-{name.strip()}" for name in names]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above, after numpydoc."""
    app.connect("autodoc-process-docstring", add_table, priority=900)
    app.connect("doctree-read", add_anchors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
