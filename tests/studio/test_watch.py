"""The tab Watch, in a real browser."""

import csv
import json
import socket
import time
from urllib.parse import urlsplit

import numpy as np
import pytest

from har.clips.annotations import read_pickle
from tests.studio.conftest import FRAMES, MOST, SIZE, SPOT, canvas, fits, reach, saved, send

pytestmark = pytest.mark.slow


def test_a_video_is_watched_sought_and_saved(page, videos):
    page.emulate_media(reduced_motion="no-preference")
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


def test_two_browsers_do_not_see_each_others_clips(page, other_page, studio, videos, tiny_pickle):
    address = studio[0].rstrip("/")
    send(page, videos / "spot.mp4")
    send(other_page, tiny_pickle)
    page.get_by_role("img", name="skeletons of spot").wait_for()
    other_page.locator(".part").first.wait_for()
    assert other_page.get_by_role("img", name="skeletons of spot").count() == 0
    source = page.locator(".stage video").get_attribute("src")
    assert page.request.get(f"{address}{source}").status == 200
    key = source.split("/")[2]
    assert page.request.get(f"{address}{source.replace(key, key[::-1])}").status == 404


def test_the_keyboard_is_enough(page):
    reach(page, "Show an example")
    page.keyboard.press("Enter")
    page.locator(".part").first.wait_for()
    page.evaluate("document.activeElement.blur()")
    reach(page, "play")  # it does not by itself for who wants no motion
    page.keyboard.press("Space")
    page.get_by_role("button", name="pause").wait_for()
    page.keyboard.press("Space")
    reach(page, "s: ")  # an action of the timeline
    page.keyboard.press("Enter")
    frame = int(page.get_by_label("frame", exact=True).input_value())
    assert frame > 0
    reach(page, "without")
    page.keyboard.press("Enter")
    page.locator(".part[aria-pressed=true]").wait_for()


def test_a_phone_is_wide_enough(page):
    page.set_viewport_size({"width": 380, "height": 800})
    page.get_by_text("Show an example").click()
    page.locator(".part").first.wait_for()
    assert fits(page)


def test_the_server_refuses_what_the_page_does_not_send(page, studio, tiny_pickle):
    send(page, tiny_pickle)
    page.locator(".part").first.wait_for()
    resources = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    own = next(url for url in resources if "/files" in url).partition("/files")[0]
    other = f"{studio[0]}studio/nobody"
    ask = page.request
    for method, target, content, status in (
        ("PUT", f"{other}/files?name=a.pkl", b"", 404),
        ("GET", f"{own}/files/99", None, 404),
        ("POST", f"{other}/cameras/watch?time=1", b"", 404),
        ("POST", f"{own}/cameras/nobody?time=1", b"", 404),
        ("POST", f"{own}/cameras/watch?time=1", b"no JPEG", 422),
        ("POST", f"{own}/cameras/watch?time=1", b"0" * (2**20 + 1), 413),
        ("DELETE", f"{own}/cameras/nobody", None, 404),
    ):
        answer = ask.fetch(target, method=method, data=content)
        assert (answer.status, method, target) == (status, method, target)
        assert "Traceback" not in answer.text()


def test_a_browser_may_leave_in_the_middle(page, studio, tiny_pickle):
    """Half a file and half a camera's picture; the server tells no fault (see `studio`)."""
    send(page, tiny_pickle)
    page.locator(".part").first.wait_for()
    resources = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    key = next(url for url in resources if "/files" in url).split("/")[4]
    host, port = urlsplit(studio[0]).hostname, urlsplit(studio[0]).port
    before = set(studio[1].rglob("half.pkl"))
    for line in (
        f"PUT /studio/{key}/files?name=half.pkl",
        f"POST /studio/{key}/cameras/watch?time=1",
    ):
        with socket.create_connection((host, port)) as connection:
            head = f"{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n"
            connection.sendall(head.encode() + b"half")
            time.sleep(0.3)  # the server has begun to read
    page.get_by_role("button", name="Show an example").click()
    page.get_by_role("img", name="skeletons of example").wait_for()  # it still answers
    assert set(studio[1].rglob("half.pkl")) == before  # nothing is left
