"""What we need of scikit-learn's private or version-dependent names, one test or more for each.

`sknormnet/estimators/_sklearn.py` lists the names, and what is to be done if one of them goes.
"""

import ast
import inspect
import re
import sys
from numbers import Real
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sknormnet.estimators import _sklearn

X = np.arange(24.0).reshape(12, 2)
Y = np.arange(12) % 2
ROWS = np.array([0, 3, 4])


def listed_names() -> list[str]:
    """The names in the docstring of the module, in its order."""
    lines = [line for line in _sklearn.__doc__.splitlines() if line.startswith("``")]
    return re.findall(r"``(\w+)``", " ".join(lines))


def imported_names() -> set[str]:
    """All names that the module imports from scikit-learn."""
    nodes = ast.walk(ast.parse(inspect.getsource(_sklearn)))
    of_sklearn = [x for x in nodes if isinstance(x, ast.ImportFrom) and "sklearn." in x.module]
    return {name.name for node in of_sklearn for name in node.names}


def test_all_imported_names_are_listed():
    assert {*listed_names()} == imported_names() | {"_validate_params"}


@pytest.mark.parametrize("name", listed_names())
def test_each_name_has_a_test(name):
    assert any(x.startswith("test_") and f"_{name.strip('_')}_" in f"{x}_" for x in globals())


class Estimator(BaseEstimator):
    _parameter_constraints = {
        "alpha": [_sklearn.Interval(Real, 0, None, closed="left")],
        "solver": [_sklearn.StrOptions({"adam", "sgd"})],
    }

    def __init__(self, alpha=1.0, solver="adam"):
        self.alpha, self.solver = alpha, solver

    @_sklearn.fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        self.skips_ = get_config()["skip_parameter_validation"]
        return self


def test_fit_context_validates_parameters_once():
    assert Estimator().fit(X).skips_
    assert not get_config()["skip_parameter_validation"]
    with pytest.raises(ValueError, match="The 'alpha' parameter of Estimator must be a float"):
        Estimator(alpha=-1.0).fit(X)


def test_validate_params_reads_the_constraints_of_the_class():
    assert Estimator()._validate_params() is None
    with pytest.raises(ValueError, match="The 'solver' parameter of Estimator must be a str"):
        Estimator(solver="adan")._validate_params()


def test_InvalidParameterError_begins_with_the_name_of_the_parameter():
    with pytest.raises(_sklearn.InvalidParameterError) as error:
        Estimator(solver="adan")._validate_params()
    message = str(_sklearn.with_advice(error.value, Estimator(solver="adan")))
    assert message.endswith("Got 'adan' instead. Did you mean 'adam'?")


def test_Interval_has_a_closed_and_an_open_end():
    interval = _sklearn.Interval(Real, 0, 1, closed="left")
    assert [interval.is_satisfied_by(x) for x in (0, 0.5, 1, -1, "0")] == [1, 1, 0, 0, 0]
    assert str(interval) == "a float in the range [0.0, 1.0)"


def test_Options_are_values_of_a_type():
    options = _sklearn.Options(Real, {1, 2})
    assert [options.is_satisfied_by(x) for x in (1, 3, "1")] == [True, False, False]


def test_StrOptions_are_names_in_alphabetical_order():
    options = _sklearn.StrOptions({"b", "a"})
    assert [options.is_satisfied_by(x) for x in ("a", "c", 1)] == [True, False, False]
    assert options.options == {"a", "b"}
    assert str(options) == "a str among {'a', 'b'}"


def test_BaseSearchCV_hands_its_fits_to_parallel():
    tasks = []

    class Parallel:
        def __init__(self, n_jobs=None, pre_dispatch=None):
            assert (n_jobs, pre_dispatch) == (None, "2*n_jobs")

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def __call__(self, calls):
            tasks.extend(calls)
            return [_sklearn.fit_and_score(*args, **options) for args, options in tasks]

    def task(*args, **options):
        return args, options

    class Search(GridSearchCV):
        fit = _sklearn.search_fit(task, Parallel)

    assert issubclass(GridSearchCV, _sklearn.BaseSearchCV)
    search = Search(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3).fit(X, Y)
    expected = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3).fit(X, Y)
    assert [options["parameters"]["C"] for _, options in tasks] == [0.1] * 3 + [1.0] * 3
    assert [options["split_progress"] for _, options in tasks] == [(0, 3), (1, 3), (2, 3)] * 2
    needed = {"train", "test", "fit_params", "return_train_score", "error_score", "verbose"}
    assert all(needed <= options.keys() for _, options in tasks)
    for name in ("split0_test_score", "mean_test_score", "rank_test_score"):
        assert_array_equal(search.cv_results_[name], expected.cv_results_[name])


@pytest.mark.parametrize("search", [_sklearn.HalvingGridSearchCV, _sklearn.HalvingRandomSearchCV])
def test_HalvingGridSearchCV_and_HalvingRandomSearchCV_raise_the_resource(search):
    assert issubclass(search, _sklearn.BaseSearchCV)
    options = {"resource": "max_iter", "min_resources": 100, "max_resources": 200, "factor": 2}
    fitted = search(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, **options).fit(X, Y)
    assert fitted.n_resources_ == [100, 200]
    assert fitted.n_candidates_ == [2, 1]


SCORING = {
    "scorer": lambda estimator, X, y: estimator.score(X, y),
    **{"train": np.arange(8), "test": np.arange(8, 12), "verbose": 0, "parameters": {"C": 2.0}},
    **{"fit_params": {}, "score_params": {}, "return_times": True, "error_score": np.nan},
}


def test_fit_and_score_fits_and_scores_one_split():
    estimator = LogisticRegression()
    result = _sklearn.fit_and_score(estimator, X, Y, **SCORING)
    assert estimator.C == 2.0
    assert result["test_scores"] == estimator.score(X[8:], Y[8:])
    assert result["fit_error"] is None


def test_fit_and_score_reads_the_clock():
    fitted = LogisticRegression(C=2.0).fit(X[:8], Y[:8])
    result = _sklearn.score_fitted(fitted, X, Y, seconds=1000.0, error=None, **SCORING)
    assert result["fit_time"] == pytest.approx(1000, abs=100)
    assert result["score_time"] < 100
    assert result["test_scores"] == fitted.score(X[8:], Y[8:])


@pytest.mark.parametrize("convert", [np.asarray, pd.DataFrame], ids=["array", "DataFrame"])
def test_safe_split_takes_rows(convert):
    part, target = _sklearn.safe_split(LogisticRegression(), convert(X), Y, ROWS)
    assert isinstance(part, type(convert(X)))
    assert_array_equal(part, X[ROWS])
    assert_array_equal(target, Y[ROWS])


@pytest.mark.parametrize("convert", [np.asarray, pd.DataFrame, list], ids=lambda x: x.__name__)
def test_safe_indexing_takes_rows(convert):
    assert_array_equal(_sklearn.safe_indexing(convert(X), ROWS), X[ROWS])


def test_check_method_params_takes_rows_where_there_are_rows():
    params = _sklearn.check_method_params(X, {"sample_weight": Y, "depth": 3}, ROWS)
    assert_array_equal(params.pop("sample_weight"), Y[ROWS])
    assert params == {"depth": 3}


def test_check_sample_weight_converts_and_checks():
    weight = _sklearn.check_sample_weight([1] * 12, X, dtype=np.float64)
    assert weight.dtype == np.float64
    assert_array_equal(weight, np.ones(12))
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(2,\), expected \(12,\)"):
        _sklearn.check_sample_weight([1, 2], X, dtype=np.float64)


def test_check_partial_fit_first_call_needs_the_same_classes():
    estimator = SimpleNamespace()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        _sklearn.check_partial_fit_first_call(estimator, None)
    assert _sklearn.check_partial_fit_first_call(estimator, [1, 0])
    assert_array_equal(estimator.classes_, [0, 1])
    assert not _sklearn.check_partial_fit_first_call(estimator, None)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        _sklearn.check_partial_fit_first_call(estimator, [0, 2])


def test_check_optimize_result_warns_of_failures():
    result = SimpleNamespace(nit=5, status=0, message="done")
    assert _sklearn.check_optimize_result("lbfgs", result, 5) == 5
    result.status = 1
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        _sklearn.check_optimize_result("lbfgs", result, 5)


def test_check_matplotlib_support_names_the_caller(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Display\.plot requires matplotlib"):
        _sklearn.check_matplotlib_support("Display.plot")


def test_Parallel_takes_the_options_of_joblib():
    assert isinstance(_sklearn.Parallel(n_jobs=1), joblib.Parallel)
    assert _sklearn.Parallel(n_jobs=1)(_sklearn.delayed(abs)(x) for x in (-1, 2)) == [1, 2]


def test_delayed_passes_the_configuration_on():
    with config_context(skip_parameter_validation=True):
        configs = _sklearn.Parallel(n_jobs=2, backend="threading")(
            _sklearn.delayed(get_config)() for _ in range(2)
        )
    assert [x["skip_parameter_validation"] for x in configs] == [True, True]


def test_CallbackSupportMixin_calls_the_callbacks():
    told = []

    class Callback:
        def setup(self, estimator, context):
            told.append(("setup", context.task_name))

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **task):
            told.append(("begin", context.task_name))

        def on_fit_task_end(self, estimator, context, **task):
            told.append(("end", context.task_name))
            return context.task_name == "epoch"

    class Fitted(_sklearn.CallbackSupportMixin, BaseEstimator):
        pass

    estimator = Fitted()
    assert not _sklearn.has_callbacks(estimator)
    _sklearn.add_callback(estimator, Callback())
    assert _sklearn.has_callbacks(estimator)
    fit = estimator._init_callback_context(max_subtasks=1)
    task = {"estimator": estimator, "X": X, "y": Y, "metadata": None}
    fit.call_on_fit_task_begin(**task)
    epoch = fit.subcontext(task_name="epoch")
    epoch.call_on_fit_task_begin(**task)
    assert epoch.call_on_fit_task_end(**task, reconstruction_attributes=dict)
    assert not fit.call_on_fit_task_end(**task, reconstruction_attributes={})
    names = ["setup fit", "begin fit", "begin epoch", "end epoch", "end fit"]
    assert [" ".join(x) for x in told] == names
    if hasattr(estimator, "set_callbacks"):  # scikit-learn 1.9 or newer
        assert {*_sklearn.CALLBACK_STATE} <= {*vars(estimator)}
