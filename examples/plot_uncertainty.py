"""
Three kinds of doubt about a regression's curve
===============================================

How sure is a network of what it predicts? Two questions hide in this one. Is the network itself
uncertain, since there were no data nearby? Or do the data scatter, however well the network
knows them? This example asks both on one input, with a gap in the data and nothing beyond their
ends. Networks that were started differently (an ensemble) agree where there are data and part
where there are none. A network with dropout left on (Monte-Carlo dropout) doubts itself
everywhere, and only somewhat more where there are no data. Quantiles tell the scatter, and say
nothing of the gap.
"""

# %%
# The data follow a curve, with noise that grows from left to right. There are none between -1
# and 1, below -3 or above 3.

import matplotlib.pyplot as plt
import numpy as np

from sknormnet import NormNetRegressor

plt.style.use("tableau-colorblind10")

rng = np.random.default_rng(0)


def truth(x):
    return np.sin(2 * x) + 0.5 * x


def draw(x):
    noise = 0.1 + 0.05 * (x + 3)
    return truth(x) + noise * rng.standard_normal(x.shape)


x_train = np.concatenate([rng.uniform(-3, -1, 200), rng.uniform(1, 3, 200)])
y_train = draw(x_train)
X_train = x_train[:, None]

x = np.linspace(-4.5, 4.5, 361)
X = x[:, None]

# %%
# All networks are alike but for what the comparison is about. Batch norm and weight decay are
# off, as both hold the members of an ensemble close together.

settings = {
    "hidden_layer_sizes": (64, 64),
    "batchnorm": False,
    "weight_decay": 0.0,
    "keep_prob": 1.0,
    "max_iter": 200,
    "random_state": 0,
}

# %%
# **An ensemble.** Ten networks see the same rows and differ in their initial weights and the order
# of the rows (Lakshminarayanan et al. 2017). ``return_std=True`` asks for the standard deviation
# over the members.

ensemble = NormNetRegressor(**settings, n_members=10).fit(X_train, y_train)
mean, std = ensemble.predict(X, return_std=True)
bands = {"ensemble": (mean - 2 * std, mean, mean + 2 * std)}

# %%
# **Monte-Carlo dropout.** One network with dropout predicts many times, each time without
# another tenth of its units (Gal and Ghahramani 2016). ``predict`` does so for the standard
# deviation of a single network; ``predict_samples`` gives the predictions themselves.

dropout = NormNetRegressor(**{**settings, "keep_prob": 0.9}).fit(X_train, y_train)
samples = dropout.predict_samples(X, n_samples=200, random_state=0)
mean, std = samples.mean(axis=0), samples.std(axis=0)
bands["dropout"] = (mean - 2 * std, mean, mean + 2 * std)

# %%
# **Quantiles.** A network with three outputs is trained on the pinball loss of three orders, and so
# learns between which bounds nine of ten targets lie. This is about the data's noise.

quantiles = NormNetRegressor("quantile", quantile=[0.05, 0.5, 0.95], **settings)
bands["quantiles"] = tuple(quantiles.fit(X_train, y_train).predict(X).T)

# %%
# The ensemble's band is a thread where there are data, and opens in the gap and beyond the ends.
# Dropout's is wide from the start. The quantiles' follows the noise, and crosses the gap as if
# there were data in it.

titles = {
    "ensemble": "Ensemble: wide only\nwhere there are no data",
    "dropout": "Dropout: wide everywhere,\nwider where there are no data",
    "quantiles": "Quantiles: as wide as the noise,\nblind to the gap",
}
fig, axes = plt.subplots(1, 3, sharey=True, layout="constrained", figsize=(10, 4))
for ax, (name, (low, middle, high)) in zip(axes, bands.items(), strict=True):
    for start, end in [(-4.5, -3), (-1, 1), (3, 4.5)]:
        empty = ax.axvspan(start, end, color="0.92")
    (data,) = ax.plot(x_train, y_train, ".", color="0.5", markersize=3)
    band = ax.fill_between(x, low, high, color="C0", alpha=0.45)
    ax.plot(x, middle, color="C0")
    (curve,) = ax.plot(x, truth(x), "--", color="black")
    ax.set(xlabel="x", xlim=(-4.5, 4.5), ylim=(-4, 4), title=titles[name])
axes[0].set_ylabel("y")
axes[0].legend([band, curve, data, empty], ["band", "truth", "data", "no data"], loc="lower right")
plt.show()

# %%
# In numbers: how wide each band is, and how much of the true curve and of new observations is
# within it.

amid, gap, beyond = (abs(x) > 1) & (abs(x) < 3), abs(x) < 1, abs(x) > 3
regions = {"amid data": amid, "in the gap": gap, "beyond": beyond}
observed = draw(np.tile(x, (500, 1)))

width, covered = {}, {}
print(f"{'band':12}{'where':12}{'width':>7}{'of the curve':>15}{'of observations':>18}")
for name, (low, _, high) in bands.items():
    within_curve = (low <= truth(x)) & (truth(x) <= high)
    within_data = (low <= observed) & (observed <= high)
    for region, there in regions.items():
        width[name, region] = (high - low)[there].mean()
        covered[name, region] = within_data[:, there].mean()
        print(
            f"{name:12}{region:12}{width[name, region]:7.2f}"
            f"{within_curve[there].mean():15.0%}{covered[name, region]:18.0%}"
        )

# %%
# Both bands of the model are wider without data than with it, the ensemble's by far the more.
# Nine of ten observations are between the quantiles amid the data, where these are further apart
# on the right, as the noise is.


def widening(name, region):
    return width[name, region] / width[name, "amid data"]


for name in ["ensemble", "dropout"]:
    print(
        f"{name}: {widening(name, 'in the gap'):.1f} times as wide in the gap,"
        f" {widening(name, 'beyond'):.1f} times beyond the ends"
    )

assert widening("ensemble", "in the gap") > 5
assert widening("ensemble", "beyond") > 5
assert 1.2 < widening("dropout", "in the gap") < widening("ensemble", "in the gap") / 2
assert 2 < widening("dropout", "beyond") < widening("ensemble", "beyond") / 2
assert 0.85 < covered["quantiles", "amid data"] < 0.95

low, _, high = bands["quantiles"]
left, right = ((high - low)[amid & side].mean() for side in (x < 0, x > 0))
print(f"quantiles: {left:.2f} apart left of the gap, {right:.2f} right of it")
assert right > 1.3 * left

# %%
# None of these bands is a promise. The ensemble's misses much of the curve amid the data: its
# members share the rows, and with them the noise that they have fitted. Neither model's band
# holds enough new observations there, as the noise is not in it. Dropout's width is set by
# ``keep_prob`` as much as by the data, and in the gap, where doubt is due, it is the narrower of
# the two. Beyond the ends the true curve leaves all three bands: the networks go straight on, and
# agree more than they know.
