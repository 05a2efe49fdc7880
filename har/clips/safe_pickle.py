"""Pickles read as data, not as programs.

A pickle is a program for a stack machine that may call any function. Python's own unpickler with
an allow-list still allocates what a file declares (seven bytes ask for 64 GB of memo) and hashes
nested tuples until the C stack overflows. So the standard library only decodes the operations
here (the table of `pickletools`, protocols 0 to 5), and the machine below carries out the harmless
ones. It makes numbers, strings, lists, tuples, dictionaries and arrays of numbers, and
can call nothing else. Sets become lists, numpy scalars become Python numbers.

Memory stays within a few times the file's size, and close to it for a file of arrays, which are
views of the bytes that were read. A file may hold about one operation per 16 bytes.
"""

import math
import os
import pickle
import pickletools
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from har.clips import packed_files
from har.errors import UserError

_FREE_OPERATIONS = 500_000  # whatever the file's size
_BYTES_PER_OPERATION = 16  # a clip of one person and 64 frames has 80 operations in 7 kB
_NUMBERS_OR_TEXT = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,4}")

# Errors that decoding meaningless bytes can raise.
_DAMAGE = (ArithmeticError, LookupError, MemoryError, TypeError, ValueError, struct.error)

_ARRAY = "numpy.ndarray"
_DTYPE = "numpy.dtype"
_ENCODE = "_codecs.encode"
_LONG_TEXT = 1000  # characters
_LONGEST_SHOWN = 4  # items
_LONGEST_KEY = 10_000  # characters
_LONGEST_TUPLE_KEY = 8  # items
_MOST_TUPLE_KEYS = 10_000  # of all dictionaries of a file

_LONG_LENGTHS = (
    pickletools.TAKEN_FROM_ARGUMENT4,
    pickletools.TAKEN_FROM_ARGUMENT4U,
    pickletools.TAKEN_FROM_ARGUMENT8U,
)


class _Bounded:
    """A file that allocates no more bytes than it has left."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self.size = size

    def read(self, count: int) -> bytes:
        if count > self.size - self.file.tell():
            raise ValueError("it announces more bytes than follow")
        return self.file.read(count)


class _Name:
    """A function or class that the file named and that is on the allow-list."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Encoded:
    """A long text that `_codecs.encode` will turn into bytes, as protocols 0 to 2 write them.

    It is encoded at once: otherwise the memo would keep both the text and its bytes, and with them
    most of a published file twice.
    """

    def __init__(self, text: str) -> None:
        self.raw = text.encode("latin1")


class _Unbuilt:
    """An array or dtype that awaits its state; `code` is the dtype's, such as f4."""

    def __init__(self, kind: str, code: str = "") -> None:
        self.kind = kind
        self.code = code
        self.memo_keys: list[int] = []


def load(path: str | Path) -> Any:
    """Read a pickle of numbers, strings, lists, tuples, dictionaries and arrays of numbers.

    It may be packed by gzip, bzip2 or xz. Arrays are read-only where they are views of the file's
    bytes.

    Raises:
        UserError: the file is missing, damaged, not a pickle, has too many small objects for its
            size, or names any other class or function (which the message gives).
    """
    return load_and_measure(path)[0]


def load_and_measure(path: str | Path) -> tuple[Any, int]:
    """Read a pickle, see load; its content and its size in bytes, unpacked."""
    path = Path(path)
    if not os.path.exists(path):
        raise UserError(f"{path} not found: check the path")
    if not os.path.isfile(path):
        raise UserError(f"{path} is not a file: give the path of a pickle")
    try:
        with (
            path.open("rb", buffering=1 << 18) as packed,
            packed_files.unpacked(path, packed) as file,
        ):
            if kind := packed_files.kind_of(file.read(32)):
                raise UserError(f"{path} is not a pickle but {kind}")
            size = os.fstat(file.fileno()).st_size
            file.seek(0)
            return _Machine(path, size).run(file), size
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except _DAMAGE as error:
        reason = shown(str(error) or type(error).__name__)
        raise UserError(
            f"{path} is damaged, cut short or not a pickle ({reason}): fetch or make it again"
        ) from None


def shown(value: Any) -> str:
    """An untrusted value for a one-line message: short, without line breaks or repr()."""
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:77] + "...")
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int) and abs(value) < 10**18:
        return repr(value)
    if type(value) in (tuple, list) and 0 < len(value) <= _LONGEST_SHOWN:
        return f"({', '.join(_shown_item(item) for item in value)})"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with shape {value.shape}"
    if type(value) is int:
        return "a huge number"
    return value.text if type(value) is _Name else f"an object of type {type(value).__name__}"


def _shown_item(value: Any) -> str:
    return f"a {type(value).__name__}" if type(value) in (tuple, list) else shown(value)


class _Machine:
    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.encoded = 0
        self.tuple_keys = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        push = self.stack.append
        handlers: dict[str, Callable[[Any], object]] = {
            "PROTO": _nothing,
            "FRAME": _nothing,
            "MARK": lambda _: self.marks.append(len(self.stack)),
            "POP": self._pop,
            "POP_MARK": lambda _: self._since_mark(),
            "DUP": lambda _: push(self.stack[-1]),
            "NONE": push,
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "EMPTY_LIST": lambda _: push([]),
            "EMPTY_SET": lambda _: push([]),
            "EMPTY_DICT": lambda _: push({}),
            "EMPTY_TUPLE": lambda _: push(()),
            "LIST": lambda _: push(self._since_mark()),
            "FROZENSET": lambda _: push(self._since_mark()),
            "TUPLE": lambda _: push(tuple(self._since_mark())),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "BINUNICODE": self._text,
            "DICT": self._dict,
            "APPEND": lambda _: self._extend(self._take(1)),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "ADDITEMS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._update(self._take(2)),
            "SETITEMS": lambda _: self._update(self._since_mark()),
            "MEMOIZE": lambda _: self._put(len(self.memo)),
            "GLOBAL": lambda names: self._name(*names),
            "INST": self._instance,
            "STACK_GLOBAL": lambda _: self._name(*self._take(2)),
            "REDUCE": self._reduce,
            "BUILD": self._build,
        }
        values = """INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT BINSTRING
            SHORT_BINSTRING UNICODE SHORT_BINUNICODE BINUNICODE8 SHORT_BINBYTES BINBYTES BINBYTES8
            BYTEARRAY8"""
        handlers |= dict.fromkeys(values.split(), push)
        handlers |= dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put)
        handlers |= dict.fromkeys(
            ("GET", "BINGET", "LONG_BINGET"), lambda key: push(self.memo[key])
        )
        self.handlers = handlers

    def run(self, file: IO[bytes]) -> Any:
        """Carry out the operations up to STOP; returns the top of the stack."""
        allowed = _FREE_OPERATIONS + self.size // _BYTES_PER_OPERATION
        bounded = _Bounded(file, self.size)
        table: dict[bytes, tuple[Any, Any, Callable[[Any], object]]] = {}
        for info in pickletools.opcodes:
            if info.name in self.handlers:
                decode = info.arg and info.arg.reader
                if info.name in ("GLOBAL", "INST"):
                    decode = _two_lines  # the table's own decoder would read backslashes as escapes
                long = info.arg and info.arg.n in _LONG_LENGTHS
                code = info.code.encode("latin1")
                table[code] = decode, bounded if long else file, self.handlers[info.name]
        read, push, put, memo = file.read, self.stack.append, self._put, self.memo
        number = int.from_bytes
        long_get, long_put = pickle.LONG_BINGET, pickle.LONG_BINPUT
        for _ in range(allowed):
            code = read(1)
            if code == long_get:  # half of a large file's operations are this and the next
                push(memo[number(read(4), "little")])
                continue
            if code == long_put:
                put(number(read(4), "little"))
                continue
            if code == pickle.STOP:
                return self.stack.pop()
            if code not in table:
                raise self._unknown(code)
            decode, content, handle = table[code]
            handle(decode and decode(content))
        raise UserError(
            f"{self.path} holds more than {allowed} small objects, too many for its size: "
            "keep keypoints and scores in numpy arrays, not in lists"
        )

    def _unknown(self, code: bytes) -> Exception:
        if not code:
            return ValueError("it ends too early")
        for info in pickletools.opcodes:
            if info.code.encode("latin1") == code:
                return self._refusal(f"the pickle operation {info.name}")
        return ValueError(f"{code!r} is not a pickle operation")

    def _refusal(self, what: str) -> UserError:
        return UserError(
            f"{self.path} is refused, since it contains {what}: pickles can run programs, so only "
            "arrays of numbers, lists, tuples, dictionaries, strings and numbers are read; save "
            "it again with only these"
        )

    def _text(self, text: str) -> None:
        below = self.stack[-1] if self.stack else None
        to_encode = type(below) is _Name and below.text == _ENCODE and len(text) > _LONG_TEXT
        self.stack.append(_Encoded(text) if to_encode else text)

    def _pop(self, _: None) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def _take(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("an operation lacks its operands")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _tuple(self, count: int) -> None:
        self.stack.append(tuple(self._take(count)))

    def _dict(self, _: None) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._update(items)

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError("items are added to something that is not a list")
        self.stack[-1].extend(items)

    def _update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise TypeError("entries are added to something that is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is tuple:
                self.tuple_keys += 1
            if not _is_key(key) or self.tuple_keys > _MOST_TUPLE_KEYS:
                raise self._refusal(f"{shown(key)} as a key of a dictionary")
            target[key] = value

    def _put(self, key: int) -> None:
        if not 0 <= key < 2**32:
            raise ValueError("a memo index is out of range")
        value = self.stack[-1]
        if type(value) is _Unbuilt:
            value.memo_keys.append(key)
        self.memo[key] = value

    def _name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise TypeError("a name is not a string")
        text = f"{module}.{name}"
        if text not in _CALLS and text not in _MARKERS:
            raise self._refusal(shown(text).strip("'\""))
        self.stack.append(_Name(text))

    def _instance(self, names: tuple[str, str]) -> None:
        raise self._refusal(f"a call of {shown('.'.join(names))}")

    def _reduce(self, _: None) -> None:
        name, arguments = self._take(2)
        call = _CALLS.get(name.text) if type(name) is _Name else None
        if call is None or type(arguments) is not tuple:
            what = name.text if type(name) is _Name else shown(name)
            raise self._refusal(f"a call of {what}")
        self.stack.append(call(self, *arguments))

    def _build(self, _: None) -> None:
        target, state = self._take(2)
        if type(target) is not _Unbuilt or type(state) is not tuple:
            raise self._refusal(f"a state for {shown(target)}")
        built = self._dtype(target.code, *state) if target.code else self._array(*state[1:])
        for key in target.memo_keys:
            self.memo[key] = built
        self.stack.append(built)

    def _unbuilt_array(self, kind: Any, *_: Any) -> _Unbuilt:
        if type(kind) is not _Name or kind.text != _ARRAY:
            raise self._refusal("an array of a class other than numpy.ndarray")
        return _Unbuilt(_ARRAY)

    def _unbuilt_dtype(self, code: Any, *_: Any) -> _Unbuilt:
        if type(code) is not str or not _NUMBERS_OR_TEXT.fullmatch(code):
            raise self._refusal(f"an array of type {shown(code)}")
        return _Unbuilt(_DTYPE, code)

    def _dtype(self, code: str, _: Any, order: Any, *rest: Any) -> np.dtype:
        if type(order) is not str or order not in ("<", ">", "|", "="):
            raise ValueError("a dtype has no byte order")
        if any(part is not None for part in rest[:3]):
            raise self._refusal("an array of records")
        return np.dtype(order + code)

    def _array(self, shape: Any, dtype: Any, fortran: Any, raw: Any) -> np.ndarray:
        if type(raw) is str:  # Python 2 kept bytes in strings
            raw = self._encode(raw, "latin1")
        if type(shape) is not tuple or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
            raise ValueError("an array's shape is not a tuple of sizes")
        if not isinstance(dtype, np.dtype) or not isinstance(raw, bytes | bytearray):
            raise TypeError("an array has no dtype or no bytes")
        if math.prod(shape) * dtype.itemsize != len(raw):
            raise ValueError(f"an array of shape {shape} has {len(raw)} bytes")
        if dtype.kind == "U" and raw:
            characters = np.frombuffer(raw, f"{dtype.byteorder}u4")
            if characters.max() > sys.maxunicode:
                raise ValueError("an array has invalid characters")
        return np.ndarray(shape, dtype, raw, order="F" if fortran is True else "C")

    def _array_from_buffer(self, raw: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        return self._array(shape, dtype, type(order) is str and order == "F", raw)

    def _scalar(self, dtype: Any, raw: Any) -> Any:
        return self._array((), dtype, False, raw).item()

    def _encode(self, text: Any, encoding: Any = None) -> bytes:
        if type(text) not in (str, _Encoded) or encoding not in ("latin1", "latin-1"):
            raise self._refusal("a conversion of text")
        if type(text) is _Encoded:
            return text.raw
        self.encoded += len(text)
        if self.encoded > self.size:  # one text encoded many times
            raise MemoryError("more text than the file has bytes")
        return text.encode("latin1")

    def _list(self, items: Any = ()) -> list[Any]:
        if type(items) is not list:
            raise TypeError("a set is made of something that is not a list")
        return items

    def _bytes(self) -> bytes:
        return b""

    def _empty_dict(self, *_: Any) -> dict[Any, Any]:
        return {}


def _is_key(value: Any) -> bool:
    """Whether a key hashes quickly and can't be made to collide with many others.

    Tuples can collide, so they must be flat, short and few.
    """
    if type(value) is tuple:
        return len(value) <= _LONGEST_TUPLE_KEY and all(
            type(item) is not tuple and _is_key(item) for item in value
        )
    if type(value) is str:
        return len(value) <= _LONGEST_KEY
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) is bool or (type(value) is int and abs(value) < 2**60)


def _nothing(_: Any) -> None:
    pass


def _two_lines(file: IO[bytes]) -> tuple[str, str]:
    module, name = file.readline(), file.readline()
    if not name.endswith(b"\n"):
        raise ValueError("it ends within a name")
    return module[:-1].decode(), name[:-1].decode()


_MARKERS = {_ARRAY, "builtins.list", "__builtin__.list"}
_CALLS: dict[str, Callable[..., Any]] = {
    _DTYPE: _Machine._unbuilt_dtype,
    _ENCODE: _Machine._encode,
    "collections.OrderedDict": _Machine._empty_dict,
    "collections.defaultdict": _Machine._empty_dict,
}
for _core in ("numpy.core", "numpy._core"):
    _CALLS[f"{_core}.multiarray._reconstruct"] = _Machine._unbuilt_array
    _CALLS[f"{_core}.multiarray.scalar"] = _Machine._scalar
    _CALLS[f"{_core}.numeric._frombuffer"] = _Machine._array_from_buffer
for _builtins in ("builtins", "__builtin__"):
    _CALLS[f"{_builtins}.bytes"] = _Machine._bytes
    _CALLS[f"{_builtins}.set"] = _CALLS[f"{_builtins}.frozenset"] = _Machine._list
