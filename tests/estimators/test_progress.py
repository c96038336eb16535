"""What `verbose` prints: a progress line, redrawn or not, or a table."""

import contextlib
import io
import os
import re
import sys
import warnings
from itertools import count

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

from sknormnet import (
    NormNetClassifier,
    NormNetEnsembleClassifier,
    NormNetRegressor,
    PackedGridSearchCV,
)
from sknormnet.estimators import progress as progress_module
from sknormnet.estimators.progress import Progress, ProgressLine, Table
from sknormnet.estimators.screen import Screen
from sknormnet.inspection import initialized
from sknormnet.nn.losses import SquaredError
from sknormnet.training.history import EpochRecord, History

X, Y = load_iris(return_X_y=True)
SMALL = {"hidden_layer_sizes": (8,), "random_state": 0}
STOPPING = {"early_stopping": True, "n_iter_no_change": 2, "learning_rate": "constant"}
STOPPING["scoring"] = None


class Terminal(io.StringIO):
    """Standard output of a terminal, which keeps what is written to it."""

    def isatty(self):
        return True

    def drawn(self):
        """Each state that a line was in."""
        return [line.rstrip() for line in re.split("[\r\n]", self.getvalue()) if line.strip()]

    def seen(self):
        """The lines that a user sees in the end."""
        lines = []
        for line in self.getvalue().split("\n"):
            screen = ""
            for text in line.split("\r"):  # each is written over the one before
                screen = text + screen[len(text) :]
            lines.append(screen.rstrip())
        return lines


class OutStream(Terminal):
    """The standard output of a notebook's kernel."""

    def isatty(self):
        return False


OutStream.__module__ = "ipykernel.iostream"


@pytest.fixture
def terminal(monkeypatch):
    """Return what makes the standard output a terminal of some width, which shows each epoch."""

    def of_width(width, kind=Terminal):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(progress_module, "REDRAW", 0)
        monkeypatch.setattr(sys, "stdout", kind())
        return sys.stdout

    return of_width


def fit(method="fit", **parameters):
    model = NormNetClassifier(**SMALL | parameters)
    return getattr(model, method)(
        X, Y, **({"classes": [0, 1, 2]} if method == "partial_fit" else {})
    )


def printed(capsys, method="fit", **parameters):
    model = fit(method, **parameters)
    return model, capsys.readouterr().out


def table(text):
    """The names of the columns, and the numbers, without the last line."""
    head, *rows = text.splitlines()
    rows = [row.split() for row in rows if row[:5].strip().isdigit()]
    return re.split(" {2,}", head.strip()), np.array(rows, float)


def members_of(kind, total, n_members=1):
    """The progress of members that have not begun to train."""
    progress = kind("model")
    for _ in range(n_members):
        progress.add(History(), total)
    return progress


def begin(progress, *members):
    for member in members:
        tell(progress, EpochRecord(member, 0))


def advance(progress, member=0, loss=1.0, **recorded):
    """Have a member do an epoch."""
    epoch = progress.histories[member].n_iter + 1
    tell(progress, EpochRecord(member, epoch, loss, **recorded))


def tell(progress, record):
    """Tell the history of a member and the progress of an epoch, as trainers do."""
    for observer in (progress.histories[record.member], *progress.observers):
        observer.on_epoch(record)


# -------------------------------------------------------------------------- the progress line


def test_a_line_at_each_tenth_where_there_is_no_terminal(capsys):
    model, text = printed(capsys, verbose=1, max_iter=40)
    *lines, last = text.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"NormNetClassifier: epoch {epoch}/40" for epoch in range(4, 40, 4)
    ]
    assert f"loss {model.loss_curve_[3]:.4g}, lr {model.history_['learning_rate'][3]:.4g}" in text
    assert all(line.endswith(" left") for line in lines)
    assert re.fullmatch(rf"NormNetClassifier: 40 epochs, loss {model.loss_:.4g}, \d+\.\d s", last)
    assert "val" not in text


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("width", [20, 40, 80, 100, 200])
def test_the_line_never_wraps(terminal, width, n_members):
    stdout = terminal(width)
    model = fit(verbose=1, max_iter=12, early_stopping=True, n_members=n_members)
    drawn = stdout.drawn()
    assert len(drawn) >= 12
    for state in re.split("[\r\n]", stdout.getvalue()):  # with the blanks
        assert len(state) < width
    assert stdout.getvalue().count("\n") == 1
    assert "left" not in drawn[-1]
    assert stdout.seen() == [drawn[-1], ""]
    assert f"{model.n_iter_} epochs" in drawn[-1]


@pytest.mark.parametrize(
    ("width", "line", "last"),
    [
        (40, r"epoch 6/12, val \S+, 0 s left", r"12 epochs, best -[\d.]+ at \d+, \d\.\d s"),
        (
            80,
            r"NormNetClassifier: epoch 6/12, loss \S+, val \S+, lr \S+, 0 s left",
            r"NormNetClassifier: 12 epochs, loss \S+ (val \S+ \()?best \S+ at \d+\)?, \d\.\d s",
        ),
        (
            200,
            r"NormNetClassifier: epoch 6/12, loss \S+, val \S+, lr \S+, 0 s left",
            r"NormNetClassifier: 12 epochs, loss \S+, val \S+ \(best \S+ at \d+\), \d\.\d s",
        ),
    ],
)
def test_what_the_line_says_in_terminals_of_some_widths(terminal, monkeypatch, width, line, last):
    stdout = terminal(width)
    clock = count(0, 1e-4)
    monkeypatch.setattr(progress_module, "perf_counter", lambda: next(clock))
    fit(verbose=1, max_iter=12, early_stopping=True)
    assert re.fullmatch(line, stdout.drawn()[5])
    assert re.fullmatch(last, stdout.drawn()[-1])


def test_parts_that_a_terminal_has_no_room_for_do_not_come_and_go(terminal):
    stdout = terminal(64)
    progress = ProgressLine("NormNetClassifier")
    progress.add(History(), 9)
    begin(progress, 0)
    for rate in (0.012, 0.00001234, 0.012):  # only the second is too long
        advance(progress, loss=0.1234, rate=rate)
    assert ["lr" in line for line in stdout.drawn()] == [True, False, False]


def test_the_line_is_redrawn_in_a_notebook(terminal):
    stdout = terminal(80, OutStream)
    fit(verbose=1, max_iter=12)
    assert stdout.getvalue().count("\n") == 1
    assert len(stdout.drawn()) == 12
    assert "\033" not in stdout.getvalue()  # notebooks know \r, but not all escape sequences


def test_the_line_is_not_redrawn_for_each_of_many_short_epochs(terminal, monkeypatch):
    stdout = terminal(80)
    monkeypatch.setattr(progress_module, "REDRAW", 1e6)
    fit(verbose=1, max_iter=12)
    assert len(stdout.drawn()) == 2  # the first epoch and the last line


def test_the_last_line_says_where_training_stopped_and_what_was_best(terminal):
    stdout = terminal(200)
    model = fit(verbose=1, max_iter=400, tol=0.01, **STOPPING)
    scores = model.validation_scores_
    best = np.argmax(scores) + 1
    assert len(scores) > best
    stopped, last, end = stdout.seen()
    assert stopped.startswith("Validation score did not improve more than tol=0.010000 for 2 ")
    assert stopped.endswith(" consecutive epochs. Stopping.")
    assert re.fullmatch(
        rf"NormNetClassifier: stopped after epoch {model.n_iter_} of 400, loss {model.loss_:.4g},"
        rf" val {scores[-1]:.4g} \(best {scores[best - 1]:.4g} at {best}\), \d\.\d s",
        last,
    )
    assert end == ""


def test_the_last_line_after_a_stop_without_validation(capsys):
    settings = {"learning_rate": "constant", "tol": 1.0, "n_iter_no_change": 2}
    model, text = printed(capsys, verbose=1, max_iter=400, **settings)
    stop, last = text.splitlines()[-2:]
    assert stop.endswith("consecutive epochs. Stopping.")
    assert f"stopped after epoch {model.n_iter_} of 400, loss {model.loss_:.4g}, " in last
    assert "best" not in last


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("settings", [{"learning_rate": "constant"}, {"solver": "lbfgs"}])
def test_a_warning_is_not_printed_behind_the_line(terminal, monkeypatch, settings):
    stdout = terminal(80)
    with warnings.catch_warnings(), monkeypatch.context() as patch:
        warnings.simplefilter("always")
        patch.setattr(warnings, "showwarning", lambda *_: print("A warning."))
        fit(verbose=1, max_iter=5, keep_prob=1.0, **settings)
    warning, last, end = stdout.seen()
    assert (warning, end) == ("A warning.", "")
    assert last.startswith("NormNetClassifier: 5 ")


@pytest.mark.filterwarnings("ignore:Training has failed")
def test_the_last_line_of_training_that_diverged(capsys):
    with (
        np.errstate(all="ignore"),
        pytest.warns(match="Training has diverged"),
        contextlib.suppress(ValueError),  # about the weights, if they are not finite either
    ):
        NormNetRegressor(
            **SMALL, solver="sgd", learning_rate_init=1e6, batchnorm=False, verbose=1
        ).fit(X * 1e3, Y)
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"NormNetRegressor: diverged in epoch \d+ of 40, \d\.\d s", last)


def test_the_start_may_have_been_the_best(capsys):
    progress = members_of(ProgressLine, 1)
    begin(progress, 0)
    advance(progress, score=0.5, best_epoch=0, is_last=True)
    progress.ends()
    text = capsys.readouterr().out
    assert text.startswith("model: 1 epoch, loss 1, val 0.5 (best at the start), ")


class Interrupting(SquaredError):
    """A loss that is interrupted by an error after some calls."""

    def __init__(self, error, calls):
        super().__init__()
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "calls", iter(range(calls)))

    def losses_and_gradient(self, *args, **kwargs):
        if next(self.calls, None) is None:
            raise self.error
        return super().losses_and_gradient(*args, **kwargs)


@pytest.mark.parametrize(
    ("error", "what"), [(KeyboardInterrupt(), "interrupted"), (OSError("no"), "failed")]
)
@pytest.mark.parametrize("verbose", [1, 2])
def test_a_traceback_begins_on_a_line_of_its_own(terminal, verbose, error, what):
    stdout = terminal(80)
    model = NormNetRegressor(**SMALL, solver="lbfgs", keep_prob=1.0, verbose=verbose)
    with pytest.raises(type(error)):
        model.set_params(loss=Interrupting(error, 8)).fit(X, Y)
    *_, last, end = stdout.seen()
    assert re.fullmatch(rf"NormNetRegressor: {what} after iteration \d of 1000, \d\.\d s", last)
    assert end == ""


def test_threads_that_still_train_after_an_interrupt_print_nothing(capsys):
    progress = members_of(ProgressLine, 10)
    begin(progress, 0)
    advance(progress)
    progress.ends("interrupted")
    assert "interrupted after epoch 1 of 10" in capsys.readouterr().out
    advance(progress)
    progress.ends()
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------------------------- ensembles


def test_the_line_of_stacked_members_has_their_means(terminal):
    stdout = terminal(200)
    model = fit(verbose=1, max_iter=20, n_members=3)
    assert "member" not in "".join(stdout.drawn()[:-1])
    assert "epoch 0" not in stdout.getvalue()
    assert f"3 members, 20 epochs, loss {model.loss_:.4g}, " in stdout.drawn()[-1]


@pytest.mark.parametrize("verbose", [1, 2])
def test_an_ensemble_that_chooses_prints_one_progress(capsys, verbose):
    candidates = [{"max_iter": 3}, {"hidden_layer_sizes": (4,), "max_iter": 5}]
    network = NormNetClassifier(**SMALL, verbose=verbose)
    NormNetEnsembleClassifier(network, candidates=candidates, cv=2, random_state=0).fit(X, Y)
    *_, last = lines = capsys.readouterr().out.splitlines()
    owner = "NormNetEnsembleClassifier: "
    assert last.startswith(f"{owner}4 members, stopped after epoch 3-5 of 5, ")
    if verbose == 1:
        assert 1 < len(lines) <= 10
        assert all(line.startswith(owner) for line in lines)
    else:
        assert [int(line.split()[0]) for line in lines[1:-1]] == [1, 2, 3, 4, 5]


def test_the_last_line_of_members_that_stop_at_different_epochs(capsys):
    model, text = printed(capsys, verbose=1, max_iter=60, n_members=3, **STOPPING)
    last = text.splitlines()[-1]
    first, latest = re.search(r"stopped after epoch (\d+)-(\d+) of 60", last).groups()
    assert int(first) < int(latest) == model.n_iter_
    assert f"(best {model.best_validation_score_:.4g} at " in last
    assert "Stopping." not in text


def in_turn(monkeypatch, kind=ProgressLine, epochs=(6, 6, 6), total=6):
    """Let three members train one after the other, with an epoch a second."""
    clock = [0.0]
    monkeypatch.setattr(progress_module, "perf_counter", lambda: clock[0])
    progress = members_of(kind, total, len(epochs))
    for member, n_epochs in enumerate(epochs):
        begin(progress, member)
        for epoch in range(1, n_epochs + 1):
            clock[0] += 1
            advance(progress, member, is_last=epoch == n_epochs)
    progress.ends()


def test_the_line_says_which_of_several_members_trains(terminal, monkeypatch):
    stdout = terminal(80)
    in_turn(monkeypatch)
    lines = stdout.drawn()
    assert [line.split(", loss")[0] for line in lines[:-1]] == [
        f"model: member {1 + done // 6}/3, epoch {1 + done % 6}/6" for done in range(17)
    ]
    assert lines[-1] == "model: 3 members, 6 epochs, loss 1, 18.0 s"


def test_the_line_stays_when_one_of_several_members_ends(terminal):
    stdout = terminal(80)
    progress = members_of(ProgressLine, 2, 2)
    begin(progress, 0)
    advance(progress, 0)
    advance(progress, 0, is_last=True)
    begin(progress, 1)  # whose first epoch may take long
    assert stdout.seen()[-1].startswith("model: member 1/2, epoch 2/2, loss 1, ")


def test_the_time_left_does_not_jump_between_members(terminal, monkeypatch):
    stdout = terminal(80)
    in_turn(monkeypatch)
    left = [int(line.split(", ")[-1].split()[0]) for line in stdout.drawn()[:-1]]
    assert left == [*range(17, 0, -1)]


def test_the_time_left_does_not_grow_when_a_member_stops_early(terminal, monkeypatch):
    stdout = terminal(80)
    in_turn(monkeypatch, epochs=(3, 2, 6))
    left = [int(line.split(", ")[-1].split()[0]) for line in stdout.drawn()[:-1]]
    assert left == sorted(left, reverse=True)
    assert "stopped after epoch 2-6 of 6" in stdout.drawn()[-1]


def test_members_that_train_side_by_side_are_counted_when_they_are_done(terminal):
    stdout = terminal(80)
    progress = members_of(ProgressLine, 5, 3)
    begin(progress, 0, 1)
    advance(progress, 0)
    advance(progress, 1)
    progress.histories[0].is_over = True
    begin(progress, 2)
    advance(progress, 2)
    lines = stdout.drawn()
    assert lines[0].startswith("model: 0/3 members done, epoch 1/5, ")
    assert lines[-1].startswith("model: 1/3 members done, epoch 1/5, ")


def test_the_time_left_of_a_stack_does_not_change_when_a_member_leaves_it(terminal, monkeypatch):
    stdout = terminal(80)
    clock = [0.0]
    monkeypatch.setattr(progress_module, "perf_counter", lambda: clock[0])
    progress = members_of(ProgressLine, 10, 2)
    begin(progress, 0, 1)
    for epoch in range(1, 10):
        clock[0] += 1
        if epoch <= 4:
            advance(progress, 0, is_last=epoch == 4)
        advance(progress, 1)
    left = [int(line.split(", ")[-1].split()[0]) for line in stdout.drawn()]
    assert left == [*range(9, 0, -1)]


# -------------------------------------------------------------------------------- the table


@pytest.mark.parametrize("validated", [False, True])
def test_the_table_is_the_history(capsys, validated):
    model, text = printed(capsys, verbose=2, max_iter=7, early_stopping=validated)
    names, rows = table(text)
    expected = ["epoch", "loss", "lr", "s"]
    if validated:
        expected[2:2] = ["val loss", "val score"]
    assert names == expected
    assert_allclose(rows[:, 0], np.arange(1, 8))
    history = np.array([x for x in model.history_.values() if x]).T
    assert_allclose(rows[:, 1:], history, rtol=6e-4)
    *lines, last = text.splitlines()
    assert len({len(line) for line in lines}) == 1  # aligned
    assert len(lines[0]) < 80
    assert last.startswith(f"NormNetClassifier: 7 epochs, loss {model.loss_:.4g}, ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0085355311, "0.008536"),
        (0.005, "0.005000"),
        (1234.0, "1234"),
        (-123456.0, "-1.235e+05"),
        (np.nan, "nan"),
    ],
)
def test_numbers_of_the_table_have_four_digits_and_blanks_between_them(capsys, value, text):
    progress = members_of(Table, 5)
    begin(progress, 0)
    advance(progress, 0, value, rate=value, seconds=value, score=value, validation_loss=value)
    assert capsys.readouterr().out.splitlines()[1].split() == ["1", *[text] * 5]


def test_the_table_of_an_ensemble_has_its_means(capsys):
    model, text = printed(capsys, verbose=2, max_iter=60, n_members=3, **STOPPING)
    _, rows = table(text)
    assert len(rows) == model.n_iter_ < 60
    assert_allclose(rows[:, 1], model.loss_curve_, rtol=6e-4)
    assert "3 members, stopped after epoch " in text.splitlines()[-1]


def test_a_row_waits_for_the_members_that_still_train(capsys):
    progress = members_of(Table, 5, 2)
    begin(progress, 0, 1)
    advance(progress, 0, 1.0)
    assert capsys.readouterr().out == ""
    advance(progress, 1, 3.0, is_last=True)
    assert table(capsys.readouterr().out)[1].tolist() == [[1, 2]]
    advance(progress, 0, 5.0)
    assert capsys.readouterr().out.split() == ["2", "5.000"]


def test_messages_do_not_garble_the_table(terminal):
    stdout = terminal(80)
    fit(verbose=2, max_iter=400, **STOPPING)
    *_, stop, last, end = stdout.getvalue().split("\n")
    assert stop.endswith("Stopping.")
    assert last.startswith("NormNetClassifier: stopped after epoch ")
    assert end == ""


# ---------------------------------------------------------------------------- other solvers, fits


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("verbose", [1, 2])
def test_lbfgs_has_iterations(capsys, verbose):
    model, text = printed(capsys, verbose=verbose, max_iter=10, solver="lbfgs", keep_prob=1.0)
    *lines, last = text.splitlines()
    assert len(lines) == 9 + 2 * (verbose == 2)
    assert "iteration" in lines[0]
    assert "epoch" not in text
    assert "lr" not in text
    assert last.startswith(f"NormNetClassifier: 10 iterations, loss {model.loss_:.4g}, ")


def test_lbfgs_that_converges_before_the_end(capsys):
    model, text = printed(capsys, verbose=1, solver="lbfgs", keep_prob=1.0, tol=0.1, max_iter=999)
    assert f"stopped after iteration {model.n_iter_} of 999, " in text.splitlines()[-1]


def test_partial_fit_prints_a_line(capsys):
    _, text = printed(capsys, "partial_fit", verbose=1)
    assert re.fullmatch(r"NormNetClassifier: 1 epoch, loss \S+, \d\.\d s\n", text)


def test_a_network_that_is_not_trained_prints_nothing(capsys):
    initialized(NormNetClassifier(**SMALL, verbose=1), X, Y)
    assert capsys.readouterr().out == ""


def test_networks_of_a_packed_search_speak_for_themselves(capsys):
    model = NormNetClassifier(**SMALL, max_iter=5, verbose=2)
    PackedGridSearchCV(model, {"keep_prob": [0.8, 1.0]}, cv=2, refit=False).fit(X, Y)
    text = capsys.readouterr().out
    assert text.count("epoch  ") == text.count("NormNetClassifier: 5 epochs") == 4


@pytest.mark.parametrize("kind", [ProgressLine, Table])
def test_messages_about_one_of_several_members_are_not_printed(kind, capsys):
    for n_members in (1, 2):
        progress = members_of(kind, 5, n_members)
        begin(progress, 0)
        advance(progress, message="Stopping.", is_last=True)
    assert capsys.readouterr().out.count("Stopping.\n") == 1


def test_nothing_is_printed_by_default(capsys):
    progress = members_of(Progress, 5)
    assert progress.observers == ()
    begin(progress, 0)
    advance(progress, message="Stopping.", is_last=True)
    progress.ends()
    with pytest.raises(OSError, match="no"), progress:
        raise OSError("no")
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------------------ standard outputs


class OnlyWrites:
    """An object that has what `print` needs, and nothing else."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Broken(io.StringIO):
    """A pipe whose reader is gone."""

    def write(self, text):
        raise BrokenPipeError


def closed(kind):
    stream = kind()
    stream.close()
    return stream


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize(
    "stdout",
    [None, OnlyWrites(), closed(io.StringIO), closed(Terminal), Broken(), object()],
    ids=["None", "without isatty", "closed", "closed terminal", "broken", "no stream"],
)
def test_printing_never_breaks_a_fit(monkeypatch, stdout, verbose):
    quiet = fit(max_iter=30, **STOPPING)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        loud = fit(max_iter=30, verbose=verbose, **STOPPING)
    assert loud.loss_curve_ == quiet.loss_curve_
    if isinstance(stdout, OnlyWrites):
        assert "NormNetClassifier: stopped after epoch" in stdout.text


class Größennetz(NormNetClassifier):
    """A name that not all encodings have."""


def test_characters_that_the_encoding_lacks_are_replaced(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    Größennetz(**SMALL, max_iter=2, verbose=1).fit(X, Y)
    assert b"Gr??ennetz: 2 epochs" in stdout.buffer.getvalue()


def test_a_shorter_line_leaves_nothing_of_a_longer_one(terminal):
    stdout, screen = terminal(80), Screen()
    for line in ("a long line", "short"):
        screen.draw(line)
    screen.clear()
    screen.print("the end")
    screen.draw("something longer")
    screen.print("done")
    assert stdout.seen() == ["the end", "done", ""]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no pseudo-terminal")
def test_a_real_terminal(monkeypatch):
    main, child = os.openpty()
    monkeypatch.setenv("COLUMNS", "60")
    with os.fdopen(child, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        fit(verbose=1, max_iter=12)
        text = os.read(main, 10_000).decode()
    os.close(main)
    assert text.startswith("\rNormNetClassifier: epoch 1/12, loss ")
    assert text.count("\n") == 1
    assert max(len(line) for line in re.split("[\r\n]", text)) < 60
