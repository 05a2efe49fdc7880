"""Figures: what is drawn is what was given, and nothing lies on top of anything else."""

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from PIL import Image

from har.evaluation import metrics
from har.evaluation.calibration import apply_temperature
from har.figures import charts, skeletons, style
from har.skeleton import LAYOUTS

COCO = LAYOUTS["coco17"]
NAMES = ["Walk", "Baseball pitch $10^", "AVeryLongClassNameOfTheKindThatUsersReallyHave", "Run"]


def sample(label=0, persons=1, frames=9, layout=COCO, seed=0):
    generator = np.random.default_rng(seed)
    shape = (persons, frames, len(layout.joints), layout.dimensions + 1)
    poses = generator.uniform(10, 200, shape).astype(np.float32)
    poses[..., -1] = 0.9
    return skeletons.Sample(f"a_rather_long_clip_name_of_a_user_g{seed:02}_c01", label, poses)


def shown(figure):
    """The texts of a gallery in the order they were written."""
    return [text.get_text() for text in figure.axes[0].texts]


def boxes_of_texts(figure):
    """All visible texts with their boxes in pixels."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(style.DPI)
    figure.draw_without_rendering()  # a canvas would paint all joints too
    found = [text for axes in figure.axes for text in axes.texts] + figure.texts
    for axes in figure.axes:
        if axes.axison:
            found += [axes.title, axes.xaxis.label, axes.yaxis.label]
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = axis.get_major_ticks()
                found += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    renderer = canvas.get_renderer()
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in found
        if text.get_text() and text.get_visible()
    ]


def assert_tidy(figure):
    """No text runs into another or over the edge."""
    boxes = boxes_of_texts(figure)
    width, height = figure.get_size_inches() * style.DPI
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text
    corners = np.array([[box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 - 1] for _, box in boxes])
    low, high = corners[:, None, :2], corners[:, None, 2:]
    overlap = ((low < high.swapaxes(0, 1)) & (low.swapaxes(0, 1) < high)).all(axis=2)
    pairs = np.argwhere(np.triu(overlap, 1))
    assert not len(pairs), [(boxes[a][0], boxes[b][0]) for a, b in pairs]


def models(classes, clips=400, seed=0):
    """Labels and probabilities of two made-up models."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=clips)
    logits = generator.normal(size=(2, clips, classes))
    logits[:, np.arange(clips), labels] += [[1.0], [2.0]]
    return labels, {
        name: apply_temperature(part, 0.5)
        for name, part in zip(("baseline", "improved"), logits, strict=True)
    }


def every_figure(classes, layout=COCO):
    names = (NAMES * 26)[:classes]
    names = [f"{number} {name}" for number, name in enumerate(names)]
    labels, found = models(classes)
    samples = [sample(label, 1 + label % 3, layout=layout, seed=label) for label in range(classes)]
    some = found["improved"][:classes]
    per_class = {name: metrics.per_class(labels, p, names) for name, p in found.items()}
    bins = {
        name: {"before": metrics.calibration_bins(labels, p)}
        | {"after": metrics.calibration_bins(labels, apply_temperature(np.log(p), 2.0))}
        for name, p in found.items()
    }
    history = {"epoch": [1, 2, 3]} | {
        f"{part}_{key}": [0.3, 0.5, 0.9]
        for part in ("train", "val")
        for key in ("loss", "accuracy", "macro_f1")
    }
    table = metrics.confusion(labels, found["improved"])
    return {
        "skeletons": skeletons.skeleton_strip(samples, names, layout),
        "examples": skeletons.predicted_examples(samples, some, names, layout),
        "mistakes": skeletons.mistakes_gallery(samples, some, names, layout),
        "confusion": charts.confusion_matrix(table, names, "improved"),
        "per class": charts.per_class_f1(per_class),
        "reliability": charts.reliability(bins),
        "curves": charts.training_curves({"baseline": history, "improved": history}),
    }


@pytest.mark.parametrize("classes", [2, 5, 16, 101])
def test_no_text_overlaps(classes):
    for figure in every_figure(classes).values():
        assert_tidy(figure)


@pytest.mark.parametrize("layout", ["openpose18", "openpose25", "ntu25"])
def test_every_layout_is_drawn(layout):
    samples = [sample(label, 1 + label, layout=LAYOUTS[layout]) for label in range(3)]
    assert_tidy(skeletons.skeleton_strip(samples, NAMES[:3], LAYOUTS[layout]))


def test_same_figure_same_bytes():
    first, second = every_figure(2), every_figure(2)
    for name, figure in first.items():
        content = style.png(figure)
        assert content == style.png(second[name])
        assert Image.open(io.BytesIO(content)).text == {}  # no version, no date


def bones(figure, cell=0):
    """Segments in inches and colours of the first person in a cell."""
    collections = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    return np.array(collections[cell].get_segments()), collections[cell].get_colors()


def test_bones_join_the_right_joints_in_the_right_colours():
    clip = sample()
    clip.poses[0, 0, COCO.joints.index("left_wrist"), -1] = 0.1
    clip.poses[0, 0, COCO.joints.index("right_wrist"), -1] = 0.0
    segments, colours = bones(skeletons.skeleton_strip([clip], NAMES, COCO))
    ends = [*COCO.bones, COCO.shoulders, COCO.hips]
    points = clip.poses[0, 0, :, :2]
    expected = np.array([[points[a], points[b]] for a, b in ends])
    # Pixels and inches differ by one scale and one shift, with y downwards in both.
    scale = np.ptp(segments[:, :, 0]) / np.ptp(expected[:, :, 0])
    shift = segments[0, 0] - scale * expected[0, 0]
    assert scale > 0
    np.testing.assert_allclose(segments, scale * expected + shift, atol=1e-4)
    for (joint, _), colour in zip(COCO.bones, colours, strict=False):
        name = COCO.joints[joint]
        wanted = style.LEFT if "left" in name else style.RIGHT if "right" in name else None
        assert to_hex(colour) == wanted.lower()
        opacity = {"left_wrist": 0.25, "right_wrist": 0.0}.get(name, 1.0)
        assert colour[3] == opacity


def test_depth_cameras_are_drawn_upright():
    layout = LAYOUTS["ntu25"]
    clip = sample(layout=layout)
    clip.poses[:, :, layout.joints.index("head"), 1] = 500  # y upwards
    segments, _ = bones(skeletons.skeleton_strip([clip], NAMES, layout))
    head = [joint for joint, _ in layout.bones].index(layout.joints.index("head"))
    assert segments[head, 0, 1] == segments[:, :, 1].min()  # the page's y is downwards


def test_frames_without_anyone_are_passed_over():
    clip = sample(frames=11)
    clip.poses[:, :2] = 0
    clip.poses[:, -1] = 0
    written = shown(skeletons.skeleton_strip([clip], NAMES, COCO))
    assert written[-3:] == ["3", "7", "10"]  # counted from 1
    clip.poses[:] = 0
    style.png(skeletons.skeleton_strip([clip], NAMES, COCO))  # nobody at all is drawable


def test_examples_name_classes_and_probabilities():
    row = np.array([[0.25, 0.05, 0.0, 0.7]])
    written = shown(skeletons.predicted_examples([sample(0)], row, list("abcd"), COCO))
    assert written[-8:] == ["d", "70.0 %", "a", "25.0 %", "b", "5.0 %", "c", "0.0 %"]
    assert "wrong" in written
    assert "correct" in shown(skeletons.predicted_examples([sample(3)], row, NAMES, COCO))


def test_worst_mistakes_come_first():
    labels, found = models(5)
    probabilities = found["baseline"]
    wrong = [
        (-max(row), number)
        for number, (row, label) in enumerate(zip(probabilities, labels, strict=True))
        if list(row).index(max(row)) != label
    ]
    expected = [number for _, number in sorted(wrong)][:7]
    assert list(skeletons.worst_mistakes(labels, probabilities, 7)) == expected
    assert len(skeletons.worst_mistakes(np.array([1]), np.array([[0.1, 0.9]]))) == 0


def test_mistakes_say_who_was_taken_for_whom():
    row = np.array([[0.25, 0.05, 0.0, 0.7]])
    written = shown(skeletons.mistakes_gallery([sample(0)], row, list("abcd"), COCO))
    assert written[4:8] == ["taken for d", "70.0 %", "is a", "25.0 %"]
    none = skeletons.mistakes_gallery([], np.zeros((0, 4)), list("abcd"), COCO)
    assert "No clip was mistaken." in shown(none)


def test_confusion_shows_every_number_and_every_class():
    table = np.array([[20, 6, 0], [1, 18, 0], [0, 0, 0]])  # class c neither occurs nor is guessed
    figure = charts.confusion_matrix(table, ["a", "b", "c"], "baseline")
    axes = figure.axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {
        (0, 0): "20\n77 %",
        (1, 0): "6\n23 %",
        (0, 1): "1\n5 %",
        (1, 1): "18\n95 %",
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    f1 = (2 * 20 / 47 + 2 * 18 / 43) / 2
    assert axes.get_title() == f"baseline: 45 clips\naccuracy 84.4 %, macro-F1 {100 * f1:.1f} %"


def test_bars_and_lines_have_the_given_lengths():
    rows = {"f1": 0.25, "support": 4}, {"f1": 0.5, "support": 4}
    figure = charts.per_class_f1({"baseline": {"a": rows[0]}, "improved": {"a": rows[1]}})
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.25, 0.5]

    bins = metrics.calibration_bins([0, 0, 0, 1, 1, 1], [[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    figure = charts.reliability({"improved": {"before": bins}})
    curve = figure.axes[0].get_lines()[1]
    np.testing.assert_allclose(curve.get_xydata(), [[0.6, 1.0], [0.9, 0.75]])
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend[1] == "before: error 0.233"


def test_curves_of_train_and_val():
    history = {"epoch": [1, 2]}
    for number, key in enumerate(("loss", "accuracy", "macro_f1")):
        history |= {f"train_{key}": [number, 0.5], f"val_{key}": [number, 0.25]}
    figure = charts.training_curves({"improved": history})
    drawn = [[list(line.get_ydata()) for line in axes.get_lines()] for axes in figure.axes]
    assert drawn == [[[number, 0.5], [number, 0.25]] for number in range(3)]
    assert [axes.get_title() for axes in figure.axes] == [
        "improved: loss",
        "improved: accuracy",
        "improved: macro-F1",
    ]


def test_timeline_shows_likely_classes_and_frames_the_highest():
    windows = [
        (0.0, 2.0, np.array([0.7, 0.1, 0.1, 0.1]), False),
        (1.0, 3.0, np.array([0.6, 0.25, 0.1, 0.05]), False),
        (2.0, 4.0, None, False),
        (3.0, 5.0, np.array([0.1, 0.1, 0.15, 0.65]), False),
    ]
    figure = charts.timeline("clip", {"": windows}, ["run", "sit", "swim", "$wave$"], "seconds")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["run", "sit", "$wave$"]
    assert axes.get_xlabel() == "seconds (grey: nobody seen)"
    frames = [patch.get_bbox().bounds for patch in axes.patches]
    assert frames == [(0.0, -0.5, 2.5, 1.0), (3.5, 1.5, 1.5, 1.0)]
    values = axes.collections[0].get_array()
    np.testing.assert_array_equal(values[0].filled(9), [0.7, 0.6, 9, 0.1])
    style.png(figure)
    style.png(charts.timeline("clip", {"person 1": [(0, 9, None, False)]}, ["run"], "frames"))


def test_timeline_frames_nothing_where_the_action_is_unknown():
    row = np.array([0.7, 0.3])
    windows = [(0.0, 2.0, row, True), (2.0, 4.0, row, False)]
    axes = charts.timeline("clip", {"": windows}, ["run", "sit"], "seconds").axes[0]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(2.0, -0.5, 2.0, 1.0)]
    assert axes.get_xlabel() == "seconds (without a frame: unknown)"


def test_moving_clip_keeps_its_speed(monkeypatch):
    monkeypatch.setattr(skeletons, "_MOST_MOVING", 20)
    poses = np.random.default_rng(0).uniform(0, 100, (1, 60, 17, 3))
    for frames, fps, count, duration in ((10, 25, 10, 40), (60, 25, 20, 120), (40, 100, 10, 40)):
        content = skeletons.moving_clip("clip", "about", poses[:, :frames], COCO, fps)
        with Image.open(io.BytesIO(content)) as moving:
            assert (moving.n_frames, moving.info["duration"]) == (count, duration)


def test_moving_grid_shows_every_frame_of_all_clips():
    poses = np.random.default_rng(0).uniform(0, 100, (5, 1, 8, 17, 3))
    content = skeletons.moving_grid([("title", "about", clip) for clip in poses], COCO, 12.5)
    with Image.open(io.BytesIO(content)) as moving:
        assert (moving.n_frames, moving.info["duration"]) == (8, 80)
        columns, rows = round(moving.size[0] / 150), round(moving.size[1] / 190)
    assert (columns, rows) == (4, 2)


def test_clip_picture_tells_the_likely_classes():
    poses = np.random.default_rng(0).uniform(0.5, 1, (2, 9, 17, 3))
    figure = skeletons.clip_picture("clip", "9 frames", poses, COCO, [("run", 0.8), ("sit", 0.1)])
    told = {"clip", "9 frames", "run", "80.0 %", "sit", "10.0 %", "1", "5", "9"}
    assert told <= set(shown(figure))
