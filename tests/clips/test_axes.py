"""The order of axes: recognised by shape and movement and told, or refused."""

import numpy as np
import pytest

from har.clips import make_clip
from har.clips.axes import recognise, reorder
from har.clips.notes import Notes
from har.errors import UserError


def walk(persons: int, frames: int, joints: int = 17, channels: int = 2) -> np.ndarray:
    """Persons (M, T, V, C) in pixels, far apart, who move by a pixel or so from frame to frame."""
    generator = np.random.default_rng(0)
    bodies = (
        generator.uniform(0, 80, (persons, 1, joints, 2))
        + 200 * np.arange(1, persons + 1)[:, None, None, None]
    )
    steps = generator.normal(0, 0.5, (persons, frames, joints, 2)).cumsum(axis=1)
    scores = generator.uniform(0.3, 1, (persons, frames, joints, 1))
    return np.concatenate([bodies + steps, scores], axis=-1)[..., :channels].astype(np.float32)


@pytest.mark.parametrize("axes", ["mtvc", "tmvc", "ctvm", "mctv", "tmcv", "mtcv"])
def test_orders_of_persons_are_recognised(axes):
    array = walk(5, 60, channels=3).transpose(["mtvc".index(letter) for letter in axes])
    found, note = recognise(array)
    assert found == axes and (axes in note) == (axes != "mtvc")
    notes = Notes()
    clip = make_clip("a", array, dimensions=2, notes=notes)
    np.testing.assert_array_equal(clip.keypoints, walk(5, 60))
    assert (axes == "mtvc") or any(axes in line for line in notes.lines())


def test_the_order_of_st_gcn_is_recognised_with_two_persons():
    """Its shape could be that of three persons with two coordinates."""
    assert recognise(walk(2, 60, channels=3).transpose(3, 1, 2, 0))[0] == "ctvm"
    assert recognise(walk(3, 60))[0] == "mtvc"


@pytest.mark.parametrize("axes", ["tvc", "ctv", "tcv"])
def test_orders_of_one_person_are_recognised(axes):
    array = walk(1, 60, channels=3)[0].transpose(["tvc".index(letter) for letter in axes])
    assert recognise(array)[0] == axes


def test_many_frames_of_few_persons_are_no_crowd():
    """Persons that stand in the same place give no hint but the shape."""
    noise = np.random.default_rng(0).normal(200, 30, (60, 1, 17, 2)).repeat(2, axis=1)
    assert recognise(noise)[0] == "tmvc"
    assert recognise(walk(1, 60).swapaxes(0, 1))[0] == "tmvc"


def test_a_crowd_in_few_frames_is_one_where_frames_are_counted_or_bodies_apart():
    crowd = walk(8, 3)
    assert recognise(crowd)[0] == "mtvc"
    assert recognise(np.ones((8, 3, 17, 2)), frames=3) == ("mtvc", "")
    assert recognise(np.ones((8, 3, 17, 2)), frames=8)[0] == "tmvc"


def test_frames_first_in_a_square_is_told():
    axes, note = recognise(walk(10, 8).swapaxes(0, 1))
    assert axes == "mtvc" and "--axes tmvc" in note


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.random.default_rng(0).uniform(0, 200, (5, 3, 17, 2)), "more persons than frames"),
        (np.random.default_rng(0).uniform(0.1, 1, (3, 60, 17, 2)), "--axes ctvm or --axes mtvc"),
        (np.ones((60, 34)), "shape"),
        (np.ones((60, 9, 8)), "--axes"),
    ],
)
def test_what_can_be_two_things_is_refused_with_the_option(array, words):
    with pytest.raises(UserError, match=words):
        recognise(array)


def test_axes_that_are_given_are_taken():
    array = walk(3, 5, channels=3)
    for axes in ("tmvc", "ctvm", "vtmc"):
        mixed = array.transpose(["mtvc".index(letter) for letter in axes])
        clip = make_clip("a", mixed, dimensions=2, axes=axes)
        np.testing.assert_array_equal(clip.keypoints, array[..., :2])
    for axes in ("tmv", "tmvx", "ttvc", "tvc"):
        with pytest.raises(UserError, match="axes"):
            make_clip("a", array, axes=axes)


def test_scores_are_reordered_with_the_keypoints():
    array = walk(2, 60, channels=3)
    clip = make_clip("a", array[..., :2].swapaxes(0, 1), array[..., 2].swapaxes(0, 1))
    np.testing.assert_array_equal(clip.scores, array[..., 2])
    assert reorder(np.zeros((7, 17, 2)), "tvc").shape == (1, 1, 7, 17, 2)
