"""Labels flipped on purpose are found, drawn and told."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from har.__main__ import main
from har.clips import ClipSet
from har.clips.annotations import write_pickle
from har.errors import UserError
from har.recognition.label_audit import audit_labels
from tests.tiny import random_clip

pytest.importorskip("cleanlab", reason="cleanlab is not installed (requirements-audit.lock)")


def clip_set() -> ClipSet:
    """Waving arms, still arms, and a copy of clip 8; the label of clip 5 is wrong."""
    clips = []
    for number in range(24):
        clip = random_clip(number, persons=1, frames=40)
        points = np.repeat(clip.keypoints[:, :1], 40, 1)
        points[..., 9, 1] += 60 * np.sin(np.arange(40) * 0.7) * (number % 2)
        scores = np.ones_like(clip.scores)
        clips.append(
            replace(
                clip, keypoints=points, scores=scores, label=2 * (number % 2), group=str(number % 6)
            )
        )
    clips[5] = replace(clips[5], label=0)
    clips.append(replace(clips[8], id="copy"))
    clips.append(replace(clips[9], id="without a label", label=-1))
    return ClipSet(clips, ["still", "unused", "waving"])


def test_a_wrong_label_comes_first_and_a_copy_is_a_pair():
    found = audit_labels(clip_set())
    assert len(found.doubts) == 25 and found.classes == ["still", "waving"]
    first = found.rows()[0]
    assert (first["clip"], first["label"], first["suggestion"]) == ("clip_5", "still", "waving")
    assert {("clip_8", "copy")} <= {(row["first"], row["second"]) for row in found.pairs()}


def test_the_page_and_the_tables(tmp_path, capsys):
    some = clip_set()
    renamed = [replace(clip, id=clip.id.replace("clip_5", "a</script>b")) for clip in some.clips]
    write_pickle(tmp_path / "clips.pkl", replace(some, clips=renamed))
    folder = tmp_path / "out"
    main(["audit-labels", str(tmp_path / "clips.pkl"), "-o", str(folder), "--worst", "3"])
    assert "25 clips: " in capsys.readouterr().out
    rows = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))
    assert len(rows) == 25 and rows[0]["clip"] == "a</script>b"
    page = (folder / "labels.html").read_text()
    assert page.count("</script") == 1 and "a&lt;/script&gt;b" in page
    assert not re.search(r'(src|href)="|https?:', page)
    data = json.loads(re.search(r"const data = (.*);\n", page)[1])
    pairs = list(csv.DictReader((folder / "duplicates.csv").read_text().splitlines()))
    assert len(data["clips"]) == page.count("<canvas") == 3 + 2 * min(len(pairs), 3)
    worst = data["clips"][0]
    assert worst["ms"] == 40 and np.shape(worst["frames"]) == (40, 1, 34)
    heights = np.array(worst["frames"])[:, 0, 19]  # of the left wrist, which waves
    assert np.ptp(heights) > 20


def test_one_class_is_refused():
    one = [replace(clip, label=0) for clip in clip_set().clips]
    with pytest.raises(UserError, match="1 classes"):
        audit_labels(ClipSet(one, ["still"]))
