"""Tables of segments as people's tools write them, and the clips that they cut."""

import json

import numpy as np
import pytest

from har.clips import UNLABELLED, Clip, ClipSet
from har.clips.annotations import write_pickle
from har.clips.segments import Segment, is_segment_table, read_segments
from har.clips.sources import load, read
from har.errors import UserError

# One table: walking from 0.4 s to 2 s, waving from 2 s to 3.2 s, of rec.mp4.
BORIS = "Observation id\tone\n\nTime\tMedia file path\tFPS\tSubject\tBehavior\tStatus\n"
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///c:/films/rec.mp4"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="400"/><TIME_SLOT TIME_SLOT_ID="b"
TIME_VALUE="2000"/><TIME_SLOT TIME_SLOT_ID="c" TIME_VALUE="3200"/><TIME_SLOT TIME_SLOT_ID="d"/>
</TIME_ORDER><TIER TIER_ID="t"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="1"
TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>walk</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="2"
TIME_SLOT_REF1="b" TIME_SLOT_REF2="c"><ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER><TIER TIER_ID="u"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="3" ANNOTATION_REF="2">
<ANNOTATION_VALUE>wave</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>"""
VIA = {
    "project": {"data_format_version": "3.1.1"},
    "attribute": {"1": {"aname": "TEMPORAL-SEGMENTS", "options": {"w": "walk"}}},
    "file": {"7": {"fname": "rec.mp4"}},
    "view": {"1": {"fid_list": [7]}},
    "metadata": {
        "x": {"vid": "1", "z": [0.4, 2.0], "xy": [], "av": {"1": "w"}},
        "y": {"vid": "1", "z": [2.0, 3.2], "xy": [], "av": {"1": "wave"}},
        "region": {"vid": "1", "z": [2.0], "xy": [2, 1, 1, 9, 9], "av": {}},
    },
}
REGIONS = [
    {"type": "timelinelabels", "value": {"ranges": [{"start": a, "end": b}], "timelinelabels": [c]}}
    for a, b, c in ((11, 50, "walk"), (51, 80, "wave"))
]
STUDIO = [
    {
        "data": {"video": "/data/upload/1/0a1b2c3d-rec.mp4"},
        "annotations": [{"was_cancelled": True, "result": []}, {"result": REGIONS}],
    }
]
CREATE_ML = [
    {"video": "rec.mp4", "label": "walk", "startTime": 0.4, "endTime": 2},
    {"video": "rec.mp4", "label": "wave", "startTime": 2, "endTime": 3.2},
]
TABLES = {
    "own.csv": "clip,start,end,label\nrec,0.4,2,walk\nrec,0:02,0:03.2,wave\n",
    "frames.csv": "video;start_frame;end_frame;class\nrec.mp4;10;50;walk\nrec.mp4;50;80;wave\n",
    "events.tsv": BORIS
    + "0.4\trec.mp4\t25\tann\twalk\tSTART\n2\trec.mp4\t25\tann\twave\tSTART\n"
    + "2\trec.mp4\t25\tann\twalk\tSTOP\n3.2\trec.mp4\t25\tann\twave\tSTOP\n",
    "aggregated.csv": "Observation id,Media file name,Subject,Behavior,Behavior type,Start (s),"
    "Stop (s)\none,rec.mp4,ann,walk,STATE,0.4,2\none,rec.mp4,ann,wave,STATE,2,3.2\n"
    "one,rec.mp4,ann,cough,POINT,3,3\n",
    "elan.eaf": EAF,
    "elan.txt": "Tier\tBegin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tEnd Time - ss.msec\tt\n"
    "t\t00:00:00.400\t0.4\t2.0\twalk\nt\t00:00:02.000\t2.0\t3.2\twave\n",
    "rec.txt": "t\t\t00:00:00.400\t00:00:02.000\twalk\nt\t\t00:00:02.000\t00:00:03.200\twave\n",
    "via.json": json.dumps(VIA),
    "via.csv": '# ATTRIBUTES = {"1":{"aname":"TEMPORAL-SEGMENTS","options":{"w":"walk"}}}\n'
    "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n"
    '"1_a","[""rec.mp4""]",0,"[0.4,2]","[]","{""1"":""w""}"\n'
    '"1_b","[""rec.mp4""]",0,"[2,3.2]","[]","{""1"":""wave""}"\n',
    "via_older.csv": "# CSV_HEADER = metadata_id,file_list,temporal_segment_start,"
    'temporal_segment_end,metadata\n"1_a","[""rec.mp4""]",0.4,2,"{""1"":""walk""}"\n'
    '"1_b","[""rec.mp4""]",2,3.2,"{""1"":""wave""}"\n',
    "studio.json": json.dumps(STUDIO),
    "studio_min.json": json.dumps(
        [{"video": "rec.mp4", "videoLabels": [region["value"] for region in REGIONS]}]
    ),
    "create_ml.json": json.dumps(CREATE_ML),
    "create_ml.csv": "videoPath,label,startTime,endTime\nrec.mp4,walk,0.4,2\nrec.mp4,wave,2,3.2\n",
}


def recording(name: str, frames: int = 100, persons: int = 2, fps: float = 25.0) -> Clip:
    points = np.random.default_rng(0).uniform(10, 200, (persons, frames, 17, 2)).astype(np.float32)
    scores = np.full(points.shape[:3], 0.9, np.float32)
    return Clip(name, UNLABELLED, points, scores, (240, 320), name, fps)


def folder(tmp_path, table: str, content: str, *clips: Clip):
    write_pickle(tmp_path / "clips.pkl", ClipSet([*clips] or [recording("rec")], []))
    (tmp_path / table).write_text(content)
    return tmp_path


@pytest.mark.parametrize("name", TABLES)
def test_every_tools_table_cuts_the_same_clips(tmp_path, name):
    path = folder(tmp_path, name, TABLES[name])
    assert is_segment_table(path / name)
    whole = recording("rec")
    for source in (path, path / name):
        found = read(source)
        assert found.classes == ["walk", "wave"]
        assert [clip.label for clip in found.clips] == [0, 1]
        assert {clip.group for clip in found.clips} == {"rec"}
        for clip, (start, end) in zip(found.clips, ((10, 50), (50, 80)), strict=True):
            np.testing.assert_array_equal(clip.keypoints, whole.keypoints[:, start:end])
    assert ("1 points in time are left out" in "".join(found.notes)) == (name == "aggregated.csv")


def test_what_is_unlabelled_becomes_background_where_asked(tmp_path):
    table = "clip,start,end,label,group,person\na,1.2,2,walk,ann,2\na,2.4,3,walk,ann,\nb,0,,sit,,\n"
    clips = [recording(name) for name in "abc"]
    path = folder(tmp_path, "segments.csv", table, *clips)
    assert read(path).classes == ["sit", "walk"]
    found = load(str(path), 0, tmp_path, background=True)
    assert found.classes == ["background", "sit", "walk"]
    spans = {clip.id: (*clip.keypoints.shape[:2], clip.group) for clip in found.clips}
    assert spans == {
        "a_1.2_2_person2": (1, 20, "ann"),
        "a_2.4_3": (2, 15, "ann"),
        "a_0_30_background": (2, 30, "ann"),  # 0.4 s between both actions are too short for one
        "a_75_100_background": (2, 25, "ann"),
        "b_0_inf": (2, 100, "b"),
    }
    assert "segments.csv does not name 1 recordings: they are left out" in found.notes


def test_seconds_are_those_of_the_recording(tmp_path):
    clips = [recording("fast", fps=50.0), recording("untold", fps=0.0)]
    table = "clip,start,end,label\nfast,0,1,walk\nuntold,0,1,walk\n"
    found = read(folder(tmp_path, "segments.csv", table, *clips))
    assert [clip.keypoints.shape[1] for clip in found.clips] == [50, 25]
    assert any("1 recordings have no frame rate" in note for note in found.notes)


def test_a_table_names_files_below_its_folder(tmp_path):
    for name in ("day1/a", "day2/a"):
        (tmp_path / name).parent.mkdir()
        write_pickle(tmp_path / f"{name}.pkl", ClipSet([recording(name)], []))
    table = "file,start,end,label\nday1/a.pkl,0,1,walk\nday2/a.pkl,1,3,sit\n"
    (tmp_path / "segments.csv").write_text(table)
    found = read(tmp_path / "segments.csv")
    assert [clip.keypoints.shape[1] for clip in found.clips] == [25, 50]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("s.csv", "clip,start,end,label\nx,0,1,walk\n", "names x, but the recordings"),
        ("s.csv", "clip,start,end,label\nrec,8,9,walk\n", r"4.0 s \(100 frames\) long"),
        ("s.csv", "clip,start,end,label\nrec,2,1,walk\n", "must not end before"),
        ("s.csv", "clip,start,end,label\nrec,nan,1,walk\n", "'nan' as a time"),
        ("s.csv", "clip,start,end,label\nrec,soon,1,walk\n", "'soon' as a time"),
        ("s.csv", "clip,start,end,label\nrec,0,1,\n", "row 1 has no label"),
        ("s.csv", "clip,start,end,label,person\nrec,0,1,a,ann\n", "its number"),
        ("s.csv", "clip,start,end,label,person\nrec,0,1,a,3\n", "names person 3"),
        ("s.csv", "clip,start,end,label\nrec,0,1,a\nrec,0,1,b\n", "two labels"),
        ("s.csv", "clip,start,end,label,group\nrec,0,1,a,x\nrec,1,2,a,y\n", "two groups"),
        ("s.tsv", BORIS + "1\trec\t25\t\twalk\tSTART\n", "is never stopped"),
        ("s.tsv", BORIS + "1\trec\t25\t\twalk\tSTOP\n", "was not started"),
        ("s.tsv", BORIS + "1\trec\t25\t\twalk\tSTART\n" * 2, "'walk' a second time"),
        ("s.csv", "clip,start,end,label\n", "has no segments"),
        ("s.csv", "clip,start,end,label\nrec,0,1,a\x07\n", "as a label: give a printable"),
        ("s.csv", f'clip,start,end,label\nrec,0,1,"{"a" * 200_000}', "not a readable table"),
        ("s.txt", "t\t\t0:00\t0:01\twalk\nt\tx\n", "has no times: 't x'"),
        ("s.json", '[{"label": "a", "start": 1}]', "row 1 has no start and end"),
        ("s.json", json.dumps(VIA | {"attribute": {}}).replace('"w"', '""'), "x'? has no label"),
        ("s.json", '[{"start": 1, "label": 2', "not readable JSON"),
        ("s.json", '{"start": ' + "[" * 100_000, "not readable JSON"),
        ("s.eaf", "<a><b></a>", "not a readable .eaf"),
        ("s.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "is refused"),
        ("s.eaf", "\x00" * 9, "not a readable .eaf"),
    ],
)
def test_tables_that_are_wrong_or_hostile_are_refused(tmp_path, name, content, words):
    with pytest.raises(UserError, match=words):
        read(folder(tmp_path, name, content))


def test_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "s.csv").write_bytes(b"clip,start,end,label\nrec,0,1,\xff\n")
    with pytest.raises(UserError, match=r"s\.csv: it is not text in UTF-8"):
        read_segments(tmp_path / "s.csv")
    with pytest.raises(UserError, match=r"none\.csv: No such file"):
        read_segments(tmp_path / "none.csv")


def test_a_point_event_has_no_length(tmp_path):
    (tmp_path / "s.tsv").write_text(BORIS + "1.5\trec\t25\t\tcough\tPOINT\n")
    assert read_segments(tmp_path / "s.tsv") == [Segment("rec", 1.5, 1.5, "cough")]


def test_sizes_are_bounded(tmp_path):
    (tmp_path / "long.csv").write_bytes(b"clip,start,end,label\n" + b"a,0,1,b\n" * 2**21)
    with pytest.raises(UserError, match="too large"):
        read_segments(tmp_path / "long.csv")


def test_a_row_says_what_it_says(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("clip,start_frame,end_frame,label,group,person\na,3,9,sit,ann,2\n")
    assert read_segments(path) == [Segment("a", 3, 9, "sit", True, "ann", 2)]
