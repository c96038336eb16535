"""NormNetClassifier."""

from collections.abc import Mapping
from numbers import Real
from typing import Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from sknormnet._choices import configured
from sknormnet.estimators._sklearn import (
    Interval,
    StrOptions,
    check_partial_fit_first_call,
    fit_context,
)
from sknormnet.estimators.base import BaseNormNet, working_copy
from sknormnet.estimators.intervals import SetMixin
from sknormnet.estimators.settings import Call, TargetSettings
from sknormnet.estimators.standard_deviation import standard_deviation
from sknormnet.nn.losses import CLASSIFICATION_LOSSES, ClassificationLoss


class NormNetClassifier(ClassifierMixin, SetMixin, BaseNormNet):
    """Neural network classifier with batch normalization, dropout and L2.

    A multi-layer perceptron that minimizes the log loss or another loss. It has all parameters,
    attributes and methods of :class:`~sklearn.neural_network.MLPClassifier`, and adds
    `batchnorm`, `keep_prob`, `init`, more activations, solvers and schedules, and more. It takes
    tables as they are: numbers on any scale, words, categories, booleans and missing values.

    Seven parameters to know first:

    - `hidden_layer_sizes`: the size of the network
    - `learning_rate_init`: the learning rate at its highest, under the default schedule
    - `keep_prob`: 1 minus the dropout rate; lower values regularize more
    - `weight_decay`: shrinks the weights; higher values regularize more
    - `max_iter`: the number of epochs
    - `early_stopping`: holds rows out and keeps the epoch that scores best on them
    - `random_state`: an int makes results reproducible

    The parameters are listed in groups: architecture (from `hidden_layer_sizes` to `dtype`),
    regularization (to `label_smoothing`), optimization (to `max_fun`), stopping and validation
    (to `validation_fraction`), ensemble (`n_members`), loss and target (`loss` and
    `class_weight`), and technical ones (from `random_state`).

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

    label_smoothing : float, default=0.0
        Fraction of each target, in [0, 1), that is spread evenly over all classes [8]_. It
        prevents overconfidence on the training rows. Only used when ``loss='log_loss'``.

    calibrate : bool, default=True
        Whether to divide the network's raw predictions by the number, the temperature, that makes
        the loss of the held-out rows smallest [9]_. The best epoch is then the one with the
        smallest loss after this division. It makes a network that has overfitted less confident,
        and does not change which class is the most probable. Only used if rows are held out, see
        `early_stopping`, and with ``scoring='loss'``.

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

    loss : str or ClassificationLoss, default='log_loss'
        Loss to minimize, a name or an object:

        - 'log_loss': the log loss, with the targets smoothed by `label_smoothing`

        The class of an object, see :class:`sknormnet.Loss`, derives from `BinaryLogLoss` for two
        classes and multilabel targets, or from `MulticlassLogLoss`, both in
        ``sknormnet.nn.losses``.

    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, ``{label: weight}``; finite and not negative. Classes that the
        dict does not contain have weight 1. The weight of each row is multiplied by that of its
        class. 'balanced' gives each class the same sum of weights. Not supported for multilabel
        targets. `partial_fit` does not support 'balanced'.

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
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; the column numbers of the labels for multilabel targets. Classes that
        occur only in rows of weight 0 are left out.

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
        Score on the held-out rows after each epoch: accuracy, unless `scoring` is set. None if
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
        Name of the inverse link, the function from raw predictions to probabilities.

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
    .. [7] Holzmüller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs
       and boosted trees on tabular data", arXiv 2407.04491.
    .. [8] Szegedy et al. (2016), "Rethinking the Inception architecture for computer vision",
       arXiv 1512.00567.
    .. [9] Guo et al. (2017), "On calibration of modern neural networks", arXiv 1706.04599.
       Berta, Holzmüller, Jordan and Bach (2025), "Rethinking early stopping: refine, then
       calibrate", arXiv 2501.19195.

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
    >>> print(f"{model.fit(X_train, y_train).score(X_test, y_test):.1f}")
    1.0
    """

    _loss: ClassificationLoss

    _parameter_constraints: dict = {
        **BaseNormNet._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES["softmax"])), ClassificationLoss],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "calibrate": ["boolean"],
    }

    def __init__(
        self,
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
        loss="log_loss",
        class_weight=None,
        label_smoothing=0.0,
        calibrate=True,
    ):
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
        self.loss = loss
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.calibrate = calibrate

    @available_if(BaseNormNet._check_solver)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None) -> Self:
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
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to the others of this call; not negative.
        classes : array-like of shape (n_classes,), default=None
            All classes that may occur in any call, in any order. Required in the first call
            only; y need not contain all of them.

        Returns
        -------
        self : object
            The trained estimator.

        Raises
        ------
        ValueError
            In the same cases as `fit`, and if ``early_stopping=True``.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which does not see"
                " all of y. Pass the weights as a dict, for example computed with"
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
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class of each row. For multilabel targets, an indicator matrix of
            the labels with a probability above 0.5.
        """
        (decided,) = self._predict_by_chunks(X, lambda raws: (self._decided(raws),))
        if self._is_multilabel:
            return decided.astype(int)
        return self.classes_[decided.ravel().astype(np.intp)]

    def decision_function(self, X) -> np.ndarray:
        """Return raw predictions (logits), the network's output before the inverse link.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        raw : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, the log odds of ``classes_[1]``. For more classes, unnormalized log
            probabilities. For multilabel targets, the log odds of each label.
        """
        (raw,) = self._predict_by_chunks(X, lambda raws: (self._pooled(raws),))
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict_proba(self, X, return_std=False):
        """Predict probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        return_std : bool, default=False
            Whether to return the standard deviation of the probabilities too. It is taken over
            the members of an ensemble. For a single network, it is taken over 100 samples of
            `predict_proba_samples`, with the same seed in each call.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probability of each class, in the order of `classes_`, or of each label. Computed in
            float64, and returned in float32 if X and the network are float32. Probabilities are
            never exactly 0: underflow becomes tiny positive values in the right order.
        p_std : ndarray of shape (n_samples, n_classes)
            Standard deviation of each probability. Only if ``return_std=True``.
        """
        if not return_std:
            return self._predict_by_chunks(X, lambda raws: (self._pooled_response(raws),))[0]
        if len(self._fitted_networks()) > 1:
            return self._predict_by_chunks(X, self._proba_and_std)
        samples = map(self._proba, self._sample_raw(X, 100, random_state=0))
        return self.predict_proba(X), standard_deviation(samples)

    def _proba_and_std(self, raws: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return self._pooled_response(raws), standard_deviation(map(self._proba, raws))

    def _pooled_response(self, raws):
        return self._proba(self._pooled(raws))

    def _decided(self, raws: list[np.ndarray]) -> np.ndarray:
        return _decide(self._pooled(raws), self._loss)

    def _pooled(self, raws: list[np.ndarray]) -> np.ndarray:
        """Raw predictions whose inverse link is the mean of the members' probabilities."""
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
        """Predict probabilities several times with dropout on (Monte-Carlo dropout).

        The spread of the samples measures how uncertain the network is about its probabilities.
        Their mean is a less confident prediction. For an ensemble, the samples are drawn from
        one member after the other. The estimator is not changed.

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
        samples : ndarray of shape (n_samples, n_rows, n_classes)
            The probabilities of each sample.

        Raises
        ------
        ValueError
            If the network was fitted without dropout.

        References
        ----------
        Gal and Ghahramani (2016), "Dropout as a Bayesian approximation: representing model
        uncertainty in deep learning", arXiv 1506.02142.
        """
        samples = self._sample_raw(X, n_samples, random_state)
        return np.stack([self._proba(raw) for raw in samples])

    def predict_log_proba(self, X) -> np.ndarray:
        """Predict log probabilities.

        Unlike ``log(predict_proba(X))``, they are exact even if a probability is too small for
        the dtype.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
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
        """Return log probabilities in float64 that are finite in the dtype of `raw`."""
        wide = raw.astype(np.float64)
        if self.out_activation_ == "logistic" and not self._is_multilabel:
            wide = np.hstack([-wide, wide])  # log odds of both classes
        with np.errstate(over="ignore"):
            log_p = self._loss.log_inverse_link(wide)
        return np.maximum(log_p, np.finfo(raw.dtype).min)

    @property
    def _is_multilabel(self) -> bool:
        return self.out_activation_ == "logistic" and self.n_outputs_ > 1

    def _weigh_classes(self, y, weight, settings):
        class_weight = settings.class_weight
        if class_weight is None:
            return weight
        if y.ndim == 2:
            raise ValueError("class_weight is not supported for multilabel targets.")
        weight = np.ones(len(y)) if weight is None else weight
        classes, codes = np.unique(y, return_inverse=True)
        if class_weight == "balanced":
            sums = np.bincount(codes, weight)
            of_class = weight.sum() / (np.count_nonzero(sums) * np.where(sums, sums, 1))
        else:
            self._check_class_weight(class_weight)
            of_class = np.array([class_weight.get(x, 1.0) for x in classes.tolist()], float)
        return weight * of_class[codes]

    def _check_class_weight(self, class_weight: Mapping) -> None:
        for label, weight in class_weight.items():
            if not (isinstance(weight, Real) and 0 <= float(weight) < np.inf):
                raise ValueError(
                    f"Each weight in 'class_weight' of {type(self).__name__} must be a finite"
                    f" number >= 0. Got {weight!r} for class {label!r} instead."
                )

    def _encode_target(self, y, numbers, settings, call):
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError("Multioutput target data is not supported with label binarization")
        multilabel = kind == "multilabel-indicator"
        self._set_classes(y if numbers is None else y[numbers], multilabel, call)
        if multilabel:
            y = y.toarray() if issparse(y) else y
            return self._loss_with("logistic", settings), y.astype(bool), y.shape[1]
        if isinstance(settings.class_weight, Mapping):
            weighed = {label for label, x in settings.class_weight.items() if x}
            if unknown := weighed - {*self.classes_.tolist()}:
                raise ValueError(
                    "The keys of class_weight must be among the classes,"
                    f" {self.classes_.tolist()}. Got {sorted(unknown, key=str)} instead."
                )
        # A zero-weight row may have a class that is not in classes_: its code is not used.
        last = len(self.classes_) - 1
        codes = np.searchsorted(self.classes_, y)
        codes = np.minimum(codes, last, out=codes).astype(np.min_scalar_type(last))
        if len(self.classes_) == 2:
            return self._loss_with("logistic", settings), codes.astype(bool).reshape(-1, 1), 1
        return self._loss_with("softmax", settings), codes, len(self.classes_)

    def _loss_with(self, out_activation: str, settings: TargetSettings) -> ClassificationLoss:
        """Return the loss; raise an error if its inverse link does not fit the targets."""
        loss = configured(
            f"The 'loss' parameter of {type(self).__name__}",
            settings.loss,
            CLASSIFICATION_LOSSES[out_activation],
            ClassificationLoss,
            {"label_smoothing": float(settings.label_smoothing)},
        )
        if loss.out_activation != out_activation:
            raise ValueError(
                f"The 'loss' parameter of {type(self).__name__} must have the out_activation"
                " 'logistic' for two classes and for multilabel targets, and 'softmax' for any"
                f" other number of classes, here {out_activation!r}."
                f" Got {loss!r} with {loss.out_activation!r} instead."
            )
        return loss

    def _set_classes(self, y, multilabel: bool, call: Call) -> None:
        """Set `classes_` from y, or check y against `classes_`."""
        classes = unique_labels(y)
        if not hasattr(self, "classes_") or call is Call.FRESH:
            self.classes_ = classes
            return
        if call is Call.CONTINUED and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same "
                "classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}"
            )
        if hasattr(self, "_networks") and multilabel != self._is_multilabel:
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
    """Return the most probable targets, encoded as the loss takes them."""
    return raw > 0 if loss.out_activation == "logistic" else raw.argmax(axis=1)
