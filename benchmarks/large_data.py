"""Data larger than memory should be: a file of 8 GB, a wide sparse table, an endless stream.

Each case runs in a process of its own and prints what it took. Resident memory is told
apart: what the process made (anonymous), and what of the file the system has at hand,
which it drops when memory runs short.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import table


def run(*, quick: bool) -> dict:
    """Train on each kind for an epoch, or 100 chunks."""
    results = {name: _measure(name) for name in CASES}
    rows = {name: [*result.values()] for name, result in results.items()}
    columns = ["data, GB", "rows per second", "memory made by fit, MB", "later growth, MB"]
    print(table("Large data, float32, (64,) hidden, batch norm on", columns, rows))
    return results


def _measure(case: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.large_data", case],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def _network(**settings):
    from sknormnet import NormNetClassifier

    return NormNetClassifier(
        (64,), batch_size=256, max_iter=1, random_state=0, dtype="float32", **settings
    )


def _anonymous() -> float:
    """Megabytes that this process has made itself, at their peak or now."""
    import psutil

    info = psutil.Process().memory_info()
    return (info.rss - getattr(info, "shared", 0)) / 1e6


def _fit(X, y, size: float) -> dict[str, float]:
    from threading import Event, Thread

    _network().fit(X[:1000], y[:1000])
    before, peak, done = _anonymous(), [0.0], Event()

    def watch():
        while not done.wait(0.01):
            peak[0] = max(peak[0], _anonymous())

    watcher = Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    _network().fit(X, y)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return _result(size, X.shape[0] / seconds, peak[0] - before, None)


def _result(size, rows_per_second, made, growth) -> dict:
    return {"size": size, "speed": round(rows_per_second), "made": made, "growth": growth}


def memmap() -> dict:
    """2,000,000 x 1,000 float32 in a file, 8 GB, in a new order."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        X = np.lib.format.open_memmap(path, "w+", np.float32, (2_000_000, 1_000))
        rng, y = np.random.default_rng(0), np.empty(len(X), np.int64)
        for start in range(0, len(X), 10_000):
            part = slice(start, start + 10_000)
            rows = rng.standard_normal((10_000, 1_000), dtype=np.float32)
            X[part], y[part] = rows, rows[:, 0] > 0
        X.flush()
        del X
        return _fit(np.load(path, mmap_mode="r"), y, 8.0)


def sparse() -> dict:
    """200,000 x 50,000 CSR with density 0.001; 40 GB if it were dense."""
    import numpy as np
    from scipy import sparse

    X = sparse.random(
        200_000, 50_000, 0.001, format="csr", dtype=np.float32, rng=np.random.default_rng(0)
    )
    y = (X[:, :25_000].sum(axis=1) > X[:, 25_000:].sum(axis=1)).astype(int)
    size = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e9
    return _fit(X, np.asarray(y).ravel(), size)


def stream() -> dict:
    """partial_fit on 100 chunks of 10,000 x 100, each gone when it has been seen."""
    import numpy as np

    from benchmarks.problems import made_classification

    net, classes = _network(), np.arange(10)
    seconds, after = 0.0, []
    for chunk in range(100):
        X, y = made_classification(10_000, 100, 10, np.float32, seed=chunk)
        start = time.perf_counter()
        net.partial_fit(X, y, classes=classes)
        seconds += time.perf_counter() - start
        after.append(_anonymous())
    return _result(100 * 10_000 * 400 / 1e9, 1_000_000 / seconds, None, after[-1] - after[9])


CASES = {"memmap": memmap, "sparse": sparse, "stream": stream}

if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    print(json.dumps(CASES[sys.argv[1]]()))
