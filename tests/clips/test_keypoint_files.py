"""Other pose tools' files, written by hand in the tools' own forms."""

import csv
import json
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from har.clips import sources
from har.clips.keypoint_files import read, to_layout
from har.errors import UserError
from har.skeleton import LAYOUTS, define_layout

NUMBERS = np.random.default_rng(3)


def body(joints=17, shift=0.0):
    """Joints (V, 3) whose every number differs."""
    numbers = np.arange(3 * joints, dtype=float).reshape(joints, 3) * 7 + 11 + shift
    numbers[:, 2] = np.linspace(0.3, 0.9, joints)
    return numbers


def flat(joints):
    return [float(number) for number in joints.reshape(-1)]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def only(path, named=None, **options):
    clip_set = read(path, **options)
    (clip,) = clip_set.clips
    if named:
        assert clip_set.layout is LAYOUTS[named]
    return clip


def check(clip, expected):
    """A clip has these joints: {(slot, frame): (V, 3)}, and nobody anywhere else."""
    for (slot, frame), joints in expected.items():
        np.testing.assert_allclose(clip.keypoints[slot, frame], joints[:, :2], rtol=1e-5)
        np.testing.assert_allclose(clip.scores[slot, frame], joints[:, 2], rtol=1e-5)
    seen = {(int(slot), int(frame)) for slot, frame in np.argwhere(clip.scores.any(-1))}
    assert seen == set(expected)


@pytest.mark.parametrize(("joints", "layout"), [(25, "openpose25"), (18, "openpose18")])
def test_openpose_folder(tmp_path, joints, layout):
    first, second = body(joints), body(joints, 100)
    first[3] = 0  # as OpenPose writes what it did not see
    frames = [[first], [], [second, first], [first]]
    for number, people in enumerate(frames):
        people = [{"person_id": [-1], "pose_keypoints_2d": flat(person)} for person in people]
        name = f"my clip_{number:012d}_keypoints.json"
        write(tmp_path / "out" / name, {"version": 1.3, "people": people})
    clip = only(tmp_path / "out", layout)
    assert (clip.id, clip.keypoints.shape) == ("out", (2, 4, joints, 2))
    check(clip, {(0, 0): first, (0, 2): second, (1, 2): first, (0, 3): first})


def test_openpose_folder_of_two_recordings_and_a_folder_of_folders(tmp_path):
    for place in ("one", "two"):
        for name in ("a_00", "a_01", "b_00", "b_01"):
            people = [{"pose_keypoints": flat(body(18))}]
            write(tmp_path / place / f"{name}_keypoints.json", {"people": people})
    assert [clip.id for clip in read(tmp_path / "one").clips] == ["a", "b"]
    for path in tmp_path.glob("*/b_*"):
        path.unlink()
    assert [clip.id for clip in read(tmp_path).clips] == ["one", "two"]


def test_alphapose(tmp_path):
    first, second = body(), body(shift=100)
    people = [
        {"image_id": "10.jpg", "category_id": 1, "keypoints": flat(second), "score": 2.1, "idx": 4},
        {"image_id": "9.jpg", "category_id": 1, "keypoints": flat(first), "score": 2.9, "idx": [7]},
        {"image_id": "9.jpg", "category_id": 1, "keypoints": flat(second), "idx": [[4.0], [5.0]]},
        {"image_id": "12.jpg", "category_id": 1, "keypoints": flat(first), "score": 2.9, "idx": 7},
    ]
    path = write(tmp_path / "alphapose-results.json", people)
    clip = only(path, "coco17")
    assert clip.keypoints.shape == (2, 4, 17, 2)  # 9 to 12; nobody in 11
    check(clip, {(1, 0): first, (0, 0): second, (0, 1): second, (1, 3): first})
    for person in people:
        person["idx"] = 0  # as without tracking
    write(path, people)
    clip = only(path)
    check(clip, {(0, 0): first, (1, 0): second, (0, 1): second, (0, 3): first})


@pytest.mark.parametrize(("joints", "layout"), [(26, "halpe26"), (136, "halpe26")])
def test_alphapose_halpe(tmp_path, joints, layout):
    people = [{"image_id": f"{n}.jpg", "keypoints": flat(body(joints, n))} for n in range(3)]
    clip = only(write(tmp_path / "a.json", people), layout)
    check(clip, {(0, n): body(joints, n)[:26] for n in range(3)})


@pytest.mark.parametrize(
    ("key", "joints"), [("bodies", "joints"), ("people", "pose_keypoints_2d"), (None, "keypoints")]
)
def test_alphapose_by_image(tmp_path, key, joints):
    frames = {}
    for number in (0, 1, 2):
        people = [{joints: flat(body(18, number)), "idx": 1, "scores": 0.5}]
        frames[f"{number}.jpg"] = {"version": "AlphaPose v0.3", key: people} if key else people
    clip = only(write(tmp_path / "a.json", frames), "openpose18")
    check(clip, {(0, number): body(18, number) for number in range(3)})


def test_coco_annotations(tmp_path):
    joints = body()
    joints[:, 2] = [0, 1, 2] * 5 + [2, 2]
    content = {
        "images": [
            {"id": 30 + n, "file_name": f"walk/{n:03d}.jpg", "height": 480, "width": 640}
            for n in (2, 0, 1)
        ],
        "annotations": [
            {"id": 1, "image_id": 31, "keypoints": flat(joints), "num_keypoints": 11},
            {"id": 2, "image_id": 30, "num_keypoints": 0, "keypoints": [0.0] * 51},
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(LAYOUTS["coco17"].joints)}],
    }
    clip = only(write(tmp_path / "person_keypoints.json", content), "coco17")
    assert (clip.keypoints.shape, clip.image_size) == ((1, 3, 17, 2), (480, 640))
    expected = np.where(joints[:, 2:] > 0, joints, 0)
    expected[:, 2] = joints[:, 2] > 0
    check(clip, {(0, 1): expected})
    content["images"] *= 2
    content["annotations"] = [
        {"image_id": 31, "keypoints": flat(joints[:17]), "foot_kpts": flat(body(6)), "track_id": 3}
    ]
    del content["categories"]
    clip = only(write(tmp_path / "wholebody.json", content), "wholebody23")
    np.testing.assert_allclose(clip.keypoints[0, 1, 17:], body(6)[:, :2])


def test_joints_of_other_names_are_arranged_by_them(tmp_path):
    names = ["head_top", *reversed(LAYOUTS["coco17"].joints[5:]), "nose", "head_bottom"]
    joints = body(len(names))
    content = {
        "images": [{"id": 1}],
        "annotations": [{"image_id": 1, "keypoints": flat(joints)}],
        "categories": [{"keypoints": names}],
    }
    clip_set = read(write(tmp_path / "posetrack.json", content))
    assert clip_set.layout is LAYOUTS["coco17"]
    assert any("left_ear, right_ear count as unseen" in note for note in clip_set.notes)
    (clip,) = clip_set.clips
    for joint, name in enumerate(LAYOUTS["coco17"].joints):
        expected = joints[names.index(name), :2] if name in names else (0, 0)
        np.testing.assert_allclose(clip.keypoints[0, 0, joint], expected)


@pytest.mark.parametrize("form", ["demo", "inferencer", "image"])
def test_mmpose(tmp_path, form):
    def person(joints):
        points, scores = joints[:, :2].tolist(), joints[:, 2].tolist()
        return {"keypoints": points, "keypoint_scores": scores, "bbox": [[0, 0, 9, 9]]}

    frames = [[person(body())], [], [person(body(shift=5)), person(body())]]
    listed = [{"frame_id": n + 1, "instances": people} for n, people in enumerate(frames)]
    names = {str(n): name for n, name in enumerate(LAYOUTS["coco17"].joints)}
    content = {"meta_info": {"dataset_name": "coco", "keypoint_id2name": names}}
    content["instance_info"] = listed
    expected = {(0, 0): body(), (0, 2): body(shift=5), (1, 2): body()}
    if form == "inferencer":
        content = listed
    elif form == "image":
        content["instance_info"] = frames[2]
        expected = {(0, 0): body(shift=5), (1, 0): body()}
    check(only(write(tmp_path / "results_a.json", content), "coco17"), expected)


def test_ultralytics_labels(tmp_path):
    joints = body() / 400  # shares of the image
    joints[4] = 0
    tracks = {1: [(joints, 3), (joints / 2, 8)], 2: [(joints / 2, 8)], 5: [(joints, 8)]}
    for frame, people in tracks.items():
        lines = []
        for person, track in people:
            numbers = [0, 0.5, 0.5, 0.2, 0.4, *flat(person), 0.91, track]
            lines.append(("%g " * len(numbers)).rstrip() % tuple(numbers))
        write(tmp_path / "predict/labels" / f"my_video_{frame}.txt", "\n".join(lines) + "\n")
    with pytest.raises(UserError, match="--image-size"):
        read(tmp_path / "predict")
    clip = only(tmp_path / "predict", "coco17", image_size=(300, 200))
    assert clip.keypoints.shape == (2, 5, 17, 2) and clip.image_size == (300, 200)
    for slot, frame, part in ((0, 0, 1), (1, 0, 2), (1, 1, 2), (1, 4, 1)):
        expected = joints[:, :2] / part * (200, 300)
        np.testing.assert_allclose(clip.keypoints[slot, frame], expected, rtol=1e-4)
        np.testing.assert_allclose(clip.scores[slot, frame], joints[:, 2] / part, rtol=1e-4)
    assert (clip.scores > 0).any(-1).sum() == 4


@pytest.mark.parametrize("rest", [(), (0.87,), (2,), (0.87, 2)])
def test_ultralytics_labels_with_and_without_confidence_and_track(tmp_path, rest):
    joints = body() / 400
    numbers = [0, 0.5, 0.5, 0.2, 0.4, *flat(joints[:, :2]), *rest]
    path = write(tmp_path / "a_1.txt", " ".join(map(str, numbers)))
    clip = only(path, image_size=(100, 100))
    np.testing.assert_allclose(clip.keypoints[0, 0], joints[:, :2] * 100, rtol=1e-4)
    assert (clip.scores == 1).all()


@pytest.mark.parametrize("form", ["frames", "lines", "csv"])
def test_ultralytics_json_and_csv(tmp_path, form):
    def person(joints, track):
        x, y, visible = joints.T.tolist()
        keypoints = {"x": x, "y": y, "visible": visible}
        return {"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 1}} | {
            "track_id": track,
            "keypoints": keypoints,
        }

    frames = [[person(body(), 2)], [person(body(shift=9), 1), person(body(), 2)]]
    if form == "frames":
        path = write(tmp_path / "a.json", frames)
    elif form == "lines":
        path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, frames)))
    else:
        path = tmp_path / "a.csv"
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, ["frame", *frames[0][0]])
            table.writeheader()
            table.writerows({"frame": n, **row} for n, rows in enumerate(frames) for row in rows)
    clip = only(path, "coco17")
    check(clip, {(0, 0): body(), (1, 1): body(shift=9), (0, 1): body()})


def shares(joints, frames=4):
    """Landmarks (T, V, 4) x, y, z, visibility of one person."""
    return NUMBERS.uniform(0.1, 0.9, (frames, joints, 4))


def test_mediapipe_arrays(tmp_path):
    marks = shares(33)
    marks[..., 2] -= 0.5
    marks[2] = 0  # nobody
    expected = {(0, n): marks[n][:, [0, 1, 3]] * (640, 480, 1) for n in (0, 1, 3)}
    np.save(tmp_path / "own.npy", marks)
    with pytest.raises(UserError, match=r"--image-size WIDTHxHEIGHT"):
        read(tmp_path / "own.npy")
    for form in (marks, marks[:, None], marks.reshape(4, -1)):
        np.save(tmp_path / "own.npy", form)
        check(only(tmp_path / "own.npy", "mediapipe33", image_size=(480, 640)), expected)
    np.save(tmp_path / "persons first.npy", np.stack([marks, marks])[..., :3])
    assert read(tmp_path / "persons first.npy") is None  # one's own
    np.save(tmp_path / "own.npy", marks[..., :3])
    clip = only(tmp_path / "own.npy", image_size=(480, 640))
    assert set(np.unique(clip.scores)) == {0, 1}


@pytest.mark.parametrize("form", ["demo", "old demo", "python"])
def test_mediapipe_json(tmp_path, form):
    marks = shares(33)
    frames = []
    for frame in marks:
        objects = [
            dict(zip(("x", "y", "z", "visibility"), mark, strict=True)) for mark in frame.tolist()
        ]
        if form == "demo":
            frames.append({"landmarks": [objects], "worldLandmarks": [objects]})
        else:
            frames.append({"poseLandmarks": objects} if form == "old demo" else objects)
    frames.insert(1, {"landmarks": []} if form == "demo" else None)
    clip = only(write(tmp_path / "a.json", frames), "mediapipe33", image_size=(480, 640))
    places = (0, 2, 3, 4)
    expected = {(0, p): marks[n][:, [0, 1, 3]] * (640, 480, 1) for n, p in enumerate(places)}
    assert clip.keypoints.shape[1] == 5
    check(clip, expected)


def test_mediapipe_frames_with_numbers_and_world_landmarks(tmp_path):
    marks = shares(33, frames=2)[..., [0, 1, 3]]
    people = [[{"x": x, "y": y, "visibility": v} for x, y, v in mark.tolist()] for mark in marks]
    expected = {(0, 1): marks[0] * (640, 480, 1), (0, 4): marks[1] * (640, 480, 1)}
    listed = [{"frame": n, "landmarks": [p]} for n, p in zip((1, 4), people, strict=True)]
    for content in (listed, {"1": {"poseLandmarks": people[0]}, "4": people[1]}):
        path = write(tmp_path / "a.json", content)
        check(only(path, "mediapipe33", image_size=(480, 640)), expected)
    np.save(tmp_path / "a.npy", NUMBERS.normal(0, 0.4, (4, 33, 4)))
    with pytest.raises(UserError, match="world landmarks"):
        read(tmp_path / "a.npy", (480, 640))


@pytest.mark.parametrize("form", ["wide", "named", "long"])
def test_mediapipe_csv(tmp_path, form):
    marks = shares(33)
    names = LAYOUTS["mediapipe33"].joints
    if form == "long":
        head = "frame,landmark,x,y,z,visibility"
        rows = [[n, j, *marks[n, j]] for n in range(4) for j in range(33)]
    else:
        wide = [f"{axis}{j + 1}" for j in range(33) for axis in "xyzv"]
        named = [f"{name}_{axis}" for name in names for axis in ("x", "y", "z", "visibility")]
        head = ",".join(["class", *(wide if form == "wide" else named)])
        rows = [["walk", *marks[n].reshape(-1)] for n in range(4)]
    lines = [head, *(",".join(map(str, row)) for row in rows)]
    clip = only(write(tmp_path / "a.csv", "\n".join(lines)), "mediapipe33", image_size=(480, 640))
    check(clip, {(0, n): marks[n][:, [0, 1, 3]] * (640, 480, 1) for n in range(4)})


def test_movenet_arrays(tmp_path):
    joints = shares(17)[..., :3]
    joints[:, [11, 12], 0] = 0.9  # hips below shoulders, along the first number
    joints[:, [5, 6], 0] = 0.2
    joints[:, [5, 6, 11, 12], 1] = 0.5
    expected = {(0, n): joints[n][:, [1, 0, 2]] * (640, 480, 1) for n in range(4)}
    for form in (joints[:, None, None], joints[:, None], joints):
        np.save(tmp_path / "a.npy", form)
        check(only(tmp_path / "a.npy", "coco17", image_size=(480, 640)), expected)
    people = np.zeros((4, 1, 6, 56))
    people[:, 0, 2, :51] = joints.reshape(4, 51)
    people[:, 0, 2, 55] = 0.8
    np.save(tmp_path / "a.npy", people)
    check(only(tmp_path / "a.npy", image_size=(480, 640)), expected)
    np.save(tmp_path / "a.npy", joints[..., [1, 0, 2]])
    assert read(tmp_path / "a.npy", (480, 640)) is None  # x first: own keypoints
    np.save(tmp_path / "a.npy", np.full((4, 17, 3), 0.5))
    with pytest.raises(UserError, match="whether y or x comes first"):
        read(tmp_path / "a.npy", (480, 640))


def test_tensorflow_js(tmp_path):
    joints = body()
    keypoints = [{"x": x, "y": y, "score": score, "name": "n"} for x, y, score in joints.tolist()]
    frames = [[{"score": 0.9, "keypoints": keypoints}], []]
    clip = only(write(tmp_path / "a.json", frames), "coco17")
    assert clip.keypoints.shape[1] == 2
    check(clip, {(0, 0): joints})


def test_kinetics_skeleton(tmp_path):
    pose = body(18) / 500
    frame = {"pose": [round(n, 6) for n in flat(pose[:, :2])], "score": flat(pose[:, 2])}
    content = {
        "data": [
            {"frame_index": 1, "skeleton": [frame, frame]},
            {"frame_index": 2, "skeleton": []},
            {"frame_index": 3, "skeleton": [frame]},
        ],
        "label": "juggling fire",
        "label_index": 171,
    }
    path = write(tmp_path / "abc.json", content)
    clip_set = read(path)
    clip = only(path, "openpose18")
    assert clip_set.classes[clip.label] == "juggling fire" and clip.image_size == (256, 340)
    expected = pose * (340, 256, 1)
    check(clip, {(0, 0): expected, (1, 0): expected, (0, 2): expected})


def test_stgcn_arrays(tmp_path):
    data = np.zeros((2, 3, 9, 25, 2), np.float32)
    data[0, :, :5, :, 0] = NUMBERS.normal(0, 1, (3, 5, 25))
    data[1, :, :7] = NUMBERS.normal(0, 1, (3, 7, 25, 2))
    np.save(tmp_path / "val_data_joint.npy", data)
    names = ["S001C001P003R001A010.skeleton", "S001C001P004R001A002.skeleton"]
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps((names, [9, 1])))
    clip_set = read(tmp_path / "val_data_joint.npy")
    assert clip_set.layout is LAYOUTS["ntu25"]
    assert [(clip.id, clip.label) for clip in clip_set.clips] == [
        (names[0][:-9], 9),
        (names[1][:-9], 1),
    ]
    assert [clip.group for clip in clip_set.clips] == ["P003", "P004"]
    assert clip_set.clips[0].keypoints.shape == (1, 5, 25, 3)
    assert clip_set.clips[1].keypoints[1, 6, 3].tolist() == data[1, :, 6, 3, 1].tolist()

    kinetics = np.zeros((1, 3, 6, 18, 2), np.float32)
    kinetics[0, :, 2, 4, 1] = 0.25, -0.125, 0.75
    np.save(tmp_path / "k_data.npy", kinetics)
    (clip,) = read(tmp_path / "k_data.npy").clips
    assert clip.keypoints.shape == (1, 3, 18, 2) and clip.label == -1
    assert clip.keypoints[0, 2, 4].tolist() == [0.75 * 340, 0.375 * 256]
    assert clip.scores[0, 2, 4] == 0.75 and (clip.scores > 0).sum() == 1
    data[:, :, :, :, :] = NUMBERS.normal(0, 1, data.shape)
    np.save(tmp_path / "own.npy", data)
    assert read(tmp_path / "own.npy") is None  # three persons of x and y, or x, y, z: is asked
    pixels = np.full((2, 3, 6, 25, 1), 300, np.float32)
    pixels[:, 2] = 0.5
    np.save(tmp_path / "own.npy", pixels)  # x, y and score of 25 joints are no Kinect's
    clip = read(tmp_path / "own.npy").clips[1]
    assert clip.keypoints.shape == (1, 6, 25, 2) and (clip.scores == 0.5).all()
    assert clip.image_size == (0, 0) and (clip.keypoints == 300).all()


def ntu_text(frames):
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for name, joints in bodies:
            lines += [f"{name} 0 1 1 1 1 0 -0.1 0.2 2", "25"]
            lines += [" ".join(f"{number:.6f}" for number in row) for row in joints]
    return "\n".join(lines) + "\n"


def test_ntu_skeleton(tmp_path):
    one, two = (NUMBERS.uniform(0.1, 3, (25, 12)) for _ in range(2))
    one[:, 5:7] *= 300
    one[:, 11] = 2
    two[:, 11] = 1
    two[7, 11] = 0
    path = tmp_path / "S001C002P003R001A013.skeleton"
    path.write_text(ntu_text([[("72057", one)], [], [("9", two), ("72057", one)]]))
    clip_set = read(path)
    clip = only(path, "ntu25")
    assert clip_set.classes[clip.label] == "tear up paper" and clip.group == "P003"
    assert clip.keypoints.shape == (2, 3, 25, 3)
    np.testing.assert_allclose(clip.keypoints[0, [0, 2]], [one[:, :3]] * 2, rtol=1e-5)
    assert clip.scores[1, 2].sum() == 24 and clip.scores[1, 2, 7] == 0
    flat_clip = only(path, "ntu25_2d", layout=LAYOUTS["ntu25_2d"])
    np.testing.assert_allclose(flat_clip.keypoints[0, 0], one[:, 5:7], rtol=1e-5)
    assert flat_clip.image_size == (1080, 1920)
    path.write_text(path.read_text()[:2000])
    with pytest.raises(UserError, match="cut short"):
        read(path)


MICE = """scorer,model,model,model,model,model,model,model,model,model,model,model,model
individuals,a,a,a,a,a,a,b,b,b,b,b,b
bodyparts,snout,snout,snout,earL,earL,earL,snout,snout,snout,earL,earL,earL
coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood
0,1.5,2.5,0.9,3.5,4.5,0.8,,,,,,
1,5.5,6.5,0.7,,,,9.5,8.5,0.6,7.5,6.5,0.5
"""


class Array:
    """As much of an xarray.DataArray as a reader asks for."""

    def __init__(self, values, dims):
        self.values, self.dims = values, dims

    def transpose(self, *dims):
        return Array(self.values.transpose([self.dims.index(dim) for dim in dims]), dims)


def movement_of(path, software):
    """What movement makes of MICE."""
    assert software == "DeepLabCut"
    rows = [line.split(",")[1:] for line in path.read_text().splitlines()[4:]]
    table = np.array([[float(word or "nan") for word in row] for row in rows])
    table = table.reshape(2, 2, 2, 3)  # frames, individuals, keypoints, x y likelihood
    return SimpleNamespace(
        position=Array(table[..., :2].transpose(0, 3, 2, 1), POSITION),
        confidence=Array(table[..., 2].transpose(0, 2, 1), CONFIDENCE),
        coords={
            "keypoints": SimpleNamespace(values=["snout", "earL"]),
            "individuals": SimpleNamespace(values=["a", "b"]),
        },
    )


POSITION = ("time", "space", "keypoints", "individuals")
CONFIDENCE = ("time", "keypoints", "individuals")
MOUSE = {"name": "mouse", "joints": ["left_ear", "tail", "snout"], "bones": []}


@pytest.mark.parametrize("library", ["as here", "real"])
def test_deeplabcut_with_a_layout_of_the_users(tmp_path, monkeypatch, library):
    if library == "real":
        pytest.importorskip("movement")
    else:
        monkeypatch.setitem(sys.modules, "movement", ModuleType("movement"))
        monkeypatch.setitem(sys.modules, "movement.io", SimpleNamespace(load_dataset=movement_of))
    path = write(tmp_path / "mice.csv", MICE)
    layout = define_layout(MOUSE, "mouse.yaml")
    clip_set = read(path, layout=layout)
    assert clip_set.layout is layout and any("tail count" in note for note in clip_set.notes)
    nothing = [0, 0, 0]
    expected = {
        (0, 0): [[3.5, 4.5, 0.8], nothing, [1.5, 2.5, 0.9]],
        (0, 1): [nothing, nothing, [5.5, 6.5, 0.7]],
        (1, 1): [[7.5, 6.5, 0.5], nothing, [9.5, 8.5, 0.6]],
    }
    check(clip_set.clips[0], {place: np.array(joints) for place, joints in expected.items()})
    with pytest.raises(UserError, match=r"joints named snout, earL.*--layout"):
        read(path)


def test_movement_missing_is_told_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "movement.io", None)
    for name in ("mice.csv", "mice.slp", "mice.h5"):
        with pytest.raises(UserError, match=r"pip install -r requirements-movement\.lock"):
            read(write(tmp_path / name, MICE))


def test_a_folder_of_classes(tmp_path):
    for action in ("run", "walk"):
        people = [{"image_id": "0.jpg", "keypoints": flat(body())}]
        write(tmp_path / action / "first.json", people)
    clip_set = read(tmp_path)
    assert clip_set.classes == ["run", "walk"]
    assert [(clip.id, clip.label) for clip in clip_set.clips] == [
        ("run/first", 0),
        ("walk/first", 1),
    ]


def test_a_file_without_a_person_is_left_out_of_a_folder(tmp_path):
    joints = NUMBERS.uniform(0.1, 3, (25, 12))
    for name, bodies in (("A001", []), ("A002", [("1", joints)])):
        (tmp_path / f"S001C001P001R001{name}.skeleton").write_text(ntu_text([bodies]))
    clip_set = sources.read(tmp_path)
    assert [clip.id for clip in clip_set.clips] == ["S001C001P001R001A002"]
    assert clip_set.classes[clip_set.clips[0].label] == "eat meal/snack"
    assert clip_set.clips[0].label == 1 and len(clip_set.classes) == 60
    assert "no person in any frame (1 files, first S001C001P001R001A001" in clip_set.notes[-1]
    (tmp_path / "S001C001P001R001A002.skeleton").unlink()
    with pytest.raises(UserError, match="no file with a person"):
        sources.read(tmp_path)


def test_layouts_are_mapped_and_what_is_missing_is_told(tmp_path):
    people = [{"image_id": "0.jpg", "keypoints": flat(body())}]
    clip_set = read(write(tmp_path / "a.json", people))
    mapped = to_layout(clip_set, clip_set.layout, LAYOUTS["halpe26"])
    assert mapped.layout is LAYOUTS["halpe26"] and mapped.clips[0].keypoints.shape[2] == 26
    assert "head, left_big_toe" in mapped.notes[-1] and "count as unseen" in mapped.notes[-1]
    with pytest.raises(UserError, match="can't be mapped"):
        to_layout(clip_set, clip_set.layout, LAYOUTS["ntu25"])


def test_own_keypoints_are_left_to_their_reader(tmp_path):
    np.save(tmp_path / "own.npy", NUMBERS.uniform(0, 300, (4, 17, 3)))
    write(tmp_path / "own.json", {"keypoints": body()[None, :, :2].tolist()})
    write(tmp_path / "notes.txt", "walk 1 2 3")
    write(tmp_path / "labels.csv", "clip,label\na,walk")
    for path in tmp_path.iterdir():
        assert read(path) is None
    assert read(tmp_path) is None


def people(*keypoints):
    return {"people": [{"pose_keypoints_2d": numbers} for numbers in keypoints]}


WRONG = {
    "nobody": ([{"image_id": "1.jpg", "keypoints": []}], "1 of|no keypoints|needs 3"),
    "odd": ([{"image_id": "1.jpg", "keypoints": [1.0] * 50}], "needs 3 for each joint"),
    "text": ([{"image_id": "1.jpg", "keypoints": "abc"}], "lists of numbers"),
    "21 joints": ([{"image_id": "1.jpg", "keypoints": [1.0] * 63}], "21 joints.*--layout"),
    "mixed": (people([1.0] * 75, [1.0] * 54), "18 and 25 joints"),
    "empty": ({"people": []}, "no person in any frame"),
    "objects": ({"people": [1]}, "an object for each person"),
    "shares": (people([0.5] * 75), "--image-size"),
    "image": ([{"image_id": None, "keypoints": [1.0] * 51}], "image_id"),
    "gap": ([{"image_id": n, "keypoints": [5.0] * 51} for n in (0, 10**15, 7)], None),
    "frames": ({"instance_info": [{"frame_id": 10**12, "instances": []}]}, "no person"),
    "kinetics": ({"data": [{"skeleton": [{"pose": [1], "score": [1]}]}]}, "two numbers"),
    "coco": (
        {"images": [{"id": 1}], "annotations": [{"image_id": 2, "keypoints": [1.0] * 51}]},
        "none of `images`",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_refused_in_one_line(tmp_path, name):
    content, message = WRONG[name]
    path = write(tmp_path / "file.json", content)
    if message is None:
        assert only(path).keypoints.shape[1] == 3  # frames side by side, not a million empty ones
        return
    with pytest.raises(UserError, match=message) as refused:
        read(path)
    assert "file.json" in str(refused.value)


def test_damaged_files_give_a_clip_or_a_refusal(tmp_path):
    generator = np.random.default_rng(5)
    good = {
        "a.json": json.dumps([{"image_id": "1.jpg", "keypoints": flat(body())}]).encode(),
        "b.json": json.dumps(people(flat(body(18)))).encode(),
        "c.skeleton": ntu_text([[("1", NUMBERS.uniform(0.1, 3, (25, 12)))]]).encode(),
        "d.txt": b"0 .5 .5 .5 .5 " + b" ".join(b"0.25" for _ in range(51)),
        "e.csv": b"frame,landmark,x,y\n" + b"".join(b"0,%d,1,2\n" % n for n in range(17)),
    }
    for name, whole in good.items():
        (tmp_path / name).write_bytes(whole)
        assert read(tmp_path / name, (100, 100))
        for _ in range(150):
            damaged = bytearray(whole[: generator.integers(len(whole) + 1)] or b"x")
            for place in generator.integers(min(len(damaged), 200), size=3):
                damaged[place] ^= 1 << generator.integers(8)
            (tmp_path / name).write_bytes(damaged)
            try:
                clip_set = read(tmp_path / name, (100, 100))
            except UserError as refused:
                assert str(refused).isprintable() and name in str(refused)
            else:
                for clip in clip_set.clips if clip_set else []:
                    assert np.isfinite(clip.keypoints).all()
                    assert 0 <= clip.scores.min() <= clip.scores.max() <= 1
