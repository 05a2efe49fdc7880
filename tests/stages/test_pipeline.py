"""The pipeline end to end, with DVC, on a tiny simulated set."""

import csv
import json
import pickle
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from har.dataset.sequences import read_sequences
from har.models.checkpoint import load_checkpoint
from har.params import load_params, load_yaml
from har.training.trainer import Trainer

NUMBERS = (int, float)


def read(path):
    return json.loads(path.read_text())


def outputs(folder):
    """Hash of every stage output by dvc.lock."""
    lock = load_yaml(folder / "dvc.lock")
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def only_numbers(content):
    if isinstance(content, dict):
        return all(only_numbers(value) for value in content.values())
    return isinstance(content, NUMBERS)


@pytest.mark.slow
def test_repro_makes_everything_and_then_nothing(repository):
    made = outputs(repository.folder)
    for path in made:
        assert (repository.folder / path).exists(), path
    assert "up to date" in repository.dvc("repro")
    assert "Running stage" not in repository.dvc("repro", "--dry", "--allow-missing")

    evaluation = read(repository.folder / "metrics/evaluation.json")
    assert only_numbers(evaluation)
    for name in ("baseline", "improved"):
        found = evaluation[name]
        assert found["accuracy_low"] <= found["accuracy"] <= found["accuracy_high"]
    gain = evaluation["improved"]["accuracy"] - evaluation["baseline"]["accuracy"]
    assert evaluation["difference"]["accuracy"] == pytest.approx(gain, abs=1e-5)
    assert evaluation["leak"]["leaking"] == 0

    with (repository.folder / "data/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    correct = np.mean([row["class"] == row["improved"] for row in rows])
    assert evaluation["improved"]["accuracy"] == pytest.approx(correct, abs=1e-5)


@pytest.mark.slow
def test_a_changed_setting_reruns_what_depends_on_it(repository):
    before = outputs(repository.folder)
    said = repository.dvc("exp", "run", "-S", "model.dropout=0.2")
    run = [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]
    assert run == ["train_improved", "evaluate"]
    changed = {path for path, md5 in outputs(repository.folder).items() if before[path] != md5}
    assert "models/improved.safetensors" in changed
    assert "models/baseline.safetensors" not in changed
    difference = json.loads(repository.dvc("params", "diff", "--json"))["params.yaml"]
    assert list(difference) == ["model.dropout"]
    assert (difference["model.dropout"]["old"], difference["model.dropout"]["new"]) == (0.5, 0.2)
    assert "macro_f1" in repository.dvc("metrics", "diff", "--all")
    assert repository.run("git", "diff", "--stat", "dvc.yaml") == ""  # with its shared list
    repository.run("git", "checkout", "--", ".")
    repository.dvc("checkout")


@pytest.mark.slow
def test_the_same_settings_give_the_same_bytes(repository, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(repository.folder, copy, ignore=shutil.ignore_patterns("cache", "mlflow*"))
    other = type(repository)(copy)
    before = outputs(repository.folder)
    other.dvc("repro", "--force")
    assert outputs(copy) == before
    assert other.run("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_queued_experiments_run_the_code_they_recorded_and_reach_mlflow(repository):
    """Four on two workers, a fresh MLflow database, and code that is edited while they wait."""
    from mlflow.tracking import MlflowClient

    database = repository.folder / "mlflow.db"
    database.unlink()
    repository.dvc("exp", "run", "--queue", "-S", "model.dropout=0.1,0.2,0.3,0.6")
    script = repository.folder / "stages/train_improved.py"
    code = script.read_text()
    script.write_text("raise SystemExit('edited later')\n")
    try:
        repository.dvc("queue", "start", "-j", "2")
        for _ in range(240):
            status = repository.dvc("queue", "status")
            if "Queued" not in status and "Running" not in status:
                break
            time.sleep(1)
    finally:
        script.write_text(code)
    assert status.count("Success") == 4, status
    shown = json.loads(repository.dvc("exp", "show", "--json"))
    dropouts = {
        run["revs"][0]["data"]["params"]["params.yaml"]["data"]["model"]["dropout"]
        for entry in shown
        for run in entry.get("experiments") or []
    }
    assert {0.1, 0.2, 0.3, 0.6} <= dropouts
    client = MlflowClient(f"sqlite:///{database}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "skeleton-actions"]
    runs = client.search_runs([experiment.experiment_id])
    found = {run.data.params["model.dropout"] for run in runs if "improved" in run.info.run_name}
    assert {"0.1", "0.2", "0.3", "0.6"} <= found


@pytest.mark.slow
def test_it_runs_in_an_exported_tree(repository, tmp_path):
    """No git, no cache, no outputs: what `git archive` gives."""
    tree = tmp_path / "tree"
    tree.mkdir()
    repository.run("git", "archive", "--output", str(tmp_path / "tree.tar"), "HEAD")
    shutil.unpack_archive(tmp_path / "tree.tar", tree)
    shutil.copy(repository.folder / "tiny.pkl", tree)
    other = type(repository)(tree)
    other.dvc("config", "--local", "core.no_scm", "true")
    other.dvc("repro")
    assert outputs(tree) == outputs(repository.folder)


@pytest.mark.slow
def test_a_killed_stage_goes_on_where_it_was(project):
    project.set({"tracking": {"enabled": False}})
    for stage in ("prepare", "split", "preprocess", "train_improved"):
        project.stage(stage)
    model, folder = project.folder / "models/improved.safetensors", project.folder / "models"
    undisturbed = model.read_bytes()
    assert not list(folder.glob("unfinished/*"))
    model.unlink()
    curves = project.folder / "plots/history_improved.csv"
    complete = curves.read_text()
    assert complete == (folder / "improved_history.csv").read_text()
    curves.unlink()
    running = subprocess.Popen(
        [sys.executable, "-m", "stages.train_improved"],
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
    )
    while running.poll() is None and not list(folder.glob("unfinished/*.pt")):
        time.sleep(0.001)
    running.kill()
    running.wait()
    assert not model.exists()
    assert complete.startswith(curves.read_text())  # what `dvc plots show` draws meanwhile
    assert "resuming after epoch" in project.stage("train_improved")
    assert model.read_bytes() == undisturbed
    assert curves.read_text() == complete
    assert not list(folder.glob("unfinished/*"))


@pytest.mark.slow
def test_training_goes_on_with_val_from_what_was_learnt_of_train(project):
    """Both parts are done again here, with their own lengths and rates."""
    project.set({"tracking": {"enabled": False}, "train": {"refit_share": 0.5}})
    for stage in ("prepare", "split", "preprocess", "train_improved"):
        project.stage(stage)
    found = load_checkpoint(project.folder / "models/improved.safetensors")
    params = load_params(project.folder / "params.yaml")
    sequences = read_sequences(project.folder / "data/features")
    start, none = None, sequences.subset()
    for subsets, batches in ((["train"], 24), (["train", "val"], 12)):
        settings = params.train.model_copy(update={"iterations": batches, "encoder_lr": 1.0})
        trainer = Trainer(
            sequences.subset(*subsets), none, params.model, settings, params.seed, start=start
        )
        list(trainer.epochs())
        start = trainer.trained().state_dict()
    assert sorted(found.weights) == sorted(start)
    for name, weight in start.items():
        torch.testing.assert_close(found.weights[name], weight, msg=name)


def test_the_random_protocol_leaks_and_says_so(project):
    project.stage("prepare")
    project.set({"split": {"protocol": "random", "val_fraction": 0.2, "test_fraction": 0.2}})
    assert "THE FIGURES WILL BE TOO HIGH" in project.stage("split")
    assert read(project.folder / "metrics/split.json")["test"]["leaking"] > 0


def test_no_group_is_on_both_sides_of_a_group_split(project):
    project.stage("prepare")
    project.stage("split")
    with (project.folder / "data/split.csv").open() as file:
        subset_of = {row["id"]: row["subset"] for row in csv.DictReader(file)}
    sides = {}
    for clip, subset in subset_of.items():
        sides.setdefault(clip.rsplit("_c", 1)[0], set()).add(subset)
    assert len(sides) == 24
    assert all(len(subsets) == 1 for subsets in sides.values())
    assert {"train", "val", "test"} == set(subset_of.values())


def test_one_group_is_left_out(project):
    project.stage("prepare")
    project.set({"split": {"protocol": "leave_one_group_out", "fold": 9}})
    assert "group BlowDryHair_g01 is the test subset\n" in project.stage("split")
    report = read(project.folder / "metrics/split.json")
    assert (report["test"]["clips"], report["test"]["leaking"], report["groups"]) == (2, 0, 24)


def test_a_folder_of_one_clip_pickles_is_a_source(project):
    folder = project.folder / "clips"
    generator = np.random.default_rng(0)
    for label in ("0", "2"):
        (folder / label).mkdir(parents=True)
        name = {"0": "ApplyEyeMakeup", "2": "Archery"}[label]
        for group in range(1, 8):
            data = generator.uniform(1, 200, (20, 17, 2)).astype(np.float32)
            path = folder / label / f"{label}_v_{name}_g{group:02d}_c01.pkl"
            path.write_bytes(pickle.dumps({"data": data}))
    project.set({"prepare": {"source": "clips"}})
    said = project.stage("prepare")
    assert "ApplyEyeMakeup: 7" in said
    assert "Archery: 7" in said
    project.stage("split")
    project.stage("preprocess")


@pytest.mark.parametrize(
    ("stage", "changes", "complaint"),
    [
        ("prepare", {"prepare": {"source": "none.pkl"}}, "'none.pkl' not found"),
        ("prepare", {"prepare": {"source": "params.yaml"}}, "params.yaml"),
        ("prepare", {"prepare": {"classes": ["Juggling"]}}, "ApplyEyeMakeup.*prepare.classes="),
        ("prepare", {"prepare": {"layout": "openpose18"}}, "set prepare.layout to coco17"),
        ("prepare", {"model": {"dropout": "high"}}, "params.yaml: model.dropout"),
        ("split", {}, "clips.csv not found: run `dvc repro`"),
        ("train_improved", {}, "not found: run `dvc repro`"),
        ("evaluate", {}, "not found: run `dvc repro`"),
    ],
)
def test_a_mistake_ends_in_one_line_and_leaves_nothing(project, stage, changes, complaint):
    project.set(changes)
    before = {path for path in project.folder.rglob("*") if path.is_file()}
    assert project.stage(stage, status=2) == ""
    assert re.search(complaint, project.errors), project.errors
    assert len(project.errors.splitlines()) <= 2
    assert {path for path in project.folder.rglob("*") if path.is_file()} == before


def test_one_class_is_refused_with_a_remedy(project):
    project.set({"prepare": {"classes": ["HeadMassage"]}})
    project.stage("prepare")
    project.stage("split", status=2)
    assert "has one class (HeadMassage)" in project.errors
    assert "prepare.classes=[]" in project.errors


def test_too_few_groups_are_told(project):
    from har.clips.annotations import write_pickle
    from har.clips.simulate import simulate

    path = project.folder / "few.pkl"
    write_pickle(path, simulate(0, ("ApplyEyeMakeup", "HeadMassage"), (1, 2), frames=20))
    project.set({"prepare": {"source": "few.pkl"}})
    project.stage("prepare")
    project.stage("split", status=2)
    assert "ApplyEyeMakeup" in project.errors
    assert "groups" in project.errors


def test_the_genuine_six_clips_prepare_and_stop_at_one_class(project, real_data):
    project.set({"prepare": {"source": str(real_data / "ucf101_six_clips.pkl")}})
    assert "ApplyEyeMakeup: 6" in project.stage("prepare")
    project.stage("split", status=2)
    assert "has one class (ApplyEyeMakeup)" in project.errors


@pytest.mark.parametrize(("layout", "shape"), [("openpose18", (18, 2)), ("ntu25", (25, 3))])
def test_other_layouts_run_through_all_stages(project, layout, shape):
    generator = np.random.default_rng(1)
    annotations = [
        {
            "frame_dir": f"clip{n}",
            "label": n % 2,
            "total_frames": 20,
            "img_shape": (240, 320),
            "keypoint": (generator.normal(100, 30, (1, 20, *shape)) * (1 + n % 2)).astype("f4"),
            "group": f"person{n // 2}",
        }
        | ({"keypoint_score": np.ones((1, 20, shape[0]), "f4")} if shape[1] == 2 else {})
        for n in range(24)
    ]
    path = project.folder / "other.pkl"
    path.write_bytes(pickle.dumps({"split": {}, "annotations": annotations, "classes": ["a", "b"]}))
    project.set(
        {
            "prepare": {"source": "other.pkl", "layout": layout},
            "tracking": {"enabled": False},
        }
    )
    for stage in ("prepare", "split", "preprocess", "train_baseline", "train_improved"):
        project.stage(stage)
    project.stage("evaluate")
    evaluation = read(project.folder / "metrics/evaluation.json")
    assert evaluation["improved"]["clips"] >= 2


@pytest.mark.parametrize(
    ("name", "counts", "said"),
    [
        ("kth_openpose.pkl", {"train": 191, "val": 192, "test": 216}, "0 of 216 test clips"),
        ("penn_action.pkl", {"test": 1068}, "no groups are known"),
    ],
)
def test_real_sets_split_as_their_files_say(project, real_data, name, counts, said):
    project.set({"prepare": {"source": str(real_data / name)}, "split": {"protocol": "official"}})
    project.stage("prepare")
    assert said in project.stage("split")
    audit = read(project.folder / "metrics/split.json")
    assert {part: audit[part]["clips"] for part in counts} == counts
    if name == "penn_action.pkl":
        assert audit["train"]["clips"] + audit["val"]["clips"] == 1258
        assert audit["val"]["clips"] == pytest.approx(0.15 * 1258, abs=10)
