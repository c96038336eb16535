"""Every private or version-dependent name of scikit-learn, imported in this one file."""

import copy
import inspect
from numbers import Real
from types import FunctionType
from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _fit_and_score as fit_and_score
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import Interval, InvalidParameterError, Options
from sklearn.utils._param_validation import StrOptions as SklearnStrOptions
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.optimize import _check_optimize_result as check_optimize_result
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

from sknormnet._choices import did_you_mean

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """No support, and no `set_callbacks` that would promise it, but for our own recorder."""

        def _init_callback_context(self, max_subtasks=None):
            context = Context("fit")
            for callback in self._skl_callbacks:
                callback.setup(self, context)
            return context

    class Context:
        """As much of `sklearn.callback.CallbackContext` as our own callbacks need."""

        def __init__(self, task_name):
            self.task_name = task_name

        def subcontext(self, task_name):
            return Context(task_name)

        def call_on_fit_task_begin(self, **task):
            self._call("on_fit_task_begin", **task)

        def call_on_fit_task_end(self, **task):
            return self._call("on_fit_task_end", **task)

        def _call(self, hook, estimator, X, y, metadata, reconstruction_attributes=None):
            fitted = None
            if callable(reconstruction_attributes):
                fitted = copy.copy(estimator)
                vars(fitted).update(reconstruction_attributes())
            task = {"X": X, "y": y, "fitted_estimator": fitted}
            hooks = [getattr(callback, hook) for callback in estimator._skl_callbacks]
            return any([hook(estimator, self, **task) for hook in hooks])


__all__ = [
    "CALLBACK_STATE",
    "CallbackSupportMixin",
    "Interval",
    "InvalidParameterError",
    "Options",
    "Parallel",
    "StrOptions",
    "add_callback",
    "check_matplotlib_support",
    "check_method_params",
    "check_optimize_result",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "delayed",
    "fit_and_score",
    "fit_context",
    "has_callbacks",
    "safe_indexing",
    "safe_split",
    "search_fit",
]


class StrOptions(SklearnStrOptions):
    """The names that a parameter takes; error messages list them in alphabetical order.

    Parameters
    ----------
    options : set of str
    listed : str, default=None
        What error messages say in place of all the names.
    for_numbers : str, default=""
        Advice for those who pass a number; ``{}`` stands for the number.
    """

    def __init__(self, options, *, listed=None, for_numbers=""):
        super().__init__(options)
        self.listed, self.for_numbers = listed, for_numbers

    def __str__(self):
        names = ", ".join(map(repr, sorted(self.options)))
        return self.listed or f"a str among {{{names}}}"

    def advice(self, value) -> str:
        """Return a sentence for those who passed an invalid value, or ``""``."""
        if isinstance(value, Real) and not isinstance(value, bool):
            return f" {self.for_numbers.format(value)}" if self.for_numbers else ""
        return did_you_mean(value, self.options)


def with_advice(error: InvalidParameterError, estimator) -> InvalidParameterError:
    """Return the error of an invalid parameter, with what its `StrOptions` advise added."""
    name = str(error).split("'")[1]  # "The 'solver' parameter of ..."
    constraints: list[Any] = estimator._parameter_constraints.get(name, [])
    value = getattr(estimator, name, None)
    advice = [c.advice(value) for c in constraints if isinstance(c, StrOptions)]
    return InvalidParameterError(f"{error}{''.join(advice)}")


def add_callback(estimator, callback) -> None:
    """Set one more callback on the estimator, once."""
    others = (x for x in getattr(estimator, "_skl_callbacks", ()) if x is not callback)
    callbacks = *others, callback
    if hasattr(estimator, "set_callbacks"):
        estimator.set_callbacks(*callbacks)
    else:
        estimator._skl_callbacks = callbacks


def has_callbacks(estimator) -> bool:
    """Whether the estimator has callbacks, its own or those of what it is a part of."""
    return bool(getattr(estimator, "_skl_callbacks", ()))


# What scikit-learn ends callbacks by, once a fit is over, however it ended.
CALLBACK_STATE = "_callback_fit_ctx", "_skl_callbacks_to_teardown"


def search_fit(task, parallel):
    """Return the `fit` of scikit-learn's searches, with its fits in other hands.

    In its ``Parallel(...)(delayed(_fit_and_score)(...) for ...)``, `parallel` takes the place of
    Parallel, and each item that it is called with is a ``task(...)``. All else, from the splits to
    `cv_results_` and the last fit, stays scikit-learn's own.
    """
    fit = inspect.unwrap(BaseSearchCV.fit)
    names = {"Parallel": parallel, "delayed": lambda _: task, "_fit_and_score": None}
    names = {**fit.__globals__, **names}
    own = FunctionType(fit.__code__, names, fit.__name__, fit.__defaults__, fit.__closure__)
    own.__kwdefaults__ = fit.__kwdefaults__
    return fit_context(prefer_skip_nested_validation=False)(own)
