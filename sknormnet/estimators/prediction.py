"""What a fitted estimator can do: raw predictions, outputs of hidden layers, attributes."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sknormnet.estimators.columns import validate_table
from sknormnet.estimators.finite import finite
from sknormnet.estimators.state import PER_EPOCH, restored, saved
from sknormnet.inputs import InputEncoder, TableColumns
from sknormnet.nn.network import Network


class FittedNetworks:
    """The part of the estimators that works on fitted networks.

    Attributes
    ----------
    _networks : list of Network
        One for each member.
    _columns : TableColumns or None
        Turns a table into the array X; None if X is that array.
    _inputs : InputEncoder
        Turns rows of X into the inputs of the networks.
    """

    keep_prob: Any
    n_features_in_: int
    _networks: list[Network]
    _columns: TableColumns | None
    _inputs: InputEncoder

    # ----------------------------------------------------------------------- prediction

    def hidden_activations(self, X, layer=-1) -> np.ndarray:
        """Return the output of a hidden layer in prediction.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
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

        return of_members(self._in_chunks(hidden, X, self._networks[0].chunk_rows))

    def without_training_state(self) -> Self:
        """Return a copy that keeps only what predictions need.

        It lacks the optimizer's state and the attributes `history_`, `loss_curve_` and
        `validation_scores_`. With the default solver, its pickle is a third of the size.
        `partial_fit`, and `fit` with ``warm_start=True``, raise a ValueError.

        Returns
        -------
        copied : object
            A shallow copy with the same predictions.

        Examples
        --------
        >>> import pickle
        >>> from sklearn.datasets import load_iris
        >>> from sknormnet import NormNetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = NormNetClassifier(random_state=0).fit(X, y)
        >>> small = model.without_training_state()
        >>> len(pickle.dumps(small)) < 0.4 * len(pickle.dumps(model))
        True
        >>> bool((small.predict(X) == model.predict(X)).all())
        True
        """
        check_is_fitted(self)
        copied = copy.copy(self)
        for name in ("_states", *PER_EPOCH):
            copied.__dict__.pop(name, None)
        return copied

    def __sklearn_is_fitted__(self) -> bool:
        return "_networks" in vars(self)

    def _fitted_networks(self) -> list[Network]:
        check_is_fitted(self)
        return self._networks

    def _validate_inputs(self, X):
        if "_networks" not in vars(self):  # the check takes a while
            check_is_fitted(self)
        return validate_table(self, X, self._columns)

    def _predict_by_chunks(self, X, function: Callable) -> tuple[np.ndarray, ...]:
        """Return what a function of raw predictions returns for all rows of X.

        The rows go in chunks, so that memory is bounded also with many members.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
        function : callable ``raws -> tuple of arrays``
            Gets a list of the raw predictions of each member, of shape (n_rows, n_outputs),
            and returns arrays whose first axis is the rows.
        """
        X, networks = self._validate_inputs(X), self._networks
        dtype, (folded, is_affine) = self._output_dtype(X), self._folded_networks()

        def of_rows(x) -> tuple[np.ndarray, ...]:
            raws = (finite(net, predict, x) for net, predict in zip(networks, folded, strict=True))
            return function([raw.astype(dtype, copy=False) for raw in raws])

        n_rows = max(1, networks[0].chunk_rows // len(networks))
        return self._in_chunks(of_rows, X, n_rows, is_affine=is_affine)

    def _folded_networks(self) -> Any:
        """Return functions that predict, and whether an affine encoding is part of them.

        If so, they are functions of the rows without missing values, else of encoded rows.
        """
        networks, *found = self.__dict__.get("_folded", (None, [], False))
        return found if networks is self._networks else self._fold()[1:]

    def _fold(self) -> tuple[list[Network], list[Callable], bool]:
        """Return the networks, and what `_folded_networks` returns for them."""
        affine: Any = self._inputs.affine
        is_affine = affine is not None
        folded = [x.folded(*affine) if is_affine else x.predict for x in self._networks]
        return self._networks, folded, is_affine

    def __getstate__(self) -> dict[str, Any]:
        attributes: Any = super().__getstate__()
        return saved(attributes)

    def __setstate__(self, state: dict[str, Any]) -> None:
        attributes = restored(state, type(self))
        super().__setstate__(attributes)  # type: ignore[misc]
        if "_networks" in attributes:
            with np.errstate(all="ignore"):  # `finite` reports overflow
                self._folded = networks, _, is_affine = self._fold()
                if not is_affine:
                    for network in networks:
                        network.fold()

    def _output_dtype(self, X) -> np.dtype:
        """Return the dtype of predictions: float32 if X and the network are, else float64."""
        narrow = X.dtype == self._networks[0].dtype == np.float32
        return np.dtype(np.float32 if narrow else np.float64)

    def _in_chunks(
        self, function: Callable, X, n_rows: int, *, is_affine: bool = False
    ) -> tuple[np.ndarray, ...]:
        """Return the arrays that a function of network inputs returns for all rows of X."""
        encode = self._without_missing if is_affine else self._encode
        if X.shape[0] <= n_rows:
            return function(encode(X))
        starts = range(0, X.shape[0], n_rows)
        parts = [function(encode(X[start : start + n_rows])) for start in starts]
        return tuple(map(np.concatenate, zip(*parts, strict=True)))

    def _without_missing(self, X) -> Any:
        """Return rows of X with missing values replaced by values that the encoder maps to 0."""
        with np.errstate(over="ignore", invalid="ignore"):
            X = X.astype(self._networks[0].dtype, copy=False)
            values = X.data if issparse(X) else X
            if np.isfinite(np.vdot(values, values)):
                return X
        return self._inputs.impute(X)

    def _encode(self, X) -> Any:
        """Return rows of X as inputs of the networks."""
        with np.errstate(over="ignore", invalid="ignore"):  # `finite` reports overflow
            X = X.astype(self._networks[0].dtype, copy=False)
            return self._inputs.encode(X)

    def _sample_raw(self, X, n_samples, random_state) -> Iterator[np.ndarray]:
        """Return an iterator over raw predictions with dropout, of one member after the other."""
        X = self._validate_inputs(X)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples must be an int in the range [1, inf). Got {n_samples!r} instead."
            )
        if not self._networks[0].is_noisy:
            raise ValueError(self._why_no_samples())
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.Generator(np.random.SFC64(seed))
        members = islice(cycle(self._networks), int(n_samples))
        return (self._sample_of(network, X, rng) for network in members)

    def _sample_of(self, network: Network, X, rng: np.random.Generator) -> np.ndarray:
        def sample(x) -> tuple[np.ndarray]:
            raw = finite(network, partial(network.sample, rng=rng), x)
            return (raw.astype(self._output_dtype(X), copy=False),)

        return self._in_chunks(sample, X, network.chunk_rows)[0]

    def _why_no_samples(self) -> str:
        """Return the message for a network without dropout: the reason, and what to do."""
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
        return self._inputs.bin_edges()

    @property
    def categories_(self) -> list[np.ndarray | None]:
        """Levels of each feature, in sorted order; None for numeric features."""
        check_is_fitted(self)
        levels = {} if self._columns is None else self._columns.levels
        found: list[np.ndarray | None] = [None] * self.n_features_in_
        for k, values in levels.items():
            found[k] = np.empty(len(values), object)
            found[k][:] = values  # type: ignore[index]
        return found

    @property
    def embeddings_(self) -> list[np.ndarray | None]:
        """Trained numbers of each feature's levels; None for features without an embedding.

        Of shape (n_levels, 8), with a row for each level of `categories_`; read-only. With
        `n_members` above 1, there is an additional first axis for the members.
        """
        check_is_fitted(self)
        found: list[np.ndarray | None] = [None] * self.n_features_in_
        for k, tables in zip(
            self._inputs.embedded_columns,
            zip(*(network.embeddings() for network in self._networks), strict=True),
            strict=True,
        ):
            found[k] = _read_only(of_members(tables)[..., :-2, :])
        return found

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
        """Return the arrays of one name, read-only and layer by layer."""
        try:
            networks = self._networks
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} is not fitted yet.") from None
        found = []
        for layers in zip(*(_named(name, network) for network in networks), strict=True):
            found.append(_read_only(of_members(layers)))
        return found


def hidden_number(layer, n_hidden: int) -> int:
    """Return the index, from 0, of a hidden layer that may be counted from the end."""
    if not (isinstance(layer, Integral) and -n_hidden <= int(layer) < n_hidden):
        raise ValueError(
            f"layer must be an int in the range [{-n_hidden}, {n_hidden}): there are"
            f" {n_hidden} hidden layers. Got {layer!r} instead."
        )
    return int(layer) % n_hidden


def _named(name: str, network: Network) -> Iterator[np.ndarray]:
    """Yield views of a network's arrays of one name, layer by layer; missing biases are zeros."""
    for layer, arrays in network.layers_and_arrays():
        array = layer.weights(arrays) if name == "W" else getattr(arrays, name, None)
        if name == "b" and array is None and hasattr(arrays, "W"):
            array = np.zeros(arrays.W.shape[-1], network.dtype)
        if array is not None:
            yield array if name == "W" else array.reshape(-1)


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return a read-only array. It cannot be made writeable, as a mere view can."""
    return np.asarray(np.ascontiguousarray(array).data.toreadonly())


def of_members(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the array of a single member, or those of several along a new first axis."""
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)
