"""Training on a Parquet folder by Dask, with two workers of one thread: speed and peak memory.

``python -m benchmarks.partitions --rows 50000000`` writes 100 columns in float32 to a temporary
folder, which takes 20 GB, and removes it at the end. Needs the extra ``dask``, psutil and pyarrow.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psutil

from benchmarks.timing import table

N_COLUMNS = 100
ROWS_OF_FILE = 125_000  # 50 MB in memory
WORKERS = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1.5GiB"}
NETWORK = {"hidden_layer_sizes": (20,), "input_bins": 0, "random_state": 0, "dtype": "float32"}
LBFGS = {"solver": "lbfgs", "batchnorm": False, "max_iter": 3, "max_fun": 4}


def generate(folder: Path, n_rows: int) -> None:
    """Write files of equal size; the class depends on ten of the columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"x{i}" for i in range(N_COLUMNS)]
    for number, start in enumerate(range(0, n_rows, ROWS_OF_FILE)):
        rng = np.random.default_rng(number)
        X = rng.standard_normal((min(ROWS_OF_FILE, n_rows - start), N_COLUMNS), np.float32)
        noise = rng.standard_normal(len(X), np.float32)
        y = X[:, :5].sum(axis=1) * np.tanh(X[:, 5:10].sum(axis=1)) + noise > 0
        columns = [pa.array(np.ascontiguousarray(x)) for x in X.T]
        content = pa.table([*columns, pa.array(y)], names=[*names, "y"])
        # Random numbers cannot be compressed.
        path = folder / f"{number:05}.parquet"
        pq.write_table(content, path, compression="none", use_dictionary=False)


class PeakMemory:
    """The largest sum of the resident memory of this process and its children, in GB."""

    def __init__(self) -> None:
        self.peak, self._done = 0.0, Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            total = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total / 1e9)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._done.set()
        self._thread.join()


def measure(folder: Path, test: Path, n_rows: int) -> dict[str, dict[str, float]]:
    """Train in each way on the files, and score on other rows."""
    import dask.dataframe as dd
    import pandas as pd

    from sknormnet import NormNetClassifier, dask

    data = dd.read_parquet(folder)
    X, y = data.drop(columns="y"), data["y"]
    rest = pd.read_parquet(test)
    ways = {
        "fit, a pass": lambda: dask.fit(NormNetClassifier(**NETWORK, **LBFGS), X, y),
        "partial_fit, one pass": lambda: dask.partial_fit(
            NormNetClassifier(**NETWORK, batch_size=256), X, y, classes=[False, True]
        ),
        "fit_each, one epoch": lambda: dask.fit_each(
            NormNetClassifier(**NETWORK, batch_size=256, max_iter=1), X, y
        ),
        "predict": lambda: dask.predict(model, X).sum().compute(),
    }
    results: dict[str, dict[str, float]] = {}
    for name, run in ways.items():
        with PeakMemory() as memory:
            started = time.perf_counter()
            found = run()
            seconds = time.perf_counter() - started
        # Three more passes: lengths of the partitions, a sample, means and standard deviations
        n_passes = found.t_ / n_rows + 3 if name.startswith("fit,") else 1
        accuracy = np.nan
        if name != "predict":
            model = found
            accuracy = model.score(rest.drop(columns="y"), rest["y"])
        results[name] = {
            "seconds": seconds,
            "rows per second": n_passes * n_rows / seconds,
            "peak memory, GB": memory.peak,
            "accuracy": accuracy,
        }
        print(name, results[name], flush=True)
    return results


def main() -> None:
    """Generate, measure and print."""
    from dask.distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    n_rows = parser.parse_args().rows
    warnings.simplefilter("ignore")  # few iterations do not converge
    with tempfile.TemporaryDirectory() as name:
        folder, test = Path(name) / "rows", Path(name) / "test.parquet"
        folder.mkdir()
        generate(folder, n_rows + 20_000)
        last = max(folder.iterdir())
        last.rename(test)
        with LocalCluster(dashboard_address=None, **WORKERS) as cluster, Client(cluster):
            results = measure(folder, test, n_rows)
    columns = list(next(iter(results.values())))
    rows = {name: [*result.values()] for name, result in results.items()}
    print(table(f"{n_rows} rows of {N_COLUMNS} columns in Parquet, two workers", columns, rows))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
