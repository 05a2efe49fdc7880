"""Hostile pickles: the outcome is the file's data or one line, never code, a hang or a big bill."""

import io
import os
import pickle
import struct
import subprocess
import time
import tracemalloc
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import numpy.testing
import pytest

from har.clips import safe_pickle
from har.clips.annotations import read_pickle
from har.errors import UserError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def published(clips: int = 3, frames: int = 4) -> dict:
    generator = np.random.default_rng(0)
    annotations = [
        {
            "frame_dir": f"v_Archery_g0{number}_c01",
            "label": 2,
            "total_frames": frames,
            "img_shape": (256, 340),
            "original_shape": (256, 340),
            "keypoint": generator.uniform(0, 256, (2, frames, 17, 2)).astype(np.float16),
            "keypoint_score": generator.uniform(0, 1, (2, frames, 17)).astype(np.float16),
        }
        for number in range(1, clips + 1)
    ]
    names = [annotation["frame_dir"] for annotation in annotations]
    return {"split": {"train1": names[1:], "test1": names[:1]}, "annotations": annotations}


def outcome(path: Path, content: bytes, megabytes: float = 4, seconds: float = 20) -> str:
    """Read as a clip set; the refusal, or "" where the set is valid. Both must be cheap."""
    path.write_bytes(content)
    tracemalloc.start()
    start = time.process_time()
    try:
        clip_set = read_pickle(path)
        refusal = ""
    except UserError as error:
        refusal = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - start < seconds
    assert peak < megabytes * 2**20 + 6 * len(content)
    if refusal:
        assert str(path) in refusal and len(refusal.splitlines()) == 1 and len(refusal) < 500
        return refusal
    names = [clip.id for clip in clip_set.clips]
    assert names and len(set(names)) == len(names)
    for clip in clip_set.clips:
        assert clip.scores.shape == clip.keypoints.shape[:3] and clip.scores.size > 0
        assert np.isfinite(clip.keypoints).all()
        assert ((clip.scores >= 0) & (clip.scores <= 1)).all()
        assert clip.label < len(clip_set.classes) and min(clip.image_size) > 0
    assert all(set(members) <= set(names) for members in clip_set.subsets.values())
    assert all(len(note.splitlines()) == 1 for note in clip_set.notes)
    return ""


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        dtypes = [array.dtype.newbyteorder("=") for array in (one, other)]
        return dtypes[0] == dtypes[1] and one.shape == other.shape and (one == other).all()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_harmless_content_is_what_pickle_itself_reads(tmp_path, protocol):
    content = published() | {
        "arrays": [
            np.arange(24.0).reshape(2, 3, 4)[:, ::2],
            np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
            np.zeros((0, 5)),
            np.array(7),
            np.array(["a", "längst"]),
            np.array([True, False]),
        ],
        "plain": [None, True, -1, 2**40, 2**70, 1.5, "text\n", b"", b"\xff" * 300, (), (1,), {}],
        "ordered": OrderedDict(a=1),
        "default": defaultdict(list, a=[1]),
    }
    content["twice"] = content["arrays"][0]
    path = tmp_path / "clips.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    assert same(safe_pickle.load(path), pickle.loads(path.read_bytes()))
    assert outcome(path, path.read_bytes()) == ""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sets_become_lists_and_numpy_scalars_numbers(tmp_path, protocol):
    path = tmp_path / "clips.pkl"
    content = [{"b", "a"}, frozenset((1, 2)), set(), np.int64(3), np.float32(0.5), np.bool_(True)]
    path.write_bytes(pickle.dumps(content, protocol))
    *sets, three, half, true = safe_pickle.load(path)
    assert [sorted(items) for items in sets] == [["a", "b"], [1, 2], []]
    assert (three, half, true) == (3, 0.5, True)
    assert [type(value) for value in (three, half, true)] == [int, float, bool]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_large_arrays_are_kept_in_memory_once(tmp_path, protocol):
    generator = np.random.default_rng(0)
    content = [generator.integers(0, 256, 200_000, np.uint8) for _ in range(20)]
    path = tmp_path / "clips.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    tracemalloc.start()
    loaded = safe_pickle.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert same(loaded, content)
    if protocol:  # protocol 0 escapes each byte
        assert peak < 1.3 * path.stat().st_size


def test_python_2_kept_array_bytes_in_strings(tmp_path):
    path = tmp_path / "clips.pkl"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(Vi2\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"U\x04\x01\x00\xff\x7ftb."
    )
    path.write_bytes(array)
    np.testing.assert_array_equal(safe_pickle.load(path), np.array([1, 32767], np.int16))


# --- Code in the file ---


class Call:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def forbidden(marker: Path) -> dict[str, object]:
    """By the name that the refusal must give: objects that would make `marker` when unpickled."""
    source = f"open({str(marker)!r}, 'w')"
    return {
        f"{os.name}.system": Call(os.system, f"touch {marker}"),
        "builtins.eval": Call(eval, source),
        "builtins.exec": Call(exec, source),
        "builtins.open": Call(open, str(marker), "w"),
        "builtins.getattr": Call(getattr, "text", "format"),
        "builtins.print": print,
        "subprocess.Popen": Call(subprocess.Popen, ["touch", str(marker)]),
        "importlib.import_module": Call(__import__("importlib").import_module, "this"),
        "numpy.fromfile": Call(np.fromfile, str(marker), "u1"),
        "numpy.load": Call(np.load, str(marker)),
        "numpy.memmap": Call(np.memmap, str(marker), "u1", "w+", 0, (9,)),
        "numpy.savetxt": Call(np.savetxt, str(marker), [1]),
        "numpy.testing._private.utils.runstring": Call(numpy.testing.runstring, source, {}),
        "numpy.frombuffer": Call(np.frombuffer, b"12"),
        "numpy.matrix": Call(np.matrix, "1"),
        "operator.attrgetter": Call(__import__("operator").attrgetter("a.b")),
        "collections.Counter": Call(__import__("collections").Counter, "aa"),
        "pathlib.": marker,
        "har.clips.Clip": __import__("har.clips").clips.Clip,
    }


NAMES = list(forbidden(Path("x")))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_refused_by_name(tmp_path, name, protocol):
    marker = tmp_path / "marker"
    gadget = forbidden(marker)[name]
    hidden = published() | {"extra": [{"a": (gadget, gadget)}]}
    for content in (gadget, hidden):
        buffer = io.BytesIO()
        # The pickler writes Python 2 names at protocols 0 to 2 unless told not to.
        pickle.Pickler(buffer, protocol, fix_imports=False).dump(content)
        refusal = outcome(tmp_path / "clips.pkl", buffer.getvalue())
        assert name.split(".")[-1] in refusal and "refused" in refusal
    assert not marker.exists()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"
SYSTEM = b"cposix\nsystem\n"
TOUCH = b"X\x04\x00\x00\x00true"
ENCODE = b"c_codecs\nencode\n"
LONG = b"X\xd0\x07\x00\x00" + 2000 * b"a"
RAW = {
    "INST": (b"(" + TOUCH + b"iposix\nsystem\n.", "posix.system"),
    "OBJ": (b"(" + SYSTEM + TOUCH + b"o.", "posix.system"),
    "NEWOBJ": (b"\x80\x02" + SYSTEM + TOUCH + b"\x85\x81.", "posix.system"),
    "NEWOBJ of an allowed class": (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
    "OBJ of an allowed class": (b"(cnumpy\nndarray\no.", "OBJ"),
    "NEWOBJ_EX": (b"\x80\x04cnumpy\nndarray\n)}\x92.", "NEWOBJ_EX"),
    "EXT1": (b"\x80\x02\x82\x01.", "EXT1"),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
    "STRING of Python 2": (b"S'a'\n.", "STRING"),
    "PERSID": (b"Pname\n.", "PERSID"),
    "BINPERSID": (b"\x80\x02U\x01aQ.", "BINPERSID"),
    "NEXT_BUFFER": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "a memoised name": (
        b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94h\x00h\x01\x93" + TOUCH + b"\x85R.",
        "posix.system",
    ),
    "a dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0btesting.sys\x93.", "numpy.testing.sys"),
    "a name with a line break": (b"\x80\x04\x8c\x02os\x8c\x07a\nb.pwn\x93.", "os.a\\nb.pwn"),
    "a name as module": (b"\x80\x04cnumpy\ndtype\n\x8c\x01a\x93.", "a name is not a string"),
    "an array of another class": (ARRAY + b"(cnumpy\ndtype\n(I0\ntVb\ntR.", "other than"),
    "calling ndarray": (b"cnumpy\nndarray\n(I9\nI9\ntR.", "call of numpy.ndarray"),
    "calling a string": (b"Vabc\n(tR.", "call of 'abc'"),
    "calling a list": (b"](tR.", "call of an object of type list"),
    "a state for a dictionary": (b"}}b.", "state for an object of type dict"),
    "a state for an array with its state": (
        b"cnumpy\ndtype\n(Vf4\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb(I3\ntb.",
        "state for",
    ),
    "decoding with another codec": (
        b"c_codecs\nencode\n(Vzz\nVrot13\ntR.",
        "conversion of text",
    ),
    "a long text for another codec": (ENCODE + b"(" + LONG + b"Vrot13\ntR.", "conversion of text"),
    "a long text that latin1 lacks": (
        ENCODE + b"(X\xb8\x0b\x00\x00" + 1000 * "€".encode() + b"Vlatin1\ntR.",
        "damaged",
    ),
    "a long text that is not encoded": (ENCODE + LONG + b"q\x00h\x00.", "an object of type"),
    "a long text as a key": (ENCODE + LONG + b"q\x00}h\x00Ns.", "as a key of a dictionary"),
    "objects": (b"cnumpy\ndtype\n(VO8\nI0\nI1\ntR.", "type 'O8'"),
    "void": (b"cnumpy\ndtype\n(VV99999999\nI0\nI1\ntR.", "type 'V99999999'"),
    "comma dtypes": (b"cnumpy\ndtype\n(Vf4,O\nI0\nI1\ntR.", "type 'f4,O'"),
    "records": (
        b"cnumpy\ndtype\n(Vf4\nI0\nI1\ntR(I3\nV<\nN(Va\nt}I-1\nI-1\nI0\ntb.",
        "records",
    ),
}


@pytest.mark.parametrize("case", RAW)
def test_raw_operations_are_refused(tmp_path, case):
    content, told = RAW[case]
    assert told in outcome(tmp_path / "clips.pkl", content)


@pytest.mark.parametrize(
    "array", [np.array([print, 1], object), np.zeros(2, "i4,f4"), np.zeros(1, "M8[s]")]
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_other_than_numbers_are_refused(tmp_path, array, protocol):
    refusal = outcome(tmp_path / "clips.pkl", pickle.dumps(published() | {"x": array}, protocol))
    assert "refused" in refusal


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_keys_that_hash_at_once_are_read(tmp_path, protocol):
    content = {0.5: 1, None: 2, True: 3, -7: 4, 2**40: 5, (1, "a", None, 0.5): 6, "text": 7}
    (tmp_path / "keys.pkl").write_bytes(pickle.dumps(content, protocol))
    assert safe_pickle.load(tmp_path / "keys.pkl") == content


@pytest.mark.parametrize(
    "key", [float("nan"), float("inf"), 2**61 - 1, ((1,), 2), tuple(range(9)), "k" * 10_001]
)
def test_other_keys_are_refused_for_what_they_are(tmp_path, key):
    (tmp_path / "keys.pkl").write_bytes(pickle.dumps({key: 1}))
    with pytest.raises(UserError, match="as a key of a dictionary"):
        safe_pickle.load(tmp_path / "keys.pkl")


def test_many_tuples_as_keys_are_refused(tmp_path):
    """They could be made to collide, which would take the square of their number."""
    (tmp_path / "keys.pkl").write_bytes(pickle.dumps({(n, n): n for n in range(10_001)}))
    with pytest.raises(UserError, match="as a key of a dictionary"):
        safe_pickle.load(tmp_path / "keys.pkl")


# --- Bombs ---


def array_of(shape: bytes, raw: bytes = b"Vabcd\n", code: bytes = b"f4") -> bytes:
    """An array in protocol 0, of numbers or text as the dtype's code says."""
    made = ARRAY + b"(cnumpy\nndarray\n(I0\ntVb\ntR"
    dtype = b"cnumpy\ndtype\n(V" + code + b"\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
    return made + b"(I1\n" + shape + dtype + b"I00\n" + raw + b"tb."


BOMBS = {
    "a huge shape": array_of(b"(I1000000\nI1000000\nI1000000\nt"),
    "a huge shape without elements": array_of(b"(I1000000000\nI0\nI1000000000\nt", b"V\n"),
    "a negative shape": array_of(b"(I-1\nI-1\nt"),
    "sixty-five dimensions": array_of(b"(" + 65 * b"I1\n" + b"t"),
    "a shape of truths": array_of(b"(I01\nt"),
    "a shape of long numbers": array_of(b"(" + 64 * (b"L" + 4000 * b"9" + b"L\n") + b"t"),
    "too few bytes": array_of(b"(I2\nt"),
    "characters that are none": array_of(b"(I1\nt", b"U\x04\xff\xff\xff\x7f", b"U1"),
    "long text elements": array_of(b"(I1\nt", code=b"U9999"),
    "an array without its dtype's state": b"cnumpy\ndtype\n(Vf4\nI0\nI1\ntR.",
    "a far memo index": b"]r\xff\xff\xff\xff.",
    "a memo index of many digits": b"]p" + b"9" * 4000 + b"\n.",
    "a number of many digits": b"I" + b"9" * 100_000 + b"\n.",
    "a long binary number": b"\x80\x02\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + b".",
    "a negative length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
    "declared bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"a.",
    "declared bytes beyond the file": b"\x80\x03B" + struct.pack("<I", 2**32 - 1) + b"a.",
    "a declared text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a.",
    "a declared frame": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"N.",
    "declared bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"a.",
    "deep lists": b"]" * 200_000 + b"a" * 199_999 + b".",
    "deep tuples": b")" + b"\x85" * 200_000 + b".",
    "deep tuples as a key": b"})" + b"\x85" * 200_000 + b"Ns.",
    "deep dictionaries": b"}" + b"I1\n}" * 100_000 + b"s" * 100_000 + b".",
    "a list in itself": b"]q\x00h\x00a.",
    "laughing tuples": b")" + b"2\x86" * 60 + b".",
    "laughing tuples as a key": b"})" + b"2\x86" * 60 + b"Ns.",
    "many sets": b"\x80\x04" + b"\x8f" * 490_000 + b".",
    "many marks": b"(" * 490_000 + b".",
    "many operations": b"N0" * 2_000_000 + b".",
    "colliding keys": b"}("
    + b"".join(
        b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little") + b"N" for n in range(1, 20_000)
    )
    + b"u.",
    "text encoded again and again": b"X"
    + struct.pack("<I", 10**6)
    + b"a" * 10**6
    + b"p0\n0"
    + b"c_codecs\nencode\n(g0\nVlatin1\ntR" * 2000
    + b".",
    "nothing": b"",
    "a web page": b"<!DOCTYPE html><html></html>",
    "zeros": bytes(1000),
    "a zip": b"PK\x03\x04" + bytes(100),
    "an .npy": b"\x93NUMPY\x01\x00v\x00",
}


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_are_refused_cheaply(tmp_path, case):
    assert outcome(tmp_path / "clips.pkl", BOMBS[case], megabytes=64)


@pytest.mark.parametrize("raw", [b"", b"abc", b"abcde", b"abcdefgh"])
def test_an_array_has_the_bytes_of_its_shape_and_no_more(tmp_path, raw):
    path = tmp_path / "clips.pkl"
    path.write_bytes(array_of(b"(I1\nt"))
    assert safe_pickle.load(path).shape == (1,)  # of four bytes
    path.write_bytes(array_of(b"(I1\nt", b"V" + raw + b"\n"))
    with pytest.raises(UserError, match=f"an array of shape \\(1,\\) has {len(raw)} bytes"):
        safe_pickle.load(path)


def test_one_array_in_thousands_of_clips_is_refused(tmp_path):
    wide = np.zeros((1, 50, 17, 2), ">f8")
    content = published(1)
    sample = content["annotations"][0] | {"keypoint": wide, "keypoint_score": wide[..., 0]}
    content["annotations"] = [sample | {"frame_dir": str(n)} for n in range(5000)]
    assert "repeats one array" in outcome(tmp_path / "clips.pkl", pickle.dumps(content))


def test_other_things_than_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none.pkl", Path("/dev/zero")):
        with pytest.raises(UserError, match=r"not found|not a file"):
            read_pickle(path)


# --- Damage ---


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_truncated_file_is_refused(tmp_path, protocol):
    content = pickle.dumps(published(), protocol)
    for part in range(50):
        assert outcome(tmp_path / "clips.pkl", content[: len(content) * part // 50])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_flipped_bytes_give_a_valid_set_or_a_refusal(tmp_path, protocol):
    generator = np.random.default_rng(protocol)
    content = np.frombuffer(pickle.dumps(published(2, 2), protocol), np.uint8)
    refused = 0
    for _ in range(600):
        damaged = content.copy()
        places = generator.integers(0, len(content), generator.integers(1, 5))
        damaged[places] = generator.integers(0, 256, len(places))
        refused += bool(outcome(tmp_path / "clips.pkl", damaged.tobytes()))
    assert 0 < refused < 600


def test_cut_and_repeated_pieces_give_a_valid_set_or_a_refusal(tmp_path):
    generator = np.random.default_rng(0)
    content = pickle.dumps(published(2, 2), 4)
    for _ in range(1000):
        a, b, c, d = np.sort(generator.integers(0, len(content), 4))
        mixed = content[:b] + content[a:c] * int(generator.integers(0, 4)) + content[d:]
        outcome(tmp_path / "clips.pkl", mixed)
