"""The simulated world: its counts, its physics, its detector's faults, its repeatability."""

import re
from collections import Counter

import numpy as np
import pytest

from har.clips import Clip, ClipSet
from har.clips.simulate import GROUPS, simulate
from har.clips.simulate.actions import CLASSES, act
from har.clips.simulate.bodies import frames, joints, reach, rotation, sample_body
from har.clips.simulate.camera import HEIGHT, WIDTH, Camera
from har.clips.simulate.detector import Detection, detect, fill_slots, sample_faults

NAME = re.compile(r"v_([A-Za-z]+)_g(\d\d)_c(\d\d)")


@pytest.fixture(scope="module")
def whole() -> ClipSet:
    return simulate(seed=42)


def tiny(seed: int) -> list[Clip]:
    return simulate(seed, ["BlowDryHair", "HeadMassage"], groups=[3, 9], clips=2, frames=25).clips


def test_as_many_clips_as_ucf101_has(whole: ClipSet) -> None:
    parts = [NAME.fullmatch(clip.id).groups() for clip in whole.clips]
    classes = [name for name, _, _ in parts]
    assert list(Counter(classes).items()) == [
        ("ApplyEyeMakeup", 145),
        ("ApplyLipstick", 114),
        ("BlowDryHair", 131),
        ("BrushingTeeth", 131),
        ("HeadMassage", 147),
    ]
    sizes = Counter((name, group) for name, group, _ in parts)
    assert len(sizes) == 5 * 25
    assert set(sizes.values()) <= {4, 5, 6, 7}
    for (name, group), size in sizes.items():
        own = [n for c, g, n in parts if (c, g) == (name, group)]
        assert own == [f"{number + 1:02}" for number in range(size)]
    assert [clip.label for clip in whole.clips] == [whole.classes.index(name) for name in classes]


def test_official_subsets_follow_ucf101s_rule(whole: ClipSet) -> None:
    for split, tested in ((1, range(1, 8)), (2, range(8, 15)), (3, range(15, 22))):
        for clip in whole.clips:
            in_test = int(NAME.fullmatch(clip.id)[2]) in tested
            assert (clip.id in whole.subsets[f"test{split}"]) == in_test
            assert (clip.id in whole.subsets[f"train{split}"]) != in_test


def test_lengths_and_persons_are_like_ucf101s(whole: ClipSet) -> None:
    lengths = np.array([clip.keypoints.shape[1] for clip in whole.clips])
    persons = np.array([len(clip.keypoints) for clip in whole.clips])
    labels = np.array([clip.label for clip in whole.clips])
    published = zip((161, 155, 189, 210, 168), (1.86, 1.78, 3.02, 1.83, 4.54), strict=True)
    for label, (frames_median, persons_mean) in enumerate(published):
        assert np.median(lengths[labels == label]) == pytest.approx(frames_median, rel=0.25)
        assert persons[labels == label].mean() == pytest.approx(persons_mean, rel=0.2)


def test_clips_are_in_the_published_form(whole: ClipSet) -> None:
    for clip in whole.clips:
        persons, length = clip.keypoints.shape[:2]
        assert clip.keypoints.shape == (persons, length, 17, 2)
        assert clip.scores.shape == (persons, length, 17)
        assert clip.keypoints.dtype == clip.scores.dtype == np.float16
        assert clip.image_size == (HEIGHT, WIDTH) == (256, 340)
        assert np.isfinite(clip.keypoints).all()
        seen = clip.scores.max(axis=2) > 0
        assert seen.all(axis=0).any(), "M is the number of detections of some frame"
        assert (seen[:-1] >= seen[1:]).all(), "slots fill up from the first"
        assert not clip.keypoints[~seen].any()
        assert (clip.scores[seen] > 0).all() and clip.scores.max() < 1


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    for first, again, other in zip(tiny(5), tiny(5), tiny(6), strict=True):
        assert first.keypoints.tobytes() == again.keypoints.tobytes()
        assert first.scores.tobytes() == again.scores.tobytes()
        assert first.keypoints.tobytes() != other.keypoints.tobytes()


def test_a_part_holds_the_clips_of_the_whole(whole: ClipSet) -> None:
    by_id = {clip.id: clip for clip in whole.clips}
    part = tiny(42)
    assert len(part) == 2 * 2 * 2
    for clip in part:
        same = by_id[clip.id]
        np.testing.assert_array_equal(clip.keypoints, same.keypoints[:, :25])
        assert (clip.label, clip.group) == (same.label, same.group)


def test_clips_of_the_same_group_share_what_a_careless_split_leaks(whole: ClipSet) -> None:
    """Framing and body: shoulders as wide within a group, various between groups."""
    widths: dict[str, list[float]] = {}
    for clip in whole.clips:
        if len(clip.keypoints) > 1:
            continue  # slot 0 may be somebody else
        shoulders = clip.keypoints[0, :, 5:7].astype(float)
        width = np.median(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1))
        widths.setdefault(clip.group, []).append(np.log(width))
    groups = [np.array(values) for values in widths.values() if len(values) > 2]
    assert len(groups) > 10
    within = np.sqrt(np.mean([values.var() for values in groups]))
    between = np.std([values.mean() for values in groups])
    assert within < 0.5 * between


@pytest.mark.parametrize("name", CLASSES)
def test_bones_keep_their_length(name: str) -> None:
    session = act(np.random.default_rng(3), name, name == "HeadMassage", 200)
    for person, body in zip(session.people, session.bodies, strict=True):
        bones = {
            (5, 6): 2 * body.shoulder,
            (5, 7): body.upper_arm,
            (8, 10): body.forearm,
            (1, 2): 2 * body.eye,
            (11, 12): 2 * body.hip,
            (12, 14): body.thigh,
            (13, 15): body.shank,
        }
        for (a, b), length in bones.items():
            found = np.linalg.norm(person[:, a] - person[:, b], axis=-1)
            np.testing.assert_allclose(found, length, rtol=1e-9)


def test_an_arm_reaches_its_target_or_stretches_towards_it() -> None:
    shoulder, down = np.zeros((2, 3)), np.array([[0, 1.0, 0], [0, 1.0, 0]])
    target = np.array([[0.3, 0.0, -0.2], [3.0, 0.0, -4.0]])
    elbow, wrist = reach(shoulder, target, down, 0.3, 0.25)
    np.testing.assert_allclose(wrist[0], target[0])
    np.testing.assert_allclose(wrist[1], np.array([0.6, 0, -0.8]) * 0.995 * 0.55)
    np.testing.assert_allclose(np.linalg.norm(elbow, axis=-1), 0.3)
    np.testing.assert_allclose(np.linalg.norm(wrist - elbow, axis=-1), 0.25)
    assert (elbow[:, 1] > 0).all(), "the elbow points where it was told to"


def test_angles_turn_the_body_as_documented() -> None:
    face, quarter, none = np.array([0, 0, -1.0]), np.array([np.pi / 2]), np.zeros(1)
    np.testing.assert_allclose(rotation(quarter, none, none)[0] @ face, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(none, quarter, none)[0] @ face, [0, 1, 0], atol=1e-12)
    crown = np.array([0, -1.0, 0])
    np.testing.assert_allclose(rotation(none, none, quarter)[0] @ crown, [-1, 0, 0], atol=1e-12)


@pytest.mark.parametrize(("name", "within"), [("ApplyLipstick", 0.22), ("BrushingTeeth", 0.26)])
def test_the_working_hand_is_at_the_mouth(name: str, within: float) -> None:
    near = []
    for seed in range(5):
        session = act(np.random.default_rng(seed), name, False, 500)
        axes, wrists = session.axes[0], session.people[0][:, 9:11]
        mouth = axes.skull + axes.head @ session.bodies[0].mouth
        distance = np.linalg.norm(wrists - mouth[:, None], axis=-1).min(axis=1)
        near += [np.mean(distance[session.work] < within)]
        assert np.median(distance[session.work]) < np.median(distance[~session.work])
    assert np.mean(near) > 0.8


def test_a_masseurs_hands_are_on_the_other_head() -> None:
    session = act(np.random.default_rng(1), "HeadMassage", True, 500)
    masseur = session.people[1]
    hands = masseur[session.work, 9:11]
    to_client = np.linalg.norm(hands - session.axes[0].skull[session.work, None], axis=-1)
    to_self = np.linalg.norm(hands - session.axes[1].skull[session.work, None], axis=-1)
    assert np.median(to_client) < 0.25 < np.median(to_self)


def test_camera_projects_like_a_pinhole() -> None:
    camera = Camera(np.array([1.0, 2, 3]), np.array([170.0, 100]), 2.0, 600.0, 0.0, 0.0, 0.0)
    points = camera.aim + np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0.1, 0, 2.0]])
    pixels = camera.project(points[None])[0]
    np.testing.assert_allclose(pixels, [[170, 100], [200, 100], [170, 130], [185, 100]])
    zoomed = camera.project(points[None], zoom=2.0, shake=np.array([1.0, -1.0]))[0]
    np.testing.assert_allclose(zoomed - [171, 99], 2 * (pixels - [170, 100]))


def test_camera_finds_the_point_behind_a_pixel() -> None:
    camera = Camera(np.array([0.0, -1, 0]), np.array([150.0, 90]), 1.5, 500.0, 0.4, -0.1, 0.05)
    point = camera.locate(np.array([30.0, 200.0]), depth=0.7)
    np.testing.assert_allclose(camera.project(point[None, None])[0, 0], [30, 200])


def standing_still(frame_count: int) -> np.ndarray:
    """A half body in the middle of the picture; elbows at the lower border, the rest below it."""
    body = sample_body(np.random.default_rng(0))
    still = np.zeros((frame_count, 3))
    axes = frames(body, still, still, still)
    hands = tuple(axes.shoulders + np.array([x, 0.05, -0.3]) for x in (-0.1, 0.1))
    poles = np.array([0.5, 1, 0]), np.array([-0.5, 1, 0])
    person = joints(body, axes, hands, poles, seated=True)
    camera = Camera(axes.skull[0], np.array([170.0, 90]), 1.5, 600.0, 0, 0, 0)
    return camera.project(person)


def test_noise_grows_as_the_score_falls() -> None:
    projected = standing_still(400)
    generator = np.random.default_rng(0)
    seen_as = [
        detect(generator, projected, np.zeros(400), sample_faults(generator), 3.0)
        for _ in range(10)
    ]
    scores = np.median([detection.scores for detection in seen_as], axis=1)  # (10, 17)
    error = np.median([np.abs(d.keypoints - projected).max(axis=2) for d in seen_as], axis=1)
    assert 0.85 < scores[:, :3].mean() < 0.97, "faces are sure"
    assert scores[:, 11:].max() < 0.4, "what is below the picture is not"
    assert 1.3 * error[scores > 0.85].mean() < error[(scores > 0.4) & (scores < 0.8)].mean()
    assert error[scores < 0.2].mean() > 20


def test_people_are_put_in_slots_by_confidence_frame_by_frame() -> None:
    found = np.array([[True, True, False], [True, True, True]])
    confidence = np.array([[2.0, 1.0, 9.0], [1.0, 2.0, 0.0]])
    detections = [
        Detection(
            np.full((3, 17, 2), 10.0 * (k + 1)), np.full((3, 17), 0.5), found[k], confidence[k]
        )
        for k in range(2)
    ]
    keypoints, scores = fill_slots(detections, 2)
    assert keypoints[:, :, 0, 0].tolist() == [[10, 20, 20], [20, 10, 0]]
    assert scores[:, :, 0].tolist() == [[0.5, 0.5, 0.5], [0.5, 0.5, 0]]


def test_untracked_slots_change_places(whole: ClipSet) -> None:
    """Where two people stay in the picture, slot 0 jumps from one to the other now and then."""
    jumping = 0
    massages = [clip for clip in whole.clips if clip.label == CLASSES.index("HeadMassage")]
    for clip in massages:
        nose = clip.keypoints[0, :, 0].astype(float)[clip.scores[0, :, 0] > 0]
        jumping += bool((np.linalg.norm(np.diff(nose, axis=0), axis=-1) > 25).any())
    assert jumping > 0.5 * len(massages)


def test_groups_are_ucf101s() -> None:
    assert list(GROUPS) == list(range(1, 26))
