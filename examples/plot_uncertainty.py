"""
Uncertainty in regression: ensembles, dropout, quantiles, intervals
===================================================================

How certain is a network of its predictions? There are two separate questions.
Is the network itself uncertain, because there are no training data nearby? Or
are the data noisy, however well the network fits them? This example looks at
both for one input, with a gap in the data and no data beyond their ends. The
networks of an ensemble, which start from different weights, agree where there
are data and differ where there are none. A network with dropout at prediction
(Monte Carlo dropout) is uncertain everywhere, and only somewhat more so where
there are no data. Quantiles measure the noise and do not see the gap. None of
them guarantees how many new targets are inside. At the end, intervals that are
calibrated on held-out rows do.
"""

# %%
# The data follow a curve, with noise that grows from left to right. There are
# no data between -1 and 1, below -3 or above 3. The pictures show the first of
# three draws of the data.

import matplotlib.pyplot as plt
import numpy as np

from sknormnet import NormNetRegressor

plt.style.use("tableau-colorblind10")

N_DRAWS = 3
rng = np.random.default_rng(0)


def truth(x):
    return np.sin(2 * x) + 0.5 * x


def draw(x):
    noise = 0.1 + 0.05 * (x + 3)
    return truth(x) + noise * rng.standard_normal(x.shape)


def training_rows():
    x = np.concatenate([rng.uniform(-3, -1, 200), rng.uniform(1, 3, 200)])
    return x[:, None], draw(x)


draws = [training_rows() for _ in range(N_DRAWS)]
X_train, y_train = draws[0]
x = np.linspace(-4.5, 4.5, 361)
X = x[:, None]

# %%
# All networks have the same parameters, except those under comparison. Batch
# norm and weight decay are off, because both reduce the differences between
# the members of an ensemble.

settings = {
    "hidden_layer_sizes": (64, 64),
    "batchnorm": False,
    "weight_decay": 0.0,
    "keep_prob": 1.0,
    "max_iter": 200,
    "random_state": 0,
}

# %%
# **Ensemble.** Ten networks train on the same rows and differ in their initial
# weights and the order of the rows (Lakshminarayanan et al. 2017).
# ``return_std=True`` returns the standard deviation over the members.


def ensemble_band(X_train, y_train):
    """Return mean and two standard deviations to both sides."""
    ensemble = NormNetRegressor(**settings, n_members=10)
    mean, std = ensemble.fit(X_train, y_train).predict(X, return_std=True)
    return mean - 2 * std, mean, mean + 2 * std


# %%
# **Monte Carlo dropout.** One network with dropout predicts many times, each
# time with a different random tenth of its units dropped (Gal and Ghahramani
# 2016). For a single network, ``predict`` computes its standard deviation in
# this way. ``predict_samples`` returns the predictions themselves.


def dropout_band(X_train, y_train):
    """Return mean and two standard deviations to both sides."""
    dropout = NormNetRegressor(**settings | {"keep_prob": 0.9})
    dropout.fit(X_train, y_train)
    samples = dropout.predict_samples(X, n_samples=200, random_state=0)
    mean, std = samples.mean(axis=0), samples.std(axis=0)
    return mean - 2 * std, mean, mean + 2 * std


# %%
# **Quantiles.** A network with three outputs is trained on the pinball loss of
# three quantiles. It learns the bounds between which nine of ten targets lie,
# which is about the noise of the data.


def quantile_band(X_train, y_train):
    """Return the 5%, 50% and 95% quantiles."""
    levels = [0.05, 0.5, 0.95]
    quantiles = NormNetRegressor("quantile", quantile=levels, **settings)
    return tuple(quantiles.fit(X_train, y_train).predict(X).T)


KINDS = {
    "ensemble": ensemble_band,
    "dropout": dropout_band,
    "quantiles": quantile_band,
}
bands = {
    name: np.array([band(*rows) for rows in draws])
    for name, band in KINDS.items()
}

# %%
# The ensemble's band is very narrow where there are data and widens in the gap
# and beyond the ends. The band of dropout is wide everywhere. The band of the
# quantiles follows the noise and crosses the gap as if there were data in it.

titles = {
    "ensemble": "Ensemble: wide only\nwhere there are no data",
    "dropout": "Dropout: wide everywhere,\nwider where there are no data",
    "quantiles": "Quantiles: as wide as the noise,\nnot wider in the gap",
}
figure = {"sharey": True, "layout": "constrained"}
fig, axes = plt.subplots(1, 3, figsize=(10, 4), **figure)
for ax, (name, of_draws) in zip(axes, bands.items(), strict=True):
    low, middle, high = of_draws[0]
    for start, end in [(-4.5, -3), (-1, 1), (3, 4.5)]:
        empty = ax.axvspan(start, end, color="0.92")
    (data,) = ax.plot(X_train, y_train, ".", color="0.5", markersize=3)
    band = ax.fill_between(x, low, high, color="C0", alpha=0.45)
    ax.plot(x, middle, color="C0")
    (curve,) = ax.plot(x, truth(x), "--", color="black")
    ax.set(xlabel="x", xlim=(-4.5, 4.5), ylim=(-4, 4), title=titles[name])
axes[0].set_ylabel("y")
axes[0].legend(
    [band, curve, data, empty],
    ["band", "true curve", "data", "no data"],
    loc="lower right",
)
plt.show()

# %%
# The table shows the mean width of each band, and the share of the true curve
# and of new observations that is inside the band, as means over the draws.

amid, gap, beyond = (abs(x) > 1) & (abs(x) < 3), abs(x) < 1, abs(x) > 3
regions = {"with data": amid, "in the gap": gap, "beyond": beyond}
observed = draw(np.tile(x, (500, 1)))

width, covered = {}, {}
names = f"{'width':>7}{'curve inside':>15}{'new data inside':>18}"
print(f"{'band':12}{'where':12}{names}")
for name, of_draws in bands.items():
    low, _, high = of_draws.swapaxes(0, 1)
    within_curve = (low <= truth(x)) & (truth(x) <= high)
    within_data = (low[:, None] <= observed) & (observed <= high[:, None])
    for region, there in regions.items():
        width[name, region] = (high - low)[:, there].mean(axis=1)
        covered[name, region] = within_data[..., there].mean(axis=(1, 2))
        print(
            f"{name:12}{region:12}{width[name, region].mean():7.2f}"
            f"{within_curve[:, there].mean():15.0%}"
            f"{covered[name, region].mean():18.0%}"
        )

# %%
# The bands of the ensemble and of dropout are wider without data than with
# data, the ensemble's much more so. Where there are data, nine of ten
# observations are between the quantiles. The quantiles are farther apart on
# the right, where the noise is larger.


def widening(name, region):
    return width[name, region] / width[name, "with data"]


for name in ["ensemble", "dropout"]:
    in_gap, at_ends = widening(name, "in the gap"), widening(name, "beyond")
    print(
        f"{name}: {in_gap.mean():.1f} times as wide in the gap as with data,"
        f" {at_ends.mean():.1f} times beyond the ends"
    )

for region in ("in the gap", "beyond"):
    of_ensemble = widening("ensemble", region)
    of_dropout = widening("dropout", region)
    assert np.all(of_ensemble > 5)
    assert np.all((of_dropout > 1) & (of_dropout < of_ensemble / 2))
    assert of_dropout.mean() > 1.2
assert abs(covered["quantiles", "with data"].mean() - 0.9) < 0.05

low, _, high = bands["quantiles"].swapaxes(0, 1)
left, right = (
    (high - low)[:, amid & side].mean(axis=1) for side in (x < 0, x > 0)
)
print(f"quantiles: {left.mean():.2f} apart left of the gap,", end="")
print(f" {right.mean():.2f} right of it")
assert np.all(right > 1.3 * left)

# %%
# None of these bands guarantees a coverage. The ensemble's band misses much of
# the true curve where there are data: its members share the training rows and
# fit the same noise. Neither the ensemble's nor dropout's band contains enough
# new observations there, since these bands do not include the noise. The width
# of dropout's band depends on ``keep_prob`` as much as on the data. Beyond the
# ends, the true curve leaves all three bands: the networks extrapolate in
# straight lines, and agree more than they should.

# %%
# **Intervals.** ``predict_interval(X, coverage=0.9)`` guarantees that nine of
# ten new targets are inside, on average, for rows that are distributed like
# the training rows. The width is measured on rows that the network was not
# trained on, here a quarter that ``early_stopping`` holds out. Around a single
# prediction, the interval is equally wide everywhere. Two quantiles follow the
# noise, and the held-out rows only correct how far they are apart.

held_out = settings | {"early_stopping": True, "validation_fraction": 0.25}
ends = {"loss": "quantile", "quantile": [0.05, 0.95]}
intervals = {"one prediction": held_out, "two quantiles": held_out | ends}


def inside(model, x, y):
    low, high = model.predict_interval(x[:, None], coverage=0.9).T
    return (low <= y) & (y <= high)


fig, axes = plt.subplots(1, 2, figsize=(8, 4), **figure)
for ax, (name, parameters) in zip(axes, intervals.items(), strict=True):
    model = NormNetRegressor(**parameters).fit(X_train, y_train)
    low, high = model.predict_interval(X, coverage=0.9).T
    for start, end in [(-4.5, -3), (-1, 1), (3, 4.5)]:
        ax.axvspan(start, end, color="0.92")
    new = rng.uniform(1, 3, 400) * rng.choice([-1, 1], 400)
    y_new = draw(new)
    hit = inside(model, new, y_new)
    ax.plot(new[hit], y_new[hit], ".", color="0.5", markersize=3)
    ax.plot(new[~hit], y_new[~hit], "x", color="C1", markersize=4)
    ax.fill_between(x, low, high, color="C0", alpha=0.45)
    ax.set(xlabel="x", xlim=(-4.5, 4.5), ylim=(-4, 4))
    ax.set_title(f"Around {name}:\n{hit.mean():.0%} of new data inside")
axes[0].set_ylabel("y")
plt.show()

# %%
# With a hundred held-out rows, the coverage of one fit varies by three
# percentage points. So everything is repeated ten times: new data, another
# split and other networks. On average, both kinds of intervals have a coverage
# of 90%. Only the quantiles have it on the left and on the right. Neither has
# it where there are no data: rows from there are not distributed like the
# training rows.

regions = {"all": amid, "left": amid & (x < 0), "right": amid & (x > 0)}
regions |= {"in the gap": gap, "beyond": beyond}
shares = {name: [] for name in intervals}
for seed in range(10):
    x_train = rng.uniform(1, 3, 400) * rng.choice([-1, 1], 400)
    y_train, observed = draw(x_train), draw(np.tile(x, (200, 1)))
    for name, parameters in intervals.items():
        model = NormNetRegressor(**parameters | {"random_state": seed})
        model.fit(x_train[:, None], y_train)
        of_x = inside(model, x, observed).mean(axis=0)
        shares[name].append([of_x[where].mean() for where in regions.values()])

mean = {name: np.mean(x, axis=0) for name, x in shares.items()}
print(f"{'inside':16}" + "".join(f"{region:>12}" for region in regions))
for name, values in mean.items():
    print(f"{name:16}" + "".join(f"{value:12.0%}" for value in values))

for name in intervals:
    assert abs(mean[name][0] - 0.9) < 0.03
    assert mean[name][-1] < 0.7
_, left, right, *_ = mean["one prediction"]
assert left - right > 0.1
_, left, right, *_ = mean["two quantiles"]
assert abs(left - right) < 0.08
