"""
NormNetClassifier beside MLPClassifier on two data sets that scikit-learn ships
===============================================================================

Same split, same pipeline, both with their defaults. One split of small data: a difference of
one or two rows says nothing about which is better; README.md has a comparison that does.
"""

from time import perf_counter

from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier

CLASSIFIERS = {
    "MLPClassifier": MLPClassifier(max_iter=500, random_state=0),  # stops by itself before
    "NormNetClassifier": NormNetClassifier(random_state=0),
}


def compare(title, data):
    """Fit both classifiers to three quarters of the data and score them on the rest."""
    X_train, X_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.25, stratify=data.target, random_state=0
    )
    heading = f"{title}: {len(y_train)} rows to train on, {len(y_test)} to test"
    print(f"{heading}\n{'=' * len(heading)}\n")
    print(f"{'':20}{'accuracy':>10}{'wrong rows':>12}{'epochs':>9}{'seconds':>9}")
    for name, classifier in CLASSIFIERS.items():
        model = make_pipeline(StandardScaler(), classifier)
        start = perf_counter()
        model.fit(X_train, y_train)
        seconds = perf_counter() - start
        predicted = model.predict(X_test)
        print(
            f"{name:20}{model.score(X_test, y_test):10.4f}{(predicted != y_test).sum():12d}"
            f"{model[-1].n_iter_:9d}{seconds:9.2f}"
        )
    # predicted is now the last classifier's, which is NormNetClassifier.
    names = [str(name) for name in data.target_names]
    report = classification_report(y_test, predicted, target_names=names, digits=3)
    print(f"\nNormNetClassifier, class by class:\n\n{report}")


if __name__ == "__main__":
    compare("Handwritten digits", load_digits())
    compare("Breast cancer", load_breast_cancer())
