"""Sphinx extension: on a class's page, each parameter has an anchor, and the estimators' a table.

The table is made of `GROUPS`. A parameter that is in no group, or a group's that does not exist,
is an error of the build.
"""

from docutils import nodes
from sphinx.application import Sphinx

SEVEN = {
    "hidden_layer_sizes": "units per hidden layer: wider, or more layers, for many rows",
    "keep_prob": "dropout: 1 for none, smaller against overfitting",
    "weight_decay": "small weights: larger against overfitting",
    "learning_rate_init": "step size: the first to try if training is unstable or slow",
    "max_iter": "epochs: more for a slightly better fit, fewer for less time",
    "early_stopping": "hold rows out to choose the best epoch",
    "random_state": "an int for the same result in each run",
}
GROUPS = {
    "Network": "hidden_layer_sizes activation batchnorm batchnorm_momentum batchnorm_epsilon init "
    "dtype",
    "Inputs": "scale_inputs categorical_features categories input_bins bin_strategy "
    "input_frequencies",
    "Target and loss": "loss class_weight label_smoothing calibrate standardize_target huber_delta "
    "quantile",
    "Regularization": "keep_prob input_keep_prob weight_decay alpha",
    "Optimization": "solver learning_rate learning_rate_init batch_size max_iter max_time shuffle "
    "power_t momentum nesterovs_momentum beta_1 beta_2 epsilon max_grad_norm max_fun",
    "Stopping": "early_stopping scoring validation_fraction n_iter_no_change tol",
    "Ensemble": "n_members",
    "Running": "random_state verbose warm_start checkpoint",
}


def _link(name: str) -> str:
    return f"`{name} <#parameter-{name}>`__"


def _rows(title: str, widths: str, rows: dict[str, str]) -> list[str]:
    lines = [f".. list-table:: {title}", f"   :widths: {widths}", ""]
    for head, text in rows.items():
        lines += [f"   * - {head}", f"     - {text}"]
    return [*lines, ""]


def add_tables(app, what, name, obj, options, lines):
    """Put the parameters to know, and all by group, before those of the two networks."""
    if name not in ("sknormnet.NormNetClassifier", "sknormnet.NormNetRegressor"):
        return
    known = set(obj().get_params())
    groups = {head: [x for x in names.split() if x in known] for head, names in GROUPS.items()}
    if missing := known - {x for names in groups.values() for x in names}:
        raise ValueError(f"docs/_ext/parameters.py: no group has {sorted(missing)}.")
    start = next(k for k, line in enumerate(lines) if line.startswith(":Parameters:"))
    tables = _rows("The seven parameters to know", "25 75", {_link(k): v for k, v in SEVEN.items()})
    by_group = {head: ", ".join(map(_link, names)) for head, names in groups.items() if names}
    tables += _rows("All parameters, by what they are for", "25 75", by_group)
    lines[start:start] = tables


def add_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Give the terms of the field Parameters the ids that the tables link to."""
    for field in doctree.findall(nodes.field):
        if field[0].astext() == "Parameters":
            for term in field.findall(nodes.term):
                for name in term.astext().partition(":")[0].replace(" ", "").split(","):
                    term["ids"].append(f"parameter-{name}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above, after numpydoc."""
    app.connect("autodoc-process-docstring", add_tables, priority=900)
    app.connect("doctree-read", add_anchors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
