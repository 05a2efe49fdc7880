"""The published format: what is read, what is dropped, what is refused."""

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest

from har.clips import UNLABELLED, Clip, ClipSet
from har.clips import describe as inspect
from har.clips.annotations import check, group_of, read_pickle, write_pickle
from har.clips.catalogue import (
    CATALOGUE,
    HMDB51_CLASSES,
    NTU60_CLASSES,
    NTU120_CLASSES,
    UCF101_CLASSES,
)
from har.errors import UserError


def annotation(name: str = "a", label: object = 0, **changes) -> dict:
    keypoints = np.arange(1 * 3 * 17 * 2, dtype=np.float16).reshape(1, 3, 17, 2)
    made = {
        "frame_dir": name,
        "label": label,
        "total_frames": 3,
        "img_shape": (256, 340),
        "original_shape": (256, 340),
        "keypoint": keypoints,
        "keypoint_score": np.full((1, 3, 17), 0.5, np.float16),
    } | changes
    return {key: value for key, value in made.items() if value is not ...}


def read(tmp_path: Path, *annotations: dict, **content) -> ClipSet:
    path = tmp_path / "clips.pkl"
    path.write_bytes(pickle.dumps({"annotations": list(annotations)} | content))
    return read_pickle(path)


def refusal(tmp_path: Path, *annotations: dict, **content) -> str:
    with pytest.raises(UserError) as raised:
        read(tmp_path, *annotations, **content)
    message = str(raised.value)
    assert str(tmp_path / "clips.pkl") in message and len(message.splitlines()) == 1
    return message


def noted(clip_set: ClipSet, *words: str) -> bool:
    return any(all(word in note for word in words) for note in clip_set.notes)


def test_what_is_written_is_read_again(tmp_path):
    generator = np.random.default_rng(0)
    clips = [
        Clip(
            f"clip/{number} ü",
            number % 2,
            generator.uniform(0, 99, (number, 4, 17, 2)).astype(dtype),
            generator.uniform(0, 1, (number, 4, 17)).astype(dtype),
            (90, 120),
            group,
        )
        for number, dtype, group in ((1, np.float16, "x"), (2, np.float32, "x"), (3, "f2", "y"))
    ]
    names = [clip.id for clip in clips]
    path = tmp_path / "clips.pkl"
    write_pickle(path, ClipSet(clips, ["sit", "stand"], {"train": names[:2], "test": names[2:]}))
    content = pickle.loads(path.read_bytes())
    assert set(content["annotations"][0]) == set(annotation()) | {"group"}
    again = read_pickle(path)
    assert (again.classes, again.subsets) == (["sit", "stand"], content["split"])
    assert again.notes == []
    for clip, back in zip(clips, again.clips, strict=True):
        assert (clip.id, clip.label, clip.image_size, clip.group) == (
            (back.id, back.label, back.image_size, back.group)
        )
        assert back.keypoints.dtype == clip.keypoints.dtype == back.scores.dtype
        np.testing.assert_array_equal(clip.keypoints, back.keypoints)
        np.testing.assert_array_equal(clip.scores, back.scores)


@pytest.mark.parametrize("dtype", ["<f8", ">f4", ">f2", "i4", "u1", "f2"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_arrays_become_contiguous_native_floats(tmp_path, dtype, layout):
    values = np.arange(102).reshape(1, 3, 17, 2)
    keypoints = np.array(values, dtype, order=layout)
    clip = read(tmp_path, annotation(keypoint=keypoints)).clips[0]
    assert clip.keypoints.dtype == (np.float16 if dtype in (">f2", "f2") else np.float32)
    assert clip.keypoints.dtype.isnative and clip.keypoints.flags.c_contiguous
    np.testing.assert_array_equal(clip.keypoints, values)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["keypoint", "keypoint_score"])
def test_joints_that_are_not_finite_count_as_missing_and_are_told(tmp_path, dtype, value, key):
    broken = annotation("broken")
    with np.errstate(over="ignore"):
        broken[key] = broken[key].astype(dtype)
        broken[key][0, 1, 5] = value
    clip_set = read(tmp_path, annotation("whole"), broken)
    whole, clip = clip_set.clips
    expected = whole.scores.copy()
    expected[0, 1, 5] = 0
    np.testing.assert_array_equal(clip.scores, expected)
    assert np.isfinite(clip.keypoints).all()
    assert noted(clip_set, "count as missing", "1 clip", "'broken'")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("largest", "kept"), [(0.9e9, True), (1.1e9, False), (1e19, False)])
def test_coordinates_too_large_to_square_count_as_missing(tmp_path, largest, kept, sign):
    keypoints = np.ones((1, 3, 17, 2), np.float32)
    keypoints[0, 2, 4, 1] = sign * largest
    clip_set = read(tmp_path, annotation("whole"), annotation("far", keypoint=keypoints))
    assert (clip_set.clips[1].scores[0, 2, 4] > 0) == kept
    assert noted(clip_set, "huge coordinates", "'far'") != kept


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"keypoint": np.zeros((0, 3, 17, 2)), "keypoint_score": np.zeros((0, 3, 17))}, "person"),
        ({"keypoint": np.zeros((1, 0, 17, 2)), "keypoint_score": np.zeros((1, 0, 17))}, "frame"),
    ],
)
def test_empty_clips_are_dropped_and_told(tmp_path, changes, word):
    split = {"train": ["whole", "broken"]}
    clip_set = read(tmp_path, annotation("whole"), annotation("broken", **changes), split=split)
    assert [clip.id for clip in clip_set.clips] == ["whole"]
    assert clip_set.subsets == {"train": ["whole"]} and not noted(clip_set, "lacks")
    assert noted(clip_set, "dropped", word, "'broken'")
    assert "no usable clip" in refusal(tmp_path, annotation("broken", **changes))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_scores_out_of_range_are_clipped_and_told(tmp_path, dtype):
    scores = np.full((1, 3, 17), 0.5, dtype)
    scores[0, 0, :3] = -0.25, 1.5, 1
    clip_set = read(tmp_path, annotation(keypoint_score=scores))
    np.testing.assert_array_equal(clip_set.clips[0].scores[0, 0, :4], [0, 1, 1, 0.5])
    assert noted(clip_set, "scores outside 0..1", "-0.25 to 1.5")


def test_odd_things_are_kept_and_told(tmp_path):
    far = annotation("far", keypoint=np.full((1, 3, 17, 2), -5000, np.float16))
    unseen = annotation("unseen", keypoint_score=np.zeros((1, 3, 17)))
    wrong = annotation("wrong", total_frames=7)
    clip_set = read(tmp_path, far, unseen, wrong, annotation("../etc/passwd", extra=[1]))
    assert len(clip_set.clips) == 4
    assert noted(clip_set, "image sizes away", "'far'", "5000")
    assert noted(clip_set, "no joint was seen", "'unseen'")
    assert noted(clip_set, "total_frames", "'wrong'", "7")


def test_a_long_clip_and_a_short_one(tmp_path):
    keypoints = np.ones((1, 100_000, 17, 2), np.float16)
    long = annotation(
        "long", keypoint=keypoints, keypoint_score=keypoints[..., 0], total_frames=100_000
    )
    short = annotation(
        "short", keypoint=keypoints[:, :1], keypoint_score=keypoints[:, :1, :, 0], total_frames=1
    )
    clip_set = read(tmp_path, long, short)
    assert [clip.keypoints.shape[1] for clip in clip_set.clips] == [100_000, 1]


def test_depth_camera_clips_need_neither_scores_nor_image_size(tmp_path):
    keypoints = np.ones((2, 3, 25, 3), np.float32)
    keypoints[1, 2] = 0
    bare = {"keypoint_score": ..., "img_shape": ..., "original_shape": ...}
    clip = read(tmp_path, annotation(keypoint=keypoints, **bare)).clips[0]
    assert clip.image_size == (0, 0)
    assert clip.scores[1, 2].max() == 0 and clip.scores.sum() == 5 * 25


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frame_dir": ""}, "`frame_dir`"),
        ({"frame_dir": "two\nlines"}, "`frame_dir`"),
        ({"frame_dir": "half \ud800"}, "`frame_dir`"),
        ({"frame_dir": "long" * 1000}, "`frame_dir`"),
        ({"label": "walk"}, "label 'walk'"),
        ({"label": -2}, "label -2"),
        ({"label": 10**9}, "label 1000000000"),
        ({"label": 10**5000}, "label a huge number"),
        ({"keypoint": ...}, "`keypoint`"),
        ({"keypoint": [[1, 2]]}, "shape (1, 2)"),
        ({"keypoint": np.zeros((1, 3, 17, 4))}, "4 numbers per joint"),
        ({"keypoint": np.zeros((1, 3, 0, 2))}, "shape (1, 3, 0, 2)"),
        ({"keypoint": np.full((1, 3, 17, 2), "x")}, "numbers in `keypoint`"),
        ({"keypoint_score": np.zeros((1, 2, 17))}, "scores of shape (1, 2, 17)"),
        ({"img_shape": (256,)}, "(256) as its image size"),
        ({"img_shape": (256, "wide")}, "(256, 'wide') as its image size"),
        ({"img_shape": (-256, 340)}, "(-256, 340) as its image size"),
        ({"group": 1.5}, "`group`"),
        ({"group": 10**5000}, "`group`"),
    ],
)
def test_annotations_of_the_wrong_kind_are_refused(tmp_path, changes, words):
    assert words in refusal(tmp_path, annotation("fine"), annotation(**changes))


def test_files_of_the_wrong_kind_are_refused(tmp_path):
    path = tmp_path / "clips.pkl"
    for content in ([1], {"a": 1}, {"annotations": {}}, "text", np.zeros(3)):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(UserError, match=r"give|no usable clip"):
            read_pickle(path)
    assert "no usable clip" in refusal(tmp_path)
    assert "annotation 1 is a huge number" in refusal(tmp_path, annotation(), 2**70)
    assert "2 clips named 'a'" in refusal(tmp_path, annotation(), annotation())
    other = annotation("b", keypoint=np.ones((1, 3, 13, 2)), keypoint_score=np.ones((1, 3, 13)))
    assert "one skeleton" in refusal(tmp_path, annotation(), other)


def test_subsets(tmp_path):
    clips = [annotation(name) for name in "abc"]
    split = {"train1": ["a", "b", "a", "gone"], "test1": ["c"], "train2": ["c"], "test2": ["a"]}
    clip_set = read(tmp_path, *clips, split=split)
    assert clip_set.subsets == split | {"train1": ["a", "b"]}
    assert noted(clip_set, "'train1'", "lacks", "'gone'")
    assert noted(clip_set, "'train1'", "more than once")
    arrays = {name: np.array(members) for name, members in split.items()}
    assert read(tmp_path, *clips, split=arrays).subsets == clip_set.subsets
    for broken in (["a"], {"train": "abc"}, {"train": [None]}, {1: ["a"]}, {"": ["a"]}):
        assert "`split`" in refusal(tmp_path, *clips, split=broken)
    assert "no clip of subset 'train'" in refusal(tmp_path, *clips, split={"train": ["x"]})


@pytest.mark.parametrize(
    ("train", "other"),
    [("train1", "test1"), ("train", "val"), ("xsub_train", "xsub_val"), ("Training", "test")],
)
def test_a_clip_on_both_sides_is_refused(tmp_path, train, other):
    split = {train: ["a", "b"], other: ["b"]}
    message = refusal(tmp_path, annotation("a"), annotation("b"), split=split)
    assert "clip 'b'" in message and repr(train) in message and repr(other) in message


# --- Other forms of the same, and fields that are left out ---


def forms() -> dict[str, object]:
    one = annotation("a", group="x")
    two = annotation("b", 1)
    named = {
        item["frame_dir"]: {k: v for k, v in item.items() if k != "frame_dir"}
        for item in (one, two)
    }
    return {
        "list": [one, two],
        "tuple": (one, two),
        "by name": named,
        "annotations by name": {"annotations": named},
        "by subset": {"train": [one], "val": [two]},
    }


@pytest.mark.parametrize("form", forms())
def test_forms_of_annotations_are_the_same_clips(tmp_path, form):
    path = tmp_path / "clips.pkl"
    path.write_bytes(pickle.dumps(forms()[form]))
    clip_set = read_pickle(path)
    assert [(clip.id, clip.label, clip.group) for clip in clip_set.clips] == [
        ("a", 0, "x"),
        ("b", 1, "b"),
    ]
    assert clip_set.subsets == ({"train": ["a"], "val": ["b"]} if form == "by subset" else {})


def test_a_single_annotation_is_a_clip(tmp_path):
    (tmp_path / "own.pkl").write_bytes(pickle.dumps(annotation(frame_dir=..., label="wave")))
    clip_set = read_pickle(tmp_path / "own.pkl")
    assert clip_set.clips[0].id == "own" and clip_set.classes == ["wave"]


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        ({"img_shape": ..., "original_shape": ...}, "image_size", (0, 0)),
        ({"img_shape": (0, 340)}, "image_size", (0, 0)),
        ({"img_shape": (480.0, 640.0)}, "image_size", (480, 640)),
        ({"img_shape": np.array([480, 640, 3])}, "image_size", (480, 640)),
        ({"img_shape": ..., "original_shape": (9, 8)}, "image_size", (9, 8)),
        ({"total_frames": ...}, "label", 0),
        ({"label": 0.0}, "label", 0),
        ({"label": np.array([0])}, "label", 0),
        ({"label": "0"}, "label", 0),
        ({"label": -1}, "label", UNLABELLED),
        ({"frame_dir": 7}, "id", "7"),
        ({"frame_dir": ..., "filename": "f"}, "id", "f"),
        ({"frame_dir": ...}, "id", "clips_1"),
        ({"fps": 25}, "fps", 25.0),
        ({"group": 3.0}, "group", "3"),
    ],
)
def test_what_is_left_out_or_told_otherwise_is_read(tmp_path, changes, attribute, value):
    clip = read(tmp_path, annotation("c", **changes)).clips[0]
    assert getattr(clip, attribute) == value


def test_no_scores_and_no_image_size_are_told(tmp_path):
    clip_set = read(tmp_path, annotation(keypoint_score=..., img_shape=..., original_shape=...))
    clip = clip_set.clips[0]
    np.testing.assert_array_equal(clip.scores, clip.keypoints.any(axis=-1))
    assert noted(clip_set, "no scores", "'a'")
    assert "images    of unknown size" in inspect.describe(clip_set)


def test_keys_that_are_not_needed_are_named_once(tmp_path):
    clips = [annotation(name, valid={0.5: 3}, box_score=None) for name in "ab"]
    (note,) = (note for note in read(tmp_path, *clips).notes if "ignored" in note)
    assert "'valid', 'box_score'" in note


def test_annotations_that_name_files_are_named_for_what_they_are(tmp_path):
    clips = annotation(keypoint=..., keypoint_score=..., raw_file="kp/a.pkl")
    message = refusal(tmp_path, clips)
    assert "`raw_file` ('kp/a.pkl')" in message and "Kinetics-400" in message


def test_scores_in_the_keypoints_are_recognised_and_told(tmp_path):
    points = annotation()["keypoint"].astype(np.float32)
    scores = np.full((1, 3, 17, 1), 0.25, np.float32)
    wide = np.concatenate([points, scores], axis=-1)
    clip_set = read(tmp_path, annotation(keypoint=wide, keypoint_score=...))
    np.testing.assert_array_equal(clip_set.clips[0].keypoints, points)
    np.testing.assert_array_equal(clip_set.clips[0].scores, scores[..., 0])
    assert noted(clip_set, "taken for x, y and score")
    wide[..., 2] = -3
    assert read(tmp_path, annotation(keypoint=wide)).clips[0].keypoints.shape[3] == 3


def test_shares_of_the_image_become_pixels_and_are_told(tmp_path):
    shares = np.random.default_rng(0).uniform(0.1, 0.9, (1, 3, 17, 2)).astype(np.float32)
    clip_set = read(tmp_path, annotation(keypoint=shares, img_shape=(100, 200)))
    np.testing.assert_allclose(clip_set.clips[0].keypoints, shares * (200, 100), rtol=1e-6)
    assert noted(clip_set, "shares of the image", "made pixels")
    unknown = read(tmp_path, annotation(keypoint=shares, img_shape=..., original_shape=...))
    np.testing.assert_array_equal(unknown.clips[0].keypoints, shares)
    assert noted(unknown, "size is unknown", "--image-size")


def test_an_array_of_many_clips_becomes_clips_without_its_padding(tmp_path):
    walk = np.random.default_rng(0).uniform(10, 200, (2, 3, 40, 17, 2)).astype(np.float32)
    walk[:, 2] = 0.5
    walk[0, :, 30:] = 0
    walk[0, ..., 1] = 0
    (tmp_path / "clips.pkl").write_bytes(pickle.dumps({"keypoint": walk, "label": [1, 0]}))
    clip_set = read_pickle(tmp_path / "clips.pkl")
    assert [clip.id for clip in clip_set.clips] == ["clips_1", "clips_2"]
    assert [clip.label for clip in clip_set.clips] == [1, 0]
    assert [clip.keypoints.shape for clip in clip_set.clips] == [(1, 30, 17, 2), (2, 40, 17, 2)]
    np.testing.assert_array_equal(clip_set.clips[1].keypoints[1, :, :, 0], walk[1, 0, ..., 1])
    assert noted(clip_set, "nctvm")


def test_labels_may_be_class_names(tmp_path):
    clips = [annotation("a", "walk"), annotation("b", "run")]
    assert read(tmp_path, *clips).classes == ["run", "walk"]
    clip_set = read(tmp_path, *clips, classes=["walk", "sit", "run"])
    assert [clip.label for clip in clip_set.clips] == [0, 2]
    assert "'run', which is not in `classes`" in refusal(tmp_path, *clips, classes=["walk"])


# --- Groups and class names ---


def test_only_groups_that_names_do_not_tell_are_written(tmp_path):
    path = tmp_path / "clips.pkl"
    clips = read(tmp_path, annotation("v_Archery_g01_c01", 2), annotation("b", group="x")).clips
    write_pickle(path, ClipSet(clips, list(UCF101_CLASSES)))
    annotations = pickle.loads(path.read_bytes())["annotations"]
    assert ["group" in item for item in annotations] == [False, True]
    assert [clip.group for clip in read_pickle(path).clips] == ["Archery_g01", "x"]


def test_groups_come_from_the_file_or_the_name():
    assert group_of("v_HandStandPushups_g07_c02") == "HandStandPushups_g07"
    assert group_of("S001C002P003R002A013") == "P003"
    assert group_of("penn_0001") == "penn_0001"


def test_group_key_wins_and_none_is_told(tmp_path):
    name = "v_Archery_g01_c01"
    assert read(tmp_path, annotation(name, 2)).clips[0].group == "Archery_g01"
    assert read(tmp_path, annotation(name, 2, group=5)).clips[0].group == "5"
    assert not noted(read(tmp_path, annotation(name, 2)), "group")
    assert noted(read(tmp_path, annotation("a"), annotation("b")), "group", "leak")


def test_frames_per_second_are_written_where_known_and_read_again(tmp_path):
    path = tmp_path / "clips.pkl"
    clips = read(tmp_path, annotation("a", fps=29.97), annotation("b")).clips
    write_pickle(path, ClipSet(clips, ["sit"]))
    assert [clip.fps for clip in read_pickle(path).clips] == [29.97, 0]
    assert "fps       unknown, 29.97" in inspect.describe(read_pickle(path))
    assert "`fps`" in refusal(tmp_path, annotation(fps="fast"))


def ucf101(*pairs: tuple[str, int]) -> list[dict]:
    return [annotation(f"v_{name}_g01_c0{n}", label) for n, (name, label) in enumerate(pairs, 1)]


def test_class_names_of_ucf101_are_in_its_own_order(tmp_path):
    # The two places where a plain sort of the names differs, and the one spelling.
    clips = ucf101(("Hammering", 34), ("HammerThrow", 35), ("JumpingJack", 46), ("JumpRope", 47))
    clips += ucf101(("HandStandPushups", 36))
    clip_set = read(tmp_path, *clips)
    assert clip_set.classes == list(UCF101_CLASSES)
    assert clip_set.notes == []


def test_class_names_come_from_the_clips_when_labels_are_in_another_order(tmp_path):
    clip_set = read(tmp_path, *ucf101(("HammerThrow", 34), ("Hammering", 35), ("YoYo", 2)))
    assert clip_set.classes[34:] == ["HammerThrow", "Hammering"]
    assert clip_set.classes[:3] == ["0", "1", "YoYo"]
    assert noted(clip_set, "usual order", "clip names")
    clip_set = read(tmp_path, *ucf101(("Cooking", 1), ("Dusting", 0)))
    assert clip_set.classes == ["Dusting", "Cooking"]


def test_class_names_that_clips_contradict_are_told(tmp_path):
    clips = ucf101(("Archery", 0), ("Archery", 1))
    assert read(tmp_path, *clips).classes == ["0", "1"]
    clip_set = read(tmp_path, *clips, classes=["Archery", "Bowling"])
    assert clip_set.classes == ["Archery", "Bowling"]
    assert noted(clip_set, "another class", "1 clip", "c02", "Bowling")


def test_class_names_of_other_sets(tmp_path):
    ids = "April_09_brush_hair_u_nm_np1_ba_goo_0", "a_kick_ball_f_cm_np2_le_med_1"
    clips = [annotation(ids[0], 0), annotation(ids[1], 21)]
    clip_set = read(tmp_path, *clips)
    assert clip_set.classes == list(HMDB51_CLASSES)
    clips = [annotation("S001C001P001R001A060", 59), annotation("S001C001P001R001A001", 0)]
    assert read(tmp_path, *clips).classes == list(NTU60_CLASSES)
    clips.append(annotation("S018C001P008R001A120", 119))
    assert read(tmp_path, *clips).classes == list(NTU120_CLASSES)
    clip_set = read(tmp_path, annotation("a", 2))
    assert clip_set.classes == ["0", "1", "2"]
    assert noted(clip_set, "no names in the file", "label ids")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["sit"], "label 1"),
        (["sit", "sit"], "different"),
        ([1, 2], "`classes`"),
        ("ab", "`classes`"),
    ],
)
def test_broken_class_lists_are_refused(tmp_path, classes, words):
    assert words in refusal(tmp_path, annotation("a", 0), annotation("b", 1), classes=classes)


def test_clips_without_a_label_can_be_read(tmp_path):
    clip_set = read(tmp_path, annotation(label=...))
    assert clip_set.clips[0].label == UNLABELLED
    assert noted(clip_set, "no label")


def test_catalogue_lists_have_the_right_length():
    sizes = {name: len(published.classes) for name, published in CATALOGUE.items()}
    assert len(set(NTU120_CLASSES)) == 120
    assert sizes == {"ucf101": 101, "hmdb51": 51, "ntu60": 60}
    assert sorted(UCF101_CLASSES, key=str.casefold) == list(UCF101_CLASSES)


def test_check_names_the_path_it_was_given():
    with pytest.raises(UserError, match="some folder: clip 'a'"):
        check(Path("some folder"), {"annotations": [annotation(keypoint=...)]})


def test_description_tells_what_is_there(tmp_path):
    clips = [*ucf101(("Archery", 2), ("Archery", 2)), annotation("v_YoYo_g02_c01", 100)]
    text = "\n".join(
        inspect.describe(read(tmp_path, *clips, split={"train1": [clips[0]["frame_dir"]]}))
    )
    for words in (
        "3, 17 joints",
        "2 of 101",
        "groups    2",
        "train1: 1 clips",
        "340 x 256",
        "Archery",
    ):
        assert words in text


# --- Real files ---


@pytest.mark.parametrize(
    ("name", "clips", "classes", "groups", "subsets"),
    [
        ("kth_openpose", 599, 6, 25, {"train": 191, "val": 192, "test": 216}),
        ("penn_action", 2326, 15, 2326, {"train": 1258, "test": 1068}),
        ("ucf101_six_clips", 6, 101, 2, {"train1": 3, "test1": 3}),
    ],
)
def test_real_files_read_as_pickle_reads_them(real_data, name, clips, classes, groups, subsets):
    path = real_data / f"{name}.pkl"
    clip_set = read_pickle(path)
    assert len(clip_set.clips) == clips and len(clip_set.classes) == classes
    assert len({clip.group for clip in clip_set.clips}) == groups
    assert {name: len(members) for name, members in clip_set.subsets.items()} == subsets
    assert not noted(clip_set, "dropped")
    for clip, plain in zip(
        clip_set.clips, pickle.loads(path.read_bytes())["annotations"], strict=True
    ):
        assert (clip.id, clip.label) == (plain["frame_dir"], plain["label"])
        np.testing.assert_array_equal(clip.keypoints, plain["keypoint"])
        np.testing.assert_array_equal(clip.scores, plain["keypoint_score"])


def test_labels_of_all_ucf101_clips_agree_with_the_class_list(real_data):
    with (real_data / "ucf101_clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [row["frame_dir"].split("_")[1].casefold() for row in rows]
    assert names == [UCF101_CLASSES[int(row["label"])].casefold() for row in rows]
    assert len({group_of(row["frame_dir"]) for row in rows}) == 101 * 25
