"""The tab Teach, in a real browser, and the camera of both tabs."""

from dataclasses import replace

import numpy as np
import pytest

from har.clips import ClipSet
from har.clips.annotations import read_pickle, write_pickle
from har.clips.simulate.everyday_clips import simulate_everyday
from har.recognition.recognizer import Recognizer
from tests.studio.test_watch import saved, send

pytestmark = pytest.mark.slow

CLASSES = ("clapping", "jumping jacks", "waving one hand")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Files of five clips for each of three classes, without labels."""
    folder = tmp_path_factory.mktemp("clips")
    for name in CLASSES:
        made = simulate_everyday(5, [name], range(1, 6), clips=1, frames=75).clips
        unlabelled = [replace(clip, label=-1) for clip in made]
        write_pickle(folder / f"{name}.pkl", ClipSet(unlabelled, []))
    return folder


def test_three_classes_are_taught_saved_and_watched(page, clips, tmp_path):
    page.get_by_role("tab", name="Teach").click()
    panel = page.locator(".q-tab-panel:visible")
    assert panel.get_by_role("button", name="Train").is_disabled()
    send(page, clips / "clapping.pkl", panel)
    panel.get_by_text("which class is that?").wait_for()
    for name in CLASSES:
        panel.get_by_label("Class", exact=True).fill(f"my {name}")
        send(page, clips / f"{name}.pkl", panel)
        panel.get_by_text(f"my {name}: 5 clips").wait_for()
    panel.get_by_role("button", name="Train").click()
    panel.get_by_text("of 15 clips are named right").wait_for()
    page.reload()
    page.get_by_role("tab", name="Teach").click()
    panel.get_by_text("of 15 clips are named right").wait_for()

    learnt = read_pickle(saved(page, "Save the clips"))
    assert learnt.classes == [f"my {name}" for name in CLASSES] and len(learnt.clips) == 15
    recognizer = Recognizer.load(saved(page, "Save the model"))
    assert recognizer.classes == learnt.classes
    found = recognizer.predict_clips(learnt.clips).argmax(axis=1)
    assert np.mean(found == [clip.label for clip in learnt.clips]) > 0.9

    page.get_by_role("tab", name="Watch").click()
    watch = page.locator(".q-tab-panel:visible")
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="your classes").click()
    send(page, clips / "clapping.pkl", watch)
    watch.get_by_role("button", name="my clapping").first.wait_for()


def test_the_camera_records_a_clip_and_is_watched(page):
    page.get_by_role("tab", name="Teach").click()
    panel = page.locator(".q-tab-panel:visible")
    panel.get_by_label("Class", exact=True).fill("standing")
    panel.get_by_text("Switch the camera on").click()
    panel.get_by_role("button", name="Record a clip").click()
    panel.get_by_text("standing: 1 clip").wait_for()
    panel.get_by_text("Switch the camera off").click()
    (clip,) = read_pickle(saved(page, "Save the clips")).clips
    assert 2.5 <= clip.keypoints.shape[1] / clip.fps <= 3.5 and len(clip.keypoints) == 1
    assert (clip.scores[0] > 0).all()

    page.get_by_role("tab", name="Watch").click()
    watch = page.locator(".q-tab-panel:visible")
    watch.get_by_text("Switch the camera on").click()
    watch.locator(".camera .share").first.wait_for()  # an answer
    watch.get_by_text("Switch the camera off").click()
    watch.get_by_role("img", name="skeletons of camera").wait_for()
