"""MLflow logs networks and loads them."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier

mlflow = pytest.importorskip("mlflow", minversion="3")
pytest.importorskip("skops")

pytestmark = pytest.mark.filterwarnings("ignore")  # the packages' own

X, Y = load_iris(return_X_y=True)
REQUIRED = {"pip_requirements": ["sknormnet"]}  # else MLflow takes seconds to find them out
TRUSTED = ["sknormnet.estimators.classifier.NormNetClassifier"]
OF_ENSEMBLES = "sknormnet.estimators.ensembles.classifier.NormNetEnsembleClassifier"
NETWORK = NormNetClassifier((8,), max_iter=5, random_state=0)
MODELS = {
    "network": (NETWORK, TRUSTED),
    "pipeline": (make_pipeline(StandardScaler(), NETWORK), TRUSTED),
    "ensemble": (NETWORK.for_accuracy(cv=2, max_iter=2, random_state=0), [*TRUSTED, OF_ENSEMBLES]),
}


@pytest.fixture(autouse=True, scope="module")
def tracking(tmp_path_factory):
    """An empty store, which is made once, for it takes some seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    experiment = mlflow.create_experiment("networks", folder.as_uri())
    mlflow.set_experiment(experiment_id=experiment)
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_logged_and_loaded(name):
    model, trusted = MODELS[name]
    model.fit(X, Y)
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(model, name="m", skops_trusted_types=trusted, **REQUIRED)
    loaded = mlflow.sklearn.load_model(info.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    anywhere = mlflow.pyfunc.load_model(info.model_uri)
    np.testing.assert_array_equal(anywhere.predict(X), model.predict(X))


def test_parameters_and_the_loss_by_epoch():
    model = NETWORK.fit(X, Y)
    with mlflow.start_run() as run:
        mlflow.log_params(model.get_params())
        for epoch, loss in enumerate(model.history_["loss"], 1):
            mlflow.log_metric("loss", loss, step=epoch)
    client = mlflow.MlflowClient()
    assert client.get_run(run.info.run_id).data.params["max_iter"] == "5"
    losses = [x.value for x in client.get_metric_history(run.info.run_id, "loss")]
    assert losses == pytest.approx(model.loss_curve_)


def test_a_type_that_is_not_trusted_is_named():
    with mlflow.start_run(), pytest.raises(mlflow.MlflowException, match="NormNetClassifier"):
        mlflow.sklearn.log_model(NETWORK.fit(X, Y), name="m", **REQUIRED)
