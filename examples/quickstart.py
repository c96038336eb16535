"""
NormNetClassifier and MLPClassifier on two of scikit-learn's data sets
======================================================================

Both classifiers use the same split, the same pipeline and their default parameters, except that
``MLPClassifier`` may train for more epochs until it converges. On one split of small data, a
difference of one or two rows does not show which is better. README.md has a comparison on many
data sets.
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
    "MLPClassifier": MLPClassifier(max_iter=500, random_state=0),  # converges in fewer epochs
    "NormNetClassifier": NormNetClassifier(random_state=0),
}


def compare(title, data):
    """Fit both classifiers to three quarters of the data and score them on the rest."""
    X_train, X_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.25, stratify=data.target, random_state=0
    )
    heading = f"{title}: {len(y_train)} training rows, {len(y_test)} test rows"
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
    # `predicted` is from the last classifier of the loop, NormNetClassifier.
    names = [str(name) for name in data.target_names]
    report = classification_report(y_test, predicted, target_names=names, digits=3)
    print(f"\nNormNetClassifier, by class:\n\n{report}")


if __name__ == "__main__":
    compare("Handwritten digits", load_digits())
    compare("Breast cancer", load_breast_cancer())
