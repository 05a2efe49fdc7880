"""The tab Watch, in a real browser."""

import csv
import json

import numpy as np
import pytest

from har.clips.annotations import read_pickle
from tests.studio.conftest import FRAMES, MOST, SIZE, SPOT, canvas

pytestmark = pytest.mark.slow


def send(page, path, panel=None):
    (panel or page).locator("input[type=file]").first.set_input_files(path)


def saved(page, name):
    with page.expect_download() as found:
        page.get_by_role("button", name=name).click()
    return found.value.path()


def test_a_video_is_watched_sought_and_saved(page, videos):
    send(page, videos / "spot.mp4")
    page.locator(".part").first.wait_for()
    page.get_by_role("button", name="pause").click()
    drawn = canvas(page)[..., 3] > 0
    rows, columns = np.nonzero(drawn)
    middle = columns.min() + columns.max(), rows.min() + rows.max()
    found = middle[0] / 2 / drawn.shape[1], middle[1] / 2 / drawn.shape[0]
    assert found == pytest.approx((SPOT[0] / SIZE[1], SPOT[1] / SIZE[0]), abs=0.03)

    line = page.locator(".timeline")
    box = line.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert page.get_by_label("frame", exact=True).input_value() == str(int(0.75 * FRAMES))
    at = "document.querySelector('.stage video').currentTime"
    page.wait_for_function(f"Math.abs({at} - {0.75 * FRAMES / 25}) < 0.05")

    clip = read_pickle(saved(page, "skeletons.pkl")).clips[0]
    assert clip.id == "spot" and clip.keypoints.shape == (1, FRAMES, 17, 2)
    np.testing.assert_allclose(clip.keypoints.mean(axis=(0, 1, 2)), SPOT, atol=6)
    rows = list(csv.DictReader(saved(page, "timeline.csv").read_text().splitlines()))
    content = json.loads(saved(page, "timeline.json").read_text())
    told = page.locator(".share").first.inner_text().split(" ")[0]
    assert rows[0]["class_1"].startswith(told)
    assert content["predictions"][0]["class"] == rows[0]["class_1"]

    import av

    with av.open(str(saved(page, "overlay.mp4"))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == FRAMES and frames[0].shape[0] > SIZE[0]


def test_clips_of_a_pickle_are_chosen_and_kept_when_the_page_is_reloaded(page, tiny_pickle):
    send(page, tiny_pickle)
    page.locator(".part").first.wait_for()
    ids = [clip.id for clip in read_pickle(tiny_pickle).clips]
    page.get_by_role("combobox", name="Clip").fill(ids[5])
    page.get_by_role("option", name=ids[5], exact=True).click()
    page.get_by_role("img", name=f"skeletons of {ids[5]}", exact=True).wait_for()
    page.reload()
    page.get_by_role("img", name=f"skeletons of {ids[5]}", exact=True).wait_for()


def test_a_wrong_file_is_a_sentence(page, tmp_path):
    for name, content, sentence in (
        ("huge.pkl", b"0" * (MOST * 2**20 + 1), "huge.pkl is too large: 2 MB is the most"),
        ("broken.mp4", b"nothing", "broken.mp4 cannot be read as a video"),
        ("evil.pkl", b"cos\nsystem\n(S'echo'\ntR.", "evil.pkl"),
        ("notes.docx", b"PK", "notes.docx is of unknown kind"),
    ):
        (tmp_path / name).write_bytes(content)
        send(page, tmp_path / name)
        page.locator(".problem", has_text=sentence).wait_for()
        assert "har-studio" not in page.locator("body").inner_text()  # no folder of the server


def test_the_server_itself_takes_no_more_than_allowed(page, studio, tiny_pickle):
    _, folder = studio
    send(page, tiny_pickle)
    page.locator(".part").first.wait_for()
    resources = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    target = next(url for url in resources if "/files" in url).rpartition("/")[0]
    target = target if target.endswith("files") else f"{target}/files"
    before = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    answer = page.request.put(f"{target}?name=big.pkl", data=b"0" * (MOST * 2**20 + 1))
    assert answer.status == 413 and "too large" in answer.text()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) == before


def test_two_browsers_do_not_see_each_others_clips(page, chromium, studio, videos, tiny_pickle):
    address, _ = studio
    context = chromium.new_context()
    other = context.new_page()
    other.set_default_timeout(90_000)
    other.goto(address)
    send(page, videos / "spot.mp4")
    send(other, tiny_pickle)
    page.get_by_role("img", name="skeletons of spot").wait_for()
    other.locator(".part").first.wait_for()
    assert other.get_by_role("img", name="skeletons of spot").count() == 0
    source = page.locator(".stage video").get_attribute("src")
    assert page.request.get(f"{address.rstrip('/')}{source}").status == 200
    key = source.split("/")[2]
    wrong = source.replace(key, key[::-1])
    assert page.request.get(f"{address.rstrip('/')}{wrong}").status == 404
    context.close()


def test_the_keyboard_is_enough(page):
    def reach(name):
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "(e => e.ariaLabel || (e.tagName === 'BUTTON' && e.innerText) || '')"
                "(document.activeElement)"
            )
            if name in focused:
                return
        raise AssertionError(f"Tab never reaches {name}")

    reach("Show an example")
    page.keyboard.press("Enter")
    page.locator(".part").first.wait_for()
    page.evaluate("document.activeElement.blur()")
    reach("pause")
    page.keyboard.press("Space")
    reach("s: ")  # an action of the timeline
    page.keyboard.press("Enter")
    frame = int(page.get_by_label("frame", exact=True).input_value())
    assert frame > 0
    reach("without")
    page.keyboard.press("Enter")
    page.locator(".part[aria-pressed=true]").wait_for()


def test_a_phone_is_wide_enough(page):
    page.set_viewport_size({"width": 380, "height": 800})
    page.get_by_text("Show an example").click()
    page.locator(".part").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
