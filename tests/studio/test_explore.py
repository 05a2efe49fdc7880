"""The tab Explore, in a real browser."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from har.clips import ClipSet
from har.clips.annotations import read_pickle, write_pickle
from har.recognition.clip_map import principal_components
from har.recognition.recognizer import Recognizer
from tests.studio.conftest import ROOT, fits, reach, saved, send, tab
from tests.tiny import random_clip

pytestmark = pytest.mark.slow


def choose(page, field, option):
    """Choose one of a field's options."""
    page.locator(".q-tab-panel:visible").get_by_role("combobox", name=field).click()
    page.get_by_role("option", name=option, exact=True).click()


def listed(panel, number):
    """The clips in the table, once there are so many on its page."""
    panel.locator(".note", has_text=re.compile(rf"^{number} of \d+ clips$")).wait_for()
    return panel.locator("button.clip").all_inner_texts()


def shown(panel, clip):
    panel.get_by_role("img", name=f"skeletons of {clip}", exact=True).wait_for()


def test_a_set_is_filtered_audited_and_mended(page, tiny_pickle):
    clips = read_pickle(tiny_pickle).clips
    panel = tab(page, "Explore")
    send(panel, tiny_pickle)
    panel.get_by_text(f"About the {len(clips)} clips").wait_for()
    own = [clip.id for clip in clips if "BlowDry" in clip.id]
    choose(page, "Class", "BlowDryHair")
    assert listed(panel, len(own)) == own[:10]
    choose(page, "Group", clips[16].group)
    assert listed(panel, 2) == own[:2]
    panel.get_by_role("button", name="Audit leaks").click()
    panel.get_by_text("same group in").first.wait_for()

    panel.get_by_role("button", name=own[0], exact=True).click()
    shown(panel, own[0])
    choose(page, "Label", "HeadMassage")
    panel.get_by_text("1 label was mended").wait_for()
    listed(panel, 1)  # the filter holds
    mended = read_pickle(saved(page, "Save the set"))
    labels = {clip.id: mended.classes[clip.label] for clip in mended.clips}
    assert labels.pop(own[0]) == "HeadMassage"
    old = read_pickle(tiny_pickle)
    assert labels == {c.id: old.classes[c.label] for c in old.clips if c.id != own[0]}
    assert mended.subsets == old.subsets

    page.reload()  # keeps the set and what was mended
    panel = tab(page, "Explore")
    panel.get_by_text("1 label was mended").wait_for()


def test_a_point_of_the_map_plays_its_clip(page, tiny_pickle):
    clips = read_pickle(tiny_pickle).clips
    everyday = Recognizer.load(ROOT / "models/everyday.safetensors")
    places = principal_components(everyday, clips)
    panel = tab(page, "Explore")
    send(panel, tiny_pickle)
    panel.get_by_role("button", name="Draw the map").click()
    drawing = panel.locator(".map canvas")
    drawing.wait_for()

    def click_the_leftmost():
        page.wait_for_timeout(1500)  # points grow and move to their places
        picture = np.asarray(Image.open(io.BytesIO(drawing.screenshot())).convert("RGB"))
        coloured = np.ptp(picture.astype(int), axis=2) > 60
        coloured[:35] = False  # the legend
        rows, columns = np.nonzero(coloured)
        left = columns < columns.min() + 3
        drawing.click(position={"x": int(columns.min()) + 4, "y": float(rows[left].mean())})

    click_the_leftmost()
    shown(panel, clips[places[:, 0].argmin()].id)
    choose(page, "Class", "HeadMassage")  # the filters hold on the map too
    own = [n for n, clip in enumerate(clips) if "HeadMassage" in clip.id]
    click_the_leftmost()
    shown(panel, clips[own[places[own, 0].argmin()]].id)


def test_mistakes_of_a_model_are_found(page, tiny_pickle, tmp_path):
    """The set's classes are named so that the everyday model knows one of them."""
    found = read_pickle(tiny_pickle)
    write_pickle(tmp_path / "set.pkl", replace(found, classes=["clapping", *"abcd"]))
    everyday = Recognizer.load(ROOT / "models/everyday.safetensors")
    rows, unknown = everyday.answer_clips(found.clips)
    said = [
        "none of these" if none else everyday.classes[row.argmax()]
        for row, none in zip(rows, unknown, strict=True)
    ]
    own = [answer for answer, clip in zip(said, found.clips, strict=True) if clip.label == 0]
    right = own.count("clapping")
    panel = tab(page, "Explore")
    send(panel, tmp_path / "set.pkl")
    assert panel.get_by_role("switch", name="Only mistakes (predict first)").is_disabled()
    panel.get_by_role("button", name="Predict all").click()
    panel.get_by_text(f"{right} of {len(own)} clips whose class the model knows").wait_for()
    panel.get_by_text("Only mistakes", exact=True).click()
    ids = listed(panel, len(found.clips) - right)
    assert panel.locator("tbody tr").first.inner_text().split("\t")[-1].strip() in said
    panel.get_by_role("button", name=ids[0], exact=True).click()
    answer = said[[clip.id for clip in found.clips].index(ids[0])]
    panel.get_by_text(f"everyday: {answer}", exact=True).wait_for()

    send(panel, tiny_pickle)  # of classes that the model does not know
    panel.get_by_role("switch", name="Only mistakes (predict first)").wait_for()
    panel.get_by_role("button", name="Predict all").click()
    panel.get_by_text("The model knows none of the clips' classes").wait_for()


def test_the_label_audit_leads_to_the_wrong_label(page, tmp_path):
    """Waving arms and still arms; the label of clip 5 is wrong."""
    pytest.importorskip("cleanlab", reason="cleanlab is not installed (requirements-audit.lock)")
    clips = []
    for number in range(24):
        clip = random_clip(number, persons=1, frames=40, label=number % 2)
        points = np.repeat(clip.keypoints[:, :1], 40, 1)
        points[..., 9, 1] += 60 * np.sin(np.arange(40) * 0.7) * (number % 2)
        scores = np.ones_like(clip.scores)
        clips.append(replace(clip, keypoints=points, scores=scores, group=str(number % 6)))
    clips[5] = replace(clips[5], label=0)
    write_pickle(tmp_path / "set.pkl", ClipSet(clips, ["still", "waving"]))
    panel = tab(page, "Explore")
    send(panel, tmp_path / "set.pkl")
    panel.get_by_role("button", name="Audit labels").click()
    doubt = panel.get_by_role("button", name="clip_5: labelled still, looks like waving")
    doubt.click()
    shown(panel, "clip_5")
    choose(page, "Label", "waving")
    panel.get_by_text("1 label was mended").wait_for()
    mended = read_pickle(saved(page, "Save the set")).clips
    assert [clip.label for clip in mended] == [n % 2 for n in range(24)]
    panel.get_by_role("button", name="Audit labels").click()
    panel.get_by_text("0 of 24 clips look more like another class").wait_for()
    panel.get_by_role("button", name="Audit leaks").click()
    panel.get_by_text("there is nothing that could leak").wait_for()


def test_the_pipelines_set_is_opened_with_its_split_and_its_mistakes(page, prepared, tiny_pickle):
    old = read_pickle(tiny_pickle)
    rows = list(csv.DictReader((prepared.parent / "predictions.csv").read_text().splitlines()))
    panel = tab(page, "Explore")
    panel.get_by_role("button", name="Open ").click()
    panel.get_by_text(f"About the {len(old.clips)} clips").wait_for()
    choose(page, "Subset", "pipeline test")
    held_out = [row["id"] for row in rows]
    assert listed(panel, len(rows)) == held_out[:10]
    panel.get_by_text("Only mistakes", exact=True).click()
    assert listed(panel, 1) == held_out[:1]  # of the improved model
    choose(page, "Predictions", "baseline (evaluate)")
    assert listed(panel, len(rows)) == held_out[:10]
    panel.get_by_role("button", name="Audit leaks").click()
    panel.get_by_text("of pipeline test have a clip of the same group in pipeline train").wait_for()
    panel.get_by_role("button", name=held_out[0], exact=True).click()
    shown(panel, held_out[0])
    panel.get_by_text(f"improved (evaluate): {rows[0]['improved']}", exact=True).wait_for()
    mended = read_pickle(saved(page, "Save the set"))
    assert mended.subsets["pipeline test"] == held_out
    for clip, own in zip(mended.clips, old.clips, strict=True):
        assert (clip.id, clip.group) == (own.id, own.group)
        assert mended.classes[clip.label] == old.classes[own.label]
        np.testing.assert_array_equal(clip.keypoints, own.keypoints)


def test_two_browsers_explore_different_sets_at_once(page, other_page, tiny_pickle, tmp_path):
    one = read_pickle(tiny_pickle)
    write_pickle(tmp_path / "few.pkl", replace(one, clips=one.clips[:5], subsets={}))
    panels = [tab(each, "Explore") for each in (page, other_page)]
    send(panels[0], tiny_pickle)
    send(panels[1], tmp_path / "few.pkl")
    for panel, number in zip(panels, (len(one.clips), 5), strict=True):
        assert listed(panel, number)[0] == one.clips[0].id
    panels[1].get_by_role("button", name=one.clips[0].id, exact=True).click()
    choose(other_page, "Label", "no label")
    panels[1].get_by_text("1 label was mended").wait_for()
    assert read_pickle(saved(page, "Save the set")).clips[0].label == one.clips[0].label
    assert read_pickle(saved(other_page, "Save the set")).clips[0].label == -1
    assert not panels[0].get_by_text("was mended").is_visible()


def test_the_keyboard_is_enough_to_explore(page, tiny_pickle):
    old = read_pickle(tiny_pickle)
    panel = tab(page, "Explore")
    reach(page, "Open ")
    page.keyboard.press("Enter")
    panel.get_by_text("About the").wait_for()
    reach(page, "Predict all")
    page.keyboard.press("Enter")
    panel.get_by_text("The model knows none").wait_for()
    reach(page, old.clips[1].id)
    page.keyboard.press("Enter")
    shown(panel, old.clips[1].id)
    reach(page, "Label")
    page.keyboard.press("ArrowDown")  # opens it at the clip's own class, which is the first
    page.locator("[role=option].q-manual-focusable--focused").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel.get_by_text("1 label was mended").wait_for()
    page.evaluate("document.activeElement.blur()")
    reach(page, "Save the set")
    with page.expect_download() as found:
        page.keyboard.press("Enter")
    mended = read_pickle(found.value.path())
    assert [mended.classes[clip.label] for clip in mended.clips[:3]] == [
        "ApplyEyeMakeup",
        "BlowDryHair",
        "ApplyEyeMakeup",
    ]


def test_a_phone_is_wide_enough_to_explore(page, tiny_pickle):
    page.set_viewport_size({"width": 380, "height": 800})
    panel = tab(page, "Explore")
    send(panel, tiny_pickle)
    panel.get_by_text("About the").click()
    panel.get_by_role("button", name="Draw the map").click()
    panel.locator(".map canvas").wait_for()
    panel.locator("button.clip").last.click()
    clip = panel.get_by_role("img", name="skeletons of")
    clip.wait_for()
    page.wait_for_function(
        "(e => e.top >= 0 && e.bottom <= innerHeight)"
        "(document.querySelector('.shown .stage').getBoundingClientRect())"
    )  # it is scrolled to
    assert fits(page)
