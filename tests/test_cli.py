"""The command line: what it prints, writes and refuses."""

import csv
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from har.__main__ import main
from har.clips import ClipSet
from har.clips.annotations import read_pickle, write_pickle
from har.models.checkpoint import save_checkpoint
from har.recognition.recognizer import Recognizer
from tests.models.test_published_weights import content
from tests.tiny import KERAS, PYTORCH, random_clip, tiny

ROOT = Path(__file__).parents[1]
CLASSES = ["sit", "wave", "swim"]
LABELS = (0, 1, 1, 2)  # the model knows sit and wave, not swim


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a model in the usual place and a pickle of four clips."""
    monkeypatch.chdir(tmp_path)
    save_checkpoint("models/improved.safetensors", tiny().checkpoint)
    clips = [random_clip(n, frames=40 + n, label=label) for n, label in enumerate(LABELS)]
    write_pickle("clips.pkl", ClipSet(clips, CLASSES))
    return tmp_path


def picture(path):
    return Image.open(io.BytesIO(Path(path).read_bytes()))


@pytest.fixture
def run(capsys):
    """Run a command; its output, after checking its exit status."""

    def run(*arguments, status=0):
        capsys.readouterr()
        try:
            main([str(argument) for argument in arguments])
            ended = 0
        except SystemExit as exit_:
            ended = exit_.code or 0
        said = capsys.readouterr()
        assert ended == status, said.out + said.err
        if status == 2 and "usage:" not in said.err:
            lines = said.err.splitlines()
            assert lines[-1].startswith("error: ") and not said.out
            assert sum(not line.startswith("note: ") for line in lines) == 1
        return said.err if status else said.out

    return run


def answers(clips):
    recognizer = Recognizer.load("models/improved.safetensors")
    return recognizer.classes, recognizer.predict_clips(clips)


def test_another_tools_file_is_converted_mapped_and_predicted_alike(run, work):
    halpe = np.random.default_rng(0).uniform(10, 400, (30, 26, 3))
    halpe[..., 2] = 0.9
    people = [
        {"image_id": f"{n}.jpg", "keypoints": joints.ravel().tolist()}
        for n, joints in enumerate(halpe)
    ]
    Path("alphapose.json").write_text(json.dumps(people))
    command = ("convert", "alphapose.json", "-o", "own.pkl", "--image-size", "640x480")
    assert "1 clip of layout coco17" in run(*command, "--to", "coco17")
    (clip,) = read_pickle("own.pkl").clips
    np.testing.assert_allclose(clip.keypoints[0], halpe[:, :17, :2], rtol=1e-5)
    direct = run("predict", "alphapose.json", "--image-size", "640x480", "--csv")
    answers = [line.split(",")[1:] for line in direct.splitlines()]
    converted = run("predict", "own.pkl", "--csv").splitlines()
    assert [line.split(",")[1:] for line in converted] == answers
    Path("other").mkdir()
    Path("other/alphapose.json").write_text(json.dumps(people[:9]))
    assert "2 clips" in run("convert", "alphapose.json", "other/alphapose.json", "-o", "two.pkl")
    assert [clip.id for clip in read_pickle("two.pkl").clips][1] == "other/alphapose"
    assert "can't be mapped" in run(*command, "--to", "ntu25", status=2)
    assert "unknown layout 'dog'" in run(*command, "--to", "dog", status=2)


def test_own_layout_draws_and_converts_and_travels_in_the_pickle(run, work):
    joints = ", ".join(f"j{n}" for n in range(21))
    Path("hand.yaml").write_text(f"joints: [{joints}]\nbones: [[j0, j1], [j1, j2]]\n")
    np.save("hands.npy", np.random.default_rng(0).uniform(10, 400, (9, 21, 2)))
    run("show", "hands.npy", "--layout", "hand.yaml", "-o", "hand.png")
    command = ("convert", "hands.npy", "-o", "hands.pkl", "--layout", "hand.yaml")
    assert "layout hand" in run(*command, "--image-size", "640x480")
    layout = read_pickle("hands.pkl").layout
    assert layout.name == "hand" and layout.parents[:4] == (0, 0, 1, 3)
    run("show", "hands.pkl", "-o", "hand.png")
    assert "share no joint" in run("predict", "hands.pkl", status=2)
    assert "21 joints" in run(*command[:4], "--layout", "coco17", status=2)


def test_predict_one_clip(work, run):
    clips = read_pickle("clips.pkl").clips
    classes, probabilities = answers(clips)
    said = run("predict", "clips.pkl", "--clip", "IP_2")
    assert "clip_2: keypoints (2, 42, 17, 2), image 340x256" in said
    assert "2 of 2 (followed" in said and "models/improved.safetensors: two_stream" in said
    found = re.findall(r"^\d\.  (\w+) +([\d.]+) %$", said, re.MULTILINE)
    order = np.argsort(-probabilities[2])
    assert found == [(classes[k], f"{100 * probabilities[2][k]:.2f}") for k in order]
    assert said.splitlines()[-1].split() == ["true", "wave"]
    assert run("predict", "clips.pkl", "--clip", "clip_2", "--top-k", 1).count(" %") == 1


def test_predict_many_clips_counts_what_the_model_can_know(work, run):
    clips = read_pickle("clips.pkl").clips
    classes, probabilities = answers(clips)
    guesses = [classes[k] for k in probabilities.argmax(1)]
    hits = sum(guess == CLASSES[label] for guess, label in zip(guesses, LABELS, strict=True))
    said = run("predict", "clips.pkl")
    for clip, guess in zip(clips, guesses, strict=True):
        assert re.search(rf"^{clip.id}  {guess} ", said, re.MULTILINE)
    assert f"accuracy {100 * hits / 3:.2f} % ({hits} of 3 clips); 1 clips are of" in said

    found = json.loads(run("predict", "clips.pkl", "--json"))
    assert [row["class"] for row in found["predictions"]] == guesses
    assert found["accuracy"] == {"correct": hits, "clips": 3, "accuracy": round(hits / 3, 6)}
    np.testing.assert_allclose(
        [[cell["probability"] for cell in row["top"]] for row in found["predictions"]],
        -np.sort(-probabilities),
        atol=1e-6,
    )
    rows = list(csv.DictReader(io.StringIO(run("predict", "clips.pkl", "--csv", "--top-k", 2))))
    assert [row["class_1"] for row in rows] == guesses
    assert [row["true_class"] for row in rows] == [CLASSES[label] for label in LABELS]
    assert float(rows[0]["probability_2"]) == pytest.approx(np.sort(probabilities[0])[-2], abs=1e-6)


def test_timeline(work, run):
    arguments = ("predict", "clips.pkl", "--clip", "clip_0", "--window", "0.8s", "--stride", "8")
    found = json.loads(run(*arguments, "--json", "-o", "timeline.png"))
    assert found["unit"] == "seconds" and "accuracy" not in found
    times = [(row["start"], row["end"]) for row in found["predictions"]]
    assert times == [(0, 0.8), (0.32, 1.12), (0.64, 1.44), (0.8, 1.6)]
    assert picture("timeline.png").size[0] > 500
    said = run(*arguments, "--fps", 10)  # 0.8 s are 8 frames now
    assert re.search(r"^3.20 s - 4.00 s  \w+ ", said, re.MULTILINE)
    found = json.loads(run("predict", "clips.pkl", "--window", 30, "--per-person", "--json"))
    rows = [row for row in found["predictions"] if row["clip"] == "clip_1"]
    assert [(row["person"], row["start"], row["end"]) for row in rows] == [
        (person, start, start + 30) for person in (1, 2) for start in (0, 10, 11)
    ]
    assert found["unit"] == "frames"


@pytest.mark.parametrize(("shortest", "told"), [(0, True), (75, False)])
def test_windows_that_look_slow_to_the_model_are_told(work, capsys, shortest, told):
    windows = tiny().checkpoint.model.windows.model_copy(
        update={"longest": 150, "shortest_share": 0.6, "shortest": shortest}
    )
    save_checkpoint("models/improved.safetensors", tiny({"windows": windows}).checkpoint)
    main(["predict", "clips.pkl", "--clip", "clip_0", "--window", "20"])
    note = "windows of 20 frames are shorter than most that the model was trained on (90 to 150)"
    assert (note in capsys.readouterr().err) == told


def test_a_given_frame_rate_is_that_of_the_windows(work, run, capsys):
    clip = replace(read_pickle("clips.pkl").clips[0], fps=0.0)
    points = np.tile(clip.keypoints, (1, 20, 1, 1))
    clip = replace(clip, keypoints=points, scores=np.tile(clip.scores, (1, 20, 1)))
    write_pickle("long.pkl", ClipSet([clip], CLASSES))
    recognizer = Recognizer.load("models/improved.safetensors")
    (clip,) = read_pickle("long.pkl").clips
    for fps in (0, 60):
        main(["predict", "long.pkl", "--json", *(["--fps", str(fps)] if fps else [])])
        said = capsys.readouterr()
        (found,) = json.loads(said.out)["predictions"]
        expected = recognizer.predict(replace(clip, fps=float(fps))).max()
        assert found["probability"] == pytest.approx(expected, abs=1e-6)
        assert ("25 frames per second are assumed (--fps)" in said.err) == (not fps)


def test_show(work, run):
    said = run("show", "clips.pkl", "--clip", "clip_3", "-o", "strip.png", "--gif", "clip.gif")
    assert said == "clip_3: 43 frames, 2 persons, class swim\n"
    plain = picture("strip.png")
    run("show", "clips.pkl", "--clip", "clip_3", "-o", "predicted.png", "--predict")
    assert picture("predicted.png").size[0] > plain.size[0]
    moving = picture("clip.gif")
    assert (moving.n_frames, moving.info["duration"]) == (43, 40)
    drawn = {run("show", "clips.pkl", "-o", "a.png", "--seed", seed) for seed in range(20)}
    assert len(drawn) == 4
    first = Path("a.png").read_bytes()
    run("show", "clips.pkl", "-o", "a.png", "--seed", 19)
    assert Path("a.png").read_bytes() == first


def test_show_says_unknown_as_predict_does(work, run):
    clip = read_pickle("clips.pkl").clips[3]
    guess = tiny().predict(clip).argmax()
    classes = ["none" if label == guess else name for label, name in enumerate(CLASSES)]
    save_checkpoint("everyday.safetensors", tiny(classes=classes).checkpoint)
    command = ["clips.pkl", "--clip", "clip_3", "--model", "everyday.safetensors"]
    assert "unknown: none of these" in run("predict", *command)
    pictures = {}
    for name, *options in (["unknown"], ["named", "--no-reject"]):
        drawn = ["-o", f"{name}.png", "--gif", f"{name}.gif"]
        pictures[name] = run("show", *command, "--predict", *drawn, *options)
    assert pictures == {
        "unknown": "clip_3: 43 frames, 2 persons, class swim, unknown, nearest none\n",
        "named": "clip_3: 43 frames, 2 persons, class swim\n",
    }
    for suffix in ("png", "gif"):
        assert Path(f"unknown.{suffix}").read_bytes() != Path(f"named.{suffix}").read_bytes()


def test_inspect_and_simulate(work, run, monkeypatch):
    said = run("inspect", "clips.pkl")
    assert "4, 17 joints" in said and re.search(r"1  wave +2 ", said)
    few = ClipSet([random_clip(1)], ["a"])
    monkeypatch.setattr("har.clips.simulate.simulate", lambda seed: few if seed == 7 else None)
    run("simulate", "made/set.pkl", "--seed", 7)
    assert read_pickle("made/set.pkl").clips[0].id == "clip_1"
    few = ClipSet([random_clip(2)], ["a"])
    monkeypatch.setattr(
        "har.clips.simulate.everyday_clips.simulate_everyday",
        lambda seed: few if seed == 8 else None,
    )
    run("simulate", "made/set.pkl", "--set", "everyday", "--seed", 8)
    assert read_pickle("made/set.pkl").clips[0].id == "clip_2"


def test_own_keypoints_of_every_form_get_the_same_answer(work, run):
    clip = random_clip(5)
    np.savez("own.npz", keypoints=clip.keypoints, scores=clip.scores)
    np.save("own.npy", np.concatenate([clip.keypoints, clip.scores[..., None]], -1))
    Path("own.json").write_text(
        json.dumps({"keypoints": clip.keypoints.tolist(), "scores": clip.scores.tolist()})
    )
    said = [json.loads(run("predict", f"own.{form}", "--json")) for form in ("npz", "npy", "json")]
    assert said[0] == said[1] == said[2]
    _, probabilities = answers([clip])
    assert said[0]["predictions"][0]["probability"] == pytest.approx(probabilities.max(), abs=1e-5)


def test_models_that_scale_by_the_image_want_its_size(work, run):
    keras = tiny({"arch": "keras_lstm"}, KERAS)
    save_checkpoint("keras.safetensors", keras.checkpoint)
    np.save("own.npy", random_clip(5).keypoints)
    said = run("predict", "own.npy", "--model", "keras.safetensors", status=2)
    assert "clip own has no image size" in said
    found = run(
        "predict", "own.npy", "--model", "keras.safetensors", "--image-size", "340x256", "--json"
    )
    seen = replace(random_clip(5), scores=random_clip(5).keypoints.any(-1).astype(np.float32))
    probability = json.loads(found)["predictions"][0]["probability"]
    assert probability == pytest.approx(keras.predict(seen).max(), abs=1e-5)


def test_import_and_export(work, run):
    torch.save(content(improved=True), "best.pt")
    said = run("import-reference", "best.pt", "-o", "reference.safetensors")
    assert "improved model of the pytorch reference" in said and "ApplyLipstick" in said
    said = run(
        "export", "--model", "reference.safetensors", "-o", "reference.onnx", "--check", "clips.pkl"
    )
    assert re.search(r"4 clips \(clips.pkl\) differ from PyTorch's by at most \d\.\de-0[678]", said)
    arguments = ("predict", "clips.pkl", "--clip", "clip_1", "--model")
    ours = run(*arguments, "reference.safetensors")
    assert "1 of 2 (the first slot)" in ours and "reference.safetensors: pytorch_lstm" in ours
    assert run(*arguments, "reference.onnx") == ours.replace(".safetensors", ".onnx")


def test_one_clip_pickle_of_the_pytorch_reference(work, run):
    save_checkpoint("own.safetensors", tiny({"arch": "pytorch_lstm"}, PYTORCH).checkpoint)
    clip = random_clip(4)
    Path("1_v_ApplyLipstick_g03_c02.pkl").write_bytes(pickle.dumps({"data": clip.keypoints[0]}))
    said = run("predict", "1_v_ApplyLipstick_g03_c02.pkl", "--model", "own.safetensors")
    assert "ApplyLipstick (none of the model's classes)" in said


def test_the_documented_examples_run(work, capsys):
    text = (ROOT / "docs/use.md").read_text(encoding="utf-8")
    on_clips, on_frames = re.findall(r"```python\n(import numpy.*?)```", text, re.DOTALL)
    exec(on_clips.replace('"g01_c01"', '"clip_1"'), {})
    assert "(4, 3)" in capsys.readouterr().out
    exec(on_frames, {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:4:2]] == [["0.0", "4.0"], ["1.0", "5.0"]]
    assert lines[1].startswith("  person 0 0.") and lines[-1] == "130"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("predict nothing.pkl", "nothing.pkl not found"),
        ("predict clips.pkl --clip clip_", "4 clips of clips.pkl have 'clip_' in their names"),
        ("predict clips.pkl --clip dance", "has no clip 'dance'"),
        ("predict clips.pkl --model none.safetensors", "none.safetensors not found"),
        ("predict clips.pkl --model none.onnx", "none.onnx not found"),
        ("predict clips.pkl --model clips.pkl", "not a readable checkpoint"),
        ("predict clips.pkl --window fast", "'fast' is not a length"),
        ("predict clips.pkl --stride 3s", "add --window"),
        ("predict clips.pkl -o a.png", "add --window"),
        ("predict clips.pkl --window 20 -o a.png", "name one with --clip"),
        ("predict clips.pkl --clip clip_1 --window 20 -o a.jpg", "must end in .png"),
        ("predict hands.npy", "21 joints with 2 coordinates.*layout"),
        ("show clips.pkl", "-o strip.png"),
        ("show clips.pkl -o strip.txt", "must end in .png"),
        ("show clips.pkl -o clips.pkl/a.png", "cannot write clips.pkl/a.png"),
        ("show hands.npy -o a.png", "21 joints"),
        ("inspect models", "no file that ends in"),
        ("export -o model.pkl", "must end in .onnx"),
        ("export --model clips.onnx -o model.onnx", "clips.onnx is not a readable ONNX"),
        ("import-reference clips.pkl -o a.safetensors", "clips.pkl is refused"),
        ("import-reference clips.pkl -o a.pt", "must end in .safetensors"),
        ("sync-mlflow", "run this in the folder of the project"),
        ("predict clips.pkl --json --csv", "not allowed with"),
        ("predict clips.pkl --top-k 0", "at least 1"),
        ("show clips.pkl --image-size 12", "WIDTHxHEIGHT"),
        ("dance", "invalid choice"),
    ],
)
def test_mistakes_are_told_in_one_line(work, run, arguments, complaint):
    np.save("hands.npy", np.ones((5, 21, 2)))
    Path("clips.onnx").write_bytes(b"\xff" * 50)
    before = sorted(work.rglob("*"))
    assert re.search(complaint, run(*arguments.split(), status=2))
    assert sorted(work.rglob("*")) == before


def test_as_a_program(work):
    """Status and streams of a real process; help comes without loading torch."""

    def python(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    done = python("-m", "har", "predict", "nothing.pkl")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: nothing.pkl not found: check the path\n"
    code = "import sys, har.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    done = python("-c", code + "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)")
    assert done.returncode == 0 and "import-reference" in done.stdout, done.stderr
    code = f"Recognizer.load({str(ROOT / 'models/everyday.safetensors')!r})"
    code = f"import sys\nfrom har.recognition.recognizer import Recognizer\n{code}\n"
    done = python("-c", code + "assert 'torch._dynamo' not in sys.modules")  # takes a second
    assert done.returncode == 0, done.stderr


def test_the_everyday_model_answers_where_none_was_trained(
    tmp_path, tiny_pickle, monkeypatch, capsys
):
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "models/everyday.safetensors", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    main(["predict", str(tiny_pickle), "--json"])
    output = capsys.readouterr()
    assert "no model was trained here" in output.err
    assert "models/everyday.safetensors" in output.out
