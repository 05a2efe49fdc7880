import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from dvc.utils.hydra import apply_overrides

from benchmarks import (
    bench,
    calibration,
    crossval,
    experiments,
    few_clips,
    peers,
    robustness,
    roofline,
    timing,
    unknown,
)
from benchmarks.experiments import Experiment, Outcome, override, recipe, with_overrides
from har.clips.annotations import read_pickle, write_pickle
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import Sequences
from har.errors import UserError
from har.params import load_params, parse_yaml
from har.skeleton import LAYOUTS
from har.training.trainer import count_parameters
from tests.tiny import random_clip
from tools.report import fill


@pytest.fixture
def setup(tmp_path, tiny_pickle):
    overrides = (f"prepare.source={tiny_pickle}", "prepare.classes=[]", "model.width=8")
    params = with_overrides(load_params(), overrides)
    return bench.Setup(params, 1, tmp_path, tmp_path / "no" / "python", None)


@pytest.mark.parametrize("name", ["a b", "#1, (x)", "100%", 'it\'s a "q"', "x=1&y={z};ü!", "12"])
def test_an_override_means_its_text_to_dvc_and_to_studies(tmp_path, name):
    source = f"{name}/clips.pkl"
    path = tmp_path / "params.yaml"
    path.write_text("prepare:\n  source: simulated\n")
    apply_overrides(path, [override("prepare.source", source)])  # as `dvc exp run -S` does
    assert parse_yaml(path.read_text()) == {"prepare": {"source": source}}
    assert with_overrides(load_params(), (override("prepare.source", source),)).prepare.source == (
        source
    )


def test_an_experiments_name_is_one_that_git_takes():
    name = Experiment("it's #1: 100%~^?*[", ("seed=1",)).name
    subprocess.run(["git", "check-ref-format", f"refs/exps/{name}"], check=True)


def test_a_study_in_a_shallow_clone_ends_before_it_trains(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "whole")
    for number in (1, 2):
        git("-C", "whole", "commit", "-q", "--allow-empty", "-m", str(number))
    git("clone", "-q", "--depth=1", (tmp_path / "whole").as_uri(), "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    monkeypatch.setattr(experiments, "_dvc", pytest.fail)
    with pytest.raises(UserError, match="`git fetch --unshallow`"):
        experiments.run([Experiment("a", ("seed=1",))])


def test_an_experiment_that_dvc_did_not_keep_is_told(monkeypatch):
    """It reports success where it dropped one."""
    monkeypatch.setattr(experiments, "check_history", lambda: None)
    monkeypatch.setattr(experiments, "_dvc", lambda *arguments: "")
    monkeypatch.setattr(experiments, "_wait", lambda names, workers: None)
    asked = Experiment("a", ("seed=1",))
    with pytest.raises(UserError, match=f"did not keep .*`dvc queue logs {asked.name}`"):
        experiments.run([asked])


def test_jobs_run_in_turn_and_the_first_turn_does_not_count():
    calls, clock = [], iter([0, 9, 9, 10, 10, 11, 11, 14, 14, 17, 17, 18])
    jobs = {"a": lambda: calls.append("a"), "b": lambda: np.array([calls.append("b")])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing.time, "perf_counter", lambda: next(clock))
        assert timing.interleaved(jobs, 2) == {"a": 2.0, "b": 2.0}
    assert calls == ["a", "b"] * 3


def test_a_peer_works_whenever_it_is_told_to(tmp_path):
    script = tmp_path / "peer.py"
    script.write_text("print('Peer 1'); input(); print(0.5); input(); print(0.25); input(); 1 / 0")
    with peers.started([sys.executable, "-u", script]) as peer:
        assert peer.versions == "Peer 1"
        assert (peer.run(), peer.run()) == (0.5, 0.25)
        with pytest.raises(RuntimeError, match=r"(?s)Peer 1 has ended: .*ZeroDivisionError"):
            peer.run()


def test_a_process_costs_what_it_holds(tmp_path):
    found = timing.cost(["python", "-c", "held = bytes(range(256)) * 400_000"], tmp_path)
    assert 100e6 < found.peak < 200e6
    with pytest.raises(RuntimeError, match="no such thing"):
        timing.cost(["python", "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_the_reference_by_its_own_files_sees_what_ours_sees(tmp_path):
    params = with_overrides(load_params(), recipe("pytorch"))
    for frames in (40, 90):
        clip = random_clip(frames, persons=1, frames=frames)
        poses = np.concatenate([clip.keypoints, clip.scores[..., None]], -1)
        ours = preprocess(poses, clip.image_size, params.preprocess, LAYOUTS["coco17"])
        path = tmp_path / "clip.pkl"
        path.write_bytes(pickle.dumps({"data": clip.keypoints[0]}))
        theirs, label = peers.ClipFiles([(path, 3)])[0]
        np.testing.assert_allclose(theirs, ours[0, ..., :2].reshape(64, 34), atol=1e-5)
        assert label == 3
    assert count_parameters(peers.ImprovedLSTM(5)) == 84_869


def test_rows_of_a_measure_and_of_one_that_cannot_be_made_here(setup):
    (row,) = bench.measure("step", setup)
    ours, theirs = (float(text.removesuffix(" ms")) for text in (row.ours, row.theirs))
    found = float(row.found.removesuffix(" %"))  # below 0 where other work disturbed it
    assert ours > 0 < theirs and found == pytest.approx(100 * (1 - theirs / ours), abs=1)
    assert row.reached == ("yes" if found <= 15 else "no")
    (missing,) = bench.measure("keras", setup)
    assert missing.found.startswith("not measured: no TensorFlow")
    text = bench.RESULTS.read_text(encoding="utf-8")
    written = fill(text, {"machine": "a machine", "ratios": bench.table([row, missing])})
    assert "\na machine\n" in written and f"| {row.what} | {row.ours} |" in written


def test_the_roofline_counts_operations_and_the_bytes_that_are_read_and_written():
    left, right = torch.ones(3, 5), torch.ones(5, 7)
    with roofline.Traffic() as traffic:
        (left.T.T @ right).relu_()
    # Two matrices read and one written; that one read and written by relu_: views cost nothing.
    assert traffic.bytes == 4 * (15 + 35 + 21 + 2 * 21)
    case = roofline.Case("product", lambda: left @ right, 3, roofline.same, recurrent=90.0)
    found = roofline.measure(case, 1)
    assert found.operations == 2 * 5 * 7 + 30 and found.bytes == 4 * (15 + 35 + 21) / 3
    assert found.roof <= found.peak and found.rate == found.operations / found.seconds
    # Gates of a step: 4 x 2 units from 3 inputs and 2 states, multiplied and added, three times.
    assert roofline.lstm(1, 1, 3, (2,)) == 3 * 2 * 4 * 2 * (3 + 2)
    text = roofline.table([found], [found.seconds / 2])
    assert text.count("\n") == 2 and "| product | 0 |" in text
    drawn = roofline.picture([found], [found.seconds / 2])
    assert drawn.axes[0].get_ylabel() == "GFLOP/s"


def test_disturbed_clips_hold_what_their_names_say():
    clips = [replace(random_clip(n, persons=1, frames=40 + n), label=n) for n in range(2)]
    for name, disturbance in robustness.DISTURBANCES.items():
        (clip, _), (again, _) = (robustness.disturbed(clips, disturbance, 1) for _ in range(2))
        np.testing.assert_array_equal(clip.keypoints, again.keypoints)
        assert clip.scores.shape == clip.keypoints.shape[:-1], name
        assert clip.label == 0, name
    rng = np.random.default_rng(0)
    passed = robustness.passer_by(*clips, rng)
    assert passed.keypoints.shape == (2, 40, 17, 2)
    first = (passed.keypoints == clips[0].keypoints).all((2, 3))
    assert (first.sum(0) == 1).all() and 0 < first[0].sum() < 40
    seen = robustness.never_seen("nose")(*clips, rng).scores > 0
    np.testing.assert_array_equal(seen.any((0, 1)), np.arange(17) > 0)
    np.testing.assert_array_equal(
        robustness.every(4)(*clips, rng).keypoints, clips[0].keypoints[:, ::4]
    )


def test_each_group_is_left_out_in_one_experiment_per_seed(monkeypatch, capsys):
    people = ("ann", "bob", "eve")

    def run(experiments, workers=1):
        outcomes = {}
        for experiment in experiments:
            assert "split.protocol=leave_one_group_out" in experiment.overrides
            settings = dict(line.split("=") for line in experiment.overrides)
            who = people[int(settings["split.fold"]) - 1]
            row = {"id": f"{who}1", "class": "sit", "group": who, "baseline": "walk"}
            row["improved"] = "sit" if who != "eve" else "walk"
            scores = {"accuracy": float(who != "eve"), "macro_f1": 0.5}
            outcomes[experiment.name] = Outcome({"baseline": scores, "improved": scores}, [row])
        return outcomes

    monkeypatch.setattr(crossval, "run", run)
    monkeypatch.setattr(crossval.dvc.api, "metrics_show", lambda path, rev: {"groups": 3})
    monkeypatch.setattr("sys.argv", ["crossval", "--leave-one-group-out", "--seeds", "1,2"])
    crossval.main()
    title, _, *_, baseline, improved = capsys.readouterr().out.rstrip().splitlines()
    assert title.startswith("leave-one-group-out, seeds 1,2")
    assert baseline.split(" | ")[3] == "0.000" and baseline.endswith("| 3 |")
    assert improved.split(" | ")[3] == "0.667" and "0.667 ± 0.516" in improved


def test_few_clips_are_drawn_from_training_clips_alike_for_every_method():
    labels, train = np.arange(60) % 3, np.arange(30, 60)
    some = few_clips.draw(labels, train, 4, seed=1)
    assert np.bincount(labels[some]).tolist() == [4, 4, 4] and len(set(some.tolist())) == 12
    assert some.min() >= 30
    np.testing.assert_array_equal(some, few_clips.draw(labels, train, 4, seed=1))
    assert set(some.tolist()) != set(few_clips.draw(labels, train, 4, seed=2).tolist())


def test_few_clips_are_measured_on_the_test_subset_and_kept(tmp_path, tiny_pickle, capsys):
    clip_set = read_pickle(tiny_pickle)
    ids = [clip.id for clip in clip_set.clips]
    subsets = {"train": ids[1:], "test": ids[:1]}
    write_pickle(tmp_path / "kth.pkl", replace(clip_set, subsets=subsets))
    rows, picture = tmp_path / "rows.jsonl", tmp_path / "curve.png"
    arguments = ["--kth", tmp_path / "kth.pkl", "--methods", "taught", "--numbers", "1,3"]
    arguments += ["--draws", "2", "--rows", rows, "--picture", picture]
    few_clips.main([str(argument) for argument in arguments])
    table = capsys.readouterr().out
    assert len(rows.read_text().splitlines()) == 4 and "| KTH, 3 |" in table and "(2)" in table
    assert picture.read_bytes().startswith(b"\x89PNG")
    few_clips.main([str(argument) for argument in arguments])
    assert capsys.readouterr().out == table and len(rows.read_text().splitlines()) == 4


def test_every_ordered_pair_of_folds_is_val_and_test_once():
    groups = np.repeat([f"person {n}" for n in range(8)], 6)
    clips = Sequences.from_clips(
        [np.zeros((1, 1, 17, 3), np.float32)] * 48, {}, labels=np.arange(48) % 3, groups=groups
    )
    found = list(calibration.pairs_of_folds(clips, 1))
    assert len(found) == 12
    for subsets in found:
        parts = [set(groups[subsets == name]) for name in ("train", "val", "test")]
        assert [len(part) for part in parts] == [4, 2, 2] and len(set.union(*parts)) == 8
    assert len({tuple(subsets) for subsets in found}) == 12


def test_spoilt_clips_keep_what_they_should():
    clip = random_clip(persons=1, frames=12)
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
    rng = np.random.default_rng(0)
    moved = unknown.shuffled(poses, rng)
    assert not np.array_equal(moved, poses)
    assert sorted(moved[0, :, 0].tolist()) == sorted(poses[0, :, 0].tolist())
    np.testing.assert_array_equal(unknown.static(poses, rng), poses[:, [6] * 12])
    drawn = unknown.noise(poses, rng)
    np.testing.assert_array_equal(drawn[..., 2], poses[..., 2])
    assert (drawn[poses[..., 2] == 0][:, :2] == 0).all()
    assert unknown.area(np.array([0.0, 1.0]), np.array([0.5, 2.0])) == 0.75
