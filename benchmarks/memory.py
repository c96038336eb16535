"""Peak memory of fit beyond X and y, each fit in a process of its own."""

import json
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.timing import table

CASES = {
    "plain": {},
    "early stopping": {"early_stopping": True},
    "sample_weight": {"weighted": True},
    "sample_weight, a third of it 0": {"weighted": True, "zeros": True},
}
N_ROWS, N_FEATURES = 1_000_000, 100


def run(*, quick: bool) -> dict:
    """One epoch of (256, 128) with batches of 256 over a million rows of 100 features."""
    results: dict = {}
    for dtype in ("float32", "float64"):
        for case, settings in CASES.items():
            results[f"{dtype}, {case}"] = {
                side: _measure(side=side, dtype=dtype, **settings) for side in ("ours", "mlp")
            }
    rows = {
        name: [f"{sides['ours'] / 1e6:.0f} MB", f"{sides['mlp'] / 1e6:.0f} MB"]
        for name, sides in results.items()
    }
    title = "Peak memory of fit beyond X and y, 1,000,000 rows of 100 features, batch norm on"
    print(table(title, ["ours", "MLPClassifier"], rows))
    return results


def _measure(**case) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", json.dumps(case)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


def _child(side: str, dtype: str, early_stopping=False, weighted=False, zeros=False) -> int:
    """Fit, and return by how many bytes the resident memory rose at most."""
    import warnings

    import numpy as np
    import psutil
    from sklearn.neural_network import MLPClassifier

    from benchmarks.problems import made_classification
    from sknormnet import NormNetClassifier

    warnings.simplefilter("ignore")
    X, y = made_classification(N_ROWS, N_FEATURES, 10, np.dtype(dtype).type)
    weight = None
    if weighted:
        weight = np.random.default_rng(0).uniform(0.5, 2, N_ROWS)
        weight[:: 3 if zeros else N_ROWS + 1] = 0 if zeros else weight[0]
    kind = {"ours": NormNetClassifier, "mlp": MLPClassifier}[side]
    settings = {"hidden_layer_sizes": (256, 128), "batch_size": 256, "max_iter": 1}
    kind(**settings).fit(X[:2_000], y[:2_000])  # what the libraries keep once they are in use
    before = psutil.Process().memory_info().rss
    kind(**settings, early_stopping=early_stopping).fit(X, y, sample_weight=weight)
    return _peak() - before


def _peak() -> int:
    """The most memory that this process has had resident, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the process that started this one
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    print(_child(**json.loads(sys.argv[1])))
