"""The tab Teach, in a real browser, and the camera of both tabs."""

import re
from dataclasses import replace

import numpy as np
import pytest

from har.clips import ClipSet
from har.clips.annotations import read_pickle, write_pickle
from har.clips.simulate.everyday_clips import simulate_everyday
from har.recognition.recognizer import Recognizer
from tests.studio.conftest import FRAMES, complains, fits, reach, saved, send, tab

pytestmark = pytest.mark.slow

CLASSES = ("boxing", "clapping", "jumping jacks", "squats", "waving one hand")
PEOPLE = 10


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Files of ten people's clips for each of five classes, without labels."""
    folder = tmp_path_factory.mktemp("clips")
    for name in CLASSES:
        made = simulate_everyday(5, [name], range(1, PEOPLE + 1), clips=1, frames=75).clips
        unlabelled = [replace(clip, label=-1, group=clip.id) for clip in made]
        write_pickle(folder / f"{name}.pkl", ClipSet(unlabelled, []))
    return folder


def name_class(panel, name):
    panel.get_by_label("Class", exact=True).first.fill(name)


def give(panel, clips, name):
    """Give a class its file of clips."""
    name_class(panel, f"my {name}")
    send(panel, clips / f"{name}.pkl")
    panel.get_by_text(f"my {name}: {PEOPLE} clips").wait_for()


def test_five_classes_are_taught_saved_and_watched(page, clips):
    panel = tab(page, "Teach")
    assert panel.get_by_role("button", name="Train").is_disabled()
    assert panel.get_by_role("button", name="Save the clips").is_disabled()
    send(panel, clips / "clapping.pkl")
    complains(panel, "which class is")
    for name in CLASSES:
        give(panel, clips, name)
    panel.get_by_role("button", name="Train").click()
    number = PEOPLE * len(CLASSES)
    panel.get_by_text(f"of {number} clips are named right").wait_for()
    taught = panel.get_by_text("Taught in").inner_text()
    print(taught)
    assert float(re.search(r"in ([\d.]+) s", taught)[1]) < 20
    page.reload()
    panel = tab(page, "Teach")
    panel.get_by_text(f"of {number} clips are named right").wait_for()

    learnt = read_pickle(saved(page, "Save the clips"))
    assert learnt.classes == [f"my {name}" for name in CLASSES] and len(learnt.clips) == number
    recognizer = Recognizer.load(saved(page, "Save the model"))
    assert recognizer.classes == learnt.classes
    found = recognizer.predict_clips(learnt.clips).argmax(axis=1)
    assert np.mean(found == [clip.label for clip in learnt.clips]) > 0.9

    panel.get_by_text(f"my clapping: {PEOPLE} clips").click()
    panel.get_by_role("button", name="remove").first.click()
    panel.get_by_text(f"my clapping: {PEOPLE - 1} clips").wait_for()
    panel.get_by_role("button", name="remove").first.wait_for()  # the class stays open
    panel.get_by_text("The clips have changed since: train again.").wait_for()

    watch = tab(page, "Watch")
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="your classes").click()
    send(watch, clips / "clapping.pkl")
    watch.get_by_role("button", name="my clapping").first.wait_for()


def test_a_clip_given_again_after_training_is_a_change(page, clips, tmp_path):
    panel = tab(page, "Teach")
    for name in CLASSES[:2]:
        give(panel, clips, name)
    panel.get_by_role("button", name="Train").click()
    panel.get_by_text("Taught in").wait_for()
    last = read_pickle(clips / f"{CLASSES[1]}.pkl").clips[-1]
    write_pickle(tmp_path / "last.pkl", ClipSet([last], []))
    panel.get_by_text(f"my {CLASSES[1]}: {PEOPLE} clips").click()
    panel.get_by_role("button", name="remove").last.click()
    panel.get_by_text(f"my {CLASSES[1]}: {PEOPLE - 1} clips").wait_for()
    send(panel, tmp_path / "last.pkl")  # the same name in the same place, read anew
    panel.get_by_text(f"my {CLASSES[1]}: {PEOPLE} clips").wait_for()
    panel.get_by_text("The clips have changed since: train again.").wait_for()
    assert not panel.get_by_text("should not have happened").count()


def test_a_wrong_label_is_shown_and_more_clips_are_asked_for(page, clips, tmp_path):
    """One of the clips that are called clapping shows jumping jacks; of boxing are only three."""
    sets = {name: read_pickle(clips / f"{name}.pkl").clips for name in CLASSES[:3]}
    wrong = replace(sets["jumping jacks"][0], id="wrong", group="wrong")
    files = {
        "clapping": [*sets["clapping"], wrong],
        "jumping jacks": sets["jumping jacks"][1:],
        "boxing": sets["boxing"][:3],
    }
    panel = tab(page, "Teach")
    for name, own in files.items():
        write_pickle(tmp_path / f"{name}.pkl", ClipSet(own, []))
        name_class(panel, name)
        send(panel, tmp_path / f"{name}.pkl")
        panel.get_by_text(f"{name}: {len(own)} clips").wait_for()
    panel.get_by_role("button", name="Train").click()
    panel.get_by_text("wrong is labelled clapping but looks like jumping jacks").wait_for()
    panel.get_by_text("clapping was taken for jumping jacks: 1 clip").wait_for()
    assert "Record more of: boxing" in panel.get_by_text("Record more of").inner_text()
    panel.get_by_role("button", name="look at the suspect wrong").click()
    panel.get_by_role("img", name="skeletons of wrong").wait_for()


def test_stretches_of_a_long_video_become_clips(page, videos, clips, tmp_path):
    panel = tab(page, "Teach")
    panel.get_by_text("Mark stretches of a long video", exact=True).click()
    send(panel, videos / "spot.mp4", field=1)
    panel.get_by_role("img", name="skeletons of spot").wait_for()
    seconds = FRAMES / 25
    line = panel.get_by_label("frame", exact=True)
    line.fill("10")
    panel.get_by_role("button", name="begin here").click()
    page.wait_for_function("document.querySelector('[aria-label=\"from (s)\"]').value == 0.4")
    line.fill("30")
    panel.get_by_role("button", name="end here").click()
    page.wait_for_function("document.querySelector('[aria-label=\"to (s)\"]').value == 1.2")
    panel.get_by_role("button", name="Add the stretch").click()
    complains(panel, "which class is spot 0.40-1.20 s?")
    panel.get_by_label("Class", exact=True).last.fill("first")  # beside the stretch
    panel.get_by_role("button", name="Add the stretch").click()
    panel.get_by_text("first: 1 clip").wait_for()

    # A recording whose frames differ, so that the right ones can be told.
    whole = replace(read_pickle(clips / "squats.pkl").clips[0], fps=20.0)
    write_pickle(tmp_path / "long.pkl", ClipSet([whole], []))
    send(panel, tmp_path / "long.pkl", field=1)
    panel.get_by_role("img", name=f"skeletons of {whole.id}").wait_for()
    name_class(panel, "second")
    last = panel.get_by_label("to (s)").input_value()
    assert float(last) == pytest.approx(whole.keypoints.shape[1] / whole.fps, abs=0.01)
    panel.get_by_label("from (s)").fill("0.5")
    panel.get_by_label("to (s)").fill("0.4")
    panel.get_by_role("button", name="Add the stretch").click()
    complains(panel, "0.5 to 0.4 s is no stretch of a video")
    panel.get_by_label("to (s)").fill("1.5")
    panel.get_by_role("button", name="Add the stretch").click()
    panel.get_by_text("second: 1 clip").wait_for()
    send(panel, clips / "squats.pkl", field=1)
    complains(panel, f"squats.pkl has {PEOPLE} clips: give one recording")

    found = read_pickle(saved(page, "Save the clips"))
    first, second = found.clips
    assert [found.classes[clip.label] for clip in found.clips] == ["first", "second"]
    assert first.id == "spot 0.40-1.20 s" and first.group == "spot" and seconds == 2
    assert first.keypoints.shape[1] == 20
    np.testing.assert_array_equal(second.keypoints, whole.keypoints[:, 10:30])


def test_a_broken_file_does_not_hide_the_others(page, clips, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    panel = tab(page, "Teach")
    name_class(panel, "my clapping")
    send(panel, tmp_path / "broken.mp4", clips / "clapping.pkl")
    panel.get_by_text(f"my clapping: {PEOPLE} clips").wait_for()
    complains(panel, "broken.mp4 cannot be read as a video")


def test_the_camera_records_a_clip_and_answers_with_the_taught_classes(page):
    panel = tab(page, "Teach")
    panel.get_by_role("button", name="Switch the camera on").click()
    nameless = panel.get_by_role("button", name="Name a class to record its clips")
    nameless.wait_for()
    assert nameless.is_disabled()
    name_class(panel, "my pose")
    panel.get_by_role("button", name="Record 3 s of my pose").click()
    name_class(panel, "the next one")  # the clip is of the class that was named when it began
    panel.get_by_text("my pose: 1 clip").wait_for()
    (clip,) = read_pickle(saved(page, "Save the clips")).clips
    assert 2.5 <= clip.keypoints.shape[1] / clip.fps <= 3.5 and len(clip.keypoints) == 1
    assert (clip.scores[0] > 0).all()

    panel.get_by_role("button", name="Take an example").click()
    panel.get_by_text("clapping: 6 clips").wait_for()
    panel.get_by_role("button", name="Train").click()
    panel.get_by_text("Taught in").wait_for()
    panel.locator(".camera .share", has_text="my pose").wait_for()  # the camera was never off
    named = panel.locator(".camera .share").all_inner_texts()
    known = ("my pose", "clapping", "waving one hand", "jumping jacks", "none of these")
    assert all(text.strip().startswith(known) for text in named)
    panel.get_by_text("Switch the camera off").click()

    watch = tab(page, "Watch")
    watch.get_by_text("Switch the camera on").click()
    watch.locator(".camera .share").first.wait_for()  # an answer
    watch.get_by_text("Switch the camera off").click()
    watch.get_by_role("img", name="skeletons of camera").wait_for()


def test_two_browsers_teach_different_classes_at_once(page, other_page, clips):
    pages, own = (page, other_page), (CLASSES[:2], CLASSES[2:])
    panels = [tab(one, "Teach") for one in pages]
    for panel, names in zip(panels, own, strict=True):
        for name in names:
            give(panel, clips, name)
    for panel in panels:
        panel.get_by_role("button", name="Train").click()
    for panel, names in zip(panels, own, strict=True):
        panel.get_by_text(f"of {PEOPLE * len(names)} clips are named right").wait_for()
    for one, names in zip(pages, own, strict=True):
        classes = [f"my {name}" for name in names]
        assert Recognizer.load(saved(one, "Save the model")).classes == classes
        assert read_pickle(saved(one, "Save the clips")).classes == classes


def test_the_keyboard_is_enough_to_teach(page, clips):
    page.on("filechooser", lambda _: None)  # from now on the choosers of files are the test's
    panel = tab(page, "Teach")
    reach(page, "Class")
    page.keyboard.type("my clapping")
    reach(page, "Its clips")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(clips / "clapping.pkl")
    panel.get_by_text(f"my clapping: {PEOPLE} clips").wait_for()
    page.evaluate("document.activeElement.blur()")
    reach(page, "Take an example")
    page.keyboard.press("Enter")
    panel.get_by_text("clapping: 6 clips").first.wait_for()
    reach(page, f"my clapping: {PEOPLE} clips")
    page.keyboard.press("Enter")
    reach(page, "look at")
    page.keyboard.press("Enter")
    panel.get_by_role("img", name="skeletons of").wait_for()
    reach(page, "remove")
    page.keyboard.press("Enter")
    panel.get_by_text(f"my clapping: {PEOPLE - 1} clips").wait_for()
    page.evaluate("document.activeElement.blur()")
    reach(page, "Train")
    page.keyboard.press("Enter")
    panel.get_by_text("clips are named right").wait_for()
    reach(page, "Save the model")
    with page.expect_download() as found:
        page.keyboard.press("Enter")
    assert "my clapping" in Recognizer.load(found.value.path()).classes


def test_a_phone_is_wide_enough_to_teach(page, videos):
    page.set_viewport_size({"width": 380, "height": 800})
    panel = tab(page, "Teach")
    panel.get_by_text("Mark stretches of a long video", exact=True).click()
    send(panel, videos / "spot.mp4", field=1)
    panel.get_by_role("button", name="Add the stretch").wait_for()
    assert fits(page)
    panel.get_by_role("button", name="Take an example").click()
    panel.get_by_text("clapping: 6 clips").click()
    panel.get_by_role("button", name="look").first.click()
    panel.get_by_role("img", name="skeletons of clapping").wait_for()
    panel.get_by_role("button", name="Train").click()
    panel.get_by_text("clips are named right").wait_for()
    panel.get_by_role("button", name="Switch the camera on").click()
    panel.get_by_role("button", name="Name a class to record").wait_for()
    assert fits(page)
