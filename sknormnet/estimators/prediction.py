"""What a fitted estimator can do: raw predictions, outputs of hidden layers, attributes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sknormnet.estimators.columns import validate_data
from sknormnet.estimators.finite import finite
from sknormnet.nn.network import Network


class FittedNetworks:
    """The part of the estimators that works on fitted networks.

    Attributes
    ----------
    _networks : list of Network
        One for each member.
    _inputs : InputEncoder or None
        Turns rows of X into the inputs of the networks; None if X is the input.
    """

    keep_prob: Any
    n_features_in_: int
    _networks: list[Network]
    _inputs: Any

    # ----------------------------------------------------------------------- prediction

    def hidden_activations(self, X, layer=-1) -> np.ndarray:
        """Return the output of a hidden layer in prediction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        layer : int, default=-1
            Index of the hidden layer: 0 for the first, -1 for the last.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            Values after activation and batch norm, without dropout. With `n_members` above 1,
            the shape is (n_members, n_samples, n_units).

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        X = self._validate_inputs(X)
        number = hidden_number(layer, len(self.coefs_) - 1)

        def hidden(x) -> tuple[np.ndarray, ...]:
            return tuple(finite(n, partial(n.hidden, number=number), x) for n in self._networks)

        return _of_members(self._in_chunks(hidden, X, self._networks[0].chunk_rows))

    def _fitted_networks(self) -> list[Network]:
        check_is_fitted(self)
        return self._networks

    def _validate_inputs(self, X):
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=False)

    def _predict_by_chunks(self, X, function: Callable) -> tuple[np.ndarray, ...]:
        """Return what a function of raw predictions returns for all rows of X.

        The rows go in chunks, so that memory is bounded also with many members.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        function : callable ``raws -> tuple of arrays``
            Gets a list of the raw predictions of each member, of shape (n_rows, n_outputs),
            and returns arrays whose first axis is the rows.
        """
        X, networks = self._validate_inputs(X), self._networks

        def of_rows(x) -> tuple[np.ndarray, ...]:
            return function([finite(network, network.predict, x) for network in networks])

        return self._in_chunks(of_rows, X, max(1, networks[0].chunk_rows // len(networks)))

    def _in_chunks(self, function: Callable, X, n_rows: int) -> tuple[np.ndarray, ...]:
        """Return the arrays that a function of network inputs returns for all rows of X."""
        if X.shape[0] <= n_rows:
            return function(self._encode(X))
        starts = range(0, X.shape[0], n_rows)
        parts = [function(self._encode(X[start : start + n_rows])) for start in starts]
        return tuple(map(np.concatenate, zip(*parts, strict=True)))

    def _encode(self, X) -> Any:
        """Return rows of X as inputs of the networks."""
        with np.errstate(over="ignore", invalid="ignore"):  # `finite` reports overflow
            X = X.astype(self._networks[0].dtype, copy=False)
            return X if self._inputs is None else self._inputs.encode(X)

    def _sample_raw(self, X, n_samples, random_state) -> Iterator[np.ndarray]:
        """Raw predictions with dropout on, time after time, of one member after the other."""
        X = self._validate_inputs(X)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples must be an int in the range [1, inf). Got {n_samples!r} instead."
            )
        if not self._networks[0].is_noisy:
            raise ValueError(self._without_dropout())
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.Generator(np.random.SFC64(seed))
        members = islice(cycle(self._networks), int(n_samples))
        return (self._sample_of(network, X, rng) for network in members)

    def _sample_of(self, network: Network, X, rng: np.random.Generator) -> np.ndarray:
        def sample(x) -> tuple[np.ndarray]:
            return (finite(network, partial(network.sample, rng=rng), x),)

        return self._in_chunks(sample, X, network.chunk_rows)[0]

    def _without_dropout(self) -> str:
        """Why there is nothing to draw samples with, and what to do about it."""
        kept = (
            "keep_prob='auto' is 1.0 for fewer than 100 rows and for solver='lbfgs'"
            if isinstance(self.keep_prob, str)
            else f"keep_prob={self.keep_prob!r}"
        )
        return (
            f"This {type(self).__name__} was fitted without dropout, so it has no random samples:"
            f" {kept}. Fit with keep_prob=0.8, or fit an ensemble with n_members=6:"
            " return_std=True then gives the standard deviation over its members."
        )

    # ----------------------------------------------------------------------- attributes

    @property
    def n_layers_(self) -> int:
        """Number of layers, of which the inputs are one."""
        return len(self.coefs_) + 1

    @property
    def bin_edges_(self) -> list[np.ndarray | None]:
        """Bin edges of each feature, of shape (input_bins + 1,); None for features without bins."""
        check_is_fitted(self)
        if self._inputs is None:
            return [None] * self.n_features_in_
        return self._inputs.bin_edges()

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights of each layer, of shape (fan_in, fan_out); read-only.

        With `input_bins`, the inputs of the first layer are the features, followed by their
        encoding, bin by bin. With `n_members` above 1, these arrays and those of the properties
        below have an additional first axis for the members.
        """
        return self._fitted("W")

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of each layer, of shape (fan_out,); read-only.

        Layers directly followed by batch norm have none; theirs are given as zeros.
        """
        return self._fitted("b")

    @property
    def gammas_(self) -> list[np.ndarray]:
        """Batch norm's trained scale for each hidden layer, of shape (n_units,); read-only."""
        return self._fitted("gamma")

    @property
    def betas_(self) -> list[np.ndarray]:
        """Batch norm's trained shift for each hidden layer, of shape (n_units,); read-only."""
        return self._fitted("beta")

    @property
    def running_means_(self) -> list[np.ndarray]:
        """Mean that batch norm uses in prediction, for each hidden layer; read-only."""
        return self._fitted("mean")

    @property
    def running_vars_(self) -> list[np.ndarray]:
        """Variance that batch norm uses in prediction, for each hidden layer; read-only."""
        return self._fitted("var")

    def _fitted(self, name: str) -> list[np.ndarray]:
        """The arrays of one name, which are read-only views of what the network holds."""
        try:
            networks = self._networks
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} is not fitted yet.") from None
        found = []
        for layers in zip(*(_named(name, network) for network in networks), strict=True):
            # An array on a read-only buffer cannot be made writeable; a mere view can.
            memory = np.ascontiguousarray(_of_members(layers)).data
            found.append(np.asarray(memory.toreadonly()))
        return found


def hidden_number(layer, n_hidden: int) -> int:
    """The number, from 0, of a hidden layer that may be counted from the end."""
    if not (isinstance(layer, Integral) and -n_hidden <= int(layer) < n_hidden):
        raise ValueError(
            f"layer must be an int in the range [{-n_hidden}, {n_hidden}): there are"
            f" {n_hidden} hidden layers. Got {layer!r} instead."
        )
    return int(layer) % n_hidden


def _named(name: str, network: Network) -> Iterator[np.ndarray]:
    """Views of a network's arrays of one name, layer by layer; missing biases are zeros."""
    for arrays in network.arrays():
        array = getattr(arrays, name, None)
        if name == "b" and array is None and hasattr(arrays, "W"):
            array = np.zeros(arrays.W.shape[-1], network.dtype)
        if array is not None:
            yield array if name == "W" else array.reshape(-1)


def _of_members(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The array of a single member, or those of several along a new first axis."""
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)
