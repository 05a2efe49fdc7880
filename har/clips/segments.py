"""Tables of segments, the labelled stretches of long recordings.

The reader takes own tables and Create ML's (CSV, JSON), and the exports of BORIS (events and
aggregated events), ELAN (.eaf and tab-delimited), VIA 3 (CSV, JSON) and Label Studio (JSON,
JSON_MIN); docs/formats.md describes how each is recognised. Whatever the bytes are, the outcome is
segments or a UserError, and memory stays within bounds.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from har.clips.safe_pickle import shown
from har.errors import UserError

_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".eaf")
_MOST_BYTES = 2**24
_PEEK = 2**16  # bytes by which a file is recognised
_MOST_PREAMBLE = 100  # lines before a header, as BORIS and VIA write them
_JSON_MARK = re.compile(r'"(timelinelabels|data_format_version|start|start_?time)"\s*:', re.I)

# Columns and keys, in lower case. Times are seconds unless the name says otherwise.
_RECORDING = (
    "clip",
    "video",
    "file",
    "filename",
    "file_name",
    "videopath",
    "path",
    "url",
    "frame_dir",
    "media file name",
    "media file path",
    "media file",
    "file path",
    "file name",
    "observation id",
)
_LABEL = ("label", "class", "action", "behavior", "annotation")
_START = ("start", "start_time", "starttime", "start time", "start (s)", "begin time - ss.msec")
_END = ("end", "end_time", "endtime", "end time", "stop (s)", "end time - ss.msec")
_START_FRAME = ("start_frame", "startframe")
_END_FRAME = ("end_frame", "endframe")
_START_MS = ("begin time - msec",)
_END_MS = ("end time - msec",)
_START_CLOCK = ("begin time - hh:mm:ss.ms",)
_END_CLOCK = ("end time - hh:mm:ss.ms",)
_TIMES = (  # start, end, units in a second or frame, whether frames
    (_START, _END, 1, False),
    (_START_FRAME, _END_FRAME, 1, True),
    (_START_MS, _END_MS, 1000, False),
    (_START_CLOCK, _END_CLOCK, 1, False),
)
_ELAN_OWN = ("tier", "participant", "begin time", "end time", "duration", "file", "media")
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:\.\d*)?)", re.ASCII)
_PLAYER = re.compile(r"(?:player )?#?\d+ ?: ?", re.IGNORECASE | re.ASCII)
_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # prefix that Label Studio gives a file's name


@dataclass(frozen=True)
class Segment:
    """A labelled stretch of a recording.

    Attributes:
        recording: an id, a file or an address; empty where the table does not name it.
        start: seconds or frames from the recording's first one.
        end: in the same unit; of frames, the one after the last. Infinite: the recording's end.
        label: name of the class.
        in_frames: the unit of start and end.
        group: of the recording; empty where the table does not give it.
        person: number of the person who acts, from 1 in the file's order; 0 for all persons.
    """

    recording: str
    start: float
    end: float
    label: str
    in_frames: bool = False
    group: str = ""
    person: int = 0


def is_segment_table(path: Path) -> bool:
    """Whether a file begins like a table of segments."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            text = file.read(_PEEK).decode("utf-8-sig", "replace")
    except OSError:
        return False
    if suffix == ".json":
        return bool(_JSON_MARK.search(text)) and '"keypoint' not in text
    return suffix == ".eaf" or _header(text) is not None


def read_segments(path: Path) -> list[Segment]:
    """Read a table of segments, sorted as in the file.

    Raises:
        UserError: the file is missing, too large, damaged or not such a table, or a row has no
            label or ends before it starts.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise UserError(f"{path} is too large for a table of segments: cut it into several")
        text = raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise UserError(f"cannot read {path}: {reason}") from None
    kinds = {".json": _json, ".eaf": _eaf}
    segments = kinds.get(path.suffix.lower(), _table)(path, text)
    if not segments:
        raise UserError(
            f"{path} has no segments: give a table with the columns clip, start, end and label, "
            "or an export of BORIS, ELAN, VIA, Label Studio or Create ML"
        )
    for segment in segments:
        if not 0 <= segment.start <= segment.end or segment.start == math.inf:
            raise UserError(
                f"{path}: a segment of {shown(segment.label)} goes from {segment.start:g} to "
                f"{segment.end:g}: it must not end before it starts"
            )
        if not segment.label.isprintable() or len(segment.label) > 200:
            raise UserError(f"{path} has {shown(segment.label)} as a label: give a printable text")
    return segments


# --- Tables ---


def _header(text: str) -> tuple[int, list[str], str] | None:
    """The number of the header line, the column names, and the delimiter."""
    for number, line in enumerate(text.splitlines()[:_MOST_PREAMBLE]):
        line = re.sub(r"^#\s*CSV_HEADER\s*=\s*", "", line)
        delimiter = max("\t,;", key=line.count)
        names = [name.strip().strip('"').casefold() for name in line.split(delimiter)]
        has = set(names)
        timed = any(has & set(start) and has & set(end) for start, end, *_ in _TIMES)
        elan = any(name.startswith("begin time") for name in names)
        if (
            (timed and (has & set(_LABEL) or elan))
            or ({"time", "behavior"} <= has and has & {"status", "behavior type"})
            or ("file_list" in has and "metadata" in has)
        ):
            return number, names, delimiter
        if _without_header(line):
            return number - 1, [], "\t"
    return None


def _without_header(line: str) -> bool:
    """Whether a line is a row of ELAN's tables without a header."""
    cells = line.split("\t")
    return len(cells) >= 4 and sum(bool(_CLOCK.fullmatch(cell.strip())) for cell in cells) >= 2


def _table(path: Path, text: str) -> list[Segment]:
    found = _header(text)
    if found is None:
        return []
    number, names, delimiter = found
    lines = text.splitlines(keepends=True)
    rows = []
    try:
        reader = csv.reader(lines[number + 1 :], delimiter=delimiter)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append([cell.strip() for cell in cells])
    except csv.Error as error:
        raise UserError(f"{path} is not a readable table: {error}") from None
    if not names:
        return [_row_without_header(row) for row in rows]
    table = [(line, dict(zip(names, row, strict=False))) for line, row in enumerate(rows, 1)]
    if "file_list" in names:
        return _via_rows(path, text, table)
    if "behavior" in names and "time" in names:
        return _boris_events(path, table)
    return [segment for line, row in table for segment in _segments_of_row(path, line, row)]


def _segments_of_row(path: Path, line: int, row: Mapping[str, Any]) -> Iterator[Segment]:
    """The segment of a row; for ELAN, one for each tier with a column of its own."""
    where = f"{path}: row {line}"
    start, end, in_frames = _times(where, row)
    recording = _PLAYER.sub("", _first(row, _RECORDING), count=1)
    labels = [_first(row, _LABEL)]
    if not any(name in row for name in _LABEL):
        labels = [value for name, value in row.items() if value and not name.startswith(_ELAN_OWN)]
    elif not labels[0]:
        raise UserError(f"{where} has no label: name the class, or leave the row out")
    person = _first(row, ("person",))
    if person and not (person.isascii() and person.isdigit() and 0 < int(person[:9]) < 1000):
        raise UserError(
            f"{where} has {shown(person)} as its person: give its number in the file, from 1, "
            "and write names into a column group"
        )
    for label in labels:
        yield Segment(
            recording, start, end, label, in_frames, _first(row, ("group",)), int(person or 0)
        )


def _times(where: str, row: Mapping[str, Any]) -> tuple[float, float, bool]:
    for starts, ends, unit, in_frames in _TIMES:
        if any(name in row for name in starts) and any(name in row for name in ends):
            start = _time(where, _first(row, starts) or "0") / unit
            end = _first(row, ends)
            return start, _time(where, end) / unit if end else math.inf, in_frames
    raise UserError(f"{where} has no start and end: give both")


def _time(where: str, text: str) -> float:
    """Read seconds, a clock's hours, minutes and seconds, or a number of frames."""
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = match.groups()
        return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise UserError(f"{where} has {shown(text)} as a time: give seconds, as 12.5 or 0:12.5")
    return number


def _row_without_header(cells: list[str]) -> Segment:
    times = [match for cell in cells if (match := _CLOCK.fullmatch(cell))]
    if len(times) < 2:
        raise UserError(f"a row of ELAN's table has no times: {shown(' '.join(cells))}")
    start, end = (_time("", match.group()) for match in times[:2])
    return Segment("", start, end, cells[-1] or "(empty)")


def _boris_events(path: Path, table: list[tuple[int, dict[str, str]]]) -> list[Segment]:
    """State events from each START to its STOP; point events have no length."""
    segments = []
    running: dict[tuple[str, ...], float] = {}
    for line, row in table:
        where = f"{path}: row {line}"
        recording = _PLAYER.sub("", _first(row, _RECORDING), count=1)
        behavior, time = _first(row, ("behavior",)), _time(where, _first(row, ("time",)))
        modifiers = tuple(value for name, value in row.items() if name.startswith("modifier"))
        key = (recording, row.get("subject", ""), behavior, *modifiers)
        kind = _first(row, ("behavior type", "status")).upper()
        if kind == "START":
            if key in running:
                raise UserError(f"{where} starts {shown(behavior)} a second time: stop it first")
            running[key] = time
        elif kind == "STOP":
            if key not in running:
                raise UserError(f"{where} stops {shown(behavior)}, which was not started")
            segments.append(Segment(recording, running.pop(key), time, behavior))
        else:
            segments.append(Segment(recording, time, time, behavior))
    if running:
        (_, _, behavior, *_), start = next(iter(running.items()))
        raise UserError(f"{path}: {shown(behavior)}, started at {start:g} s, is never stopped")
    return segments


# --- VIA ---


def _via_rows(path: Path, text: str, table: list[tuple[int, dict[str, str]]]) -> list[Segment]:
    match = re.search(r"^#\s*ATTRIBUTES?\s*=\s*(\{.*\})", text, re.MULTILINE)
    attributes = _parsed(path, match[1]) if match else {}
    segments = []
    for line, row in table:
        where = f"{path}: row {line}"
        files = _parsed(path, row.get("file_list") or "[]")
        values = _parsed(path, row.get("metadata") or "{}")
        if "temporal_segment_start" in row:
            times = [row["temporal_segment_start"], row.get("temporal_segment_end", "")]
        else:
            times = _parsed(path, row.get("temporal_coordinates") or "[]")
        segments += _via(where, files, times, values, attributes)
    return segments


def _via_project(path: Path, content: dict[str, Any]) -> list[Segment]:
    segments = []
    for name, item in _dictionary(content.get("metadata")).items():
        item = _dictionary(item)
        view = _dictionary(_dictionary(content.get("view")).get(str(item.get("vid"))))
        files = [
            _dictionary(_dictionary(content.get("file")).get(str(number))).get("fname")
            for number in _list(view.get("fid_list"))
        ]
        attributes = content.get("attribute")
        segments += _via(f"{path}: {shown(name)}", files, item.get("z"), item.get("av"), attributes)
    return segments


def _via(where: str, files: Any, times: Any, values: Any, attributes: Any) -> list[Segment]:
    """The segment of one of VIA's entries; none where it marks a moment or a region."""
    times = _list(times)
    if len(times) != 2:
        return []
    start, end = (_time(where, str(time)) for time in times)
    values, attributes = _dictionary(values), _dictionary(attributes)
    about = {key: _dictionary(attributes.get(key)) for key in values}
    timed = [
        key
        for key in values
        if "TEMPORAL-SEGMENTS" in (key, about[key].get("aname"))
        or str(about[key].get("anchor_id", "")).startswith("FILE1_Z2")
    ]
    key = next(iter(timed or values), None)
    if key is None or not values[key]:
        raise UserError(f"{where} has no label: choose a value for its segment in VIA")
    label = _dictionary(about[key].get("options")).get(str(values[key]), values[key])
    return [Segment(str(next(iter(_list(files)), "") or ""), start, end, str(label))]


# --- JSON ---


def _json(path: Path, text: str) -> list[Segment]:
    content = _parsed(path, text)
    if isinstance(content, dict) and "metadata" in content and "file" in content:
        return _via_project(path, content)
    items = content if isinstance(content, list) else [content]
    segments = []
    for number, item in enumerate(items, 1):
        item = _dictionary(item)
        if "annotations" in item and "data" in item:
            segments += _label_studio(f"{path}: task {number}", item)
        elif lists := [value for value in item.values() if _are_ranges(value)]:
            name = _media(item)
            for value in lists:
                segments += _ranges(f"{path}: task {number}", name, value)
        elif item:
            row = {
                str(key).casefold(): "" if value is None else str(value)
                for key, value in item.items()
            }
            if any(name in row for name in _LABEL):
                segments += _segments_of_row(path, number, row)
    return segments


def _label_studio(where: str, task: dict[str, Any]) -> list[Segment]:
    """The regions of a task's first annotation that was not cancelled."""
    done = [_dictionary(annotation) for annotation in _list(task["annotations"])]
    done = [annotation for annotation in done if not annotation.get("was_cancelled")]
    results = [_dictionary(region) for region in _list(done[0].get("result"))] if done else []
    values = [_dictionary(region.get("value")) for region in results]
    return _ranges(where, _media(_dictionary(task["data"])), values)


def _ranges(where: str, recording: str, values: Sequence[dict[str, Any]]) -> list[Segment]:
    """Label Studio's regions: frames from 1 to the last one, or seconds of a timeline."""
    segments = []
    for value in values:
        labels = _list(value.get("timelinelabels") or value.get("labels"))
        spans = [_dictionary(span) for span in _list(value.get("ranges"))]
        in_frames = bool(spans)
        for span in spans or ([value] if "start" in value and "end" in value else []):
            start, end = (_time(where, str(span.get(key))) for key in ("start", "end"))
            segments += [
                Segment(recording, max(start - in_frames, 0), end, str(label), in_frames)
                for label in labels
            ]
    return segments


def _are_ranges(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(item, dict) and ("ranges" in item or "timelinelabels" in item) for item in value
    )


def _media(data: dict[str, Any]) -> str:
    """The file of a task of Label Studio, by its name before the upload."""
    texts = [value for value in data.values() if isinstance(value, str)]
    name = data["video"] if isinstance(data.get("video"), str) else next(iter(texts), "")
    folder, slash, file = name.split("?d=")[-1].rpartition("/")
    return folder + slash + _UPLOADED.sub("", file, count=1)


# --- ELAN ---


def _eaf(path: Path, text: str) -> list[Segment]:
    """The annotations of all tiers with times, and of tiers that refer to one of these."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{path} is refused: it declares entities, which ELAN's files never do")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not a readable .eaf file: {error}") from None
    media = next(root.iter("MEDIA_DESCRIPTOR"), None)
    address = (
        (media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL")) if media is not None else ""
    )
    slots = {
        slot.get("TIME_SLOT_ID"): _time(f"{path}: a time slot", slot.get("TIME_VALUE", "")) / 1000
        for slot in root.iter("TIME_SLOT")
        if slot.get("TIME_VALUE")
    }
    times: dict[str | None, tuple[float, float]] = {}
    segments = []
    for annotation in root.iter("ALIGNABLE_ANNOTATION"):
        start, end = (slots.get(annotation.get(f"TIME_SLOT_REF{n}")) for n in (1, 2))
        if start is None or end is None:  # its tier only orders annotations
            continue
        times[annotation.get("ANNOTATION_ID")] = start, end
        if label := (annotation.findtext("ANNOTATION_VALUE") or "").strip():
            segments.append(Segment(address or "", start, end, label))
    for annotation in root.iter("REF_ANNOTATION"):
        label = (annotation.findtext("ANNOTATION_VALUE") or "").strip()
        if label and (span := times.get(annotation.get("ANNOTATION_REF"))):
            segments.append(Segment(address or "", *span, label))
    return segments


# --- Values of unknown type ---


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """The value of the first column that is filled."""
    return next((str(row[name]).strip() for name in names if row.get(name)), "")


def _parsed(path: Path, text: str) -> Any:
    try:
        return json.load(io.StringIO(text))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable JSON: {shown(str(error))}") from None


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
