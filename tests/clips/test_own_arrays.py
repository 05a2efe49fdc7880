"""What users bring: the documented forms are read, everything else is refused in one line."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from har.clips import UNLABELLED, Clip, ClipSet, layout_of, make_clip
from har.clips.annotations import write_pickle
from har.clips.sources import choose, read
from har.errors import UserError

POINTS = np.random.default_rng(0).uniform(10, 200, (2, 6, 17, 2)).astype(np.float32)
SCORES = np.random.default_rng(1).uniform(0.1, 1, (2, 6, 17)).astype(np.float32)


def only(path, **options):
    (clip,) = read(path, **options).clips
    return clip


def write_json(path, **content):
    path.write_text(
        json.dumps({k: v.tolist() if hasattr(v, "tolist") else v for k, v in content.items()})
    )
    return path


def test_all_forms_of_the_same_keypoints_are_the_same_clip(tmp_path):
    np.savez(tmp_path / "a.npz", keypoints=POINTS, scores=SCORES, image_size=(256, 340))
    np.savez_compressed(tmp_path / "b.npz", keypoints=POINTS, scores=SCORES, image_size=(256, 340))
    np.save(tmp_path / "c.npy", np.concatenate([POINTS, SCORES[..., None]], -1))
    write_json(tmp_path / "d.json", keypoints=POINTS, scores=SCORES, image_size=[256, 340])
    np.savez(
        tmp_path / "e.npz",
        keypoints=np.asfortranarray(POINTS.astype(">f8")),
        scores=SCORES.astype(">f8"),
        image_size=[256, 340],
    )
    for file in tmp_path.iterdir():
        clip = only(file, image_size=(256, 340))
        assert (clip.id, clip.label, clip.image_size) == (file.stem, UNLABELLED, (256, 340))
        np.testing.assert_allclose(clip.keypoints, POINTS, rtol=1e-6)
        np.testing.assert_allclose(clip.scores, SCORES, rtol=1e-6)


def test_frames_per_second_are_those_of_the_file_or_those_given(tmp_path):
    known = Clip("known", 0, POINTS, SCORES, (256, 340), "g", 50.0)
    write_pickle(tmp_path / "a.pkl", ClipSet([known], ["run"]))
    np.save(tmp_path / "own.npy", POINTS)
    assert [clip.fps for clip in read(tmp_path).clips] == [50, 0]
    assert [clip.fps for clip in read(tmp_path, fps=30.0).clips] == [50, 30]


def test_one_person_without_scores(tmp_path):
    points = POINTS[0].copy()
    points[1, 3] = 0
    points[2, 4, 0] = np.nan
    points[3, 5, 1] = np.inf
    np.save(tmp_path / "own.npy", points)
    clip_set = read(tmp_path / "own.npy")
    (clip,) = clip_set.clips
    expected = np.ones((1, 6, 17))
    expected[0, [1, 2, 3], [3, 4, 5]] = 0
    np.testing.assert_array_equal(clip.scores, expected)
    assert clip.image_size == (0, 0)
    assert not clip.keypoints[0, 2, 4].any() and np.isfinite(clip.keypoints).all()
    assert any("no scores" in note for note in clip_set.notes)


def test_null_in_json_is_a_missing_joint(tmp_path):
    points = POINTS[0].tolist()
    points[2][4] = [None, None]
    clip = only(write_json(tmp_path / "own.json", keypoints=points))
    assert clip.scores[0, 2, 4] == 0 and clip.scores.sum() == 6 * 17 - 1


def test_one_clip_pickle_of_the_pytorch_reference(tmp_path):
    path = tmp_path / "1_v_ApplyLipstick_g03_c02.pkl"
    path.write_bytes(pickle.dumps({"data": POINTS[0]}))
    clip_set = read(path)
    (clip,) = clip_set.clips
    assert clip.id == "v_ApplyLipstick_g03_c02" and clip.image_size == (256, 340)
    assert clip_set.classes[clip.label] == "ApplyLipstick"
    np.testing.assert_array_equal(clip.keypoints, POINTS[:1])
    assert only(path, image_size=(480, 640)).image_size == (480, 640)


def test_a_folder_of_files_is_one_set_with_classes_matched_by_name(tmp_path):
    for name, classes in (("a", ["run", "walk"]), ("b", ["walk", "jump"])):
        clip = Clip(f"clip {name}", classes.index("walk"), POINTS, SCORES, (256, 340), name)
        write_pickle(tmp_path / f"{name}.pkl", ClipSet([clip], classes))
    np.save(tmp_path / "own.npy", POINTS)
    (tmp_path / "readme.txt").write_text("not a clip")
    clip_set = read(tmp_path)
    assert [clip.id for clip in clip_set.clips] == ["clip a", "clip b", "own"]
    assert [clip.label for clip in clip_set.clips] == [0, 0, UNLABELLED]
    assert clip_set.classes == ["walk"]


def test_choose():
    clips = [make_clip(name, POINTS) for name in ("v_Run_g01_c01", "v_Run_g01_c011", "v_Sit_g02")]
    clip_set = ClipSet(clips, [])
    assert choose(clip_set, "v_Run_g01_c01", "f").id == "v_Run_g01_c01"
    assert choose(clip_set, "sit", "f").id == "v_Sit_g02"
    with pytest.raises(UserError, match=r"2 clips of f have 'Run'.*v_Run_g01_c011"):
        choose(clip_set, "Run", "f")
    with pytest.raises(UserError, match="f has no clip 'Jump' among 3, such as v_Run"):
        choose(clip_set, "Jump", "f")


def test_layouts_are_told_by_their_numbers():
    assert layout_of(make_clip("a", np.ones((3, 25, 3)), dimensions=3)).name == "ntu25"
    assert layout_of(make_clip("a", np.ones((3, 25, 3)), dimensions=2)).name == "openpose25"
    with pytest.raises(UserError, match="21 joints"):
        layout_of(make_clip("a", np.ones((3, 21, 2))))


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(shape, descr="<f4"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


HOSTILE = {
    "pickled.npy": npy(np.array([{"a": 1}], dtype=object)),
    "bomb.npy": header((10**6, 10**6, 17, 2)) + bytes(100),
    "overflow.npy": header((2**62, 2**62, 17, 2)) + bytes(100),
    "negative.npy": header((-1, -1, 17, 2)) + bytes(4 * 34),
    "surplus.npy": npy(POINTS) + bytes(4),
    "strings.npy": npy(np.full((6, 17, 2), "x")),
    "records.npy": npy(np.zeros((6, 17), [("x", "f4"), ("y", "f4")])),
    "complex.npy": npy(np.zeros((6, 17, 2), complex)),
    "empty.npy": b"",
    "noise.npy": bytes(range(256)),
    "flat.npy": npy(np.zeros(34)),
    "nobody.npy": npy(np.zeros((0, 6, 17, 2))),
    "four.npy": npy(np.zeros((6, 17, 4))),
    "zip.npz": npz(keypoints=npy(POINTS))[:-30],
    "pickled.npz": npz(keypoints=npy(np.array([print], dtype=object))),
    "bomb.npz": npz(keypoints=header((2**28, 17, 2)) + bytes(1000)),
    "outside.npz": npz(**{"../../keypoints": npy(POINTS)}),
    "scores.npz": npz(keypoints=npy(POINTS), scores=npy(SCORES[:, :3])),
    "image.npz": npz(keypoints=npy(POINTS), image_size=npy(np.array([0, -3]))),
    "deep.json": b'{"keypoints":' + b"[" * 100_000,
    "balanced.json": b'{"keypoints":' + b"[" * 900 + b"]" * 900 + b"}",
    "ragged.json": b'{"keypoints": [[[1, 2], [3]]]}',
    "object.json": b'{"keypoints": {"a": 1}}',
    "huge.json": b'{"keypoints": [[[' + b"9" * 5000 + b", 1]]]}",
    "large.json": b'{"keypoints": [[[1' + b"0" * 400 + b", 1]]]}",
    "list.json": b"[1, 2]",
    "null.json": b'{"keypoints": null}',
    "latin.json": b'{"keypoints": "\xff"}',
    "other.csv": b"x,y",
    "data.pkl": pickle.dumps({"data": [1, 2]}),
    "code.pkl": pickle.dumps({"data": print}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(HOSTILE[name])
    with pytest.raises(UserError) as refused:
        read(tmp_path / name)
    assert name in str(refused.value) or name.split(".")[0] in str(refused.value)
    assert str(refused.value).isprintable()


def test_an_archive_that_unpacks_to_more_than_a_clip_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("har.clips.own_arrays.MOST_BYTES", 10**6)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    (tmp_path / "a.npz").write_bytes(npz(keypoints=npy(POINTS), scores=bytes(10**6)))
    assert (tmp_path / "a.npz").stat().st_size < 20_000
    with pytest.raises(UserError, match="too large"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", ["npy", "npz", "json"])
def test_cut_and_flipped_bytes_give_a_clip_or_a_refusal(tmp_path, suffix):
    path = tmp_path / f"clip.{suffix}"
    points = POINTS[:, :2]
    if suffix == "npy":
        np.save(path, points)
    elif suffix == "npz":
        np.savez_compressed(path, keypoints=points, scores=SCORES[:, :2], image_size=(9, 9))
    else:
        write_json(path, keypoints=points, scores=SCORES[:, :2], image_size=[9, 9])
    whole = path.read_bytes()
    generator = np.random.default_rng(5)
    damaged = [whole[: len(whole) * part // 50] for part in range(50)]
    for _ in range(500):
        flipped = bytearray(whole)
        reach = min(len(whole), 400)  # headers are where the damage is interesting
        for place in generator.integers(reach, size=generator.integers(1, 4)):
            flipped[place] ^= 1 << generator.integers(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        try:
            clip = only(path)
        except UserError as refused:
            assert str(refused).isprintable()
        else:
            assert np.isfinite(clip.keypoints).all() and clip.scores.min() >= 0
            assert clip.scores.shape == clip.keypoints.shape[:3]


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="not found"):
        read(tmp_path / "nothing.npz")
    with pytest.raises(UserError, match="no file that ends in"):
        read(tmp_path)
    with pytest.raises(UserError, match="not found"):
        read("a\0b")
