"""imbalanced-learn's pipeline, which resamples training rows only."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.metrics import recall_score

from sknormnet import NormNetClassifier

over_sampling = pytest.importorskip("imblearn.over_sampling")
pipeline = pytest.importorskip("imblearn.pipeline")

pytestmark = pytest.mark.filterwarnings("ignore")  # the package's own


def test_oversampling_finds_more_of_the_rare_class():
    X, y = make_classification(800, 10, weights=[0.93], class_sep=0.6, flip_y=0, random_state=0)
    network = NormNetClassifier((16,), max_iter=15, random_state=0)
    alone = network.fit(X[:500], y[:500]).predict(X[500:])
    sampler = over_sampling.RandomOverSampler(random_state=0)
    model = pipeline.make_pipeline(sampler, network).fit(X[:500], y[:500])
    found = model.predict(X[500:])
    assert len(found) == 300
    assert recall_score(y[500:], found) > recall_score(y[500:], alone) + 0.1
    resampled = sampler.fit_resample(X[:500], y[:500])
    again = network.fit(*resampled).predict(X[500:])
    np.testing.assert_array_equal(found, again)
