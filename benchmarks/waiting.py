"""What users wait for: the import, the first fit, one row, a file, the most accurate model."""

import os
import pickle
import statistics
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier

from benchmarks.timing import interleave, table
from sknormnet import NormNetClassifier

SEPARATELY = {"matplotlib", "pandas", "torch", "numba"}
IMPORT = f"""
import sys, time
import sklearn.neural_network
before = set(sys.modules)
start = time.perf_counter()
import sknormnet
print(time.perf_counter() - start, *({SEPARATELY} & (set(sys.modules) - before)))
"""
FIRST_FIT = """
import time
from sklearn.datasets import make_classification
X, y = make_classification(1000, 20, random_state=0)
start = time.perf_counter()
from {module} import {name}
{name}(random_state=0).fit(X, y)
print(time.perf_counter() - start)
"""
MODELS = {
    "sknormnet": NormNetClassifier,
    "MLPClassifier": MLPClassifier,
    "HistGradientBoosting": HistGradientBoostingClassifier,
}
PUBLIC = {"sknormnet": "sknormnet", "MLPClassifier": "sklearn.neural_network"}
CALLS = 1000  # of one-row predictions, timed together


def run(*, quick: bool) -> dict:
    """Measure each, next to MLPClassifier and HistGradientBoosting, with default parameters."""
    repeats = 5 if quick else 21
    milliseconds, dragged = _import(repeats)
    print(f"\nimport sknormnet: {milliseconds:.1f} ms more; drags in {dragged}")
    X, y = make_classification(20_000, 100, n_informative=20, random_state=0)
    fitted = {name: _fitted(kind(random_state=0), X, y) for name, kind in MODELS.items()}
    stored = {name: pickle.dumps(model) for name, model in fitted.items()}
    rows = {
        "first fit, 1,000 x 20, with imports, ms": _first_fits(repeats),
        "predict_proba of one row, us": _micros({k: m.predict_proba for k, m in fitted.items()}, X),
        "pickle, 20,000 x 100, KiB": [len(x) / 1024 for x in stored.values()],
        "load it, ms": _medians({k: partial(pickle.loads, x) for k, x in stored.items()}, repeats),
    }
    if not quick:
        rows["for_accuracy(), 50,000 x 30, s"] = _most_accurate()
    print(table("What users wait for, default parameters", [*MODELS], rows))
    return {"import, ms": milliseconds, "imported": dragged, **rows}


def _fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


def _import(repeats: int) -> tuple[float, list[str]]:
    """Return the milliseconds after ``import sklearn.neural_network``, and large packages."""
    seconds, dragged = [], set()
    for _ in range(repeats):
        first, *names = _in_new_process(IMPORT)
        seconds.append(float(first))
        dragged.update(names)
    return statistics.median(seconds) * 1e3, sorted(dragged)


def _first_fits(repeats: int) -> list[float]:
    codes = {
        name: FIRST_FIT.format(module=PUBLIC.get(name, "sklearn.ensemble"), name=kind.__name__)
        for name, kind in MODELS.items()
    }
    found = {name: [] for name in codes}
    for _ in range(repeats):
        for name, code in codes.items():
            found[name].append(float(_in_new_process(code)[0]) * 1e3)
    return [statistics.median(values) for values in found.values()]


def _in_new_process(code: str) -> list[str]:
    command = [sys.executable, "-W", "ignore", "-c", code]
    # Compiled modules are kept on disk, as they are for users.
    environment = {k: x for k, x in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.split()


def _micros(calls: dict, X) -> list[float]:
    def repeat(call):
        for _ in range(CALLS):
            call(X[:1])

    runs = {name: partial(repeat, call) for name, call in calls.items()}
    return [1e3 / CALLS * ms for ms in _medians(runs, 9)]


def _medians(runs: dict, repeats: int) -> list[float]:
    """Return the milliseconds of each, the median of interleaved runs."""
    return [float(np.median(x)) * 1e3 for x in interleave(runs, repeats).values()]


def _most_accurate() -> list[float]:
    X, y = make_classification(50_000, 30, n_informative=10, flip_y=0.1, random_state=0)
    models = [NormNetClassifier.for_accuracy(random_state=0)]
    models += [MODELS[name](random_state=0) for name in ("MLPClassifier", "HistGradientBoosting")]
    runs = {str(i): partial(_fitted, model, X, y) for i, model in enumerate(models)}
    return [float(np.median(x)) for x in interleave(runs, 1, warm_up=False).values()]
