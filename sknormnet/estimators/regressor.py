"""NormNetRegressor."""

from collections.abc import Iterable
from itertools import pairwise
from numbers import Real
from typing import Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from sknormnet._choices import configured
from sknormnet.estimators._sklearn import Interval, StrOptions, fit_context
from sknormnet.estimators.base import BaseNormNet, working_copy
from sknormnet.estimators.intervals import IntervalMixin
from sknormnet.estimators.precision import can_hold, weighted_mean_and_std
from sknormnet.estimators.regression_scores import r_squared
from sknormnet.estimators.settings import TargetSettings
from sknormnet.estimators.standard_deviation import standard_deviation
from sknormnet.nn.losses import LOSSES, Loss, Quantiles


class NormNetRegressor(RegressorMixin, IntervalMixin, BaseNormNet):
    """Neural network regressor with batch normalization, dropout and L2.

    A multi-layer perceptron that minimizes the squared error or another loss. It has all
    parameters, attributes and methods of :class:`~sklearn.neural_network.MLPRegressor`, and adds
    `batchnorm`, `keep_prob`, `init`, more activations, solvers and schedules, and more. It takes
    tables as they are: numbers on any scale, words, categories, booleans and missing values. It
    scales the targets, too, see `standardize_target`.

    Seven parameters to know first:

    - `hidden_layer_sizes`: the size of the network
    - `learning_rate_init`: the learning rate at its highest, under the default schedule
    - `keep_prob`: 1 minus the dropout rate; lower values regularize more
    - `weight_decay`: shrinks the weights; higher values regularize more
    - `max_iter`: the number of epochs
    - `early_stopping`: holds rows out and keeps the epoch that scores best on them
    - `random_state`: an int makes results reproducible

    The parameters are listed in groups: architecture (from `hidden_layer_sizes` to `dtype`),
    regularization (to `input_keep_prob`), optimization (to `max_fun`), stopping and validation
    (to `validation_fraction`), ensemble (`n_members`), loss and target (from `loss` to
    `huber_delta`), and technical ones (from `random_state`).

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int of shape (n_hidden_layers,), default=(128, 128)
        Number of units in each hidden layer. An empty sequence makes the model linear.

    activation : str, Activation, or array-like of these, default='relu'
        Activation function of the hidden layers: one for all layers, or one per layer. A name or
        a :class:`sknormnet.Activation`:

        - 'identity': f(z) = z
        - 'logistic': f(z) = 1 / (1 + exp(-z))
        - 'tanh': f(z) = tanh(z)
        - 'relu': f(z) = max(z, 0)
        - 'leaky_relu': f(z) = max(z, 0.01 z)
        - 'elu': f(z) = z if z > 0 else exp(z) - 1
        - 'selu': f(z) = 1.0507 (z if z > 0 else 1.6733 (exp(z) - 1))
        - 'gelu': f(z) = z P(Z <= z) with Z standard normal
        - 'silu': f(z) = z / (1 + exp(-z))
        - 'softplus': f(z) = log(1 + exp(z))
        - 'mish': f(z) = z tanh(softplus(z))

    batchnorm : bool or {'before', 'after'}, default=True
        Whether to apply batch normalization to each hidden layer, before or after its activation;
        True means 'after' [1]_. A unit's output is
        ``gamma * (z - mean) / sqrt(var + batchnorm_epsilon) + beta``, with the mean and the
        biased variance over the batch, weighted by `sample_weight`. gamma starts at 1 and beta at
        0; both are trained. After `fit`, predictions use the mean and variance over all training
        rows.

    batchnorm_momentum : float, default=0.9
        Weight of the old (not the new) value in batch norm's running averages, in [0, 1).
        Predictions use these averages during `fit` and after `partial_fit`.

    batchnorm_epsilon : float, default=1e-5
        Added to batch norm's variance for numerical stability.

    init : str or callable, default='auto'
        Initializer of the weights. Biases start at 0, except those of the output layer, which
        start close to the best constant prediction. A callable
        ``(fan_in, fan_out, rng) -> array of shape (fan_in, fan_out)``, where rng is a
        :class:`numpy.random.Generator`, or a name:

        - 'auto': the initializer that suits the activation, which is 'he_normal' for ReLU and
          similar functions, 'xavier_uniform' for tanh, logistic, identity and the output layer,
          and 'lecun_normal' for SELU
        - 'he_normal', 'he_uniform': variance 2 / fan_in [3]_
        - 'xavier_normal', 'xavier_uniform': variance 2 / (fan_in + fan_out) [5]_
        - 'lecun_normal', 'lecun_uniform': variance 1 / fan_in
        - 'orthogonal': orthonormal rows or columns
        - 'normal': standard deviation 0.01
        - 'zeros': all weights 0

    input_bins : int or 'auto', default='auto'
        Number of bins of a piecewise linear encoding of each feature; 0 for no encoding, as in
        MLP. 'auto' is 6 for a dense X, 3 for a regressor whose rows show no curves (see
        `input_keep_prob`), and 0 for a sparse X. Each bin adds an input that rises from -1 to 1
        across the bin, so that the network can bend where the data are. Numeric features with one
        or two distinct values are not encoded, and with quantiles those with no more distinct
        values than bins. A sparse X is not encoded, and `fit` warns if it should be.
        `partial_fit`, and `fit` with `warm_start`, keep the bins of the first call.

    bin_strategy : {'tree', 'quantile'}, default='tree'
        Where the edges of the bins are:

        - 'tree': at the thresholds of a decision tree that predicts y from this feature alone,
          so that there are more bins where y changes
        - 'quantile': at quantiles of the feature, so that each bin has as many rows

        `bin_edges_` has them. Only used when `input_bins` is not 0.

    input_frequencies : int or 'auto', default='auto'
        Number of frequencies of the Fourier features of each numeric feature: a sine and a cosine
        of the scaled feature for each of the frequencies 1/4, 1/2, 1, ... per standard deviation,
        which help if y is a smooth curve of single features. 'auto' is 4 in NormNetRegressor, and
        0 if `input_bins` is 0 or if the rows show no curves (see `input_keep_prob`). Numeric
        features with one or two distinct values have none, and neither does a sparse X.

    scaling_layer : bool or 'auto', default='auto'
        Whether the first layer multiplies each of its inputs by a trained factor [7]_. The factors
        start at 1 and change six times as fast as weights, so that the network soon relies more
        on the inputs that help. `coefs_` includes them. 'auto' is False if `input_bins` is 0, if X
        is sparse, or if the solver is 'sgd' or 'lbfgs', and else True.

    scale_inputs : {'standard', 'robust'} or None, default='standard'
        Scale of the numeric features, measured on the training rows and weighted by
        `sample_weight`:

        - 'standard': ``z = (x - mean) / standard deviation``
        - 'robust': ``z = (x - median) / (third - first quartile)``, then smoothly clipped to the
          range from -3 to 3, ``z / sqrt(1 + (z / 3)**2)``
        - None: ``z = x``, as in MLP, for inputs that are scaled before

        With a scale, the 0/1 inputs of categorical features are centered, but not divided. A
        constant feature becomes 0. Features of a sparse X are divided by the root mean square
        of their nonzero values, and not centered. In `partial_fit`, the scale is that of all
        calls so far, measured on up to 1,000 rows of each call after the first.

    categorical_features : 'from_dtype', None or array-like, default='from_dtype'
        The categorical features: with 'from_dtype', the columns of a DataFrame with text,
        categories or booleans; None for no column; or a mask, indices, or names of columns. A
        feature with up to 32 levels becomes a 0/1 input for each level, or a single one for two
        levels. A feature with more levels gets an embedding: eight trained numbers for each
        level. The rarest levels that together have at most 1% of the training weight become one
        level, which also stands for levels that are unknown in prediction.

    categories : 'auto', list of array-like or dict of array-like, default='auto'
        Levels of the categorical features: those that occur in the X of the first call; or one
        array-like for each categorical feature, as in
        :class:`~sklearn.preprocessing.OrdinalEncoder`; or those of some of them, by name.

    dtype : {'auto', 'float32', 'float64'}, default='auto'
        Precision of the network. 'auto' is float32 if X is float32, or if there are at least
        1,000 training rows and the solver is not 'lbfgs', unless float32 cannot tell the values
        of X or y apart: those of a column whose mean is above 10,000 standard deviations, or out
        of its range. Otherwise, 'auto' is float64. Predictions are float32 if X is too, and else
        float64.

    alpha : float, default=0.0
        Strength of the L2 penalty, which adds ``0.5 * alpha * sum(W**2) / total`` to the loss of
        a batch. Here, total is the number of rows in the batch times the mean sample weight. As
        in :class:`~sklearn.linear_model.Ridge`, a sample weight of 2 for all rows therefore has
        the effect of two copies of each row, and alpha counts half as much. The penalty applies
        to weights only, not to biases, gammas, betas or the factors of a scaling layer.

    weight_decay : float or 'auto', default='auto'
        Strength of the decoupled weight decay. Before each step, the weights are multiplied by
        ``1 - learning_rate * weight_decay``, or by 0 if that is negative, where learning_rate is
        the current one. Nothing else decays. Unlike the gradient of the L2 penalty, the decay is
        not divided by Adam's root mean square, so that all weights shrink at the same rate. 'auto'
        is ``(1000 / n_rows)**2``, but at least 1 and at most 8: small data sets overfit more, and
        make fewer steps. Only used when ``solver='adamw'``.

    keep_prob : float, 'auto', or array-like of shape (n_hidden_layers,), default='auto'
        Probability of keeping a hidden unit in a training step (dropout), in (0, 1]: one for all
        hidden layers, or one per layer [2]_. It is 1 minus the dropout rate. 'auto' is 0.8 from
        1,000 rows and 20 rows per column on, 0.6 from 100 rows on, and 1.0 for fewer rows or if
        ``solver='lbfgs'``; a column in 0/1 inputs counts once for each. The probability is rounded
        to a multiple of 1/65536, and at least 1/65536. In training, the outputs of the units that
        are kept are divided by it (inverted dropout). Prediction keeps all units and needs no
        correction.

    input_keep_prob : float or 'auto', default='auto'
        Probability of keeping an input in a training step, in (0, 1]; see `keep_prob`. 'auto' is
        0.8, or 0.75 with categorical features, for a classifier with fewer than 500 rows or 20
        rows per column, and for fewer than 1,000 rows that show no curves: no rows are held out, X
        is dense, and curves improve the predictions of a ridge regression by less than 12%, or 4%
        in regression. It is 0.55 for 500 to 999 such rows of a classifier if ridge regressions
        predict less than 40% of the variance of the classes. It is 1.0 for all other tables, for
        fewer than 100 rows, and if `keep_prob` is not 'auto'.

    solver : str or Optimizer, default='adamw'
        Algorithm that minimizes the loss. All but 'lbfgs' train on minibatches. A name, or a
        :class:`sknormnet.Optimizer` with its own settings:

        - 'adam': Adam [4]_
        - 'adamw': Adam with decoupled weight decay, see `weight_decay` [6]_
        - 'nadam': Adam with Nesterov's momentum
        - 'rmsprop': the gradient divided by a running root mean square
        - 'sgd': stochastic gradient descent with momentum
        - 'lbfgs': L-BFGS on all rows at once, for small data sets; without dropout

    learning_rate : str, callable or Schedule, default='cosine'
        Schedule of the learning rate, for all solvers but 'lbfgs'. A name, a callable, or a
        :class:`sknormnet.Schedule` with its own settings:

        - 'constant': `learning_rate_init` throughout
        - 'invscaling': ``learning_rate_init / (t + 1) ** power_t`` after t training samples
        - 'adaptive': divided by 5 each time training would otherwise stop, until it is at most
          1e-6
        - 'cosine': falls to 0 along half a cosine over `max_iter` epochs
        - 'onecycle': rises along half a cosine for the first 0.3 of the epochs, then falls along
          another
        - 'warmup': rises linearly for the first 0.1 of the epochs, then stays constant

        A callable ``progress -> factor`` gets the fraction of the `max_iter` epochs that is done,
        in [0, 1). It returns the factor that `learning_rate_init` is multiplied by.

        Callables, 'cosine', 'onecycle' and 'warmup' are planned schedules, made for a known
        number of epochs: all `max_iter` epochs are run, even if the loss or the validation score
        stalls. `partial_fit` does not know the number of epochs. Under any planned schedule, its
        learning rate is ``learning_rate_init / sqrt(1 + t / 10)`` after t minibatches in all
        calls so far, but at least a tenth of `learning_rate_init`.

    learning_rate_init : float, default=0.01
        Learning rate that the schedule multiplies. Not used when ``solver='lbfgs'``.

    power_t : float, default=0.5
        Exponent of the 'invscaling' schedule.

    batch_size : int, 'scale' or 'auto', default='scale'
        Number of rows in a minibatch. 'scale' is a thirtieth of the rows, but at least 64 and at
        most 256. 'auto' is ``min(200, n_samples)``. With batch norm, a last batch of a single row
        is merged into the batch before it.

    max_iter : int or 'auto', default='auto'
        Maximum number of epochs, or of iterations if ``solver='lbfgs'``. Under a planned
        schedule, such as the default `learning_rate`, all epochs are run. 'auto' is 40 epochs, or
        1000 iterations of 'lbfgs'.

    max_time : float or None, default=None
        Maximum number of seconds to train for. Training then ends as it does after `max_iter`
        epochs, and `reached_max_time_` is True. Where time runs out before the epochs do, it is
        the time that a planned schedule follows, so that the learning rate reaches its end. The
        result then depends on the speed of the machine. The members of an ensemble share the
        time. What comes before and after training is not counted. Not used by `partial_fit`.

    shuffle : bool, default=True
        Whether to shuffle the rows in each epoch. Not used when ``solver='lbfgs'``.

    momentum : float, default=0.9
        Momentum, in [0, 1]. Only used when ``solver='sgd'``.

    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum. Only used when ``solver='sgd'``.

    beta_1 : float, default=0.9
        Decay rate of the running average of gradients, in [0, 1). Only used by the solvers
        'adam', 'adamw' and 'nadam'.

    beta_2 : float, default=0.95
        Decay rate of the running average of squared gradients, in [0, 1). Only used by the
        solvers 'adam', 'adamw', 'nadam' and 'rmsprop'.

    epsilon : float, default=1e-8
        Added to the denominator of the update for numerical stability. Only used by the solvers
        'adam', 'adamw', 'nadam' and 'rmsprop'.

    max_grad_norm : float or None, default=None
        Maximum norm of the gradient of the loss over all parameters. Larger gradients are scaled
        down to this norm (gradient clipping). None means no clipping. Not used when
        ``solver='lbfgs'``.

    weight_averaging : float or 'auto', default='auto'
        Momentum of a running average of the weights: after each epoch, the network that is scored
        on held-out rows, shown to callbacks and kept has the weights
        ``average = weight_averaging * average + (1 - weight_averaging) * weights``, without bias
        towards the start. 0 keeps the weights of the epoch itself. 'auto' is
        ``max(0, 1 - 16 / max_iter)``, which is 0.6 for 40 epochs, if rows are held out and the
        learning rate follows a schedule that is planned for `max_iter` epochs, and else 0.
        `partial_fit` does not average, and solver='lbfgs' cannot.

    max_fun : int, default=15000
        Maximum number of evaluations of the loss. Only used when ``solver='lbfgs'``.

    tol : float, default=1e-4
        Smallest improvement of the loss that counts, or of the score on held-out rows if there
        are any. Training stops after more than `n_iter_no_change` epochs in a row without such an
        improvement, but not under a planned schedule, such as the default `learning_rate`. If
        ``solver='lbfgs'``, training stops when no element of the gradient is larger than `tol`.

    n_iter_no_change : int, default=10
        How many epochs in a row may pass without an improvement of the loss or score by `tol`.
        Not used under a planned schedule, such as the default `learning_rate`.

    early_stopping : bool or 'auto', default='auto'
        Whether to score the network on held-out rows after each epoch, keep the best epoch, and
        stop when the score stalls. Under a planned schedule, such as the default `learning_rate`,
        training does not stop: all `max_iter` epochs are run, and the best one is kept. The
        held-out rows are `X_val` if `fit` gets them, else a fraction of X, see
        `validation_fraction`. 'auto' means True if `fit` gets `X_val` or at least 1,000 rows. Not
        used when ``solver='lbfgs'``, where True gives a warning.

    scoring : str, callable or None, default='loss'
        Score of held-out rows; higher is better. 'loss' means the negative loss. None means
        accuracy in classification and R squared in regression, as in MLP. Otherwise the name of
        a scorer, see :func:`sklearn.metrics.get_scorer_names`, or a callable
        ``(estimator, X, y) -> float``. It is called after each epoch with an estimator that
        predicts with the current network, with the held-out rows as an array or CSR matrix, and
        with their targets before encoding. If there are sample weights, they are passed as
        `sample_weight`.

    validation_fraction : float, default=0.1
        Fraction of the rows to hold out, in [0, 1). Only used with early stopping and without
        `X_val`. They are held out before anything is measured: bin edges, the target's scale and
        batch norm's statistics are those of the other rows.

    n_members : int, default=1
        Number of networks to train (an ensemble). They differ in their initial weights, the order
        of the rows and the dropout masks. The estimator predicts the mean of their probabilities
        or predictions. All members share the held-out rows; early stopping acts on each member
        separately. Small networks are trained as one stack, which is faster than training them
        one by one.

    loss : str or Loss, default='squared_error'
        Loss to minimize, summed over the outputs. It also determines what is predicted. A name or
        an object, see :class:`sknormnet.Loss`:

        - 'squared_error': ``(prediction - y)**2 / 2``; predicts means
        - 'absolute_error': ``|prediction - y|``; predicts medians
        - 'huber': half the squared error for errors up to `huber_delta`, linear beyond
        - 'quantile': the pinball loss at level `quantile`, or the sum of those at several levels
        - 'poisson': half the Poisson deviance, ``y log(y / prediction) - y + prediction``;
          requires y >= 0
        - 'gamma': half the gamma deviance, ``log(prediction / y) + y / prediction - 1``; requires
          y > 0

        With 'poisson' and 'gamma', the prediction is the exponential of the raw prediction,
        limited to the largest number of the dtype.

    standardize_target : bool, default=True
        Whether to train on targets scaled to mean 0 and standard deviation 1, per output and
        weighted by `sample_weight`. Predictions are scaled back. The reported losses and `coefs_`
        refer to the standardized targets. Later calls of `partial_fit`, and of `fit` with
        `warm_start`, keep the scale of the first call. Predictions of a float32 network are
        float64 if float32 cannot hold the mean and standard deviation of the target. No effect
        with the losses 'poisson' and 'gamma'.

    quantile : float or array-like of shape (n_quantiles,), default=0.5
        Level of the quantile to predict, in (0, 1). With an array-like of increasing levels, one
        network predicts several quantiles of a one-dimensional y, in an array of shape
        (n_samples, n_quantiles), even if there is only one level. The quantiles of a row never
        cross, but may be equal far from the training rows. Only used when ``loss='quantile'``.
        With another loss, a number other than 0.5 gives a warning, and an array-like is an error.

    huber_delta : float, default=1.35
        Absolute error above which the Huber loss is linear. With `standardize_target`, its unit
        is the standard deviation of the target. Only used when ``loss='huber'``.

    random_state : int, RandomState instance or None, default=None
        Seeds four independent random streams: for the initial weights, the order of the rows, the
        dropout masks and the validation split. Pass an int for reproducible results.

    warm_start : bool, default=False
        Whether `fit` starts from the last solution instead of new weights. The solver's state,
        the schedule and the patience of early stopping are reset in each call. If there are
        held-out rows, the last solution is scored on those of the new call first, and is kept if
        no epoch scores better.

    checkpoint : Checkpoint or None, default=None
        Where and when `fit` saves the state of training. If it is killed, the next call with
        the same parameters and data continues from there. See :class:`sknormnet.Checkpoint`.

    verbose : bool or int, default=False
        What to print while training:

        - 1 or True: a progress line with the epoch, loss, validation score, learning rate and
          time left. It is redrawn in place in a terminal or a notebook. Elsewhere, such as in a
          log file, a line is printed after each tenth of the training.
        - 2: a table with a row for each epoch.

        Both end with a line that states after how many epochs training ended and which epoch was
        best. Values are averaged over members of an ensemble that train together.

    Attributes
    ----------
    loss_ : float
        Loss of the last iteration.

    best_loss_ : float or None
        Lowest loss of all iterations of the last `fit` and of the calls of `partial_fit` since.
        None if there were held-out rows.

    loss_curve_ : list of float
        Loss of each iteration: of an epoch or, if ``solver='lbfgs'``, of an iteration of L-BFGS.
        Calls of `fit` with `warm_start` and of `partial_fit` append to the list; `partial_fit`
        keeps the last 1,000 epochs. For an ensemble, this list and the values per epoch below are
        means over the members that were still training.

    validation_scores_ : list of float or None
        Score on the held-out rows after each epoch: R squared, unless `scoring` is set. None if
        there were no held-out rows.

    best_validation_score_ : float or None
        Score of the network that was kept: the best score of the last call. In a call with
        `warm_start`, the score of the network before training counts too. None if there were no
        held-out rows.

    bin_edges_ : list of ndarray of shape (input_bins + 1,), or None
        Edges of each feature's bins, from the smallest to the largest value in the training rows;
        see `bin_strategy`. None for features without bins.

    categories_ : list of ndarray of shape (n_levels,), or None
        Levels of each feature, in sorted order. None for numeric features.

    embeddings_ : list of ndarray of shape (n_levels, 8), or None
        Trained numbers of each feature's levels. None for features without an embedding.

    best_epoch_ : int or ndarray of int of shape (n_members,)
        Epoch whose parameters were kept, counted from 1 in `loss_curve_` and `history_`. It is
        the epoch with the best score on held-out rows, or the last epoch if there were none. If
        no epoch of a call with `warm_start` scored better than the network before training,
        `best_epoch_` does not change. An array if `n_members` is above 1.

    history_ : dict of str to list of float
        Values per epoch, appended to as `loss_curve_` is: 'loss', 'validation_loss',
        'validation_score', 'learning_rate' (at the end of the epoch) and 'seconds'. Quantities
        that were never recorded are empty lists. The other lists have NaN for epochs of calls
        that did not record them.

    t_ : int
        Number of training samples that the solver has seen, for the member that trained longest.

    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer. With `input_bins`, the inputs of the first layer are the features,
        followed by their encoding, bin by bin. This array and those below are read-only. With
        `n_members` above 1, they have an additional first axis for the members.

    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer. Layers directly followed by batch norm have none; theirs are given
        as zeros.

    gammas_, betas_ : list of ndarray of shape (n_units,)
        Batch norm's trained scale and shift for each hidden layer. Empty without batch norm.

    running_means_, running_vars_ : list of ndarray of shape (n_units,)
        Mean and biased variance that batch norm uses in prediction, for each hidden layer. Empty
        without batch norm.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Only defined if X has feature names that are all
        strings.

    n_iter_ : int
        Number of iterations of the last call, for the member that trained longest.

    reached_max_time_ : bool
        Whether the last call ended because `max_time` had passed, for at least one member.

    n_layers_ : int
        Number of layers, including the input and output layers.

    n_outputs_ : int
        Number of outputs of the network.

    out_activation_ : str
        Name of the inverse link, the function from raw predictions to predictions.

    See Also
    --------
    NormNetClassifier : The same network for classification.
    sklearn.neural_network.MLPRegressor : The regressor that this one extends.

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
    .. [7] Holzmüller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs
       and boosted trees on tabular data", arXiv 2407.04491.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknormnet import NormNetRegressor
    >>> X, y = make_friedman1(n_samples=1000, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(), NormNetRegressor(max_iter=100, random_state=0)
    ... )
    >>> print(f"{model.fit(X_train, y_train).score(X_test, y_test):.2f}")
    0.99
    """

    _parameter_constraints: dict = {
        **BaseNormNet._parameter_constraints,
        "loss": [StrOptions(set(LOSSES)), Loss],
        "standardize_target": ["boolean"],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(128, 128),
        activation="relu",
        *,
        solver="adamw",
        alpha=0.0,
        weight_decay="auto",
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
        early_stopping="auto",
        scoring="loss",
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.95,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        max_grad_norm=None,
        weight_averaging="auto",
        batchnorm=True,
        batchnorm_momentum=0.9,
        batchnorm_epsilon=1e-5,
        keep_prob="auto",
        input_keep_prob="auto",
        input_bins="auto",
        bin_strategy="tree",
        input_frequencies="auto",
        scaling_layer="auto",
        scale_inputs="standard",
        categorical_features="from_dtype",
        categories="auto",
        init="auto",
        dtype="auto",
        n_members=1,
        max_time=None,
        checkpoint=None,
        standardize_target=True,
        quantile=0.5,
        huber_delta=1.35,
    ):
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.max_grad_norm = max_grad_norm
        self.weight_averaging = weight_averaging
        self.batchnorm = batchnorm
        self.batchnorm_momentum = batchnorm_momentum
        self.batchnorm_epsilon = batchnorm_epsilon
        self.keep_prob = keep_prob
        self.input_keep_prob = input_keep_prob
        self.input_bins = input_bins
        self.bin_strategy = bin_strategy
        self.input_frequencies = input_frequencies
        self.scaling_layer = scaling_layer
        self.scale_inputs = scale_inputs
        self.categorical_features = categorical_features
        self.categories = categories
        self.init = init
        self.dtype = dtype
        self.n_members = n_members
        self.max_time = max_time
        self.checkpoint = checkpoint
        self.standardize_target = standardize_target
        self.quantile = quantile
        self.huber_delta = huber_delta

    @available_if(BaseNormNet._check_solver)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None) -> Self:
        """Train for one epoch on the given rows, starting from the current network.

        The solver's state, the random streams and batch norm's running statistics are kept
        between calls. Changes of parameters such as `weight_decay` or `learning_rate_init` take
        effect in the next call. Under a planned schedule, such as the default `learning_rate`,
        the learning rate decreases with the number of minibatches in all calls so far, down to a
        tenth of `learning_rate_init`.

        With batch norm, a call with a single row, or with rows that are all equal, gives a
        warning and does not change the network. `loss_curve_` and `history_` keep the last 1,000
        epochs.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to the others of this call; not negative.

        Returns
        -------
        self : object
            The trained estimator.

        Raises
        ------
        ValueError
            In the same cases as `fit`, and if ``early_stopping=True``.
        """
        with working_copy(self) as copied:
            copied._partial_fit(X, y, sample_weight)
        return self

    def predict(self, X, return_std=False):
        """Predict targets.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        return_std : bool, default=False
            Whether to return the standard deviation of the predictions too. It is taken over the
            members of an ensemble. For a single network, it is taken over 100 samples of
            `predict_samples`, with the same seed in each call. It lacks the noise of the targets:
            for an interval that contains them, see `predict_interval`.

        Returns
        -------
        y : ndarray of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_quantiles)
            Predicted means, medians or quantiles, depending on `loss`. In float32 if X and the
            network are float32, and float32 can hold the target's mean and standard deviation.
        y_std : ndarray of the same shape
            Standard deviation of each prediction. Only if ``return_std=True``.
        """
        if not return_std:
            return self._predict_by_chunks(X, lambda raws: (self._pooled_response(raws),))[0]
        if len(self._fitted_networks()) > 1:
            return self._predict_by_chunks(X, self._mean_and_std)
        return self.predict(X), self._std(self._sample_raw(X, 100, random_state=0))

    def _mean_and_std(self, raws: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return self._pooled_response(raws), self._std(raws)

    def _pooled_response(self, raws):
        """The mean of the members' predictions."""
        members = [self._from_raw(raw) for raw in raws]
        if len(members) == 1:
            return members[0]
        with np.errstate(over="ignore"):
            mean = np.mean(members, axis=0)
        if np.isfinite(mean).all():
            return mean
        # The sum overflowed, but the mean may be finite.
        largest = np.finfo(mean.dtype).max
        with np.errstate(over="ignore"):
            mean = np.sum([y / len(raws) for y in members], axis=0)
        return np.clip(mean, -largest, largest)

    def _std(self, raws: Iterable[np.ndarray]) -> np.ndarray:
        """The standard deviation of the predictions."""
        return standard_deviation(map(self._from_raw, raws), self._target_scaling[1])

    def score(self, X, y, sample_weight=None) -> float:
        """Return R squared or, for several quantiles, the mean of D squared over the quantiles.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The :func:`~sklearn.metrics.r2_score`. For an array-like `quantile`, the mean of the
            :func:`~sklearn.metrics.d2_pinball_score` of each level.
        """
        return r_squared(y, self.predict(X), self._loss, sample_weight)

    def predict_samples(self, X, n_samples=100, random_state=None) -> np.ndarray:
        """Predict several times with dropout on (Monte-Carlo dropout).

        The spread of the samples measures how uncertain the network is about a prediction. It
        does not include the noise of the target itself. For an ensemble, the samples are drawn
        from one member after the other. The estimator is not changed.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_rows, n_features)
            The inputs.
        n_samples : int, default=100
            Number of predictions per row.
        random_state : int, RandomState instance or None, default=None
            Seeds the dropout masks. Pass an int for reproducible results.

        Returns
        -------
        samples : ndarray of shape (n_samples, n_rows) or (n_samples, n_rows, n_outputs)
            The predictions of each sample. If `quantile` is array-like, the last axis holds the
            quantiles.

        Raises
        ------
        ValueError
            If the network was fitted without dropout.

        References
        ----------
        Gal and Ghahramani (2016), "Dropout as a Bayesian approximation: representing model
        uncertainty in deep learning", arXiv 1506.02142.
        """
        return np.stack([*map(self._from_raw, self._sample_raw(X, n_samples, random_state))])

    def _from_raw(self, raw: np.ndarray) -> np.ndarray:
        """Return predictions in the unit of the target."""
        mean, scale = self._target_scaling
        dtype = raw.dtype if can_hold(raw.dtype, mean, scale) else np.dtype(np.float64)
        with np.errstate(over="ignore"):
            y = self._loss.inverse_link(raw) * scale + mean
        largest = np.finfo(dtype).max
        y = np.clip(y, -largest, largest, out=y).astype(dtype, copy=False)
        return y if y.shape[1] > 1 or isinstance(self._loss, Quantiles) else y.ravel()

    def _encode_target(self, y, numbers, settings, call):
        loss = self._loss_with(settings)
        used = y if numbers is None else y[numbers]
        if not loss.in_y_true_range(used):
            raise ValueError(
                f"Some value(s) of y are out of the valid range of the loss {settings.loss!r}."
                f" The smallest is {used.min()}, and the largest is {used.max()}."
            )
        y = y.reshape(len(y), -1)
        if hasattr(self, "_networks") and len(self._target_scaling[0]) != y.shape[1]:
            raise ValueError(
                f"y must have {len(self._target_scaling[0])} output(s), as in the first call."
                f" Got {y.shape[1]} instead."
            )
        return loss, y, loss.n_outputs(y)

    def _loss_with(self, settings: TargetSettings) -> Loss:
        """Return the loss, with the levels of its quantiles and the like."""
        quantile = self._quantile(settings)
        if isinstance(quantile, tuple) and settings.loss == "quantile":
            return Quantiles(quantile)
        return configured(
            f"The 'loss' parameter of {type(self).__name__}",
            settings.loss,
            LOSSES,
            Loss,
            {"quantile": quantile, "huber_delta": float(settings.huber_delta)},
        )

    def _quantile(self, settings: TargetSettings) -> float | tuple[float, ...]:
        """Return the level of the quantile to predict, or a tuple of several levels."""
        quantile, name = settings.quantile, type(self).__name__
        if isinstance(quantile, Real):
            return float(quantile)
        levels = np.atleast_1d(np.asarray(quantile, object)).tolist()
        in_range = levels and all(isinstance(q, Real) and 0 < float(q) < 1 for q in levels)
        if not (in_range and all(low < high for low, high in pairwise(levels))):
            raise ValueError(
                f"The 'quantile' parameter of {name} must be a float in the range"
                " (0.0, 1.0) or an array-like of such floats, strictly increasing."
                f" Got {quantile!r} instead."
            )
        if settings.loss != "quantile":
            raise ValueError(
                f"The 'quantile' parameter of {name} may be an array-like with"
                f" loss='quantile' only. Got {quantile!r} with loss={settings.loss!r} instead."
            )
        return tuple(map(float, levels))

    def _measure_target(self, training, loss, settings):
        y, weight = training.of(training.target), training.of(training.weight)
        mean, scale = np.zeros(y.shape[1]), np.ones(y.shape[1])
        if settings.standardize_target and loss.allows_shift_and_scale:
            mean, std = weighted_mean_and_std(y, weight)
            scale = np.where(std > 0, std, 1.0)
        return mean, scale

    def _fits_float32(self, training):
        y, weight = training.of(training.target), training.of(training.weight)
        return can_hold(np.dtype(np.float32), *weighted_mean_and_std(y, weight))

    def _score_raw(self, target, raw, loss, sample_weight):
        return r_squared(target, loss.inverse_link(raw), loss, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
