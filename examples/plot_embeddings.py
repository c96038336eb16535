"""
Embeddings of categories
========================

A category with many levels gets eight trained numbers for each level, its
embedding. Levels that act alike get similar numbers. Here, the sales of a shop
depend on the week of the year, which the network gets as a word: nothing in
the data says that weeks have an order, or that week 52 is next to week 1.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from sknormnet import NormNetRegressor
from sknormnet.inspection import input_summary

# %%
# Sales follow the season, the price and whether there is an offer.

rng = np.random.default_rng(0)
n_rows = 6000
week = rng.integers(1, 53, n_rows)
X = pd.DataFrame(
    {
        "week": [f"week {k:02}" for k in week],
        "price": rng.uniform(5, 50, n_rows),
        "offer": rng.random(n_rows) < 0.2,
    }
)
season = 2 * np.pi * week / 52
elasticity = 1 + 0.5 * np.sin(season)  # in summer, customers mind the price
y = (
    50
    + 20 * np.cos(season)
    - elasticity * X["price"]
    + 15 * X["offer"]
    + rng.normal(0, 2, n_rows)
)

model = NormNetRegressor(random_state=0).fit(X[:5000], y[:5000])
print(f"R squared on other rows: {model.score(X[5000:], y[5000:]):.3f}")
print(input_summary(model))

# %%
# `embeddings_` has a table for each feature with many levels: a row for each
# level. Its first two principal components put the weeks in a ring.

levels, embedding = model.categories_[0], model.embeddings_[0]
ring = PCA(2).fit_transform(embedding)

figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
points = axes.scatter(*ring.T, c=np.arange(1, 53), cmap="twilight", s=60)
for k in range(0, 52, 4):
    axes.annotate(
        levels[k], ring[k], xytext=(6, 4), textcoords="offset points"
    )
axes.set(
    title="Embedding of 52 weeks",
    xlabel="first component",
    ylabel="second component",
)
figure.colorbar(points, label="week", shrink=0.7)
plt.show()

# %%
# Neighboring weeks are neighbors in the embedding, although their names are
# only words.

distance = np.linalg.norm(embedding[:, None] - embedding, axis=-1)
apart = np.abs(np.arange(52)[:, None] - np.arange(52))
apart = np.minimum(apart, 52 - apart)
near, far = distance[apart == 1].mean(), distance[apart == 26].mean()
print(
    f"Mean distance of neighboring weeks: {near:.2f};"
    f" of opposite weeks: {far:.2f}"
)
assert model.score(X[5000:], y[5000:]) > 0.95
assert near < 0.5 * far
angle = np.unwrap(np.arctan2(*ring.T))
assert (
    np.corrcoef(angle, np.arange(52))[0, 1] ** 2 > 0.95
)  # in their order, once around
