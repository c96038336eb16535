"""Checkpoints: a fit that is killed at any moment goes on, and ends as if it had not been."""

import errno
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknormnet
from sknormnet import (
    Checkpoint,
    NormNetClassifier,
    NormNetEnsembleClassifier,
    NormNetEnsembleRegressor,
    NormNetRegressor,
    PackedGridSearchCV,
)
from sknormnet.estimators import safe_files
from sknormnet.estimators.saved_fit import SavedFit
from sknormnet.training import stacks
from sknormnet.training.optimizers import OPTIMIZERS
from sknormnet.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KILLS = int(os.environ.get("SKNORMNET_KILLS", "10"))
X, Y = load_iris(return_X_y=True)
WEIGHT = np.random.default_rng(0).uniform(0.5, 2, len(Y))
SMALL = {"hidden_layer_sizes": (8, 5), "max_iter": 7, "random_state": 0}
PATIENT = {"learning_rate": "constant", "early_stopping": True, "n_iter_no_change": 1, "tol": 1e-3}
PATIENT |= {"scaling_layer": False}  # slower, so that there are more epochs to be killed in
VALIDATION = {"X_val": X[::3], "y_val": Y[::3], "sample_weight_val": WEIGHT[::3]}
# Parameters, and arguments of fit.
CASES = {
    **{solver: ({"solver": solver}, {}) for solver in [*OPTIMIZERS, "lbfgs"]},
    "dropout": ({"keep_prob": 0.7, "input_keep_prob": 0.9}, {}),
    "without batch norm": ({"batchnorm": False}, {}),
    "early stopping": ({"early_stopping": True}, {}),
    "patience": (PATIENT | {"max_iter": 30, "n_iter_no_change": 3}, {}),
    "adaptive": (PATIENT | {"learning_rate": "adaptive", "max_iter": 30}, {}),
    "invscaling": ({"learning_rate": "invscaling"}, {}),
    "onecycle": ({"learning_rate": "onecycle"}, {}),
    "scorer": ({"scoring": "accuracy", "early_stopping": True}, {}),
    "validation data": ({}, VALIDATION),
    "weights": ({"class_weight": "balanced"}, {"sample_weight": WEIGHT}),
    "float32": ({"dtype": "float32"}, {}),
    "stack": ({"n_members": 3}, {}),
    "stack, patience": (PATIENT | {"n_members": 4, "max_iter": 30}, {}),
    "in threads": ({"n_members": 6}, {}),
    "in threads, patience": (PATIENT | {"n_members": 6, "max_iter": 30}, {}),
    "without a seed": ({"random_state": None, "early_stopping": True}, {}),
}


class Killed(BaseException):
    """Ends a fit as SIGKILL would: nothing is saved on the way out."""


class Killer:
    """Ends training before an epoch of any network."""

    def __init__(self, monkeypatch):
        self.at, self.n_epochs = None, 0
        self._monkeypatch, end_epoch = monkeypatch, Trainer.end_epoch

        def counted(trainer, *args):
            self.n_epochs += 1
            if self.n_epochs == self.at:
                raise Killed
            return end_epoch(trainer, *args)

        monkeypatch.setattr(Trainer, "end_epoch", counted)

    def fit(self, model, *args, at=None, **kwargs):
        """Fit until `at` epochs have been trained; return whether the fit was killed."""
        self.at, self.n_epochs = at, 0
        with self._monkeypatch.context() as patched:
            patched.setattr(SavedFit, "_is_behind", NeverTrue(), raising=False)
            try:
                model.fit(*args, **kwargs)
            except Killed:
                return True
            finally:
                self.at = None
        return False


class NeverTrue:
    """An attribute that is always False."""

    def __get__(self, instance, owner):
        return False

    def __set__(self, instance, value):
        pass


@pytest.fixture
def killer(monkeypatch):
    return Killer(monkeypatch)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.ckpt"


def content(model):
    """All that a fit has made, as bytes, but for the times."""
    state = pickle.loads(pickle.dumps(model)).__getstate__()
    state["history_"] = {k: x for k, x in state["history_"].items() if k != "seconds"}
    for name in ("checkpoint", "verbose", "_skl_callbacks"):
        state.pop(name, None)
    state["sknormnet"]["parameters"].pop("checkpoint", None)
    return plain(state)


def plain(value):
    """Nested containers with arrays as bytes, which `==` compares."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: plain(x) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return [*map(plain, value)]
    return repr(value)


def several_threads(monkeypatch, case):
    if "in threads" in case:
        monkeypatch.setattr(stacks, "blas_threads", lambda: 2)
        monkeypatch.setattr(stacks, "MIN_MEMBERS", 3)


# ------------------------------------------------------------------------ to the last bit


@pytest.mark.parametrize("case", CASES)
def test_a_fit_goes_on_to_the_last_bit(case, path, killer, monkeypatch):
    several_threads(monkeypatch, case)
    parameters, arguments = CASES[case]
    model = NormNetClassifier(**SMALL | parameters)
    saved = clone(model).set_params(checkpoint=Checkpoint(path, every=0))
    n_kills, at = 0, 3 * model.n_members + 1
    np.random.seed(0)  # noqa: NPY002 - from which random_state=None draws a seed, at first
    while killer.fit(saved, X, Y, at=at, **arguments):
        n_kills += 1
        assert not hasattr(saved, "classes_")
    assert n_kills > 1 or case == "lbfgs"
    np.random.seed(0)  # noqa: NPY002
    assert content(saved) == content(model.fit(X, Y, **arguments))
    if case != "lbfgs":  # generators and the state of the optimizer go on as well
        parameters = {"early_stopping": False, "class_weight": None}
        models = [x.set_params(**parameters).partial_fit(X, Y) for x in (saved, model)]
        assert content(models[0]) == content(models[1])


@pytest.mark.parametrize("every", [0, 1e9])
def test_an_interrupt_loses_only_the_epoch_under_way(every, path, monkeypatch):
    killer = Killer(monkeypatch)
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=every))
    killer.at = 5
    with pytest.raises(Killed):
        model.fit(X, Y)
    killer.at, killer.n_epochs = None, 0
    assert content(model.fit(X, Y)) == content(NormNetClassifier(**SMALL).fit(X, Y))
    assert killer.n_epochs == 3 + SMALL["max_iter"]


def test_a_regressor_on_a_table(path, killer):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("abcd")).assign(word=np.where(X[:, 0] > 5, "a", "b"))
    model = NormNetRegressor("huber", **SMALL, early_stopping=True)
    saved = clone(model).set_params(checkpoint=Checkpoint(path, every=0))
    assert killer.fit(saved, table, X[:, 0], at=4)
    assert content(saved.fit(table, X[:, 0])) == content(model.fit(table, X[:, 0]))


def test_many_rows_with_the_defaults(path, killer):
    digits, labels = load_digits(return_X_y=True)  # held out, calibrated, float32
    model = NormNetClassifier((10,), max_iter=4, random_state=0)
    saved = clone(model).set_params(checkpoint=Checkpoint(path, every=0))
    while killer.fit(saved, digits, labels, at=2):
        pass
    assert saved.best_validation_score_ is not None
    assert content(saved) == content(model.fit(digits, labels))


def test_warm_starts_have_a_file_each(tmp_path, killer):
    model = NormNetClassifier(**SMALL, warm_start=True, early_stopping=True)
    saved = clone(model).set_params(checkpoint=Checkpoint(tmp_path, every=0))
    for _ in range(2):
        model.fit(X, Y)
        assert killer.fit(saved, X, Y, at=5)
        assert not killer.fit(saved, X, Y)
        assert content(saved) == content(model)
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("rates", [None, (1e-9, 0.03, 0.05)])  # the first of three drops out
@pytest.mark.parametrize("kind", [NormNetEnsembleClassifier, NormNetEnsembleRegressor])
def test_an_ensemble_that_chooses(kind, rates, path, killer):
    candidates = rates and [{"learning_rate_init": rate} for rate in rates]
    network = kind._network(hidden_layer_sizes=(4,), max_iter=6)
    ensemble = kind(network, candidates=candidates, cv=2, random_state=0)
    saved = clone(ensemble).set_params(estimator__checkpoint=Checkpoint(path, every=0))
    n_kills = 0
    while killer.fit(saved, X, Y, at=10):
        n_kills += 1
    assert n_kills > 1
    ensemble.fit(X, Y)
    assert np.isnan(ensemble.candidate_scores_[0]) == (rates is not None)
    assert_array_equal(saved.candidate_scores_, ensemble.candidate_scores_)
    assert_array_equal(saved.candidate_weights_, ensemble.candidate_weights_)
    for mine, other in zip(saved.estimators_, ensemble.estimators_, strict=True):
        assert content(mine) == content(other)


def test_networks_go_on_with_other_threads(path, killer, monkeypatch):
    model = NormNetClassifier(**SMALL, **PATIENT, n_members=6).set_params(max_iter=30)
    saved = clone(model).set_params(checkpoint=Checkpoint(path, every=0))
    for n_threads in (2, 1, 3):
        monkeypatch.setattr(stacks, "blas_threads", lambda n=n_threads: n)
        monkeypatch.setattr(stacks, "MIN_MEMBERS", 2)
        killer.fit(saved, X, Y, at=8)
    saved.fit(X, Y)
    assert_array_equal(saved.best_epoch_, model.fit(X, Y).best_epoch_)
    assert saved.loss_curve_ == pytest.approx(model.loss_curve_)


# ------------------------------------------------------------------------- killed processes

SCRIPT = """
import os, pickle, signal, sys, time, warnings
import numpy as np
from sklearn.datasets import load_iris
from sknormnet import Checkpoint, NormNetClassifier

path, n_kills = sys.argv[1], int(sys.argv[2])
X, y = load_iris(return_X_y=True)
settings = {"hidden_layer_sizes": (50,), "max_iter": 60, "random_state": 0, "n_members": 2}
settings |= {"early_stopping": True, "keep_prob": 0.8}
rng = np.random.default_rng()

def fit():
    checkpoint = Checkpoint(path, every=0, keep=2)
    model = NormNetClassifier(**settings, checkpoint=checkpoint).fit(X, y)
    return model.predict_proba(X), model.best_epoch_, model.history_["loss"]

start = time.perf_counter()
expected = pickle.dumps(fit())
longest = time.perf_counter() - start
os.unlink(path)
done = ended = 0
while done < n_kills:
    pid = os.fork()
    if not pid:
        os._exit(0 if pickle.dumps(fit()) == expected else 1)
    time.sleep(rng.uniform(0, longest))
    found, status = os.waitpid(pid, os.WNOHANG)
    if not found:
        os.kill(pid, signal.SIGKILL)
        found, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        done += 1
        continue
    assert os.WEXITSTATUS(status) == 0
    ended += 1
    os.unlink(path)
assert pickle.dumps(fit()) == expected
print(done, ended)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_killed_at_random_moments(path):
    arguments = [sys.executable, "-W", "ignore", "-P", "-c", SCRIPT, str(path), str(KILLS)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) == KILLS


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently")
def test_sigterm_loses_only_the_epoch_under_way(path):
    code = """
import os, signal, sys
from sklearn.datasets import load_iris
from sknormnet import Checkpoint, NormNetClassifier
X, y = load_iris(return_X_y=True)
calls = []
def rate(progress):
    calls.append(progress)
    if len(calls) == 20 and len(sys.argv) > 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return 1 - progress
model = NormNetClassifier((5,), max_iter=9, random_state=0, learning_rate=rate)
model.set_params(checkpoint=Checkpoint(sys.argv[1], every=1e9), batch_size=50, batchnorm=False)
model.fit(X, y)
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
print(len(calls))
"""
    ended = [
        subprocess.run([sys.executable, "-P", "-c", code, str(path), *more], capture_output=True)
        for more in (["kill"], [])
    ]
    assert [x.returncode for x in ended] == [128 + 15, 0], ended[1].stderr
    n_calls = 9 * 4  # three batches, and the rate that is recorded
    assert int(ended[1].stdout) == n_calls - 4 * 4  # the fifth epoch was under way


def test_the_handler_of_a_program_stays(path, monkeypatch):
    import signal

    handlers = []

    def score(model, X, y):
        handlers.append(signal.getsignal(signal.SIGTERM))
        return 0.5

    def own(number, frame):
        raise AssertionError

    model = NormNetClassifier(**SMALL, early_stopping=True, scoring=score)
    model.set_params(checkpoint=Checkpoint(path, every=0))
    before = signal.signal(signal.SIGTERM, own)
    try:
        model.fit(X, Y)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert {*handlers} == {own}


# ----------------------------------------------------------------------- files that are whole


def test_each_moment_of_a_save_leaves_a_whole_file(path, monkeypatch):
    """The process dies before one of the calls that change the disk."""
    calls = []

    def dying(name, function):
        def call(*args, **kwargs):
            calls.append(name)
            if len(calls) == dies_at:
                raise Killed
            return function(*args, **kwargs)

        return call

    names = ["fsync", "replace", "link", "open"]
    for name in names:
        monkeypatch.setattr(os, name, dying(name, getattr(os, name)))
    dies_at = None
    for k in range(4):
        safe_files.replace_file(str(path), lambda file, k=k: file.write(b"%d" % k), keep=3)
    per_save, calls[:] = len(calls) // 4, []
    assert per_save >= 4
    for k in range(4, 4 + per_save + 2):
        calls[:], dies_at, before = [], k - 3, path.read_bytes()
        try:
            safe_files.replace_file(str(path), lambda file, k=k: file.write(b"%d" % k), keep=3)
        except Killed:
            assert path.read_bytes() in (before, b"%d" % k)
        else:
            assert path.read_bytes() == b"%d" % k
        calls[:], dies_at = [], None


def test_earlier_files_are_kept(path):
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0, keep=3)).fit(X, Y)
    assert sorted(os.listdir(path.parent)) == ["fit.ckpt", "fit.ckpt.1", "fit.ckpt.2"]
    for number in (2, 1):
        os.replace(f"{path}.{number}", path)
        assert content(clone(model).fit(X, Y)) == content(model)


@pytest.mark.parametrize("n_saves", [0, 3])
def test_a_full_disk_fails_the_fit_and_leaves_the_last_file(n_saves, path, monkeypatch):
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0))
    fsync, calls = os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) > 2 * n_saves:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            model.fit(X, Y)
    assert not hasattr(model, "classes_")
    assert os.listdir(path.parent) == ["fit.ckpt"] * (n_saves > 0)
    assert content(model.fit(X, Y)) == content(NormNetClassifier(**SMALL).fit(X, Y))


def test_a_folder_that_cannot_be_written_to_fails_before_training(tmp_path, killer):
    missing = Checkpoint(tmp_path / "no" / "fit.ckpt")
    with pytest.raises(FileNotFoundError):
        NormNetClassifier(**SMALL, checkpoint=missing).fit(X, Y)
    (tmp_path / "no").mkdir(0o555)
    if os.access(tmp_path / "no", os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(PermissionError):
        NormNetClassifier(**SMALL, checkpoint=missing).fit(X, Y)
    assert killer.n_epochs == 0


@pytest.mark.skipif(safe_files.fcntl is None, reason="files are not locked")
def test_two_fits_cannot_share_a_file(path):
    inside, go_on = threading.Event(), threading.Event()

    def score(model, X, y):
        inside.set()
        go_on.wait()
        return 0.5

    model = NormNetClassifier(**SMALL, early_stopping=True, checkpoint=Checkpoint(path, every=0))
    first = threading.Thread(target=clone(model).set_params(scoring=score).fit, args=(X, Y))
    first.start()
    inside.wait()
    try:
        with pytest.raises(RuntimeError, match=r"fit\.ckpt' is in use by another fit"):
            model.fit(X, Y)
    finally:
        go_on.set()
        first.join()
    path.unlink()
    assert model.fit(X, Y).n_iter_ == SMALL["max_iter"]


def test_a_damaged_file_is_an_error(path):
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0)).fit(X, Y)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged"):
        model.fit(X, Y)
    model.set_params(checkpoint=Checkpoint(path, resume=False)).fit(X, Y)
    assert (
        model.set_params(checkpoint=Checkpoint(path, every=0)).fit(X, Y).n_iter_
        == SMALL["max_iter"]
    )


# ------------------------------------------------------------------------------- another fit

OTHERS = {
    "the parameter alpha was 0.0 and is 0.1": ({"alpha": 0.1}, {}),
    "the parameter hidden_layer_sizes was (8, 5) and is (8, 6)": (
        {"hidden_layer_sizes": (8, 6)},
        {},
    ),
    "the parameter random_state was 0 and is 1": ({"random_state": 1}, {}),
    "X was ": ({}, {"X": X + 1e-9}),
    "y was ": ({}, {"y": np.roll(Y, 1)}),
    "the classes was ": ({}, {"y": Y + 1}),
    "sample_weight was None and is float64 (150,)": ({}, {"sample_weight": WEIGHT}),
    "X_val was not known and is float64 (50, 4)": ({}, VALIDATION),
}


@pytest.mark.parametrize("differs", OTHERS)
def test_a_file_of_another_fit_is_an_error_that_says_what_differs(differs, path):
    parameters, arguments = OTHERS[differs]
    NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0)).fit(X, Y)
    other = NormNetClassifier(**SMALL | parameters, checkpoint=Checkpoint(path, every=0))
    with pytest.raises(ValueError, match="is of another fit") as error:
        other.fit(**{"X": X, "y": Y} | arguments)
    assert differs in str(error.value)
    assert "choose the path of an existing folder" in str(error.value)


def test_other_versions_are_an_error(path, monkeypatch):
    NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0)).fit(X, Y)
    monkeypatch.setattr(sknormnet, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"of another fit: the version of sknormnet was .* is 99"):
        NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0)).fit(X, Y)


def test_verbose_and_the_checkpoint_itself_may_differ(path, capsys):
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0)).fit(X, Y)
    model.set_params(verbose=1, checkpoint=Checkpoint(path, every=10))
    assert model.fit(X, Y).n_iter_ == SMALL["max_iter"]


def test_objects_as_parameters_are_compared(path):
    settings = {"solver": OPTIMIZERS["sgd"](), "learning_rate": np.cos, "init": own_init}
    model = NormNetClassifier(**SMALL, **settings, checkpoint=Checkpoint(path, every=0)).fit(X, Y)
    model.fit(X, Y)
    with pytest.raises(ValueError, match="the parameter learning_rate was "):
        model.set_params(learning_rate=lambda progress: 1).fit(X, Y)


def own_init(fan_in, fan_out, rng):
    return rng.normal(size=(fan_in, fan_out)) * 0.1


# --------------------------------------------------------------------------------- searches


@pytest.mark.parametrize("kind", [GridSearchCV, PackedGridSearchCV])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_skips_the_fits_that_have_ended(kind, n_jobs, tmp_path, killer):
    network = NormNetClassifier(**SMALL, checkpoint=Checkpoint(tmp_path, every=0))
    model = make_pipeline(StandardScaler(), network)
    search = kind(model, {"normnetclassifier__alpha": [0.0, 1.0]}, cv=2, n_jobs=n_jobs)
    first = clone(search).fit(X, Y)
    assert len(os.listdir(tmp_path)) == 2 * 2 + 1
    killer.at, killer.n_epochs = 1, 0
    second = search.set_params(n_jobs=1).fit(X, Y)
    assert killer.n_epochs == 0
    for name in ("mean_test_score", "std_test_score"):
        assert_array_equal(second.cv_results_[name], first.cv_results_[name])
    assert content(second.best_estimator_[-1]) == content(first.best_estimator_[-1])


def test_one_file_for_a_search_is_an_error(path):
    network = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0))
    search = GridSearchCV(network, {"alpha": [0.0, 1.0]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="For several fits, such as those of a search"):
        search.fit(X, Y)


# ------------------------------------------------------------------------------ the parameter


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": -1}, r"'every' .* must be a float in the range \[0\.0, inf\)\. Got -1"),
        ({"every": "epoch"}, r"'every' .* Got 'epoch'"),
        ({"every": True}, r"'every' .* Got True"),
        ({"keep": 0}, r"'keep' .* must be an int in the range \[1, inf\)\. Got 0"),
        ({"resume": 1}, r"'resume' .* must be True or False\. Got 1"),
    ],
)
def test_invalid_settings_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        Checkpoint("fit.ckpt", **arguments)


def test_a_path_alone_is_no_checkpoint():
    with pytest.raises(ValueError, match=r"'checkpoint' parameter .* must be an instance of"):
        NormNetClassifier(checkpoint="fit.ckpt").fit(X, Y)


def test_saved_models_keep_the_parameter_as_plain_values(path):
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=2.5, keep=2)).fit(X, Y)
    copied = pickle.loads(pickle.dumps(model))
    assert copied.checkpoint == model.checkpoint
    assert isinstance(model.__getstate__()["sknormnet"]["parameters"]["checkpoint"], dict)


def test_nothing_but_fit_uses_the_file(path):
    from sknormnet.inspection import initialized

    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0))
    initialized(model, X, Y)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    assert os.listdir(path.parent) == []


def test_a_checkpoint_beside_callbacks(path, killer):
    callback = pytest.importorskip("sklearn.callback")
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0))
    expected = content(NormNetClassifier(**SMALL).fit(X, Y))
    for at, n_rows in ((5, None), (None, 3 + 1), (None, 1)):
        monitor = callback.ScoringMonitor(scoring="accuracy")
        killer.fit(model.set_callbacks(monitor), X, Y, at=at)
        if at is None:
            assert len(monitor.get_logs().data) == n_rows
            assert content(model) == expected


def test_a_loaded_fit_prints_its_table(path, capsys):
    model = NormNetClassifier(**SMALL, checkpoint=Checkpoint(path, every=0)).fit(X, Y)
    model.set_params(verbose=1).fit(X, Y)
    assert capsys.readouterr().out == ""
    model.set_params(verbose=2).fit(X, Y)
    assert len(capsys.readouterr().out.splitlines()) == 1 + SMALL["max_iter"]
