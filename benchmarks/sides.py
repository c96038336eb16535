"""The competitors, each in its strongest honest form, on one problem.

All train the same architecture with Adam at a rate of 0.001 on batches of the same size
in a new order each epoch, from Glorot-uniform weights. Training returns the loss of the
last epoch, so that it can be checked that nobody wins by doing less.
"""

import os
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier

from benchmarks.problems import Problem
from benchmarks.timing import cores
from sknormnet import NormNetClassifier
from sknormnet._fused import SWITCH

KEEP_PROB = 0.8
# A worker of a search imports this too; joblib tells it how many threads are its share.
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", cores())))


def mlp(problem: Problem, epochs: int) -> MLPClassifier:
    """MLPClassifier, for a number of epochs."""
    return MLPClassifier(**_settings(problem, epochs))


def ours(problem: Problem, epochs: int, **settings) -> NormNetClassifier:
    """Our classifier as MLPClassifier trains, for a number of epochs.

    With batch norm, where PyTorch's module has it, unless told otherwise.
    """
    as_theirs = MLPClassifier().get_params() | _settings(problem, epochs)
    own = {"keep_prob": 1.0, "batchnorm": "before", "scale_inputs": None, "input_bins": 0}
    return NormNetClassifier(**as_theirs | own | {"init": "xavier_uniform"} | settings)


def _settings(problem: Problem, epochs: int) -> dict:
    return {
        "hidden_layer_sizes": problem.hidden,
        "batch_size": problem.batch_size,
        "max_iter": epochs,
        "tol": 0,
        "n_iter_no_change": epochs,
        "random_state": 0,
    }


def train(model, X, y, *, fused: bool = False) -> float:
    """Fit to the last epoch; our estimators with compiled loops, or without."""
    os.environ[SWITCH] = str(int(fused))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return model.loss_ if hasattr(model, "loss_") else model.history[-1, "train_loss"]


class Module(torch.nn.Sequential):
    """The same network in PyTorch."""

    def __init__(self, sizes: tuple[int, ...], both: bool):
        layers: list[torch.nn.Module] = []
        for fan_in, fan_out in pairwise(sizes[:-1]):
            layers.append(torch.nn.Linear(fan_in, fan_out, bias=not both))
            if both:
                layers.append(torch.nn.BatchNorm1d(fan_out))
            layers.append(torch.nn.ReLU())
            if both:
                layers.append(torch.nn.Dropout(1 - KEEP_PROB))
        layers.append(torch.nn.Linear(sizes[-2], sizes[-1]))
        for layer in layers:
            if isinstance(layer, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    torch.nn.init.zeros_(layer.bias)
        super().__init__(*layers)


def _sizes(problem: Problem) -> tuple[int, ...]:
    return (problem.n_features, *problem.hidden, problem.n_classes)


def torch_loop(problem: Problem, X, y, epochs: int, *, both: bool) -> Callable[[], float]:
    """A hand-written loop with fused Adam, the tensors made beforehand."""
    X, y = torch.from_numpy(X), torch.from_numpy(y)

    def run() -> float:
        torch.manual_seed(0)
        module = Module(_sizes(problem), both).to(X.dtype)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.001, fused=True)
        for _ in range(epochs):
            losses = 0.0
            for rows in torch.randperm(len(X)).split(problem.batch_size):
                optimizer.zero_grad(set_to_none=True)
                raw = module(X.index_select(0, rows))
                loss = torch.nn.functional.cross_entropy(raw, y.index_select(0, rows))
                loss.backward()
                optimizer.step()
                losses += loss.item() * len(rows)
        return losses / len(X)

    return run


def skorch(problem: Problem, epochs: int) -> NeuralNetClassifier:
    """The skorch estimator around the same module, without its validation split and printing."""
    return NeuralNetClassifier(
        Module,
        module__sizes=_sizes(problem),
        module__both=True,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=0.001,
        batch_size=problem.batch_size,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks__print_log=None,
        verbose=0,
    )


def products(problem: Problem, X, epochs: int) -> Callable[[], None]:
    """The matrix products alone that a step cannot do without, in NumPy."""
    rng = np.random.default_rng(0)
    n_rows = problem.batch_size
    steps = epochs * -(-len(X) // n_rows)
    calls = []
    for i, (fan_in, fan_out) in enumerate(pairwise(_sizes(problem))):
        x, W, y = (
            rng.standard_normal(shape).astype(X.dtype)
            for shape in ((n_rows, fan_in), (fan_in, fan_out), (n_rows, fan_out))
        )
        calls += [(x, W, np.empty_like(y)), (x.T, y, np.empty_like(W))]
        if i:
            calls.append((y, W.T, np.empty_like(x)))

    def run() -> None:
        for _ in range(steps):
            for a, b, out in calls:
                np.matmul(a, b, out=out)

    return run
