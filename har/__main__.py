"""The command line: `python -m har COMMAND`; `--help` lists the commands.

Commands import what they need when they run, so that help appears at once.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from har.errors import UserError, user_errors_end_the_program

if TYPE_CHECKING:
    import numpy as np

    from har.clips import Clip, ClipSet
    from har.clips.segments import Segment
    from har.recognition.answers import Answer, Times
    from har.recognition.recognizer import Recognizer

_MODEL = "models/improved.safetensors"
_EVERYDAY = "models/everyday.safetensors"
_PREPARED = "data/prepared"
_SIMULATED_SEED = 42


def main(arguments: list[str] | None = None) -> None:
    """Run one command; a UserError ends it with one line and status 2."""
    options = _parser().parse_args(arguments)
    with user_errors_end_the_program():
        try:
            options.run(options)
            sys.stdout.flush()
        except BrokenPipeError:  # as in `predict FILE | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)


def predict(options: argparse.Namespace) -> None:
    """Name the action of clips, of windows of them, or of each person."""
    from tqdm import tqdm

    from har.recognition import answers

    if not options.window and (options.stride or options.output):
        raise UserError("--stride and -o belong to a timeline: add --window, such as --window 3s")
    if options.output:
        _check_suffix(options.output, ".png")
    recognizer = replace(_load_model(options), reject=options.reject)
    clip_set = _read(options, recognizer)
    clips = _chosen(options, clip_set)
    if options.output and len(clips) > 1:
        raise UserError(f"-o draws one clip, but the file has {len(clips)}: name one with --clip")
    lengths, times = _lengths(options, clips)
    _note_lengths(clips, lengths[0], recognizer)
    found = [
        answer
        for clip in tqdm(clips, unit="clip", disable=True if len(clips) == 1 else None)
        for answer in answers.ask(
            recognizer, clip_set, clip, options.per_person, lengths, options.coverage
        )
    ]
    classes = recognizer.classes
    if options.json:
        print(answers.as_json(found, recognizer, options.model, options.top_k, times))
    elif options.csv:
        print(answers.as_csv(found, classes, options.top_k, times))
    else:
        if len(clips) == 1:
            (height, width), shape = clips[0].image_size, tuple(clips[0].keypoints.shape)
            size = f", image {width}x{height}" if width else ""
            print(f"clip     {clips[0].id}: keypoints {shape}{size}")
            print(f"persons  {answers.about_persons(clips[0], recognizer)}")
        print(f"model    {answers.about_model(options.model, recognizer)}")
        whole = answers.is_whole(found)
        if len(found) == 1 and whole:
            print(answers.ranking(found[0], classes, options.top_k))
            if true := found[0].true_class:
                known = "" if true in classes else " (none of the model's classes)"
                print(f"true     {true}{known}")
        else:
            print(answers.as_text(found, classes, options.top_k, times))
        if whole and len(found) > 1:
            _print_accuracy(found, classes)
    if options.output:
        from har.figures.charts import timeline
        from har.figures.style import png

        rows: dict[str, list[tuple[float, float, np.ndarray | None, bool]]] = {}
        for answer in found:
            start, end = times.of(answer.start), times.of(answer.end)
            person = f"person {answer.person}" if answer.person else ""
            rows.setdefault(person, []).append((start, end, answer.probabilities, answer.unknown))
        if not rows:
            raise UserError(f"nobody was seen in {clips[0].id}: there is no timeline to draw")
        figure = timeline(clips[0].id, rows, classes, times.unit)
        _write(options.output, png(figure))


def show(options: argparse.Namespace) -> None:
    """Draw a clip as stick figures, still or moving."""
    import numpy as np

    from har.clips import layout_of
    from har.figures.skeletons import clip_picture, moving_clip
    from har.figures.style import png
    from har.recognition import answers
    from har.recognition.recognizer import UNKNOWN
    from har.video.decoding import is_video

    if not (options.output or options.gif or options.overlay):
        raise UserError(
            "name a picture with -o strip.png, a moving one with --gif clip.gif, or, of a video, "
            "--overlay out.mp4"
        )
    for path, suffix in (
        (options.output, ".png"),
        (options.gif, ".gif"),
        (options.overlay, ".mp4"),
    ):
        if path:
            _check_suffix(path, suffix)
    if options.overlay and not is_video(options.file):
        raise UserError(f"--overlay draws onto a video, but {options.file} is not one")
    recognizer = None
    if options.predict or options.overlay:
        recognizer = replace(_load_model(options), reject=options.reject)
    clip_set = _read(options, recognizer)
    clips = _chosen(options, clip_set)
    clip = clips[int(np.random.default_rng(options.seed).integers(len(clips)))]
    layout = clip_set.layout or layout_of(clip)
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1, dtype=np.float32)
    persons, frames = poses.shape[:2]
    about = [f"{frames} frames", f"{persons} person{'s' * (persons > 1)}"]
    if clip.label >= 0:
        about.append(f"class {clip_set.classes[clip.label]}")
    top: list[tuple[str, float]] = []
    answer = None
    if recognizer:
        answer = next(answers.ask(recognizer, clip_set, clip, False, (0, 0)))
        top = answers.top(answer, recognizer.classes, 3)
        if answer.unknown:
            about.append(f"{UNKNOWN}, nearest {top[0][0]}")
    if options.output:
        figure = clip_picture(clip.id, ", ".join(about), poses, layout, top)
        _write(options.output, png(figure))
    if options.gif:
        guess = f"{top[0][0]} {100 * top[0][1]:.1f} %" if top else ""
        guess = f"{UNKNOWN}, nearest {guess}" if answer and answer.unknown else guess
        moving = moving_clip(clip.id, guess, poses, layout, _rate(options, [clip]))
        _write(options.gif, moving)
    if options.overlay and recognizer:
        _write_overlay(options, recognizer, clip)
    print(f"{clip.id}: {', '.join(about)}")


def extract(options: argparse.Namespace) -> None:
    """Write the skeletons of videos as a pickle in the published format."""
    import shutil
    from pathlib import Path

    from har.clips.annotations import write_pickle
    from har.dataset.person_tracking import track_persons
    from har.video import collection

    _check_suffix(options.output, ".pkl")
    sources = collection.find(options.videos)
    segments: list[Segment] = []
    if options.segments:
        segments, sources = collection.read_table(options.segments, sources)
    settings = collection.Settings(options.models, options.persons, options.min_size, track_persons)
    kept = Path(options.keep or f"{options.output}.unfinished")
    clips, broken = collection.extract_all(
        sources, settings, kept, options.workers, options.scheduler, _say
    )
    if not clips:
        more = f"; so are {len(broken) - 1} more" if len(broken) > 1 else ""
        raise UserError(f"{next(iter(broken.values()))}{more}")
    clip_set = collection.as_set(clips, segments, options.segments, options.background)
    write_pickle(options.output, clip_set)
    for note in clip_set.notes:
        _say(f"note: {note}")
    if not options.keep:
        shutil.rmtree(kept, ignore_errors=True)
    for what in broken.values():
        _say(f"left out: {what}")
    classes = f" of {len(clip_set.classes)} classes" if clip_set.classes else ""
    left_out = f"; {len(broken)} video{'s' * (len(broken) != 1)} left out" if broken else ""
    number = len(clip_set.clips)
    print(f"{options.output}: {number} clip{'s' * (number != 1)}{classes}{left_out}")


def convert(options: argparse.Namespace) -> None:
    """Write clips of any form as a pickle in the published format."""
    from har.clips import layout_of
    from har.clips.annotations import write_pickle
    from har.clips.keypoint_files import to_layout
    from har.clips.sources import read, together
    from har.skeleton import check_layout, find_layout

    _check_suffix(options.output, ".pkl")
    layout = find_layout(options.layout) if options.layout else None
    target = find_layout(options.to) if options.to else None
    given = {"image_size": options.image_size, "fps": options.fps or 0.0, "axes": options.axes}
    sets = [(Path(source), read(source, layout=layout, **given)) for source in options.sources]
    ids = Counter(clip.id for _, clip_set in sets for clip in clip_set.clips)
    sets = [  # AlphaPose's files have the same name in every folder
        (path, replace(clip_set, clips=[_in_folder(path, clip, ids) for clip in clip_set.clips]))
        for path, clip_set in sets
    ]
    clip_set = together(sets) if len(sets) > 1 else sets[0][1]
    if layout:
        for clip in clip_set.clips:
            check_layout(layout, clip.keypoints, f"clip {clip.id}")
    if target:
        own = clip_set.layout or layout_of(clip_set.clips[0])
        clip_set = to_layout(clip_set, own, target)
    write_pickle(options.output, clip_set)
    for note in clip_set.notes:
        _say(f"note: {note}")
    number = len(clip_set.clips)
    named = f" of layout {clip_set.layout.name}" if clip_set.layout else ""
    labels = len({clip.label for clip in clip_set.clips if clip.label >= 0})
    classes = f", {labels} class{'es' * (labels != 1)}" if labels else ""
    print(f"{options.output}: {number} clip{'s' * (number != 1)}{named}{classes}")


def _in_folder(path: Path, clip: "Clip", ids: Counter[str]) -> "Clip":
    """The clip, with its folder in its name where another clip has the same name."""
    if ids[clip.id] == 1:
        return clip
    name = f"{path.resolve().parent.name}/{clip.id}"
    return replace(clip, id=name, group=name if clip.group == clip.id else clip.group)


def live(options: argparse.Namespace) -> None:
    """Name the action on a camera or stream in regular lines, until Ctrl-C or its end.

    With --show also in a window; closing it ends the program.
    """
    import time
    from pathlib import Path

    import numpy as np

    from har.clips import USUAL_FPS
    from har.recognition.live import newest, watch
    from har.video.decoding import open_video
    from har.video.estimators import load

    recognizer = replace(_load_model(options), reject=options.reject)
    estimate = load(options.models)
    view = None
    if options.show:
        from har.figures.window import LiveView, Window

        layout = recognizer.checkpoint.layout
        view = LiveView(Window("har live"), layout, recognizer.classes, options.top_k)
        estimate = view.watching(estimate)
    source = options.stream or str(options.camera)
    with open_video(source) as video:
        if Path(source).is_file():  # frames keep their times, but are read at full speed
            rate = video.fps or USUAL_FPS
            begun = time.monotonic()
            frames: Iterator[tuple[float, np.ndarray]] = (
                (begun + n / rate, frame) for n, frame in enumerate(video.frames)
            )
        else:
            frames = newest((time.monotonic(), frame) for frame in video.frames)
        for now in watch(frames, estimate, recognizer, options.window, options.every):
            if now.probabilities is None:
                said = "nobody seen"
            else:
                order = np.argsort(-now.probabilities, kind="stable")[: options.top_k]
                said = ", ".join(
                    f"{recognizer.classes[k]} {100 * now.probabilities[k]:.0f} %" for k in order
                )
                said = f"unknown, nearest {said}" if now.unknown else said
            delay = "" if Path(source).is_file() else f"delay {1000 * now.delay:.0f} ms, "
            speed = f"{delay}{now.rate:.0f} frames/s"
            print(f"{now.time:7.1f} s  {said}  ({speed})", flush=True)
            if view:
                unknown = "unknown, " if now.unknown else ""
                view.tell(now.probabilities, f"{unknown}{now.time:.1f} s, {speed}")


def audit_labels(options: argparse.Namespace) -> None:
    """Doubt every label, and draw the most doubtful clips."""
    import numpy as np

    from har.clips import layout_of
    from har.clips.sources import load, read
    from har.figures.label_page import Moving, label_page
    from har.files import write_csv
    from har.recognition.label_audit import DOUBT_COLUMNS, PAIR_COLUMNS, audit_labels
    from har.skeleton import find_layout

    if options.file in ("simulated", "simulated_everyday"):
        clip_set = load(options.file, _SIMULATED_SEED, ".")
    else:
        layout = find_layout(options.layout) if options.layout else None
        size, fps = options.image_size, options.fps or 0.0
        clip_set = read(options.file, size, fps, layout=layout, axes=options.axes)
    found = audit_labels(clip_set, options.seed)
    classes = found.classes

    def moving(index: int, *lines: str) -> Moving:
        clip = found.clips[index]
        poses = np.concatenate([clip.keypoints, clip.scores[..., None]], -1, dtype=np.float32)
        return Moving(poses, clip.fps, (clip.id, *lines))

    def labelled(index: int) -> Moving:
        return moving(index, f"labelled {classes[found.clips[index].label]}")

    worst = [
        [
            moving(
                doubt.clip,
                f"labelled {classes[doubt.label]} ({100 * doubt.label_probability:.0f} %)",
                f"looks like {classes[doubt.suggestion]} "
                f"({100 * doubt.suggestion_probability:.0f} %)",
            )
        ]
        for doubt in found.doubts[: options.worst]
    ]
    alike = [[labelled(a), labelled(b)] for a, b, _ in found.duplicates[: options.worst]]
    clips, pairs = len(found.clips), len(found.duplicates)
    sections = [(f"The {len(worst)} most doubtful labels of {clips}", worst)]
    if alike:
        sections.append((f"{len(alike)} of {pairs} pairs of near-duplicates", alike))
    page = label_page(
        f"Labels of {Path(options.file).name}",
        sections,
        clip_set.layout or layout_of(found.clips[0]),
    )
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "labels.csv", found.rows(), DOUBT_COLUMNS)
    write_csv(folder / "duplicates.csv", found.pairs(), PAIR_COLUMNS)
    _write(str(folder / "labels.html"), page.encode())
    doubtful = sum(doubt.label_probability < doubt.suggestion_probability for doubt in found.doubts)
    print(f"{clips} clips: {doubtful} look more like another class, {pairs} near-duplicate pairs")
    print(f"{folder / 'labels.html'}: open it in a browser, it needs no network")


def inspect(options: argparse.Namespace) -> None:
    """Describe the content of a file."""
    from har.clips.describe import describe
    from har.clips.sources import read
    from har.skeleton import find_layout

    layout = find_layout(options.layout) if options.layout else None
    clip_set = read(
        options.file,
        options.image_size,
        options.fps or 0.0,
        layout=layout,
        axes=options.axes,
    )
    print("\n".join(describe(clip_set)))


def simulate(options: argparse.Namespace) -> None:
    """Write a simulated data set as a pickle in the published format."""
    from har.clips.annotations import write_pickle

    if options.set == "everyday":
        from har.clips.simulate.everyday_clips import simulate_everyday

        clip_set = simulate_everyday(options.seed)
    else:
        from har.clips.simulate import simulate

        clip_set = simulate(options.seed)
    write_pickle(options.file, clip_set)
    print(f"{len(clip_set.clips)} clips of {len(clip_set.classes)} classes in {options.file}")


def teach(options: argparse.Namespace) -> None:
    """Teach the pre-trained model a user's own classes, and tell what to expect of it."""
    from har.models.checkpoint import save_checkpoint
    from har.recognition.recognizer import Recognizer
    from har.training import teaching

    _check_suffix(options.output, ".safetensors")
    pretrained = Recognizer.load(options.encoder)
    clip_set = _read(options, pretrained)
    taught, report = teaching.teach(pretrained.checkpoint, clip_set)
    save_checkpoint(options.output, taught)
    print(f"{options.output}: {', '.join(taught.classes)}")
    if report.clips:
        low, high = report.interval
        what = "groups" if report.by_group else "clips"
        print(
            f"{what} left out in turn: {report.right} of {report.clips} clips right, "
            f"{100 * report.right / report.clips:.1f} % (95 % interval {100 * low:.0f} to "
            f"{100 * high:.0f} %)"
        )
    else:
        print("no figures: no class has a second clip to be named without it")
    for true, said, number in report.confused[:3]:
        print(f"confused: {true} is taken for {said} in {number} clip{'s' * (number > 1)}")
    for suspect in report.suspects[:5]:
        share = 100 * suspect.probability
        print(
            f"look at {suspect.clip}: {suspect.label}, looks like {suspect.rather} ({share:.0f} %)"
        )
    if report.record_more:
        print(f"record more of {', '.join(report.record_more[:2])}")


def export(options: argparse.Namespace) -> None:
    """Write a model as ONNX, after comparing its probabilities with PyTorch's."""
    from har.files import write_atomically
    from har.recognition import onnx_model

    _check_suffix(options.output, ".onnx")
    recognizer = _load_model(options)
    clip_set = _clips_to_check(options.check, recognizer)
    content = onnx_model.export(recognizer)
    exported = onnx_model.load_bytes(options.output, content)
    difference = onnx_model.largest_difference(recognizer, exported, clip_set.clips)
    if not difference < 1e-4:
        raise UserError(
            f"the ONNX graph of {options.model} differs from PyTorch by {difference:.1e} in a "
            "probability, so it is not written: please report this"
        )
    with write_atomically(options.output) as file:
        file.write(content)
    source = options.check or "simulated or random"
    print(
        f"{options.output}: {len(content):,} bytes; probabilities of {len(clip_set.clips)} clips "
        f"({source}) differ from PyTorch's by at most {difference:.1e}"
    )


def import_reference(options: argparse.Namespace) -> None:
    """Convert a checkpoint of the pytorch reference into one of this project."""
    from har.models.checkpoint import save_checkpoint
    from har.models.published_weights import read_reference
    from har.recognition.recognizer import Recognizer

    _check_suffix(options.output, ".safetensors")
    checkpoint = read_reference(options.file, options.keep_class_ids)
    Recognizer.of(checkpoint)
    save_checkpoint(options.output, checkpoint)
    kind = "improved" if checkpoint.model.dropout else "baseline"
    print(f"{options.output}: the {kind} model of the pytorch reference, its classes are")
    print(f"  {', '.join(checkpoint.classes)}")


def sync_mlflow(_: argparse.Namespace) -> None:
    """Send the results of the last `dvc repro` to MLflow."""
    if not Path("stages/record.py").is_file():
        raise UserError("stages/record.py not found: run this in the folder of the project")
    # Only the stages know where their outputs are.
    os.execv(sys.executable, [sys.executable, "-m", "stages.record"])


def serve(options: argparse.Namespace) -> None:
    """Serve a registered model over HTTP until Ctrl-C."""
    from har.params import load_params
    from har.tracking import server

    model = options.model or f"models:/{load_params().tracking.registered_model}@champion"
    server.serve(model, Path(), options.host, options.port, options.workers)


def studio(options: argparse.Namespace) -> None:
    """Open a page in the browser until Ctrl-C."""
    try:
        from har.studio.page import serve
    except ImportError as error:
        raise UserError(
            f"the studio needs {error.name}: make studio, or pip install 'har[studio,video]'"
        ) from None
    from har.recognition.recognizer import Recognizer

    paths = options.model or [path for path in (_MODEL, _EVERYDAY) if Path(path).exists()]
    if not paths:
        raise UserError(f"no model: neither {_MODEL} nor {_EVERYDAY} is here, so name a --model")
    serve(
        {Path(path).stem: Recognizer.load(path) for path in paths},
        options.models,
        options.persons,
        options.most * 2**20,
        _prepared(options),
        options.host,
        options.port,
        options.browser,
    )


def _prepared(options: argparse.Namespace) -> Path | None:
    """The folder of --prepared, else the pipeline's if it is here."""
    folder = Path(options.prepared or _PREPARED)
    if not (folder / "clips.csv").exists():
        if options.prepared:
            raise UserError(f"{folder} holds no prepared clips: run `dvc repro prepare`")
        return None
    return folder


def _load_model(options: argparse.Namespace) -> "Recognizer":
    """The model of --model, else the one trained here, else the everyday model."""
    if options.model is None:
        options.model = _MODEL if Path(_MODEL).exists() else _EVERYDAY
        if options.model == _EVERYDAY:
            print(
                f"note: no model was trained here ({_MODEL}), so {_EVERYDAY} answers: everyday "
                "actions, learnt in simulation",
                file=sys.stderr,
            )
    path = options.model
    if path.lower().endswith(".onnx"):
        from har.recognition.onnx_model import load

        return load(path)
    from har.recognition.recognizer import Recognizer

    return Recognizer.load(path)


def _read(options: argparse.Namespace, recognizer: "Recognizer | None") -> "ClipSet":
    from har.clips.describe import rate_notes
    from har.clips.keypoint_files import to_layout
    from har.clips.sources import read
    from har.skeleton import find_layout
    from har.video.decoding import is_video

    layout = find_layout(options.layout) if options.layout else None
    dimensions = recognizer.checkpoint.layout.dimensions if recognizer else None
    if is_video(options.file):
        clip_set = _extracted(options)
    else:
        clip_set = read(
            options.file,
            options.image_size,
            options.fps or 0.0,
            dimensions=dimensions,
            layout=layout,
            axes=options.axes,
        )
    if recognizer and clip_set.layout:
        clip_set = to_layout(clip_set, clip_set.layout, recognizer.checkpoint.layout)
    if options.fps:
        clips = [replace(clip, fps=options.fps) for clip in clip_set.clips]
        clip_set = replace(clip_set, clips=clips)
    rates = rate_notes(clip_set.clips, "--fps") if recognizer else []
    for note in [*clip_set.notes, *rates]:
        print(f"note: {note}", file=sys.stderr)
    return clip_set


def _extracted(options: argparse.Namespace) -> "ClipSet":
    """The clip of a video."""
    from har.dataset.person_tracking import track_persons
    from har.video.estimators import load
    from har.video.extraction import extract

    estimate = load(options.models)
    return extract(
        options.file, estimate, track_persons, options.persons, options.min_size, progress=True
    )


def _write_overlay(options: argparse.Namespace, recognizer: "Recognizer", clip: "Clip") -> None:
    """Draw a video's skeletons, and the prediction for each window, onto its frames."""
    from har.figures.overlay import write_overlay
    from har.recognition.timeline import frames_of, usual_window, windows

    fps = _rate(options, [clip])
    usual = usual_window(recognizer, clip, fps)
    window = frames_of(options.window, fps) if options.window else usual
    found = list(windows(recognizer, clip, window, max(window // 6, 1)))
    layout, classes = recognizer.checkpoint.layout, recognizer.classes
    write_overlay(options.file, options.overlay, clip, fps, layout, classes, found, progress=True)


def _say(text: str) -> None:
    """Print a line on standard error, above any progress bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def _chosen(options: argparse.Namespace, clip_set: "ClipSet") -> "list[Clip]":
    from har.clips.sources import choose

    return [choose(clip_set, options.clip, options.file)] if options.clip else clip_set.clips


def _rate(options: argparse.Namespace, clips: "list[Clip]") -> float:
    """Frames per second: of --fps, else the clips' own, else 25."""
    from har.clips import USUAL_FPS

    rates = {clip.fps for clip in clips}
    if not options.fps and len(rates) > 1:
        raise UserError(
            f"the clips of {options.file} have different frame rates: choose one with --clip, "
            "or give --fps"
        )
    return options.fps or rates.pop() or USUAL_FPS


def _lengths(options: argparse.Namespace, clips: "list[Clip]") -> "tuple[tuple[int, int], Times]":
    """Window and stride in frames, 0 for whole clips, and the unit of times."""
    from har.clips import USUAL_FPS
    from har.recognition.answers import Times
    from har.recognition.timeline import frames_of

    if not options.window:
        return (0, 0), Times()
    seconds = options.window.strip().endswith("s")
    fps = _rate(options, clips) if seconds else options.fps or USUAL_FPS
    window = frames_of(options.window, fps)
    stride = frames_of(options.stride, fps) if options.stride else max(window // 3, 1)
    return (window, stride), Times("seconds", fps) if seconds else Times()


def _note_lengths(clips: "list[Clip]", window: int, recognizer: "Recognizer") -> None:
    """Note windows or clips whose length is far from that of the training windows."""
    from har.clips import USUAL_FPS

    model = recognizer.checkpoint.model
    windows = model.windows
    if not windows.frames:
        return
    clip = max(clips, key=lambda clip: clip.keypoints.shape[1])
    rate = (clip.fps or USUAL_FPS) / USUAL_FPS  # frames of the clip for one of the settings
    least = round(windows.shortest_share * windows.longest * rate)
    most, usual = round(windows.longest * rate), round(windows.test_longest * rate)
    if 0 < window < least and not windows.shortest:
        # Short and long windows are resampled to the same number of frames.
        print(
            f"note: windows of {window} frames are shorter than most that the model was trained "
            f"on ({least} to {most}), so movements look slower to it: "
            f"--window {usual} suits it better",
            file=sys.stderr,
        )
    frames = clip.keypoints.shape[1]
    if not window and frames > 2 * windows.test_windows * usual:
        print(
            f"note: of the longest clip's {frames} frames, the model sees {windows.test_windows} "
            f"windows of {usual}: --window {usual} covers the whole clip",
            file=sys.stderr,
        )


def _print_accuracy(found: "list[Answer]", classes: list[str]) -> None:
    from har.recognition.answers import accuracy

    labelled = sum(answer.true_class is not None for answer in found)
    if counted := accuracy(found, classes):
        hits, asked = counted
        print(f"accuracy {100 * hits / asked:.2f} % ({hits} of {asked} clips)", end="")
        if refused := sum(answer.unknown and answer.true_class in classes for answer in found):
            print(f"; {refused} of them were called unknown (--no-reject)", end="")
        if labelled > asked:
            print(f"; {labelled - asked} clips are of classes that the model doesn't know", end="")
        print("\nThis measures the model only if it was not trained on these clips.")
    elif labelled:
        print("no accuracy: the model has no class of the name of any clip's class")


def _clips_to_check(source: str | None, recognizer: "Recognizer") -> "ClipSet":
    """Clips of a file, else simulated clips, else (for other layouts) random poses."""
    import numpy as np

    from har.clips import ClipSet, make_clip
    from har.clips.simulate import simulate
    from har.clips.sources import read

    layout = recognizer.checkpoint.layout
    if source:
        clips = read(source, dimensions=layout.dimensions).clips[:64]
    elif layout.name == "coco17":
        clips = simulate(0, groups=[1], clips=1, frames=250).clips
    else:
        generator = np.random.default_rng(0)
        shape = len(layout.joints), layout.dimensions
        clips = [
            make_clip(
                f"random {n}",
                generator.normal(200, 40, (2, 20 * n, *shape)),
                None,
                (400, 400),
                layout.dimensions,
            )
            for n in range(1, 6)
        ]
    return ClipSet(clips, [])


def _write(path: str, content: bytes) -> None:
    from har.files import write_atomically

    with write_atomically(path) as file:
        file.write(content)


def _check_suffix(path: str, suffix: str) -> None:
    if not path.lower().endswith(suffix):
        raise UserError(f"{path}: the name of this file must end in {suffix}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m har", description="Names human actions from skeletons. See docs/use.md."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], None], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    def model(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--model", help=f".safetensors or .onnx (default: {_MODEL}, else {_EVERYDAY})"
        )

    def reject(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--reject",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="call what is far from all clips of the training unknown (default: yes)",
        )

    def persons(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--persons",
            type=_count,
            default=2,
            help="most persons to extract from a video (default: 2)",
        )
        added.add_argument(
            "--min-size",
            type=_share,
            default=0.05,
            metavar="SHARE",
            help="least size of a person, as a share of the picture's shorter side (default: 0.05)",
        )
        added.add_argument(
            "--models",
            metavar="DIR",
            help="pose estimators (.onnx); default: MoveNet, fetched once",
        )

    def missing(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--layout",
            metavar="NAME|YAML",
            help="of the file's joints, where the file does not give it",
        )
        added.add_argument(
            "--image-size",
            type=_image_size,
            metavar="WIDTHxHEIGHT",
            help="in pixels, where the file does not give it",
        )
        added.add_argument(
            "--fps", type=_positive, help="frames per second (default: the file's own, else 25)"
        )
        added.add_argument(
            "--axes",
            default="",
            metavar="ORDER",
            help="of own arrays: m persons, t frames, v joints, c coordinates, n clips, such as "
            "tmvc (default: recognised by shape and movement)",
        )

    def clips(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "file", help="a video, a pickle, own keypoints, a pose tool's file, or a folder"
        )
        added.add_argument("--clip", metavar="ID", help="one clip, by its id or a part of the id")
        missing(added)
        persons(added)

    added = command("predict", predict, "name the action of clips")
    clips(added)
    model(added)
    added.add_argument("--top-k", type=_count, default=3, help="classes to list (default: 3)")
    form = added.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
    added.add_argument("--window", help="slide a window over the clip: 3s, or 75 frames")
    added.add_argument("--stride", help="from window to window (default: a third of a window)")
    added.add_argument("--per-person", action="store_true", help="predict each person separately")
    reject(added)
    added.add_argument(
        "--coverage",
        type=_share,
        metavar="SHARE",
        help="also name the classes that hold the true one so often, such as 0.9",
    )
    added.add_argument("-o", dest="output", metavar="PNG", help="draw the timeline")

    added = command("show", show, "draw a clip as stick figures")
    clips(added)
    model(added)
    added.add_argument("-o", dest="output", metavar="PNG", help="first, middle and last frame")
    added.add_argument("--gif", metavar="GIF", help="the moving clip")
    added.add_argument(
        "--overlay", metavar="MP4", help="a video's frames with skeletons, running top 3, timeline"
    )
    added.add_argument("--window", help="length of the overlay's windows: 3s, or 75 frames")
    added.add_argument("--predict", action="store_true", help="write the top 3 classes beside it")
    reject(added)
    added.add_argument("--seed", type=_seed, default=0, help="of the random choice without --clip")

    added = command("extract", extract, "write the skeletons of videos as a pickle")
    added.add_argument(
        "videos", nargs="+", metavar="VIDEO", help="a file, an address, a folder of classes"
    )
    added.add_argument("-o", dest="output", metavar="PKL", required=True)
    persons(added)
    added.add_argument(
        "--segments",
        metavar="TABLE",
        help="clips to cut: video, start, end, label (docs/formats.md)",
    )
    added.add_argument(
        "--background",
        action="store_true",
        help="make a class of the stretches that the table leaves unlabelled",
    )
    added.add_argument(
        "--keep",
        metavar="DIR",
        help="keep each video's skeletons, so that only new videos are extracted",
    )
    added.add_argument("--workers", type=_count, default=1, help="processes (default: 1)")
    added.add_argument("--scheduler", metavar="tcp://...", help="address of a running Dask cluster")

    added = command("convert", convert, "write clips of any form as a pickle")
    added.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="a file or folder (docs/formats.md)"
    )
    added.add_argument("-o", dest="output", metavar="PKL", required=True)
    missing(added)
    added.add_argument("--to", metavar="NAME|YAML", help="map the joints to this layout, by name")

    added = command("live", live, "name the action on a camera, a line a second")
    added.add_argument(
        "stream", nargs="?", help="a stream's address or a file in place of the camera"
    )
    added.add_argument("--camera", type=int, default=0, help="number of the camera (default: 0)")
    model(added)
    added.add_argument("--models", metavar="DIR", help="pose estimators (default: MoveNet)")
    added.add_argument(
        "--window", type=_positive, default=4.0, help="seconds that are predicted (default: 4)"
    )
    reject(added)
    added.add_argument(
        "--every", type=_positive, default=1.0, help="seconds between lines (default: 1)"
    )
    added.add_argument("--show", action="store_true", help="also show it in a window")
    added.add_argument("--top-k", type=_count, default=3, help="classes to list (default: 3)")

    added = command("audit-labels", audit_labels, "find doubtful labels and near-duplicate clips")
    added.add_argument("file", help="clips with labels, in any form, or simulated")
    missing(added)
    added.add_argument("-o", dest="output", metavar="DIR", required=True)
    added.add_argument("--worst", type=_count, default=40, help="clips on the page (default: 40)")
    added.add_argument("--seed", type=_seed, default=0, help="default: 0")

    added = command("inspect", inspect, "describe the content of a file")
    added.add_argument("file", help="a pickle, own keypoints (.npz, .npy, .json), or a folder")
    missing(added)

    added = command("simulate", simulate, "write a simulated data set as a pickle")
    added.add_argument("file", metavar="OUT.pkl")
    added.add_argument(
        "--set", choices=("grooming", "everyday"), default="grooming", help="default: grooming"
    )
    added.add_argument("--seed", type=_seed, default=_SIMULATED_SEED, help="default: 42")

    added = command("teach", teach, "teach the pre-trained model your own classes, in seconds")
    added.add_argument("file", metavar="CLIPS", help="labelled clips, as predict reads them")
    added.add_argument("-o", dest="output", metavar="SAFETENSORS", required=True)
    added.add_argument("--encoder", default=_EVERYDAY, help="default: %(default)s")
    missing(added)
    persons(added)

    added = command("export", export, "write a model as ONNX")
    model(added)
    added.add_argument("-o", dest="output", metavar="ONNX", required=True)
    added.add_argument("--check", metavar="FILE", help="clips for the comparison with PyTorch")

    added = command(
        "import-reference", import_reference, "import a checkpoint of the pytorch reference"
    )
    added.add_argument("file", metavar="PT")
    added.add_argument("-o", dest="output", metavar="SAFETENSORS", required=True)
    added.add_argument(
        "--keep-class-ids", action="store_true", help="don't give label ids UCF101's class names"
    )

    added = command("serve", serve, "serve a registered model over HTTP")
    added.add_argument("--model", help="default: the champion of params.yaml's registered_model")
    added.add_argument(
        "--host", default="127.0.0.1", help="default: %(default)s, this machine only"
    )
    added.add_argument("--port", type=_count, default=5001, help="default: %(default)s")
    added.add_argument("--workers", type=_count, default=1, help="processes (default: 1)")

    added = command("studio", studio, "open a page in the browser: watch, teach, explore")
    added.add_argument(
        "--model",
        action="append",
        help=f"may be given several times (default: {_MODEL} and {_EVERYDAY})",
    )
    persons(added)
    added.add_argument(
        "--most", type=_count, default=512, metavar="MB", help="of one file (default: 512)"
    )
    added.add_argument(
        "--prepared",
        metavar="DIR",
        help=f"the pipeline's clips, for the tab Explore (default: {_PREPARED}, if it is there)",
    )
    added.add_argument("--host", default="127.0.0.1", help="default: %(default)s, here only")
    added.add_argument("--port", type=_count, default=5002, help="default: %(default)s")
    added.add_argument(
        "--no-browser", dest="browser", action="store_false", help="don't open the page"
    )

    command("sync-mlflow", sync_mlflow, "send the results of the last `dvc repro` to MLflow")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError("must be 0 to 4294967295")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 100_000:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError("must be from 0 up to 1")
    return number


def _image_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT as (height, width)."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < len(text) < 12):
        raise argparse.ArgumentTypeError("must be WIDTHxHEIGHT, such as 640x480")
    return int(height), int(width)


if __name__ == "__main__":
    main()
