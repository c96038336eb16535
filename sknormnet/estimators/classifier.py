"""NormNetClassifier."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from sknormnet.estimators._base import BaseNormNet, spread, working_copy
from sknormnet.estimators._sklearn import (
    Interval,
    StrOptions,
    check_partial_fit_first_call,
    fit_context,
)
from sknormnet.nn.losses import CLASSIFICATION_LOSSES, ClassificationLoss


class NormNetClassifier(ClassifierMixin, BaseNormNet):
    """Neural network classifier with batch normalisation, dropout and L2.

    A multi-layer perceptron that minimises the log loss or another loss. It has all
    parameters, attributes and methods of :class:`~sklearn.neural_network.MLPClassifier`, and
    adds `batchnorm`, `keep_prob`, `init`, more activations and more. Scale the inputs first, as
    with :class:`~sklearn.preprocessing.StandardScaler`.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int of shape (n_hidden_layers,), default=(128, 128)
        Number of units in each hidden layer. An empty one makes the model linear.

    activation : str, Activation, or array-like of these, default='relu'
        Activation function of the hidden layers, one for all or one for each. A name or
        a :class:`sknormnet.Activation`:

        - 'identity', f(z) = z
        - 'logistic', f(z) = 1 / (1 + exp(-z))
        - 'tanh', f(z) = tanh(z)
        - 'relu', f(z) = max(z, 0)
        - 'leaky_relu', f(z) = max(z, 0.01 z)
        - 'elu', f(z) = z if z > 0 else exp(z) - 1
        - 'selu', f(z) = 1.0507 (z if z > 0 else 1.6733 (exp(z) - 1))
        - 'gelu', f(z) = z P(Z <= z) with Z standard normal
        - 'silu', f(z) = z / (1 + exp(-z))
        - 'softplus', f(z) = log(1 + exp(z))
        - 'mish', f(z) = z tanh(softplus(z))

    solver : str or Optimizer, default='adamw'
        How the loss is minimised. All but the last go by minibatches. A name, or a
        :class:`sknormnet.Optimizer` with settings of its own:

        - 'adam', Adam [4]_
        - 'adamw', Adam with decoupled weight decay, see `weight_decay` [6]_
        - 'nadam', Adam with Nesterov's momentum
        - 'rmsprop', the gradient divided by a running root mean square
        - 'sgd', stochastic gradient descent with momentum
        - 'lbfgs', on all rows at once with L-BFGS, for small data sets; without dropout

    alpha : float, default=0.0
        Strength of the L2 penalty. It adds ``0.5 * alpha * sum(W**2) / total`` to the loss
        of a batch, where total is the number of its rows times the mean sample weight. So, as
        in :class:`~sklearn.linear_model.Ridge`, a sample weight of 2 everywhere stands for
        each row twice, and alpha counts half as much. It shrinks weights only, never biases,
        gammas or betas.

    weight_decay : float, default=1.0
        Decoupled weight decay: each step first shrinks the weights, and nothing else, by
        ``learning_rate * weight_decay`` of themselves, a share that is cut off at 1. Unlike
        alpha's, this is not divided by Adam's root mean square, so that all weights shrink
        alike, nor by the number of rows. Only used when ``solver='adamw'``.

    batch_size : int, 'scale' or 'auto', default='scale'
        Number of rows of a minibatch. 'scale' is a thirtieth of the rows, but at least 64 and
        at most 256; 'auto' is ``min(200, n_samples)``. With batch norm, a last batch of a
        single row joins the one before.

    learning_rate : str, callable or Schedule, default='cosine'
        Schedule of the learning rate, for all solvers but 'lbfgs'. A name, a callable, or a
        :class:`sknormnet.Schedule` with settings of its own:

        - 'constant', `learning_rate_init` throughout
        - 'invscaling', ``learning_rate_init / (t + 1) ** power_t`` after t training samples
        - 'adaptive', divided by 5 each time that training would stop otherwise, until it
          is at most 1e-6
        - 'cosine', falling to 0 along half a cosine over `max_iter` epochs
        - 'onecycle', rising along half a cosine for the first 0.3 of them, then falling
        - 'warmup', rising in a straight line for the first 0.1 of them, then constant

        A callable ``progress -> factor`` gets the share of `max_iter` epochs that are done, in
        [0, 1), and returns what `learning_rate_init` is multiplied by. Such a callable and the
        last three are planned schedules: all `max_iter` epochs are run, even if the loss or the
        validation score stalls. `partial_fit` has no last epoch. There, the rate under any
        planned schedule is ``learning_rate_init / sqrt(1 + t / 10)`` after t minibatches in all
        calls so far, but at least a tenth of `learning_rate_init`.

    learning_rate_init : float, default=0.01
        Learning rate that the schedule starts from. Not used when ``solver='lbfgs'``.

    power_t : float, default=0.5
        Exponent of the 'invscaling' schedule.

    max_iter : int or 'auto', default='auto'
        Number of epochs, the largest unless `learning_rate` is a plan; the largest number of
        iterations for ``solver='lbfgs'``. 'auto' is 40 epochs, or 1000 iterations of 'lbfgs'.

    shuffle : bool, default=True
        Whether to draw a new order of the rows for each epoch.

    random_state : int, RandomState instance or None, default=None
        Seeds four independent streams, for the initial weights, the order of the rows, the
        dropout masks and the validation split. Pass an int for the same result each time.

    tol : float, default=1e-4
        Unless `learning_rate` is a planned schedule, training stops when the loss or, with
        held-out rows, their score has not improved by at least this for more than
        `n_iter_no_change` epochs in a row. For 'lbfgs', the largest element of the gradient at
        which it stops.

    verbose : bool or int, default=False
        What to print while training. With 1, one line with the epoch, loss, validation score,
        learning rate and time left. The line is redrawn in place in a terminal or a notebook;
        elsewhere, such as in a log file, a line is printed at each tenth of the way. With 2, a
        table with a row for each epoch. Both end with a line that says after how many epochs
        training ended and which one was best. Members of an ensemble that train together are
        averaged.

    warm_start : bool, default=False
        Whether `fit` starts from the last solution instead of new weights. The solver's state,
        the schedule and the patience of early stopping start anew in each call. Where rows are
        held out, the last solution is scored on those of this call first, and is kept if no
        epoch scores better.

    momentum : float, default=0.9
        Momentum, in [0, 1]. Only used when ``solver='sgd'``.

    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum. Only used when ``solver='sgd'``.

    early_stopping : bool or 'auto', default=False
        Whether to score the network on held-out rows after each epoch, keep the best epoch,
        and stop when the score stalls. Under a planned schedule, such as the default
        `learning_rate`, training does not stop: all `max_iter` epochs are run, and the best
        one is kept. The rows are those of `X_val` in `fit`, or else a share of X,
        `validation_fraction`. 'auto' does so if `X_val` is given or X has more than 10,000
        rows. Not used when ``solver='lbfgs'``: True is then a warning.

    scoring : str, callable or None, default=None
        What held-out rows are scored by, where higher is better. None is accuracy in
        classification and R squared in regression, 'loss' the negative of their loss.
        Else the name of a scorer, see :func:`sklearn.metrics.get_scorer_names`, or a callable
        ``(estimator, X, y) -> float``, which gets the held-out rows as they were given, after
        each epoch, and an estimator that predicts with the network as it is then; also
        `sample_weight`, by keyword, where there are weights.

    validation_fraction : float, default=0.1
        Share of the rows to hold out, in [0, 1). Only used with early stopping without `X_val`.

    beta_1 : float, default=0.9
        Decay of the average of gradients, in [0, 1), of Adam and its kin.

    beta_2 : float, default=0.95
        Decay of the average of squared gradients, in [0, 1), of Adam, its kin and RMSprop.

    epsilon : float, default=1e-8
        Added to the square root that these divide by.

    n_iter_no_change : int, default=10
        For how many epochs in a row the loss or score may fail to improve by `tol`. Not used
        under a planned schedule, such as the default `learning_rate`.

    max_fun : int, default=15000
        Largest number of evaluations of the loss. Only used when ``solver='lbfgs'``.

    max_grad_norm : float or None, default=None
        What the norm of the loss's gradient, over all parameters, is cut down to in a step
        where it is larger. Not used when ``solver='lbfgs'``.

    batchnorm : bool or {'before', 'after'}, default=True
        Whether each hidden layer is normalised, and whether before its activation or after it
        (which True stands for) [1]_: by unit, ``gamma * (z - mean) / sqrt(var +
        batchnorm_epsilon) + beta``, with the mean and the biased variance over the batch,
        weighted by `sample_weight`. gamma, from 1, and beta, from 0, are learned. For
        prediction, mean and variance are those over all training rows.

    batchnorm_momentum : float, default=0.9
        Weight of the OLD value in the running averages that predict until `fit` is over,
        and after `partial_fit`; in [0, 1).

    batchnorm_epsilon : float, default=1e-5
        Added to the variance.

    keep_prob : float, 'auto', or array-like of shape (n_hidden_layers,), default='auto'
        Probability to keep a hidden unit in a training step, in (0, 1], for all hidden
        layers or for each [2]_. 'auto' is 0.8, but 1.0 for fewer than 100 rows in `fit` and
        for 'lbfgs'. The probability is rounded to a multiple of 1/65536, and at least 1/65536.
        Units that are kept are divided by it, so that prediction, which keeps all units, needs
        no correction (inverted dropout).

    input_keep_prob : float, default=1.0
        The same for the inputs.

    input_bins : int, default=0
        Number of bins, if any, of the piecewise linear encoding of the inputs: each bin between
        two quantiles of an input becomes an input of its own that rises from -1 to 1 across it,
        so that the network bends where the data are. For inputs with more different
        values than bins, of dense X only: `fit` warns of a sparse one. `warm_start` and
        `partial_fit` go on with the quantiles of the first call. 6 is a good number.

    init : str or callable, default='auto'
        Initial weights. Biases start at 0, the output's close to the constant that fits
        best. A callable ``(fan_in, fan_out, rng) -> array of
        shape (fan_in, fan_out)``, where rng is a :class:`numpy.random.Generator`, or:

        - 'auto', what suits the activation: 'he_normal' for ReLU and its kin,
          'xavier_uniform' for tanh, logistic, identity and the output, 'lecun_normal' for
          SELU
        - 'he_normal', 'he_uniform', variance 2 / fan_in [3]_
        - 'xavier_normal', 'xavier_uniform', variance 2 / (fan_in + fan_out) [5]_
        - 'lecun_normal', 'lecun_uniform', variance 1 / fan_in
        - 'orthogonal', orthonormal rows or columns
        - 'normal', standard deviation 0.01
        - 'zeros'

    dtype : {'auto', 'float32', 'float64'}, default='auto'
        Precision of the network. 'auto' is float32 for X of that dtype, else float64. In
        regression, 'auto' is float64 also where targets that are not standardized are too far
        from 0 for float32: more than 10,000 standard deviations, or out of its range.

    n_members : int, default=1
        Number of networks to train, an ensemble; they differ in their initial weights, the
        order of the rows and the dropout masks. What is predicted is the mean of their
        probabilities or predictions. They have the same rows held out, and stop each in its
        own time. Small ones are trained as one stack, faster than one after the other.

    loss : str or ClassificationLoss, default='log_loss'
        What is minimised. A name or an object:

        - 'log_loss', the log loss, with the targets smoothed by `label_smoothing`

        An object, see :class:`sknormnet.Loss`, is one of a class that derives from
        `BinaryLogLoss`, for two classes and multilabel targets, or from `MulticlassLogLoss`,
        both of ``sknormnet.nn.losses``.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, ``{label: weight}`` with 1 for classes that it does not name,
        which multiplies the weight of its rows; finite and not negative. 'balanced' gives each
        class the same sum of weights. Not supported for multilabel targets; 'balanced' not by
        `partial_fit`.

    label_smoothing : float, default=0.01
        Share of each target, in [0, 1), that is spread evenly over all classes, which keeps
        the network from boundless confidence in its training rows [7]_. Only used when
        ``loss='log_loss'``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; the labels' numbers for multilabel targets. Classes that only
        rows of weight 0 have are not among them.

    loss_ : float
        Loss of the last iteration.

    best_loss_ : float or None
        Lowest loss of all iterations of the last `fit` and of the calls of `partial_fit` since.
        None where held-out rows were scored.

    loss_curve_ : list of float of length `n_iter_`
        Loss of each iteration; goes on over calls with warm_start and `partial_fit`, which
        keeps the last 1,000 epochs. This and all below that is said of iterations are means
        over the members that still train.

    validation_scores_ : list of float of length `n_iter_` or None
        Score of the held-out rows after each epoch: accuracy, unless `scoring` says
        otherwise. None without any.

    best_validation_score_ : float or None
        Score at which the network was kept: the best of the last call, including that of the
        network a call with warm_start begins with. None without held-out rows.

    best_epoch_ : int or ndarray of int of shape (n_members,)
        Epoch whose weights were kept, counted from 1 in `loss_curve_` and `history_`: the one
        with the best score on held-out rows, or the last one without any. If no epoch of a call
        with warm_start scores better than the network it begins with, it stays as it was. An
        array if `n_members` is above 1.

    history_ : dict of str to list of float
        By epoch, going on as `loss_curve_` does: 'loss', 'validation_loss', 'validation_score',
        'learning_rate' (at the end of the epoch) and 'seconds'. Lists of what was never
        recorded are empty; the others have NaN for epochs of calls that did not record it.

    t_ : int
        Number of training samples that the solver has seen, for the same member.

    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer. These and the arrays below are read-only; with `n_members` above
        1, they have an axis for the members in front.

    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer; zeros for a layer in front of batch norm, which has none.

    gammas_, betas_ : list of ndarray of shape (n_units,)
        Batch norm's learned scale and shift, for each hidden layer. Empty without it.

    running_means_, running_vars_ : list of ndarray of shape (n_units,)
        Mean and biased variance that batch norm predicts with, for each hidden layer.
        Empty without it.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.

    n_iter_ : int
        Number of iterations of the last call, of the member that trained longest.

    n_layers_ : int
        Number of layers, input and output among them.

    n_outputs_ : int
        Number of the network's outputs.

    out_activation_ : str
        Name of the function from raw predictions to probabilities.

    See Also
    --------
    NormNetRegressor : The same network for regression.
    sklearn.neural_network.MLPClassifier : The classifier that this one extends.

    References
    ----------
    .. [1] Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training
       by reducing internal covariate shift", arXiv 1502.03167.
    .. [2] Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from
       overfitting", Journal of Machine Learning Research 15.
    .. [3] He et al. (2015), "Delving deep into rectifiers: surpassing human-level performance
       on ImageNet classification", arXiv 1502.01852.
    .. [4] Kingma and Ba (2014), "Adam: a method for stochastic optimization",
       arXiv 1412.6980.
    .. [5] Glorot and Bengio (2010), "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS.
    .. [6] Loshchilov and Hutter (2019), "Decoupled weight decay regularization",
       arXiv 1711.05101.
    .. [7] Szegedy et al. (2016), "Rethinking the Inception architecture for computer vision",
       arXiv 1512.00567.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknormnet import NormNetClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(), NormNetClassifier(keep_prob=0.8, random_state=0)
    ... )
    >>> model.fit(X_train, y_train).score(X_test, y_test)
    0.96...
    """

    _loss: ClassificationLoss
    _accurate: ClassVar[dict[str, Any]] = {**BaseNormNet._accurate, "label_smoothing": 0.0}

    _parameter_constraints: dict = {
        **BaseNormNet._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES["softmax"])), ClassificationLoss],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 128),
        activation="relu",
        *,
        solver="adamw",
        alpha=0.0,
        weight_decay=1.0,
        batch_size="scale",
        learning_rate="cosine",
        learning_rate_init=0.01,
        power_t=0.5,
        max_iter="auto",
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.95,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        max_grad_norm=None,
        batchnorm=True,
        batchnorm_momentum=0.9,
        batchnorm_epsilon=1e-5,
        keep_prob="auto",
        input_keep_prob=1.0,
        input_bins=0,
        init="auto",
        dtype="auto",
        n_members=1,
        loss="log_loss",
        class_weight=None,
        label_smoothing=0.01,
    ):
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            weight_decay=weight_decay,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            scoring=scoring,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            max_grad_norm=max_grad_norm,
            batchnorm=batchnorm,
            batchnorm_momentum=batchnorm_momentum,
            batchnorm_epsilon=batchnorm_epsilon,
            keep_prob=keep_prob,
            input_keep_prob=input_keep_prob,
            input_bins=input_bins,
            init=init,
            dtype=dtype,
            n_members=n_members,
            loss=loss,
        )
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing

    @available_if(BaseNormNet._check_solver)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None) -> Self:
        """Train for one epoch on the given rows, starting from the current network.

        The solver's state, the random streams and batch norm's running statistics continue from
        call to call. Parameters that have been set since the last call, such as `weight_decay`
        or `learning_rate_init`, act from this call on. Under a planned schedule, such as
        the default `learning_rate`, the learning rate falls with the number of minibatches so
        far, to a tenth of `learning_rate_init`.

        With batch norm, a call with a single row, or with rows that are all equal, leaves the
        network as it is and warns. `loss_curve_` and `history_` keep the last 1,000 epochs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts for, relative to the others of this call; not negative.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be, in any order. Needed by the first call only; y
            need not hold them all.

        Returns
        -------
        self : object
            The estimator, trained further.

        Raises
        ------
        ValueError
            As `fit` does, and with ``early_stopping=True``.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which does not see"
                " all of y. Pass the weights as a dict, from"
                " sklearn.utils.class_weight.compute_class_weight."
            )
        with working_copy(self) as copied:
            check_partial_fit_first_call(copied, classes)
            copied._partial_fit(X, y, sample_weight)
        return self

    def predict(self, X) -> np.ndarray:
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class of each row, or all labels with a probability above 0.5.
        """
        (decided,) = self._predict_by_chunks(X, lambda raws: (self._decided(raws),))
        if self._is_multilabel:
            return decided.astype(int)
        return self.classes_[decided.ravel().astype(np.intp)]

    def decision_function(self, X) -> np.ndarray:
        """Return the network's raw predictions, before softmax or logistic function.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        raw : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Log odds of ``classes_[1]`` for two classes, and of each label for multilabel
            targets; unnormalised log probabilities for more classes.
        """
        (raw,) = self._predict_by_chunks(X, lambda raws: (self._pooled(raws),))
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict_proba(self, X, return_std=False):
        """Predict probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        return_std : bool, default=False
            Whether to return their standard deviation as well: over the members or, of a single
            network, over 100 samples of `predict_proba_samples`, drawn from a seed of their own,
            the same in each call.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probability of each class, in the order of `classes_`, or of each label. Worked
            out in float64 and returned in the network's dtype. None is 0: those too small
            for the dtype come out as tiny numbers in the right order.
        p_std : ndarray of shape (n_samples, n_classes)
            How unsure the networks are of them. Only with `return_std`.
        """
        if not return_std:
            return self._predict_by_chunks(X, lambda raws: (self._proba(self._pooled(raws)),))[0]
        if len(self._fitted_networks()) > 1:
            return self._predict_by_chunks(X, self._proba_and_std)
        samples = map(self._proba, self._sample_raw(X, 100, random_state=0))
        return self.predict_proba(X), spread(samples)

    def _proba_and_std(self, raws: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return self._proba(self._pooled(raws)), spread(map(self._proba, raws))

    def _decided(self, raws: list[np.ndarray]) -> np.ndarray:
        return _decide(self._pooled(raws), self._loss)

    def _pooled(self, raws: list[np.ndarray]) -> np.ndarray:
        """The raw predictions that stand for the mean of the members' probabilities."""
        return raws[0] if len(raws) == 1 else self._loss.pooled(raws)

    def _proba(self, raw: np.ndarray) -> np.ndarray:
        log_p = self._log_proba(raw)
        p = np.exp(log_p)
        limits = np.finfo(raw.dtype)
        small = p < limits.tiny
        p[small] = limits.tiny * np.log(limits.tiny) / log_p[small]
        np.maximum(p, limits.smallest_subnormal, out=p)
        if self._is_multilabel:
            np.minimum(p, 1 - limits.epsneg, out=p)
        return p.astype(raw.dtype, copy=False)

    def predict_proba_samples(self, X, n_samples=100, random_state=None) -> np.ndarray:
        """Predict probabilities with dropout on, again and again (Monte-Carlo dropout).

        The spread over the samples tells how unsure the network is of its probabilities; their
        mean is a more cautious prediction. The estimator is left as it is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            The inputs.
        n_samples : int, default=100
            How often to predict.
        random_state : int, RandomState instance or None, default=None
            Draws the dropout masks.

        Returns
        -------
        samples : ndarray of shape (n_samples, n_rows, n_classes)
            The probabilities, each time by thinned networks.

        Raises
        ------
        ValueError
            If the network has no dropout.

        References
        ----------
        Gal and Ghahramani (2016), "Dropout as a Bayesian approximation: representing model
        uncertainty in deep learning", arXiv 1506.02142.
        """
        samples = self._sample_raw(X, n_samples, random_state)
        return np.stack([self._proba(raw) for raw in samples])

    def predict_log_proba(self, X) -> np.ndarray:
        """Predict logarithms of probabilities.

        Unlike ``log(predict_proba(X))``, they are exact where a probability is too small
        for its dtype.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Natural logarithm of the probability of each class or label.
        """

        def log_proba(raws: list[np.ndarray]) -> tuple[np.ndarray]:
            raw = self._pooled(raws)
            return (self._log_proba(raw).astype(raw.dtype, copy=False),)

        return self._predict_by_chunks(X, log_proba)[0]

    def _log_proba(self, raw: np.ndarray) -> np.ndarray:
        """Raw predictions -> log probabilities in float64, finite in the dtype of `raw`."""
        wide = raw.astype(np.float64)
        if self.out_activation_ == "logistic" and not self._is_multilabel:
            wide = np.hstack([-wide, wide])  # the odds of either class
        with np.errstate(over="ignore"):
            log_p = self._loss.log_inverse_link(wide)
        return np.maximum(log_p, np.finfo(raw.dtype).min)

    @property
    def _is_multilabel(self) -> bool:
        return self.out_activation_ == "logistic" and self.n_outputs_ > 1

    def _weigh_classes(self, y, weight):
        if self.class_weight is None:
            return weight
        if y.ndim == 2:
            raise ValueError("class_weight is not supported for multilabel targets.")
        weight = np.ones(len(y)) if weight is None else weight
        classes, codes = np.unique(y, return_inverse=True)
        if self.class_weight == "balanced":
            sums = np.bincount(codes, weight)
            of_class = weight.sum() / (np.count_nonzero(sums) * np.where(sums, sums, 1))
        else:
            self._check_class_weight()
            of_class = np.array([self.class_weight.get(x, 1.0) for x in classes.tolist()], float)
        return weight * of_class[codes]

    def _check_class_weight(self) -> None:
        for label, weight in self.class_weight.items():
            if not (isinstance(weight, Real) and 0 <= float(weight) < np.inf):
                raise ValueError(
                    f"Each weight in 'class_weight' of {type(self).__name__} must be a finite"
                    f" number >= 0. Got {weight!r} for class {label!r} instead."
                )

    def _encode_target(self, y, weight, rows, *, going_on, incremental):
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError("Multioutput target data is not supported with label binarization")
        multilabel = kind == "multilabel-indicator"
        self._set_classes(y if rows is None else y[rows], multilabel, incremental)
        if multilabel:
            y = y.toarray() if issparse(y) else y
            return self._loss_with("logistic"), y.astype(bool), y.shape[1]
        if isinstance(self.class_weight, dict):
            weighed = {label for label, x in self.class_weight.items() if x}
            if unknown := weighed - {*self.classes_.tolist()}:
                raise ValueError(
                    "The keys of class_weight must be among the classes,"
                    f" {self.classes_.tolist()}. Got {sorted(unknown, key=str)} instead."
                )
        # A row of weight 0 may have a class of its own: it gets a number that is not used.
        last = len(self.classes_) - 1
        codes = np.searchsorted(self.classes_, y)
        codes = np.minimum(codes, last, out=codes).astype(np.min_scalar_type(last))
        if len(self.classes_) == 2:
            return self._loss_with("logistic"), codes.astype(bool).reshape(-1, 1), 1
        return self._loss_with("softmax"), codes, len(self.classes_)

    def _loss_with(self, out_activation: str) -> ClassificationLoss:
        """The loss, which must have the inverse link that the targets need."""
        table, smoothing = CLASSIFICATION_LOSSES[out_activation], float(self.label_smoothing)
        loss = self._choose_loss(table, ClassificationLoss, label_smoothing=smoothing)
        if loss.out_activation != out_activation:
            raise ValueError(
                f"The 'loss' parameter of {type(self).__name__} must have the out_activation"
                " 'logistic' for two classes and for multilabel targets, and 'softmax' for any"
                f" other number of classes, here {out_activation!r}."
                f" Got {loss!r} with {loss.out_activation!r} instead."
            )
        return loss

    def _set_classes(self, y, multilabel: bool, incremental: bool) -> None:
        """Define `classes_` by y, or check y against them."""
        classes = unique_labels(y)
        if not hasattr(self, "classes_") or not (incremental or self.warm_start):
            self.classes_ = classes
            return
        if self.warm_start and not incremental and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same "
                "classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}"
            )
        if hasattr(self, "_runs") and multilabel != self._is_multilabel:
            given = "multilabel" if multilabel else "single-label"
            raise ValueError(f"The object was not fitted with {given} input.")
        if multilabel and len(classes) != len(self.classes_):
            raise ValueError(
                "y must have one column for each of the labels in `classes`,"
                f" {len(self.classes_)}. Got {len(classes)} columns instead."
            )
        if not multilabel and len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _score_raw(self, target, raw, loss, sample_weight):
        return accuracy_score(target, _decide(raw, loss), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _decide(raw: np.ndarray, loss) -> np.ndarray:
    """Raw predictions -> the likeliest targets, encoded as the loss takes them."""
    return raw > 0 if loss.out_activation == "logistic" else raw.argmax(axis=1)
