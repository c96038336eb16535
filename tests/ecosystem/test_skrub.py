"""skrub's pipelines for tables, before networks."""

import numpy as np
import pandas as pd
import pytest

from sknormnet import NormNetClassifier, NormNetRegressor

skrub = pytest.importorskip("skrub", minversion="0.6")

pytestmark = pytest.mark.filterwarnings("ignore")  # the package's own


def table(n_rows=300):
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 365, n_rows), "D")
    found = pd.DataFrame({"day": days, "city": rng.choice(["Rome", "Oslo"], n_rows)})
    found["size"] = np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows))
    return found, (found["day"].dt.month > 6) & (found["city"] == "Rome")


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_tabular_pipeline(kind):
    X, y = table()
    model = skrub.tabular_pipeline(kind(max_iter=20, random_state=0)).fit(X, y.astype(int))
    assert model.score(X, y) > 0.9
    assert model[-1].n_features_in_ > 3


def test_categories_may_pass_to_the_network():
    X, y = table()
    vectorizer = skrub.TableVectorizer(low_cardinality="passthrough")
    encoded = vectorizer.fit_transform(X)
    model = NormNetClassifier(max_iter=20, random_state=0).fit(encoded, y)
    place = [*encoded.columns].index("city")
    assert model.categories_[place].tolist() == ["Oslo", "Rome"]
    assert model.score(vectorizer.transform(X), y) > 0.9
