import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DVC_NO_ANALYTICS", "true")
torch.set_num_threads(1)


@pytest.fixture
def real_data():
    """The folder of real measuring data, which the project does without."""
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REAL_DATA_DIR does not name the folder of real data")
    return Path(folder)
