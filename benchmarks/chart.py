"""README's chart: ratios to the MLP's results, from the result file of ``benchmarks.accuracy``.

``python -m benchmarks.chart accuracy-results.jsonl docs/images/accuracy.svg`` needs matplotlib
(extra ``plot``). Several result files may be named before the picture; of equal runs, the last
counts. The same results give the same file.
"""

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.accuracy import BASELINE, log_ratios

# Model -> label and color; models without runs are left out.
MODELS = {
    BASELINE: ("MLPClassifier, MLPRegressor", "#9aa5b1"),
    "HistGradientBoosting": ("HistGradientBoosting", "#9aa5b1"),
    "CatBoost": ("CatBoost", "#9aa5b1"),
    "NormNet": ("NormNet, defaults", "#3b82c4"),
    "for_accuracy": ("NormNet.for_accuracy()", "#0b4f8a"),
}
METRICS = {
    "error": "classification error",
    "log loss": "log loss",
    "nRMSE": "regression: √(1 − R²)",
}


def draw(runs: list[dict]) -> Figure:
    """Draw bars of the geometric means over the data sets, one panel for each metric."""
    logs = log_ratios(runs)
    known = {model for model, _ in logs} | {BASELINE}
    models = [model for model in MODELS if model in known][::-1]
    figure = Figure(figsize=(9, 2.4), layout="constrained")
    axes = figure.subplots(1, len(METRICS), sharey=True)
    for ax, (metric, title) in zip(axes, METRICS.items(), strict=True):
        ratios = [
            float(np.exp(np.mean([*logs.get((x, metric), {"": 0}).values()]))) for x in models
        ]
        bars = ax.barh([MODELS[x][0] for x in models], ratios, color=[MODELS[x][1] for x in models])
        ax.bar_label(bars, fmt="%.2f", padding=3)
        ax.set(title=title, xlim=(0, 1.25), xticks=[])
        ax.spines[["top", "right", "bottom"]].set_visible(False)
        ax.tick_params(left=False)
    n_sets = len({run["set"] for run in runs})
    note = f"Ratio to the MLP's result, geometric mean over {n_sets} data sets; lower is better"
    figure.supxlabel(note, fontsize="medium")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS.jsonl")
    parser.add_argument("picture", type=Path, metavar="PICTURE.svg")
    arguments = parser.parse_args()
    lines = [x for path in arguments.results for x in path.read_text().splitlines()]
    runs = [run for run in map(json.loads, lines) if run.get("rows") is None]
    # The same results give the same file: no date, no random names.
    with matplotlib.rc_context({"svg.hashsalt": "sknormnet"}):
        draw(runs).savefig(arguments.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
