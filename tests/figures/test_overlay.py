"""The overlay of a video: what is drawn lies where it should."""

import numpy as np

from har.figures.overlay import Overlay
from har.skeleton import LAYOUTS

COCO = LAYOUTS["coco17"]
RED, BLACK = (213, 94, 0), (0, 0, 0)


def overlay(probabilities, unknown=(False, False)):
    names, spans = ["walk", "run", "跳ぶ"], ((0, 10), (10, 20))
    return Overlay((120, 161), COCO, names, spans, np.array(probabilities), np.array(unknown), 20)


def pose(x, y):
    """The right elbow at (x, y), the wrist 30 pixels to the right, nothing else."""
    found = np.zeros((17, 3), np.float32)
    found[COCO.joints.index("right_elbow")] = (x, y, 0.9)
    found[COCO.joints.index("right_wrist")] = (x + 30, y, 0.9)
    return found[None]


def test_skeletons_lie_on_the_picture():
    picture = np.full((120, 161, 3), 200, np.uint8)
    drawn = overlay([[0.7, 0.2, 0.1]] * 2).draw(picture, pose(50, 60), 0)
    assert drawn.shape[0] % 2 == drawn.shape[1] % 2 == 0 and drawn.dtype == np.uint8
    changed = (drawn[:120, :161] != 200).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - 60) < 1 and columns.min() >= 45 and columns.max() <= 85
    assert tuple(drawn[60, 65]) == RED


def test_nobody_leaves_the_picture_as_it_is():
    picture = np.random.default_rng(0).integers(0, 255, (120, 161, 3), np.uint8)
    nobody = np.zeros((2, 17, 3), np.float32)
    drawn = overlay([[np.nan] * 3] * 2).draw(picture, nobody, 3)
    np.testing.assert_array_equal(drawn[:120, :161], picture)


def test_the_panel_tells_the_window_of_the_moment():
    """A bar as long as the likeliest class's share, and a mark that moves along the timeline."""
    some = overlay([[0.8, 0.2, 0], [0.1, 0.9, 0]])
    assert [some.at(frame) for frame in (0, 9, 10, 19)] == [0, 0, 1, 1]
    picture = np.zeros((120, 161, 3), np.uint8)
    nobody = np.zeros((1, 17, 3), np.float32)
    marks = []
    for frame, share in ((0, 0.8), (19, 0.9)):
        drawn = some.draw(picture, nobody, frame)
        row = drawn[122, :161]  # the top of the first bar
        assert abs((row != 255).any(axis=1).sum() - share * 161) <= 2
        timeline = drawn[-6, :161]
        marks.append(np.nonzero((timeline == 0).all(axis=1))[0].mean())
    np.testing.assert_allclose(marks, [161 * 0.5 / 20, 161 * 19.5 / 20], atol=2)
    # Two windows, two colours.
    assert len(np.unique(timeline.reshape(-1, 3), axis=0)) == 3


def test_what_is_unknown_is_grey_and_told():
    """Bars and timeline have no class's colour, and the first line differs by the word."""
    picture, nobody = np.zeros((120, 161, 3), np.uint8), np.zeros((1, 17, 3), np.float32)
    rows = [[0.5, 0.3, 0.2]] * 2
    known = overlay(rows).draw(picture, nobody, 0)
    found = overlay(rows, (False, True))
    np.testing.assert_array_equal(found.draw(picture, nobody, 0)[:150], known[:150])
    drawn = found.draw(picture, nobody, 19)
    bar, timeline = drawn[122, 2], drawn[-6]
    assert len(set(bar.tolist())) == 1 < len(set(known[122, 2].tolist()))
    assert tuple(timeline[100]) == (0x88, 0x88, 0x88) != tuple(timeline[40])
    text = [(frame[121:130, :161] < 60).all(axis=2).sum() for frame in (known, drawn)]
    assert text[1] > 1.5 * text[0]
