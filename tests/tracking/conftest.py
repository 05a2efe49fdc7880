import shutil

import pytest

from har.tracking.store import WAITING_LIMITS, Store
from tests.tracking.examples import SETTINGS


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """MLflow takes seconds to make one: tests copy it."""
    folder = tmp_path_factory.mktemp("empty")
    Store(SETTINGS.model_copy(update={"experiment": "other"}), folder)
    return folder / "mlflow.db"


@pytest.fixture
def project(tmp_path, empty_database, monkeypatch):
    """An empty project with a database, as the working folder."""
    tmp_path = tmp_path / "my project"
    tmp_path.mkdir()
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", *WAITING_LIMITS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path)
    return tmp_path
