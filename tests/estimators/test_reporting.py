"""What `verbose` prints: a progress line, redrawn or not, or a table."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier, PackedGridSearchCV
from sknormnet.estimators._reporting import History, ProgressLine, Report, Table, mean_history

X, Y = load_iris(return_X_y=True)
SMALL = {"hidden_layer_sizes": (8,), "random_state": 0}


def printed(capsys, method="fit", **parameters):
    model = NormNetClassifier(**SMALL | parameters)
    getattr(model, method)(X, Y, **({"classes": [0, 1, 2]} if method == "partial_fit" else {}))
    return model, capsys.readouterr().out


def table(text):
    """The names of the columns, and the numbers."""
    head, *rows = text.splitlines()
    return [x for x in head.split("  ") if x], np.array([row.split() for row in rows], float)


def test_a_line_at_each_tenth_where_there_is_no_terminal(capsys):
    model, text = printed(capsys, verbose=1, max_iter=40)
    lines = text.splitlines()
    assert len(lines) == 10
    assert [line.split(",")[0] for line in lines] == [
        f"NormNetClassifier: epoch {epoch:2d}/40" for epoch in range(4, 41, 4)
    ]
    assert f"loss {model.loss_curve_[3]:.4g}, learning rate" in lines[0]
    assert lines[0].endswith("s left")
    assert lines[-1].endswith(" s")
    assert not lines[-1].endswith("left")
    assert "score" not in text


def test_the_line_is_redrawn_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    model, text = printed(capsys, verbose=1, max_iter=12, early_stopping=True)
    assert text.count("\n") == 1
    assert text.endswith("\n")
    drawn = text.split("\r")[1:]
    assert len(drawn) == 12 + 1  # the last once more, to stay
    assert all(line.rstrip().endswith("\033[K") for line in drawn)
    for line, score in zip(drawn, model.validation_scores_, strict=False):
        assert f", validation score {score:.4g}, " in line


def test_the_line_ends_where_training_does(capsys):
    settings = {"learning_rate": "constant", "tol": 1.0, "n_iter_no_change": 2}
    model, text = printed(capsys, verbose=1, max_iter=400, **settings)
    stop, last = text.splitlines()[-2:]
    assert stop.endswith("consecutive epochs. Stopping.")
    assert f"epoch {model.n_iter_:3d}/400, loss {model.loss_:.4g}" in last


@pytest.mark.parametrize("validated", [False, True])
def test_the_table_is_the_history(capsys, validated):
    model, text = printed(capsys, verbose=2, max_iter=7, early_stopping=validated)
    names, rows = table(text)
    history = {k.replace("_", " "): v for k, v in model.history_.items() if v}
    assert [name.strip() for name in names] == ["epoch", *history]
    assert_allclose(rows[:, 0], np.arange(1, 8))
    assert_allclose(rows[:, 1:], np.array([*history.values()]).T, rtol=1e-5)
    assert len({len(line) for line in text.splitlines()}) == 1  # aligned


def test_the_table_of_an_ensemble_has_its_means(capsys):
    settings = {"early_stopping": True, "n_iter_no_change": 2, "learning_rate": "constant"}
    model, text = printed(capsys, verbose=2, max_iter=60, n_members=3, **settings)
    _, rows = table(text)
    assert len(rows) == model.n_iter_ < 60
    assert_allclose(rows[:, 1], model.loss_curve_, rtol=1e-5)


def test_the_line_of_an_ensemble_is_one(capsys):
    _, text = printed(capsys, verbose=1, max_iter=20, n_members=3)
    assert 1 <= len(text.splitlines()) <= 10
    assert "epoch 20/20" in text.splitlines()[-1]


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("verbose", [1, 2])
def test_lbfgs(capsys, verbose):
    model, text = printed(capsys, verbose=verbose, max_iter=10, solver="lbfgs", keep_prob=1.0)
    assert len(text.splitlines()) == 10 + (verbose == 2)
    assert f"{model.loss_:.4g}"[:5] in text.splitlines()[-1]
    assert "rate" not in text


def test_partial_fit(capsys):
    _, text = printed(capsys, "partial_fit", verbose=1)
    assert text.startswith("NormNetClassifier: epoch 1/1, loss ")
    assert len(text.splitlines()) == 1


def test_networks_of_a_packed_search_speak_for_themselves(capsys):
    model = NormNetClassifier(**SMALL, max_iter=5, verbose=2)
    PackedGridSearchCV(model, {"keep_prob": [0.8, 1.0]}, cv=2, refit=False).fit(X, Y)
    assert capsys.readouterr().out.count("epoch ") == 4


def test_a_history_of_members_that_stop_at_different_epochs():
    histories = [History(losses=[3.0, 2.0], n_iter=2), History(losses=[1.0], n_iter=1)]
    mean = mean_history(histories)
    assert mean.losses == [2.0, 2.0]
    assert mean.n_iter == 2
    assert mean.scores == []


def test_a_row_waits_for_the_members_that_still_train(capsys):
    histories = [History(), History()]
    report = Table("model", histories, 5)
    for history, loss in zip(histories, (1.0, 3.0), strict=True):
        assert capsys.readouterr().out == ""
        history.losses.append(loss)
        history.n_iter += 1
        report.goes_on()
    assert table(capsys.readouterr().out)[1].tolist() == [[1, 2]]
    histories[1].is_over = True
    histories[0].losses.append(5.0)
    histories[0].n_iter += 1
    report.goes_on()
    assert capsys.readouterr().out.split() == ["2", "5"]


@pytest.mark.parametrize("kind", [ProgressLine, Table])
def test_members_do_not_tell_of_themselves(kind, capsys):
    for n_members in (1, 2):
        kind("model", [History()] * n_members, 5).says("Stopping.")
    assert capsys.readouterr().out == "Stopping.\n"


def test_nothing_is_said_by_default(capsys):
    report = Report("model", [History(losses=[1.0], n_iter=1)], 5)
    report.goes_on()
    report.says("Stopping.")
    report.ends()
    assert capsys.readouterr().out == ""
