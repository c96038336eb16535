"""A stack trains each of its networks as if it were trained alone."""

import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plans import Recorder, Scores, plan_of
from scipy import sparse

from sknormnet.inputs import fit_inputs
from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.losses import LOSSES, BinaryLogLoss, MulticlassLogLoss
from sknormnet.nn.mlp import mlp
from sknormnet.training import stacks
from sknormnet.training.batches import Samples
from sknormnet.training.lbfgs import FullBatchTrainer
from sknormnet.training.optimizers import OPTIMIZERS, SGD, Adam, AdamW
from sknormnet.training.schedules import Constant, Custom
from sknormnet.training.stacked_samples import StackedSamples
from sknormnet.training.stacks import Stack, stacking_key, train
from sknormnet.training.threads import Stop, Stopped
from sknormnet.training.trainer import Trainer, TrainingState

N_ROWS, N_FEATURES, N_CLASSES, BATCH = 50, 6, 4, 16
RATES = 0.01, 0.003, 0.02
BINS = {"scale": None, "n_bins": 3}
LEVELS = {"n_levels": [0, 3, 3, 3, 3, 0]}
EMBEDDED = LEVELS | {"one_hot_max": 2}
FALLING = Custom(lambda progress: 1 / (1 + 150 * progress))
LOSS = {**LOSSES, "binary": BinaryLogLoss(0.1), "multiclass": MulticlassLogLoss(0.1)}


@dataclass
class Case:
    loss: str = "multiclass"
    optimizers: tuple = (OPTIMIZERS["adam"](),) * 3
    batchnorm: str | None = "after"
    keep_probs: tuple = (1.0, 0.8, 0.5)
    input_keep_probs: tuple = (1.0, 1.0, 1.0)
    scaling_layer: bool = False
    inputs: dict | None = None  # how columns become inputs; None for rows as they are
    units: tuple = (1.0, 1.0, 1.0)  # of the rows that each member's inputs are fitted to
    alphas: tuple = (0.0, 0.1, 1.0)
    max_grad_norms: tuple = (None, None, None)
    max_epochs: tuple = (3, 3, 3)
    weight_averaging: tuple = (0.0, 0.0, 0.0)
    scores: tuple | None = None
    weighted: bool = False
    kind: type = np.asarray
    shuffle: bool = True
    same_data: bool = True
    dtype: type = np.float64


def optimizers(kind, name, values):
    return tuple(kind(**{name: value}) for value in values)


CASES = {
    **{name: Case(optimizers=(kind(),) * 3) for name, kind in OPTIMIZERS.items()},
    **{f"loss {name}": Case(loss=name) for name in LOSS},
    "momenta": Case(optimizers=optimizers(SGD, "momentum", (0.0, 0.5, 0.9))),
    "decays": Case(optimizers=optimizers(AdamW, "weight_decay", (0.0, 0.1, 1.0))),
    "no batch norm": Case(batchnorm=None),
    "batch norm before": Case(batchnorm="before"),
    "no dropout": Case(keep_probs=(1.0, 1.0, 1.0)),
    "inputs dropped": Case(input_keep_probs=(0.7, 1.0, 0.9)),
    "inputs dropped, sparse": Case(input_keep_probs=(0.7, 1.0, 0.9), kind=sparse.csr_array),
    "scaling layer": Case(scaling_layer=True),
    "scaling layer, sparse": Case(scaling_layer=True, kind=sparse.csr_array),
    "scaling layer of embeddings": Case(scaling_layer=True, inputs=EMBEDDED),
    "no alpha": Case(alphas=(0.0, 0.0, 0.0)),
    "clipped": Case(max_grad_norms=(0.1, np.inf, 0.5)),
    "clipped, but for one": Case(max_grad_norms=(0.1, None, 0.5)),
    "averaged": Case(weight_averaging=(0.0, 0.3, 0.8)),
    "weighted": Case(weighted=True),
    "sparse": Case(kind=sparse.csr_matrix),
    "in order": Case(shuffle=False),
    "folds": Case(same_data=False),
    "folds in order": Case(same_data=False, shuffle=False, weighted=True),
    "in bins": Case(inputs=BINS),
    "in bins of their own": Case(inputs=BINS, units=(0.5, 1.0, 2.0), weighted=True),
    "in bins, sparse": Case(inputs=BINS, units=(1.0, 1.0, 2.0), kind=sparse.csr_array),
    "scaled": Case(inputs={}, units=(1.0, 1.0, 2.0)),
    "scaled, sparse": Case(inputs={}, units=(1.0, 1.0, 2.0), kind=sparse.csr_array),
    "levels": Case(inputs=LEVELS | {"scale": "robust"}, units=(0.5, 1.0, 1.0)),
    "levels embedded": Case(inputs=EMBEDDED, units=(0.5, 1.0, 1.0), weighted=True),
    "levels embedded, folds": Case(inputs=EMBEDDED, same_data=False, dtype=np.float32),
    "float32": Case(dtype=np.float32, optimizers=optimizers(SGD, "momentum", (0.1, 0.2, 0.3))),
}


def targets(loss, rng, n_rows):
    if loss == "multiclass":
        return rng.integers(0, N_CLASSES, n_rows).astype(np.uint8)
    if loss == "binary":
        return rng.integers(0, 2, (n_rows, N_CLASSES)).astype(bool)
    return rng.uniform(0.5, 2, (n_rows, N_CLASSES))


def rows_of(case, rng):
    """The rows of a member; encoded ones have few levels, or values, and missing ones."""
    X = rng.normal(size=(N_ROWS, N_FEATURES)) * (rng.random((N_ROWS, 1)) < 0.9)
    if case.inputs is not None:
        X[:, 1:5] = rng.integers(0, 3, (N_ROWS, 4))
        X[3, 0] = X[5, 2] = np.nan
    return X


def encoders_of(case):
    """The encoder of each member; members with the same unit and rows have the same one."""
    if case.inputs is None:
        return (None,) * 3
    kind = np.asarray if "n_bins" in case.inputs else case.kind
    found = {}
    for k, unit in enumerate(case.units):
        seed = 0 if case.same_data else k
        X = rows_of(case, np.random.default_rng(seed)) * [unit, 1, 1, 1, 1, unit]
        found.setdefault((seed, unit), fit_inputs(kind(X), **case.inputs, dtype=case.dtype))
    return tuple(found[0 if case.same_data else k, x] for k, x in enumerate(case.units))


def trainers_of(case, members=range(3), kind=Trainer, observers=(), **settings):
    """New trainers; each call gives the same ones."""
    encoders = encoders_of(case)
    return [trainer_of(case, k, encoders[k], kind, observers, settings) for k in members]


def trainer_of(case, k, encoder, kind, observers, settings):
    rng = np.random.default_rng(0 if case.same_data else k)
    X = case.kind(rows_of(case, rng))
    weight = rng.uniform(0.5, 2, N_ROWS) if case.weighted else None
    y = targets(case.loss, rng, N_ROWS)
    network = mlp(
        N_FEATURES if encoder is None else encoder.n_outputs,
        (8, 5),
        N_CLASSES,
        embedding_sizes=() if encoder is None else encoder.embedding_sizes,
        activations=[ACTIVATIONS["relu"], ACTIVATIONS["tanh"]],
        inits=[INITIALIZERS["he_normal"]] * 3,
        scaling_layer=case.scaling_layer,
        batchnorm=case.batchnorm,
        keep_probs=(case.keep_probs[k], case.keep_probs[0]),
        input_keep_prob=case.input_keep_probs[k],
        dtype=case.dtype,
    )
    weights, order, dropout = (np.random.default_rng([k, i]) for i in range(3))
    plan = {
        "optimizer": case.optimizers[k],
        "schedule": FALLING,
        "learning_rate_init": RATES[k],
        "max_epochs": case.max_epochs[k],
        "batch_size": BATCH,
        "shuffle": case.shuffle,
        "alpha": case.alphas[k] or None,
        "max_grad_norm": case.max_grad_norms[k],
        "weight_averaging": case.weight_averaging[k],
    }
    return kind(
        network.initialize(weights),
        LOSS[case.loss],
        Samples(X, y, weight=weight, inputs=encoder, dtype=case.dtype),
        plan_of(**plan | settings),
        TrainingState(
            order=np.random.Generator(np.random.SFC64(order.integers(99))),
            dropout=np.random.Generator(np.random.SFC64(dropout.integers(99))),
            split_seed=0,
        ),
        validate=case.scores and Scores(case.scores[k]),
        observers=observers,
        member=k,
    )


def alone(*args, **settings):
    """Trainers that trained their networks one by one."""
    trainers = trainers_of(*args, **settings)
    for trainer in trainers:
        trainer.fit()
    return trainers


def together(*args, **settings):
    """Trainers that trained their networks as one stack."""
    trainers = trainers_of(*args, **settings)
    Stack(trainers).fit()
    return trainers


def assert_same(trainers, expected, dtype=np.float64):
    # Results are bit for bit equal only if BLAS multiplies a stack like its single matrices.
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for mine, other in zip(trainers, expected, strict=True):
        network, state, history = mine.network, mine.state, mine.history
        for name in ("parameters", "statistics"):
            values = getattr(network, name), getattr(other.network, name)
            assert_allclose(*values, rtol=tolerance, atol=tolerance)
        assert network.momentum_weight == other.network.momentum_weight
        assert (state.n_samples_seen, state.n_steps, state.n_stalls) == (
            other.state.n_samples_seen, other.state.n_steps, other.state.n_stalls
        )  # fmt: skip
        assert state.moments.keys() == other.state.moments.keys()
        for name, value in other.state.moments.items():
            assert_allclose(state.moments[name], value, rtol=tolerance, atol=tolerance)
        assert_allclose(history.losses, other.history.losses, rtol=tolerance)
        assert history.rates == other.history.rates
        assert history.scores == other.history.scores
        assert (history.n_iter, history.best_epoch, history.is_over) == (
            other.history.n_iter, other.history.best_epoch, True
        )  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_networks_train_as_if_alone(case):
    assert_same(together(case), alone(case), case.dtype)


# ------------------------------------------------------------ networks that end at some epoch


@pytest.mark.parametrize("max_epochs", [(1, 4, 2), (4, 1, 2), (2, 2, 5)])
@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_networks_that_end_at_different_epochs(optimizer, max_epochs):
    case = Case(max_epochs=max_epochs, optimizers=(optimizer,) * 3)
    trainers = together(case)
    assert tuple(x.history.n_iter for x in trainers) == max_epochs
    assert_same(trainers, alone(case))


def test_networks_that_stall_at_different_epochs():
    case = Case(scores=((0, 0, 0), (0, 1, 0, 0, 0), (0, 1, 2, 0, 0, 0)), max_epochs=(9,) * 3)
    settings = {"schedule": Constant(), "n_iter_no_change": 1}
    trainers = together(case, **settings)
    assert [x.history.n_iter for x in trainers] == [3, 4, 5]
    assert_same(trainers, alone(case, **settings))


def test_each_network_keeps_its_own_best_epoch():
    case = Case(scores=((1, 2, 0), (3, 2, 1, 0), (0, 1)), max_epochs=(3, 4, 2))
    trainers = together(case)
    assert [x.history.best_epoch for x in trainers] == [2, 1, 2]
    assert_same(trainers, alone(case))


def test_a_network_that_has_left_the_stack_is_not_modified():
    class Leaving:
        def on_epoch(self, record):
            if record.is_last:
                left[record.member] = [x.copy() for x in arrays_of(record.member)]

    def arrays_of(member):
        return trainers[member].network.parameters, trainers[member].state.moments["m"]

    left = {}
    trainers = trainers_of(Case(max_epochs=(1, 3, 2)), observers=[Leaving()])
    Stack(trainers).fit()
    assert sorted(left) == [0, 1, 2]
    for member, arrays in left.items():
        for found, expected in zip(arrays_of(member), arrays, strict=True):
            assert_array_equal(found, expected)


def test_networks_predict_while_their_stack_trains():
    class Predicting:
        def on_epoch(self, record):
            predictions[-1][record.member, record.epoch] = networks[record.member].predict(X)

    X = np.random.default_rng(1).normal(size=(7, N_FEATURES))
    predictions = []
    for fit in (
        lambda trainers: Stack(trainers).fit(),
        lambda trainers: [*map(Trainer.fit, trainers)],
    ):
        trainers = trainers_of(Case(batchnorm="before"), observers=[Predicting()])
        networks = [trainer.network for trainer in trainers]
        predictions.append({})
        fit(trainers)
    for key, raw in predictions[0].items():
        assert_allclose(raw, predictions[1][key], rtol=1e-9)
    assert predictions[0].keys() == predictions[1].keys()


# --------------------------------------------------------------------------------- observers


def test_observers_hear_of_all_networks_epoch_by_epoch():
    heard = Recorder()
    together(Case(max_epochs=(1, 3, 2)), observers=[heard])
    assert [(x.epoch, x.member) for x in heard.records] == [
        *[(0, 0), (0, 1), (0, 2)],
        *[(1, 0), (1, 1), (1, 2)],
        *[(2, 1), (2, 2)],
        (3, 1),
    ]
    assert [x.member for x in heard.records if x.is_last] == [0, 2, 1]


def test_an_observer_stops_all_networks_of_a_stack():
    class StopSecond(Recorder):
        def on_epoch(self, record):
            return super().on_epoch(record) and record.member == 1

    heard = StopSecond(stop_at=2)
    case = Case(scores=((1, 3, 2), (2, 1, 3), (1, 2, 3)))
    trainers = together(case, observers=[heard])
    assert [x.history.n_iter for x in trainers] == [2, 2, 2]  # the others end the epoch
    assert [x.history.is_over for x in trainers] == [True] * 3
    assert len(heard.records) == 9
    assert_same(trainers, alone(case, observers=[Recorder(stop_at=2)]))


def test_a_stack_stops_before_a_batch_when_it_is_told_to():
    trainers, stop = trainers_of(Case()), Stop()
    stop.at(OSError("no"))
    with pytest.raises(Stopped):
        Stack(trainers).fit(stop)
    assert [x.history.n_iter for x in trainers] == [0, 0, 0]


# ----------------------------------------------------------------------- batches of a stack


@pytest.mark.parametrize(
    "name",
    ["folds", "weighted", "in bins of their own", "in bins, sparse", "scaled", "levels embedded"],
)
def test_each_network_gets_the_batches_of_its_own_samples(name):
    case = CASES[name]
    members = [trainer.samples for trainer in trainers_of(case)]
    how = {"batch_size": BATCH, "min_batch_size": 4, "shuffle": True}
    rngs = [[np.random.default_rng(k) for k in range(3)] for _ in range(2)]
    stacked = StackedSamples(members).batches(rngs[0], **how)
    own = [member.batches(rng, **how) for member, rng in zip(members, rngs[1], strict=True)]
    for batch, *batches in zip(stacked, *own, strict=True):
        assert_array_equal(batch.X, np.stack([x.X for x in batches]))
        assert_array_equal(batch.y, np.concatenate([x.y for x in batches]))
        assert_array_equal(batch.weight, np.concatenate([x.weight for x in batches]))
        n_rows = len(batches[0].y)
        row_weight = np.broadcast_to(batch.row_weight, (3, 1, n_rows))
        assert_array_equal(row_weight, np.stack([x.row_weight for x in batches]))
        assert_allclose(np.broadcast_to(batch.total, (3, 1))[:, 0], [x.total for x in batches])


# ------------------------------------------------------------------ which networks go together


@dataclass(frozen=True)
class Unstackable(SGD):
    stacks = False


def variants(**changes):
    """A trainer, and another one that differs in some way."""
    settings = changes.pop("settings", {})
    return trainers_of(Case(), [0]) + trainers_of(replace(Case(), **changes), [1], **settings)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"alphas": (0.0, 9.0, 0.0)},
        {"keep_probs": (1.0, 0.1, 1.0)},
        {"max_epochs": (3, 9, 3)},
        {"same_data": False},
        {"settings": {"learning_rate_init": 1.0, "max_grad_norm": 1.0}},
    ],
    ids=str,
)
def test_networks_that_make_one_stack(changes):
    first, second = variants(**changes)
    assert stacking_key(first) == stacking_key(second)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "squared_error"},
        {"batchnorm": "before"},
        {"dtype": np.float32},
        {"kind": sparse.csr_array},
        {"inputs": BINS},
        {"optimizers": (SGD(),) * 3},
        {"optimizers": (Adam(beta_1=0.5),) * 3},
        {"shuffle": False},
        {"settings": {"batch_size": 10}},
    ],
    ids=str,
)
def test_networks_that_make_no_stack(changes):
    first, second = variants(**changes)
    assert stacking_key(first) != stacking_key(second)


def test_networks_at_different_places_of_their_training_make_no_stack():
    first, second = trainers_of(Case(), [0, 1])
    second.fit()
    assert stacking_key(first) != stacking_key(second)


@pytest.mark.parametrize(("optimizer", "name"), [(SGD, "momentum"), (AdamW, "weight_decay")])
def test_a_setting_of_the_optimizer_may_differ_within_a_stack(optimizer, name):
    pair = optimizer(**{name: 0.1}), optimizer(**{name: 0.2})
    first, second = trainers_of(Case(optimizers=pair), [0, 1])
    assert stacking_key(first) == stacking_key(second)


# --------------------------------------------------------------------------- training them all


@pytest.fixture
def stacked(monkeypatch):
    """The numbers of networks of the stacks that train."""
    sizes = []

    class Counted(Stack):
        def __init__(self, trainers):
            super().__init__(trainers)
            sizes.append(len(trainers))

    monkeypatch.setattr(stacks, "Stack", Counted)
    return sizes


@pytest.mark.parametrize("n_threads", [1, 2])
def test_train_trains_all_as_if_alone(n_threads, stacked, monkeypatch):
    monkeypatch.setattr(stacks, "blas_threads", lambda: n_threads)
    parts = [
        {"case": Case()},
        {"case": Case(batchnorm=None)},
        {"case": Case(optimizers=(Unstackable(),) * 3), "members": [0]},
        {"case": Case(), "members": [0], "kind": FullBatchTrainer, "optimizer": None},
    ]
    trainers = [x for part in parts for x in trainers_of(**part)]
    train(trainers)
    assert sorted(stacked) == [3, 3]
    expected = [x for part in parts for x in alone(**part)]
    assert_same(trainers, expected)


def test_large_networks_are_not_stacked(stacked, monkeypatch):
    monkeypatch.setattr(stacks, "MEMBER_CACHE", 1)
    trainers = trainers_of(Case())
    train(trainers)
    assert stacked == []
    assert_same(trainers, alone(Case()))


def test_networks_in_step_are_one_stack_whatever_their_size(stacked, monkeypatch):
    monkeypatch.setattr(stacks, "MEMBER_CACHE", 1)
    monkeypatch.setattr(stacks, "blas_threads", lambda: 2)
    heard = Recorder()
    train(trainers_of(Case(), observers=[heard]), in_step=True)
    assert stacked == [3]
    assert [x.epoch for x in heard.records] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("error", [OSError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_stops_all_networks_and_leaves_no_thread(n_threads, error, monkeypatch):
    class Failing:
        def on_epoch(self, record):
            if (record.member, record.epoch) == (2, 2):
                raise error

    monkeypatch.setattr(stacks, "blas_threads", lambda: n_threads)
    monkeypatch.setattr(stacks, "MEMBER_CACHE", 1)
    before = threading.active_count()
    trainers = trainers_of(Case(max_epochs=(10_000, 10_000, 3)), [2, 0, 1], observers=[Failing()])
    with pytest.raises(type(error)):
        train(trainers)
    assert threading.active_count() == before
    assert not trainers[-1].history.is_over
