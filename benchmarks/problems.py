"""The tables that the benchmarks train on: scikit-learn's digits, and made data."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale


@dataclass(frozen=True)
class Problem:
    """A table and the network for it.

    n_rows None stands for digits. `epochs` is how long one timed run trains, and
    `quick_epochs` with ``--quick``.
    """

    n_rows: int | None
    n_features: int
    hidden: tuple[int, ...]
    n_classes: int
    batch_size: int
    epochs: int
    quick_epochs: int

    def data(self, dtype) -> tuple[np.ndarray, np.ndarray]:
        """X, standardized, and y."""
        if self.n_rows is None:
            X, y = load_digits(return_X_y=True)
            return scale(X).astype(dtype), y
        return made_classification(self.n_rows, self.n_features, self.n_classes, dtype)


def made_classification(n_rows, n_features, n_classes, dtype, seed=0):
    """Standard normal X; y is the largest of a few noisy features."""
    rng = np.random.default_rng(seed)
    X = np.empty((n_rows, n_features), dtype)
    y = np.empty(n_rows, np.int64)
    for start in range(0, n_rows, 10_000):  # by parts: no temporary of the size of X
        part = slice(start, start + 10_000)
        X[part] = rng.standard_normal(X[part].shape, dtype=dtype)
        noise = rng.standard_normal((len(X[part]), n_classes))
        y[part] = np.argmax(X[part, :n_classes] + noise, axis=1)
    return X, y


PROBLEMS = {
    "tiny": Problem(None, 64, (100,), 10, 32, 20, 10),
    "default": Problem(None, 64, (100,), 10, 200, 80, 30),
    "medium": Problem(20_000, 100, (256, 128), 10, 256, 16, 5),
    "large": Problem(20_000, 784, (512, 512), 10, 256, 8, 3),
    "wide": Problem(4_000, 2_000, (1024,), 2, 256, 12, 4),
    "deep": Problem(20_000, 50, (64,) * 8, 5, 128, 10, 4),
}
