"""
A grid search over dropout and batch norm, on handwritten digits
================================================================

Which dropout and which batch norm? `keep_prob` takes one probability for all hidden layers or a
tuple with one for each, and `batchnorm` stands nowhere, before or after each activation: twelve
settings, five folds each. The best one is then scored on rows that the search has not seen.
"""

from time import perf_counter

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier

GRID = {
    "net__batchnorm": [False, "before", "after"],
    "net__keep_prob": [1.0, 0.8, 0.5, (0.9, 0.6)],
}


def main():
    """Search, print all settings from best to worst, and score the best one."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=0
    )
    net = NormNetClassifier((64, 32), random_state=0)
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("net", net)]),
        GRID,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        n_jobs=2,
    )
    start = perf_counter()
    search.fit(X_train, y_train)
    seconds = perf_counter() - start

    print(f"{len(y_train)} rows to search on, {len(y_test)} held out; accuracy over 5 folds\n")
    print_table(search.cv_results_)
    print(f"\nBest: {describe(search.best_params_)}")
    print(f"Accuracy on the held-out rows: {search.score(X_test, y_test):.4f}")
    print(f"The search took {seconds:.0f} seconds.")


def print_table(results):
    """One line for each setting, best first."""
    print(f"rank  {'batchnorm':<9}  {'keep_prob':<10}  {'mean':>6}  {'std':>6}  {'fit (s)':>7}")
    for i in results["rank_test_score"].argsort(kind="stable"):
        params = results["params"][i]
        print(
            f"{results['rank_test_score'][i]:4d}"
            f"  {params['net__batchnorm']!s:<9}  {params['net__keep_prob']!s:<10}"
            f"  {results['mean_test_score'][i]:6.4f}  {results['std_test_score'][i]:6.4f}"
            f"  {results['mean_fit_time'][i]:7.2f}"
        )


def describe(params):
    """Render a setting as NormNetClassifier's keyword arguments."""
    return ", ".join(f"{name.removeprefix('net__')}={value!r}" for name, value in params.items())


if __name__ == "__main__":
    main()
