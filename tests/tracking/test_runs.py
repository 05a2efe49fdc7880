import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from har.errors import UserError
from har.tracking import store
from har.tracking.runs import flatten, training_run
from tests.tracking.examples import (
    DATA,
    HISTORY,
    ROOT,
    SETTINGS,
    TRAINING,
    curve,
    one_warning,
    runs_of,
    train,
)


def test_a_training_is_recorded_with_what_made_it(project):
    train(project)

    client, (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "improved · sunny-day"
    assert run.info.artifact_uri.startswith((project / "mlruns").as_uri())
    assert run.data.params == {"seed": "7", "model.width": "8"}
    assert curve(client, run, "epoch/val_loss") == [(1, 1.5), (2, 0.75), (3, 0.5)]
    assert run.data.metrics["val/accuracy"] == 0.75
    assert run.data.tags["dvc.stage"] == "s"
    assert run.data.tags["dvc.data_hash"] == DATA.data_hash
    assert run.data.tags["dvc.model_md5"] == "123"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("simulated", DATA.data_hash[:8])
    assert json.loads(data.dataset.profile)["train"] == 70
    assert json.loads(data.dataset.source) == {"uri": "data/features"}


@pytest.mark.parametrize(
    ("error", "status"), [(UserError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_failed_training_is_marked_and_still_fails(project, error, status):
    with pytest.raises(error), training_run(TRAINING, SETTINGS, project) as run:
        run.log_epoch(HISTORY[0])
        raise error("the loss is no number")
    _, (run,) = runs_of(project)
    assert run.info.status == status
    assert "dvc.model_md5" not in run.data.tags


def test_switched_off_it_does_not_even_import_mlflow(project):
    code = (
        "import sys; from pathlib import Path; from tests.tracking.examples import *\n"
        "from har.tracking.results import record_results\n"
        "off = SETTINGS.model_copy(update={'enabled': False})\n"
        "with training_run(TRAINING, off, Path(sys.argv[1])) as run:\n"
        "    run.log_epoch({'epoch': 1}); run.finish('h', {})\n"
        "assert record_results(off, [], Path(sys.argv[1])) and 'mlflow' not in sys.modules\n"
    )
    Path("mlflow.db").unlink()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, project], check=True, env=environment)
    assert not list(project.iterdir())


def test_a_database_locked_for_a_while_loses_nothing(project, capfd, monkeypatch):
    monkeypatch.setattr(store, "_SECONDS_FOR_A_LOCKED_DATABASE", 0.2)
    with training_run(TRAINING, SETTINGS, project) as run:
        run.log_epoch(HISTORY[0])
        holder = sqlite3.connect(project / "mlflow.db")
        holder.execute("BEGIN EXCLUSIVE")
        run.log_epoch(HISTORY[1])
        holder.close()
        run.log_epoch(HISTORY[2])
    one_warning(capfd)
    client, (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    assert curve(client, run, "epoch/val_loss") == [(1, 1.5), (2, 0.75), (3, 0.5)]


def test_nested_settings_become_dotted_names():
    assert flatten({"a": {"b": {"c": 1}}, "d": 2}) == {"a.b.c": 1, "d": 2}
    assert flatten({"a": {"b": 1}}, "/") == {"a/b": 1}
