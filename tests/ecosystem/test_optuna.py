"""Optuna prunes trials by a callback that reports epochs."""

import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sknormnet import NormNetClassifier

optuna = pytest.importorskip("optuna", minversion="4")
pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")

X, Y = load_iris(return_X_y=True)


class Pruning:
    """Reports the accuracy after each epoch."""

    def __init__(self, trial):
        self.trial = trial

    def setup(self, estimator, context):
        self.epoch = 0

    def teardown(self, estimator, context):
        self.is_over = True

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            self.epoch += 1
            self.score = fitted_estimator.score(X, Y)
            self.trial.report(self.score, self.epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned


def test_bad_trials_are_pruned():
    networks, observers = [], []

    def objective(trial):
        rate = trial.suggest_categorical("learning_rate_init", [1e-2, 1e-6])
        network = NormNetClassifier((16,), learning_rate_init=rate, max_iter=12, random_state=0)
        networks.append(network)
        observers.append(Pruning(trial))
        network.set_callbacks(observers[-1]).fit(X, Y)
        assert network.score(X, Y) == observers[-1].score
        return observers[-1].score

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rates = {"learning_rate_init": [1e-2, 1e-6]}
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.GridSampler(rates, seed=0),
        pruner=optuna.pruners.ThresholdPruner(lower=0.9, n_warmup_steps=8),
    )
    study.optimize(objective)
    by_rate = {x.params["learning_rate_init"]: x for x in study.trials}
    good, bad = by_rate[1e-2], by_rate[1e-6]
    assert good.state == optuna.trial.TrialState.COMPLETE
    assert [*good.intermediate_values] == [*range(1, 13)]
    assert bad.state == optuna.trial.TrialState.PRUNED
    assert len(bad.intermediate_values) < 12
    assert all(x.is_over for x in observers)
    with pytest.raises(NotFittedError):  # a fit that is pruned leaves no trace
        networks[bad.number].predict(X)
