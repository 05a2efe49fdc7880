"""Hostile tables, settings, arrays and checkpoints: read soundly or refused in one line."""

import contextlib
import json
import os
import re
import resource
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from har.clips.sources import read
from har.dataset.prepared import read_prepared
from har.dataset.sequences import read_sequences, read_split
from har.errors import UserError
from har.files import write_csv
from har.models.checkpoint import save_checkpoint
from har.params import Params, load_params, load_yaml
from har.recognition.recognizer import Recognizer
from har.training.trainer import HISTORY_COLUMNS, Epoch
from stages.evaluate import read_history
from tests.clips.test_own_arrays import header
from tests.conftest import ROOT
from tests.dataset.test_odd_clips import ordinary, stages, undrawn, write
from tests.tiny import random_clip, tiny_checkpoint

HUGE = ["-1", "0", "1", "2147483648", "9223372036854775807", "9" * 30, "9" * 5000, "1e400", "nan"]
PIECES = [b"\0", b"\xff\xfe", b'"', b"\n", b",", b"\r", b"\xef\xbb\xbf", b"\x1b[2J", b"&a ", b"!!"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the first three stages write of eight clips, with params.yaml."""
    folder = tmp_path_factory.mktemp("made")
    write(folder, ordinary(persons=2))
    with undrawn():
        stages(folder, {})
    (folder / "odd.pkl").unlink()
    entries = [Epoch(epoch, *np.random.default_rng(epoch).random(7)) for epoch in range(1, 9)]
    rows = [entry.as_row() for entry in entries]
    write_csv(folder / "models/baseline_history.csv", rows, HISTORY_COLUMNS)
    params = dict(sorted(load_yaml(ROOT / "params.yaml").items()))  # without the comments
    YAML().dump(params, folder / "params.yaml")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy to do damage to."""
    return shutil.copytree(made, tmp_path / "copy")


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """Some random damage: to bits, lines, columns or numbers."""

    def one_of(choices):
        return choices[generator.integers(len(choices))]

    lines = content.splitlines(keepends=True)
    line, place = int(generator.integers(len(lines))), int(generator.integers(len(content)))
    kind = int(generator.integers(8))
    if kind == 0:
        flipped = bytearray(content)
        for byte in generator.integers(len(content), size=generator.integers(1, 4)):
            flipped[byte] ^= 1 << generator.integers(8)
        return bytes(flipped)
    if kind == 1:
        return content[:place]
    if kind == 2:
        return b"".join(lines[:line] + lines[line + 1 :])
    if kind == 3:
        return b"".join([*lines[:line], one_of(lines), *lines[line:]])
    if kind == 4:
        column = int(generator.integers(4))
        rows = [row.split(b",") for row in lines]
        return b"".join(b",".join(row[:column] + row[column + 1 :]) for row in rows)
    if kind == 5:
        return content[:place] + one_of(PIECES) + content[place:]
    words = list(re.finditer(rb"-?\b\d+(\.\d+)?\b" if kind == 6 else rb"[\w.]+", content))
    if not words:
        return content
    start, end = one_of(words).span()
    new = one_of(HUGE).encode() if kind == 6 else one_of(words)[0]
    return content[:start] + new + content[end:]


def refusal(function, *arguments) -> str:
    """What is said where a function refuses, nothing where it does not."""
    try:
        function(*arguments)
    except UserError as error:
        message = str(error)
        assert message.isprintable() and 0 < len(message) < 3000
        return message
    return ""


@contextlib.contextmanager
def room(more: int = 2**28):
    """Memory for so many bytes more; who asks for more than that gets a MemoryError."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def use_prepared(folder):
    prepared = read_prepared(folder / "data/prepared")
    assert sorted({row.label for row in prepared.rows}) == [*range(len(prepared.classes))]
    assert len({row.id for row in prepared.rows}) == len(prepared.rows)
    for row in prepared.rows:
        shape = (row.persons, row.frames, *prepared.keypoints.shape[1:])
        assert prepared.poses(row).shape == shape


def use_split(folder):
    subset_of = read_split(folder / "data/split.csv")
    assert subset_of and set(subset_of.values()) <= {"train", "val", "test"}


def use_features(folder):
    features = read_sequences(folder / "data/features")
    lengths = [len(features.clip(index)[0]) for index in range(len(features))]
    assert lengths == features.lengths.tolist() and min(lengths) > 0
    assert features.x.shape[1:] == (2, 17, 3) and len(features.x) == sum(lengths)
    assert 0 <= features.labels.min() <= features.labels.max() < len(features.settings["classes"])
    assert len(features.subset("train", "val", "test")) == len(features) == len(set(features.ids))


def use_params(folder):
    assert isinstance(load_params(folder / "params.yaml"), Params)


def use_history(folder):
    history = read_history(folder / "models/baseline_history.csv")
    curves = {key: [float(row[key]) for row in history] for key in HISTORY_COLUMNS}
    assert all(len(curve) == len(history) for curve in curves.values())


@pytest.mark.parametrize(
    ("name", "use", "number"),
    [
        ("data/prepared/clips.csv", use_prepared, 800),
        ("data/split.csv", use_split, 800),
        ("data/features/clips.csv", use_features, 800),
        ("data/features/settings.json", use_features, 800),
        ("models/baseline_history.csv", use_history, 400),
        ("params.yaml", use_params, 200),
    ],
)
def test_random_damage_is_seen_or_does_no_harm(folder, name, use, number):
    use(folder)
    path = folder / name
    whole = path.read_bytes()
    generator = np.random.default_rng(7)
    said = []
    for _ in range(number):
        path.write_bytes(damaged(whole, generator))
        said.append(refusal(use, folder))
        assert not said[-1] or str(path.parent) in said[-1]
    assert sum(map(bool, said)) > number / 3


@pytest.mark.parametrize(
    ("name", "use"),
    [("data/prepared/keypoints.npy", use_prepared), ("data/features/x.npy", use_features)],
)
def test_arrays_with_other_headers_are_refused(folder, name, use):
    path = folder / name
    whole = path.read_bytes()
    frames = whole[128:]
    shape = np.load(path).shape
    others = [
        header(shape, descr) + frames for descr in (">f4", "<f8", "<i4", "|O", "<f2", "|V4", "<c8")
    ]
    others += [
        header(other) + frames
        for other in (
            (10**12, *shape[1:]),
            (2**62, 2**62, 17, 3),
            (-1, *shape[1:]),
            (shape[0] - 1, *shape[1:]),
            (0, *shape[1:]),
            (len(frames) // 4,),
            (),
            (1, *shape),
            (True, 1.5, None),
            (shape, 1, 2),
        )
    ]
    fortran = whole[:128].replace(b"'fortran_order': False", b"'fortran_order': True ")
    deep = b"(" * 9000
    others += [
        fortran + frames,
        whole[:-1],
        whole + b"\0",
        whole[:5],
        b"",
        b"\x93NUMPY\x01\x00" + len(deep).to_bytes(2, "little") + deep,
        b"\x93NUMPY\x03\x00\xff\xff\xff\xff" + deep,
        b"PK\x03\x04" + whole,
        b"PK\x05\x06" + bytes(18),
        b"\x80\x04cos\nsystem\n(S'false'\ntR.",
    ]
    for other in others:
        path.write_bytes(other)
        assert "is damaged" in refusal(use, folder), other[:150]
    path.write_bytes(header(shape[::-1] if len(shape) == 3 else (shape[0], 1, 34, 3)) + frames)
    assert "not fit" in refusal(use, folder)
    generator = np.random.default_rng(8)
    for _ in range(500):
        path.write_bytes(damaged(whole[:128], generator) + frames)
        refusal(use, folder)


def test_tables_that_contradict_themselves_are_refused(folder):
    table, split = folder / "data/prepared/clips.csv", folder / "data/split.csv"
    features = folder / "data/features/clips.csv"
    for path, use, old, new, complaint in (
        (table, use_prepared, "clip3,", "clip2,", "different ids"),
        (table, use_prepared, "clip3,1,1,", "clip3,0,1,", "one name for each"),
        (table, use_prepared, "clip3,1,1,", "clip3,1,2,", "one name for each"),
        (table, use_prepared, "clip3,1,1,", f"clip3,1,{10**30},", "one name for each"),
        (table, use_prepared, ",256,340,0,6,", ",256,340,0,7,", "back to back"),
        (table, use_prepared, ",256,340,0,6,", ",256,340,-1,6,", "fps must be 0 or more"),
        (features, use_features, ",256,340,0", ",256,340,-1", "fps must be 0 or more"),
        (table, use_prepared, "clip0", "", "different ids"),
        (split, use_split, "clip3,", "clip2,", "different ids"),
        (split, use_split, "train", "trian", "train, val and test"),
        (features, use_features, "train", "", "train, val and test"),
        (features, use_features, "clip3,1,", "clip3,2,", "a label that is no class"),
        (features, use_features, "clip3,1,", "clip3,-1,", "a label that is no class"),
        (features, use_features, "clip3,1,", f"clip3,{2**64},", "too large"),
        (features, use_features, ",0,3,256", f",{2**63 - 1},3,256", "does not fit x.npy"),
    ):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        assert re.search(complaint, refusal(use, folder)), (complaint, refusal(use, folder))
        path.write_text(text)
    table.write_text(table.read_text().splitlines()[0] + "\n")
    assert "is damaged" in refusal(use_prepared, folder)


def test_settings_that_do_not_fit_the_features_are_refused(folder):
    path = folder / "data/features/settings.json"
    right = json.loads(path.read_text())
    assert not refusal(use_features, folder)
    for wrong in (
        [],
        3,
        {},
        right | {"layout": "ntu25"},
        right | {"layout": ["coco17"]},
        right | {"classes": "01"},
        right | {"classes": ["0"]},
        right | {"classes": ["0", "0"]},
        right | {"classes": {"0": 1, "1": 2}},
        right | {"preprocess": None},
        right | {"preprocess": right["preprocess"] | {"persons": 1}},
        right | {"preprocess": right["preprocess"] | {"frames": 9}},
        right | {"preprocess": right["preprocess"] | {"run": "ls"}},
    ):
        path.write_text(json.dumps(wrong))
        assert str(folder / "data/features") in refusal(use_features, folder), wrong
    for text in ("[" * 10**5, '{"layout":' * 10**5, "9" * 5000, "\ud800", "NaN", ""):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        assert str(path.parent) in refusal(use_features, folder), text[:20]


NESTED = [f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 11)]
MERGED = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 11)]
TOP = "\nseed: 42\n"  # not the seed of a section
SETTINGS = {
    "laughs": (TOP, f"seed: [&a0 [x], {', '.join(NESTED)}]"),
    "merges": (TOP, "\n".join(["a0: &a0 {k: 1}", *MERGED, "seed: *a10"])),
    "aliases": (TOP, "a: &a 1\nseed: [" + "*a, " * 10**4 + "]"),
    "itself": (TOP, "seed: &a [*a]"),
    "merged itself": (TOP, "seed: &a {<<: *a}"),
    "deep": (TOP, "seed: " + "[" * 10**5),
    "deep and closed": (TOP, "seed: " + "[" * 400 + "]" * 400),
    "object": (TOP, "seed: !!python/object/apply:os.system [ls]"),
    "name": (TOP, "seed: !!python/name:os.system ''"),
    "control": (TOP, "seed: !<tag%1B[2J> 3"),
    "bool": (TOP, "seed: !!bool maybe"),
    "timestamp": (TOP, "seed: !!timestamp when"),
    "binary": (TOP, "seed: !!binary ü"),
    "twice": (TOP, "seed: 42\nseed: 43"),
    "twice within": ("  seed: 42", "  seed: 42\n  seed: 43"),
    "huge": (TOP, "seed: " + "9" * 4000),
    "larger": (TOP, "seed: " + "9" * 5000),
    "infinite": ("dropout: 0.5", "dropout: 1e999"),
    "overflow": ("test_longest: 160", "test_longest: " + "9" * 20),
    "key": (TOP, '"se\\nd\\e[2J": 42'),
    "surrogate": (TOP, 'seed: "\\ud800"'),
    "sequence key": (TOP, "? [a]\n: 42"),
    "two documents": (TOP, "seed: 42\n---\nseed: 43"),
    "nul": (TOP, "seed: \0"),
    "many keys": (TOP, "\n".join(f"k{n}: 1" for n in range(9000))),
    "many values": (TOP, "seed: [" + "[]," * 30_000 + "]"),
    "many mistakes": ("  classes:", "  classes: [" + "[]," * 30_000 + "]\n  x:"),
    "long": (TOP, "seed: " + "x" * 10**8),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_hostile_settings_are_refused_in_bounded_time_and_memory(made, tmp_path, name):
    text = (made / "params.yaml").read_text()
    old, new = SETTINGS[name]
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, f"\n{new}\n" if old == TOP else new, 1))
    start = time.process_time()
    with room():
        message = refusal(load_params, path)
    assert re.search("params.yaml(: | is not readable YAML: ).", message)
    assert time.process_time() - start < 30


@pytest.mark.parametrize("line", [b"x", b"x,", b'"x,', b'"\n', b"1,"])
def test_a_line_of_100_megabytes_is_not_taken_in(folder, line):
    for name, use in (
        ("data/prepared/clips.csv", use_prepared),
        ("data/split.csv", use_split),
        ("data/features/settings.json", use_features),
    ):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(whole + b"[" * name.endswith("json") + line * (10**8 // len(line)))
        with room():
            assert name in refusal(use, folder)
        path.write_bytes(whole)


def places(value, path=()):
    """All places in nested JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


STRANGE = [None, True, -1, 0, 1, 10**30, 1e400, "", "xx", "BF16", [], {}, [[]], {"a": 1}, [1, -1]]


def test_checkpoints_with_strange_headers_are_refused(tmp_path):
    """Both tables of a file, that of the weights and our own, with one value exchanged."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, tiny_checkpoint({"width": 4, "layers": 1}))
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    generator = np.random.default_rng(9)
    refused = 0
    for number in range(300):
        table = json.loads(whole[8:end])
        own = json.loads(table["__metadata__"]["har"])
        place = own if number % 2 else table
        *parents, last = list(places(place))[generator.integers(len(list(places(place))))]
        for parent in parents:
            place = place[parent]
        place[last] = STRANGE[generator.integers(len(STRANGE))]
        if number % 2:
            table["__metadata__"]["har"] = json.dumps(own)
        text = json.dumps(table).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + whole[end:])
        refused += bool(refusal(lambda: Recognizer.load(path).predict(random_clip())))
    assert refused > 150


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_own_keypoints_with_strange_values_are_a_clip_or_refused(tmp_path, suffix):
    path = tmp_path / f"clip.{suffix}"
    generator = np.random.default_rng(10)
    points = generator.uniform(0, 99, (2, 3, 17, 2)).round(1)
    right = {"keypoints": points.tolist(), "scores": points[..., 0].tolist(), "image_size": [9, 9]}
    answers = 0
    for _ in range(300):
        content = json.loads(json.dumps(right))
        found = [*places(content), ("keypoints",), ("scores",), ("image_size",)]
        *parents, last = found[generator.integers(len(found))]
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = STRANGE[generator.integers(len(STRANGE))]
        if suffix == "json":
            path.write_text(json.dumps(content))
        else:
            arrays = {}
            for key, value in content.items():
                try:
                    arrays[key] = np.array(value)
                except ValueError:
                    arrays[key] = np.array([0, value], dtype=object)
            np.savez(path, **arrays)
        said = refusal(read, path)
        assert not said or "clip" in said
        if not said:
            (clip,) = read(path).clips
            assert (
                np.isfinite(clip.keypoints).all() and clip.scores.shape == clip.keypoints.shape[:3]
            )
            answers += 1
    assert 0 < answers < 300


def test_own_keypoints_that_are_a_pipe_or_too_many_are_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.npz")
    assert "pipe.npz is not a file" in refusal(read, tmp_path / "pipe.npz")
    monkeypatch.setattr("har.clips.own_arrays.MOST_NUMBERS", 6 * 34)
    np.save(tmp_path / "six.npy", np.ones((6, 17, 2), np.uint8))
    np.save(tmp_path / "seven.npy", np.ones((7, 17, 2), np.uint8))
    assert not refusal(read, tmp_path / "six.npy")
    assert "238 numbers: too large to be one clip" in refusal(read, tmp_path / "seven.npy")


def test_a_message_is_one_printable_line_whatever_it_quotes():
    message = str(
        UserError("clip a  b\n\t is \x1b[2J\u202e, \ud800 or é" + "x" * 10**6 + ": remedy")
    )
    assert message.startswith(r"clip a  b is \x1b[2J\u202e, \ud800 or éxxx")
    assert message.endswith("xxx: remedy") and len(message) < 3000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "name", "old", "new", "complaint"),
    [
        ("split", "params.yaml", b"seed: 42", b"seed: !!python/name:os.system ''", "not readable"),
        ("split", "data/prepared/clips.csv", b"clip3", b"clip\xff", "not a readable CSV"),
        ("preprocess", "data/split.csv", b"clip3", b"clip\x1b[2J", "no clip of"),
        ("preprocess", "data/prepared/keypoints.npy", b"<f4", b"|O8", "keypoints.npy is damaged"),
        ("train_baseline", "data/features/clips.csv", b"clip3,1,", b"clip3,9,", "run `dvc repro"),
        (
            "train_improved",
            "data/features/settings.json",
            b"persons",
            b"person",
            "is damaged",
        ),
    ],
)
def test_a_stage_ends_with_status_2_and_one_line(project, made, stage, name, old, new, complaint):
    shutil.copytree(made / "data", project.folder / "data", dirs_exist_ok=True)
    path = project.folder / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    project.stage(stage, status=2)
    assert complaint in project.errors and len(project.errors.splitlines()) == 1
    assert project.errors.strip().isprintable()
    after = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    assert after == before
