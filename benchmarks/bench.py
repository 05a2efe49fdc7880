"""Speed against peers: ours and theirs in one run on the same data, as one table of ratios.

`make bench` runs everything and writes RESULTS.md. `python -m benchmarks.bench --only keras,step`
runs some and prints them. Figures are medians of runs in turn, ours, theirs, ours, ... after one
that does not count. Rows of a peer that is not installed say so.
"""

import argparse
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import peers
from benchmarks.experiments import override, recipe, trained, with_overrides
from benchmarks.timing import cost, interleaved, interleaved_costs, machine, matrix_rate
from har.clips import Clip
from har.dataset.augmentation import training_batch
from har.dataset.person_tracking import track_persons
from har.dataset.prepared import read_prepared
from har.dataset.sequences import Sequences, read_sequences
from har.errors import UserError, user_errors_end_the_program
from har.files import write_atomically
from har.models import build
from har.models.checkpoint import Checkpoint
from har.params import Model, Params, Train, load_params
from har.recognition import onnx_model
from har.recognition.recognizer import Recognizer
from har.skeleton import LAYOUTS
from har.training.devices import Devices, run_on_devices
from har.training.optimizers import make_optimizer
from har.training.trainer import Trainer, cross_entropy
from har.video import estimators
from har.video.decoding import open_video
from har.video.encoding import write_video
from har.video.estimators import Network
from har.video.extraction import extract
from har.video.weights import DETECTOR, REFINER, cache_folder
from tools.report import fill

RESULTS = Path("benchmarks/RESULTS.md")
COLUMNS = ["what", "ours", "against", "theirs", "found", "wanted", "reached"]
STAGES = ("prepare", "split", "preprocess", "train_baseline", "train_improved", "evaluate")


@dataclass(frozen=True)
class Row:
    """One line of the table, all text; `reached` is empty where nothing was measured."""

    what: str
    ours: str
    against: str
    theirs: str
    found: str
    wanted: str
    reached: str


class NotMeasuredError(Exception):
    """The reason why a comparison can't be made here."""


@dataclass(frozen=True)
class Setup:
    """Settings that all measures share.

    Attributes:
        params: params.yaml.
        repeats: counted runs of each side.
        folder: scratch space.
        keras_python: the interpreter of TensorFlow's environment.
        full_list: the published clips, for the full-size file; None draws them.
        video: of one person, in the left half of the picture.
        mediapipe_python: the interpreter of MediaPipe's environment.
    """

    params: Params
    repeats: int
    folder: Path
    keras_python: Path
    full_list: Path | None
    video: Path | None = None
    mediapipe_python: Path = Path(".venv-mediapipe/bin/python")


def factor(what: str, ours: str, against: str, theirs: str, ratio: float, wanted: float) -> Row:
    """A row about how many times as fast we are."""
    reached = "yes" if ratio >= wanted else "no"
    return Row(what, ours, against, theirs, f"{ratio:.2f} x", f"at least {wanted:g} x", reached)


def limit(
    what: str, ours: str, against: str, theirs: str, value: float, most: float, unit: str = "x"
) -> Row:
    """A row about a figure that must not be too high."""
    reached = "yes" if value <= most else "no"
    digits = 0 if unit == "%" else 2
    found, wanted = f"{value:.{digits}f} {unit}", f"at most {most:g} {unit}"
    return Row(what, ours, against, theirs, found, wanted, reached)


def project(setup: Setup, name: str, params: Params) -> Path:
    """A copy of the code with its own settings, where stages run without touching the user's."""
    folder = setup.folder / name
    for room in ("har", "stages"):
        shutil.copytree(room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "params.yaml").write_text(params.model_dump_json())
    return folder


def prepared_features(setup: Setup, name: str, params: Params) -> Path:
    """The project's folder after the stages that come before training."""
    folder = setup.folder / name
    if not folder.is_dir():
        project(setup, name, params)
        for stage in STAGES[:3]:
            cost(["python", "-m", f"stages.{stage}"], folder)
    return folder


def keras(setup: Setup) -> list[Row]:
    """The keras reference's improved LSTM, ours against Keras on the same arrays."""
    what = "training the keras reference's improved LSTM"
    if not setup.keras_python.is_file():
        raise NotMeasuredError(f"{what}: no TensorFlow (`make test-keras` sets it up)")
    params = with_overrides(setup.params, recipe("keras"))
    folder = prepared_features(setup, "keras", params) / "data/features"
    train, epochs, rows = read_sequences(folder).subset("train"), 2, []
    arrays = np.stack([train.clip(i)[0, ..., :-1] for i in range(len(train))])
    arrays = arrays.reshape(len(train), params.preprocess.frames, -1)
    for cores in sorted({1, min(2, os.cpu_count() or 1)}):
        settings = params.train.model_copy(update={"epochs": epochs, "devices": cores})
        ours = partial(training_seconds, folder, params.model, settings, setup.folder / "seconds")
        with peers.keras(
            setup.keras_python, arrays, train.labels, cores, settings.batch_size, epochs
        ) as peer:
            seconds = interleaved({"ours": ours, "theirs": peer.run}, setup.repeats)
        rates = {name: len(train) * epochs / some for name, some in seconds.items()}
        alone = cores == 1
        rows.append(
            factor(
                f"{what}, {cores} core{'' if alone else 's'}",
                f"{rates['ours']:,.0f} clips/s" + ("" if alone else " (`train.devices=2`)"),
                f"{peer.versions}, {cores} thread{'' if alone else 's'}",
                f"{rates['theirs']:,.0f} clips/s",
                rates["ours"] / rates["theirs"],
                6,
            )
        )
    return rows


def training_seconds(features: Path, model: Model, settings: Train, seconds: Path) -> float:
    """Seconds of a training on train clips, without the start of its processes."""
    run_on_devices(settings, partial(train_and_time, features, model, settings, seconds))
    return float(seconds.read_text())


def train_and_time(
    features: Path, model: Model, settings: Train, seconds: Path, devices: Devices
) -> None:
    """Train as one of the processes; the first writes how long it took."""
    torch.set_num_threads(1)
    train = read_sequences(features).subset("train")
    nothing = train.subset()
    once = settings.model_copy(update={"epochs": 1})
    trained(train, nothing, model, once, 0, devices)
    start = time.perf_counter()
    trained(train, nothing, model, settings, 0, devices)
    if devices.first:
        seconds.write_text(str(time.perf_counter() - start))


def pytorch(setup: Setup) -> list[Row]:
    """The pytorch reference's epochs: files that were prepared before, to trained weights."""
    source = override("prepare.source", setup.params.prepare.source)
    params = with_overrides(setup.params, (*recipe("pytorch"), source))
    folder = prepared_features(setup, "pytorch", params)
    prepared, features = read_prepared(folder / "data/prepared"), folder / "data/features"
    subset_of = dict(
        zip(read_sequences(features).ids, read_sequences(features).subsets, strict=True)
    )
    files: dict[str, list[tuple[Path, int]]] = {"train": [], "val": []}
    for row in prepared.rows:
        path = folder / row.class_name / f"{row.class_name}_{row.id}.pkl"
        path.parent.mkdir(exist_ok=True)
        clip = np.asarray(prepared.poses(row)[0, ..., :-1], np.float32)
        path.write_bytes(pickle.dumps({"data": clip}))
        files[subset_of[row.id]].append((path, row.label))
    epochs, workers = params.train.epochs, 2

    def ours() -> None:
        clips = read_sequences(features)
        train, val = clips.subset("train"), clips.subset("val")
        trained(train, val, params.model, params.train, 0)

    def theirs() -> None:
        classes = len(prepared.classes)
        peers.train_from_pickles(files["train"], files["val"], classes, epochs, workers)

    seconds = interleaved({"ours": ours, "theirs": theirs}, setup.repeats)
    return [
        factor(
            f"training the pytorch reference's LSTM, an epoch of {epochs}, files to weights",
            f"{seconds['ours'] / epochs * 1e3:,.0f} ms",
            f"a pickle per clip, transforms per item, {workers} loader workers",
            f"{seconds['theirs'] / epochs * 1e3:,.0f} ms",
            seconds["theirs"] / seconds["ours"],
            10,
        )
    ]


def training(setup: Setup) -> list[Row]:
    """The default network against other networks in the same pipeline."""
    # The slim ST-GCN++ takes a quarter of a second for a clip.
    batches = {"default": 40, "ddnet": 40, "stgcn_slim": 8}
    some = {
        name: with_overrides(setup.params, () if name == "default" else recipe(name))
        for name in batches
    }
    clips = read_sequences(prepared_features(setup, "default", setup.params) / "data/features")

    def train(name: str) -> None:
        settings = some[name].train.model_copy(update={"iterations": batches[name], "epochs": 0})
        trained(clips, clips.subset(), some[name].model, settings, 0)

    seconds = interleaved({name: lambda n=name: train(n) for name in batches}, setup.repeats)
    peak = matrix_rate()
    size = setup.params.train.batch_size
    rates = {name: batches[name] * size / seconds[name] for name in batches}
    shown = {
        name: f"{rate:,.0f} clips/s, {share_of_peak(some[name], clips, rate, peak):.0f} % of peak"
        for name, rate in rates.items()
    }
    about = "training the default network, with augmentation"
    return [
        factor(about, shown["default"], peer, shown[name], rates["default"] / rates[name], wanted)
        for name, peer, wanted in (
            ("ddnet", "DD-Net, 1.8 M", 1),
            ("stgcn_slim", "slim ST-GCN++", 6),
        )
    ]


def share_of_peak(params: Params, clips: Sequences, rate: float, peak: float) -> float:
    """Per cent of the peak matrix rate that a training at `rate` clips a second uses."""
    model, batches = training_batches(params, clips, 1)
    counter = FlopCounterMode(display=False)
    with counter:
        for windows, _ in batches:
            model(windows).sum().backward()
    return 100 * counter.get_total_flops() / params.train.batch_size * rate / peak


def training_batches(
    params: Params, clips: Sequences, number: int
) -> tuple[nn.Module, list[tuple[torch.Tensor, torch.Tensor]]]:
    """An untrained network and batches of augmented windows with their labels."""
    layout, generator = LAYOUTS["coco17"], torch.Generator().manual_seed(0)
    frames, offsets, lengths, labels = map(
        torch.from_numpy, (clips.x, clips.offsets, clips.lengths, clips.labels)
    )
    batches = []
    for _ in range(number):
        index = torch.randperm(len(clips), generator=generator)[: params.train.batch_size]
        windows = training_batch(
            frames,
            offsets[index],
            lengths[index],
            layout,
            params.model.windows,
            params.train.augmentation,
            generator,
        )
        batches.append((windows, labels[index]))
    torch.manual_seed(0)
    return build(params.model, len(clips.settings["classes"]), layout).train(), batches


def step(setup: Setup) -> list[Row]:
    """Share of a training step outside network and optimiser: a training against its network."""
    params, steps = setup.params, 40
    clips = read_sequences(prepared_features(setup, "default", params) / "data/features")
    settings = params.train.model_copy(update={"iterations": steps, "epochs": 0})
    model, batches = training_batches(params, clips, steps)
    optimizer = make_optimizer(model, settings)
    smoothing = settings.label_smoothing

    def network() -> None:
        for windows, labels in batches:
            heads = model(windows)
            loss = torch.stack([cross_entropy(head, labels, smoothing) for head in heads]).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    def whole() -> None:
        trainer = Trainer(clips, clips.subset(), params.model, settings, 0)
        with Path(os.devnull).open("w") as nowhere:
            for entry in trainer.epochs():
                print(entry, file=nowhere)

    seconds = interleaved({"whole": whole, "network": network}, setup.repeats)
    return [
        limit(
            "share of a training step outside the network (windows, augmentation, logging)",
            f"{seconds['whole'] / steps * 1e3:.1f} ms",
            "its network, loss and optimiser alone",
            f"{seconds['network'] / steps * 1e3:.1f} ms",
            100 * (1 - seconds["network"] / seconds["whole"]),
            15,
            "%",
        )
    ]


def untrained(params: Params) -> Recognizer:
    """A recogniser with random weights."""
    network = build(params.model, 5, LAYOUTS["coco17"])
    checkpoint = Checkpoint(
        network.state_dict(),
        params.model,
        params.preprocess,
        LAYOUTS["coco17"],
        list("abcde"),
        1.0,
        "",
        {},
    )
    return Recognizer.of(checkpoint)


def predicting(setup: Setup) -> list[Row]:
    """Raw keypoints to probabilities: our whole protocol, and full ST-GCN++ on one crop."""
    folder = prepared_features(setup, "default", setup.params)
    clips = prediction_clips(folder)
    # Like its authors: the first two slots, and nothing is left out.
    overrides = ("model.windows.test_windows=1", "preprocess.tracking=false")
    theirs = with_overrides(setup.params, (*recipe("stgcn_full"), *overrides))
    ours, full = untrained(setup.params), untrained(theirs)
    alone = [clip_of(clip, 1) for clip in clips]
    two = [clip_of(clip, 2) for clip in clips[:16]]
    seconds = interleaved(
        {
            "one person": lambda: ours.predict_clips(alone),
            "as they are": lambda: ours.predict_clips(clips),
            "full": lambda: full.predict_clips(two),
        },
        setup.repeats,
    )
    rate = len(two) / seconds["full"]
    windows = setup.params.model.windows.test_windows
    rows = [
        factor(
            f"predicting, raw keypoints to probabilities, {windows} windows, {who}",
            f"{len(clips) / seconds[key]:,.0f} clips/s",
            "full ST-GCN++, 2 persons, 1 crop of 100 frames",
            f"{rate:,.1f} clips/s",
            len(clips) / seconds[key] / rate,
            60,
        )
        for key, who in (
            ("one person", "clips of one person"),
            ("as they are", "persons followed through all slots"),
        )
    ]
    typical = int(np.median([clip.keypoints.shape[1] for clip in clips]))
    crowded = [clip for clip in clips if len(clip.keypoints) > 1]
    exported = onnx_model.load_bytes("exported", onnx_model.export(ours))
    for who, number, some, models in (
        ("one person", 1, alone, {"": ours}),
        ("two persons", 2, crowded, {"": ours, ", as an ONNX file": exported}),
    ):
        middle = min(some, key=lambda clip: abs(clip.keypoints.shape[1] - typical))
        clip = clip_of(middle, number)
        jobs = {how: partial(model.predict, clip) for how, model in models.items()}
        for how, one in interleaved(jobs, 20 * setup.repeats).items():
            what = f"one clip of {clip.keypoints.shape[1]} frames, {who}{how}, 1 thread"
            rows.append(limit(what, f"{one * 1e3:.2f} ms", "", "", one * 1e3, 3, "ms"))
    return rows


def prediction_clips(folder: Path) -> list[Clip]:
    """128 raw clips of a project's prepared ones, evenly spread."""
    prepared = read_prepared(folder / "data/prepared")
    return [
        Clip(row.id, row.label, poses[..., :-1], poses[..., -1], (row.height, row.width), row.group)
        for row in prepared.rows[:: max(len(prepared.rows) // 128, 1)][:128]
        for poses in [np.asarray(prepared.poses(row), np.float32)]
    ]


def clip_of(clip: Clip, persons: int) -> Clip:
    """A clip with this number of slots: further ones are left out, missing ones repeated."""
    slots = np.arange(persons) % len(clip.keypoints)
    return Clip(
        clip.id, clip.label, clip.keypoints[slots], clip.scores[slots], clip.image_size, clip.group
    )


def prepare(setup: Setup) -> list[Row]:
    """`prepare` on a file as large as the published one, and plain unpickling of it."""
    source = setup.folder / "full.pkl"
    chosen = ["--list", str(setup.full_list.resolve())] if setup.full_list else []
    subprocess.run(
        [sys.executable, "-m", "benchmarks.full_size", str(source), *chosen],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    overrides = (override("prepare.source", str(source)), "prepare.classes=[]")
    folder = project(setup, "full", with_overrides(setup.params, overrides))
    load = f"import pickle; pickle.load(open({str(source)!r}, 'rb'))"
    costs = interleaved_costs(
        # As DVC does, without old outputs: replacing a large file makes the system flush it.
        {
            "ours": ["sh", "-c", "rm -rf data && python -m stages.prepare"],
            "theirs": ["python", "-c", load],
        },
        {"ours": folder, "theirs": folder},
        min(setup.repeats, 3),
    )
    size = source.stat().st_size
    source.unlink()
    what = f"`prepare` on {size / 1e9:.2f} GB"
    against = "`pickle.load` in a fresh process"
    ours, theirs = costs["ours"], costs["theirs"]
    return [
        limit(
            what,
            f"{ours.seconds:.1f} s",
            against,
            f"{theirs.seconds:.1f} s",
            ours.seconds / theirs.seconds,
            2,
        ),
        limit(
            f"{what}, peak memory",
            f"{ours.peak / 1e9:.2f} GB",
            "the file's size",
            f"{size / 1e9:.2f} GB",
            ours.peak / size,
            1.3,
        ),
    ]


def pipeline(setup: Setup) -> list[Row]:
    """`dvc repro` in a fresh clone, then with nothing to do, and what importing costs."""
    if not Path(".git").exists():
        raise NotMeasuredError("the pipeline from nothing: no git repository to clone")
    clone, empty = setup.folder / "clone", setup.folder / "empty"
    cost(["git", "clone", "--quiet", str(Path.cwd()), str(clone)], setup.folder)
    whole = cost(["dvc", "repro"], clone)
    # MLflow's runs know when a training began and ended.
    with sqlite3.connect(clone / "mlflow.db") as database:
        query = "select sum(end_time - start_time) / 1000.0, count(*) from runs"
        ((trained, runs),) = database.execute(query)
    database.close()
    if runs != 2:
        raise NotMeasuredError(f"the pipeline from nothing: {runs} runs recorded instead of 2")

    empty.mkdir()
    cost(["git", "init", "--quiet"], empty)
    cost(["dvc", "init", "--quiet"], empty)
    (empty / "dvc.yaml").write_text("stages: {}\n")
    repro, torch_only = ["dvc", "repro"], ["python", "-c", "import torch"]
    # Half a second each and near the limit: more repeats for a stable median.
    idle = interleaved_costs(
        {"ours": repro, "theirs": repro}, {"ours": clone, "theirs": empty}, 5 * setup.repeats
    )
    starts = {name: ["python", "-c", f"import stages.{name}"] for name in STAGES}
    starts["torch"] = torch_only
    start = interleaved_costs(starts, dict.fromkeys(starts, clone), setup.repeats)
    slowest = max(STAGES, key=lambda name: start[name].seconds)
    rows = [
        limit(
            "the default pipeline from nothing, what is no training",
            f"{whole.seconds:.0f} s",
            "the sum of its training times",
            f"{trained:.0f} s",
            100 * (whole.seconds / trained - 1),
            30,
            "%",
        ),
        limit(
            "`dvc repro` with nothing to do",
            f"{idle['ours'].seconds:.2f} s",
            "that of an empty project",
            f"{idle['theirs'].seconds:.2f} s",
            idle["ours"].seconds / idle["theirs"].seconds,
            1.5,
        ),
    ]
    for name in dict.fromkeys(("train_improved", slowest)):
        rows.append(
            limit(
                f"start-up of a stage, `{name}`",
                f"{start[name].seconds:.2f} s",
                '`python -c "import torch"`',
                f"{start['torch'].seconds:.2f} s",
                start[name].seconds / start["torch"].seconds,
                1.5,
            )
        )
    return rows


def extracting(setup: Setup) -> list[Row]:
    """A video to skeletons, against the pose estimator's networks alone on the same inputs."""
    what = "extracting skeletons from a video"
    if setup.video is None:
        raise NotMeasuredError(f"{what}: no video (--video)")
    if not all((cache_folder() / name).exists() for name in (DETECTOR, REFINER)):
        raise NotMeasuredError(f"{what}: no weights (`python -m har extract` fetches them)")
    with open_video(setup.video) as video:
        frames = list(video.frames)
    half = frames[0].shape[1] // 2
    twice = [np.hstack([frame[:, :half], frame[:, half - 1 :: -1]]) for frame in frames]
    videos = {}
    for name, pictures, repeats in (
        ("one person", frames, 1),
        ("two persons", twice, 1),
        ("long", frames, 10),
    ):
        videos[name] = setup.folder / f"{name}.mp4"
        with write_video(videos[name], 25) as add:
            for picture in pictures * repeats:
                add(picture)
    rows = []
    for cores in sorted({1, min(2, os.cpu_count() or 1)}):
        estimate = estimators.load(None, cores)
        for name in ("one person", "two persons"):
            ours = partial(extract, videos[name], estimate, track_persons, threads=cores)
            alone = partial(run_again, network_runs(ours))
            seconds = interleaved({"ours": ours, "alone": alone}, min(setup.repeats, 3))
            rates = {key: f"{len(frames) / some:.0f} frames/s" for key, some in seconds.items()}
            overhead = 100 * (seconds["ours"] / seconds["alone"] - 1)
            threads = f"{cores} thread{'s' * (cores > 1)}"
            rows.append(
                limit(
                    f"{what}, {name}, {threads}: more than the estimator",
                    rates["ours"],
                    "its networks alone on ready inputs",
                    rates["alone"],
                    overhead,
                    15,
                    "%",
                )
            )
        ours = partial(extract, videos["one person"], estimate, track_persons, threads=cores)
        rows.append(against_mediapipe(setup, ours, videos["one person"], len(frames), cores))
    command = ["python", "-m", "har", "extract"]
    outputs = ["-o", str(setup.folder / "clips.pkl")]
    short, long = (
        cost([*command, str(videos[name]), *outputs], Path.cwd()) for name in ("one person", "long")
    )
    rows.append(
        limit(
            f"{what}, peak memory, {10 * len(frames):,} frames",
            f"{long.peak / 1e6:.0f} MB",
            f"that of {len(frames)} frames",
            f"{short.peak / 1e6:.0f} MB",
            long.peak / short.peak,
            1.1,
        )
    )
    return rows


def against_mediapipe(
    setup: Setup, ours: Callable[[], object], video: Path, frames: int, cores: int
) -> Row:
    """Frames a second of ours and MediaPipe's, which does less: one person, no detector's box."""
    what = f"extracting skeletons from a video, one person, {cores} core{'s' * (cores > 1)}"
    if not setup.mediapipe_python.is_file():
        why = "not measured: no MediaPipe (`make mediapipe` sets it up)"
        return Row(what, "", "", "", why, "", "")
    with peers.mediapipe(setup.mediapipe_python, video, cores) as peer:
        seconds = interleaved({"ours": ours, "theirs": peer.run}, min(setup.repeats, 3))
    rates = {key: frames / some for key, some in seconds.items()}
    return factor(
        what,
        f"{rates['ours']:.0f} frames/s",
        f"{peer.versions} (one person at most)",
        f"{rates['theirs']:.0f} frames/s",
        rates["ours"] / rates["theirs"],
        1,
    )


def network_runs(job: Callable[[], object]) -> list[tuple[Network, np.ndarray]]:
    """The networks that a job runs, with their inputs."""
    runs: list[tuple[Network, np.ndarray]] = []
    real = Network.__call__

    def recorded(network: Network, image: np.ndarray) -> list[np.ndarray]:
        runs.append((network, image))
        return real(network, image)

    with mock.patch.object(Network, "__call__", recorded):
        job()
    return runs


def run_again(runs: list[tuple[Network, np.ndarray]]) -> None:
    """Run networks on recorded inputs."""
    for network, image in runs:
        network(image)


MEASURES: dict[str, Callable[[Setup], list[Row]]] = {
    "keras": keras,
    "pytorch": pytorch,
    "training": training,
    "predicting": predicting,
    "step": step,
    "prepare": prepare,
    "extracting": extracting,
    "pipeline": pipeline,
}


def measure(name: str, setup: Setup) -> list[Row]:
    """The rows of a measure; a single one with the reason, where it can't be made here."""
    start = time.perf_counter()
    try:
        rows = MEASURES[name](setup)
    except NotMeasuredError as reason:
        what, why = str(reason).split(": ", 1)
        rows = [Row(what, "", "", "", f"not measured: {why}", "", "")]
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return rows


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *([*vars(row).values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--only", help=f"print some of {','.join(MEASURES)} and write nothing")
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each; default: 5")
    parser.add_argument("--list", type=Path, help="CSV of the published clips, for `prepare`")
    parser.add_argument("--video", type=Path, help="one person in its left half")
    parser.add_argument("--mediapipe-python", type=Path, default=Setup.mediapipe_python)
    parser.add_argument("--keras-python", type=Path, default=Path(".venv-keras/bin/python"))
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(MEASURES)
    if unknown := [name for name in names if name not in MEASURES]:
        raise UserError(f"--only {unknown[0]}: measures are {', '.join(MEASURES)}")
    params = load_params()
    torch.set_num_threads(params.threads)
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(
            params,
            arguments.repeats,
            Path(folder),
            arguments.keras_python,
            arguments.list,
            arguments.video,
            arguments.mediapipe_python,
        )
        rows = [row for name in names for row in measure(name, setup)]
    about = (
        f"{machine()}. Threads: {params.threads} unless said. Peak matrix rate of one thread: "
        f"{matrix_rate() / 1e9:.0f} GFLOP/s in float32, "
        f"{matrix_rate(torch.bfloat16) / 1e9:.0f} in bfloat16. Medians of {arguments.repeats} "
        "runs in turn."
    )
    print(f"{about}\n\n{table(rows)}")
    if not arguments.only:
        text = fill(RESULTS.read_text(encoding="utf-8"), {"machine": about, "ratios": table(rows)})
        with write_atomically(RESULTS, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
