"""The studio's server and a real browser, once for all tests."""

import base64
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from har.clips.annotations import read_pickle
from har.clips.sources import choose_classes
from har.dataset.prepared import write_prepared
from har.files import write_csv, write_json
from tests.video.make_videos import write_video
from tests.video.stand_ins import frame_with_spots, image, save, save_detector

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
SPOT, SIZE, FRAMES = (
    (120, 90),
    (240, 320),
    50,
)  # x and y of the person in every video; height, width
MOST = 2  # MB of a file


# x and y of a person who stands in the middle, in hundredths of the picture; joints as in COCO.
FIGURE = [
    *((50, 20), (52, 18), (48, 18), (54, 20), (46, 20), (58, 32), (42, 32), (64, 44), (36, 44)),
    *((66, 56), (34, 56), (55, 56), (45, 56), (55, 70), (45, 70), (55, 84), (45, 84)),
]


def save_figure(path):
    """A network that sees the same pose in any picture."""
    pose = np.array([[[(y / 100, x / 100, 0.9) for x, y in FIGURE]]], np.float32)
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["number", "nothing"], ["zero"]),
        helper.make_node("Add", ["figure", "zero"], ["pose"]),
    ]
    inputs = [image(TensorProto.INT32, 1, 256, 256, 3)]
    save(path, inputs, ["pose"], nodes, figure=pose, nothing=np.float32(0))


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """A video of a spot, which the stand-in takes for a person, and the same for a fake camera."""
    pytest.importorskip("av")
    folder = tmp_path_factory.mktemp("videos")
    frames = [frame_with_spots(SIZE, SPOT)] * FRAMES
    write_video(folder / "spot.mp4", frames)
    picture = io.BytesIO()
    Image.fromarray(frames[0]).save(picture, "JPEG")
    (folder / "camera.mjpeg").write_bytes(FRAMES * picture.getvalue())
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, tiny_pickle):
    """The pipeline's clips of the tiny set: every fourth is for testing, one of them mistaken."""
    folder = tmp_path_factory.mktemp("pipeline")
    found = choose_classes(read_pickle(tiny_pickle), [])  # as the stage does
    write_prepared(folder / "prepared", found.clips, found.classes, found.subsets)
    split = [(clip.id, "train" if n % 4 else "test") for n, clip in enumerate(found.clips)]
    write_csv(folder / "split.csv", [{"id": i, "subset": s} for i, s in split], ["id", "subset"])
    write_json(folder / "features/settings.json", {"layout": "coco17"})
    rows = []
    for clip in found.clips[::4]:
        own, other = (found.classes[(clip.label + step) % 3] for step in (0, 1))
        row = {"id": clip.id, "group": clip.group, "class": own}
        row |= {"baseline": other, "baseline_probability": 0.5}
        rows.append(row | {"improved": own if rows else other, "improved_probability": 0.9})
    write_csv(folder / "predictions.csv", rows, list(rows[0]))
    return folder / "prepared"


@pytest.fixture(scope="session")
def studio(tmp_path_factory, prepared):
    """The address of a running studio, and the folder of its sessions."""
    pytest.importorskip("nicegui")
    folder = tmp_path_factory.mktemp("studio")
    height, width = SIZE
    left, top = SPOT[0] - 30, SPOT[1] - 40
    box = (top / height, left / width, (top + 80) / height, (left + 60) / width, 0.9)
    models = folder / "models"
    models.mkdir()
    save_detector(models / "movenet-multipose.onnx", box)
    save_figure(models / "movenet-thunder.onnx")
    temporary = folder / "temporary"
    temporary.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "har", "studio", "--no-browser", "--port", str(port), "--most", str(MOST)]
    command += ["--model", "models/everyday.safetensors", "--prepared", str(prepared)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-u", *command, "--models", str(models)],
            cwd=ROOT,
            env=kept | {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as server,
    ):
        try:
            while True:
                assert server.poll() is None, (folder / "errors").read_text()
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/", temporary
        finally:
            server.terminate()
            server.wait(30)
    said = (folder / "errors").read_text()
    assert "Traceback" not in said, said
    assert not list(temporary.glob("har-studio-*"))  # nothing is left behind


@pytest.fixture(scope="session")
def chromium(videos):
    """A browser whose camera plays a file."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium: install Debian's package chromium")
    flags = ["no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"]
    flags += ["disable-background-networking", "disable-component-update"]
    flags += ["host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # the network is off
    flags += ["use-fake-ui-for-media-stream", "use-fake-device-for-media-stream"]
    flags += [f"use-file-for-fake-video-capture={videos / 'camera.mjpeg'}"]
    with (
        playwright.sync_playwright() as driver,
        tempfile.TemporaryDirectory() as folder,
    ):
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=[f"--{flag}" for flag in flags], downloads_path=folder
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, studio):
    """The page in a browser of its own; whatever it asks for has to be on this machine."""
    address, _ = studio
    with opened(chromium, address) as page:
        yield page


@pytest.fixture
def other_page(chromium, studio):
    """The page in a second browser."""
    with opened(chromium, studio[0]) as page:
        yield page


@contextmanager
def opened(chromium, address):
    """The page in a browser; it asks for nothing elsewhere, and its scripts raise nothing."""
    context = chromium.new_context(
        viewport={"width": 1200, "height": 900},
        reduced_motion="reduce",  # clips that play cost most of a test's time
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(address)
    yield page
    context.close()
    assert all(url.startswith((address, "ws" + address[4:], "blob:", "data:")) for url in asked)
    assert not errors


def tab(page, name):
    """The content of a tab, once it is chosen."""
    page.get_by_role("tab", name=name).click()
    panel = page.locator(f".q-tab-panel.{name.lower()}")
    panel.locator(".lead").first.wait_for()
    return panel


def send(panel, *paths, field=0):
    """Let a field of the page take files."""
    panel.locator("input[type=file]").nth(field).set_input_files(paths)


def saved(page, name):
    """The file that a button gives."""
    with page.expect_download() as found:
        page.get_by_role("button", name=name).click()
    return found.value.path()


def complains(panel, sentence):
    """Wait for a sentence on what is wrong, to which the page scrolls."""
    problem = panel.locator(".problem", has_text=sentence).element_handle()
    panel.page.wait_for_function(
        "e => { const { top, bottom } = e.getBoundingClientRect();"
        "       return top >= 0 && bottom <= innerHeight }",
        arg=problem,
    )


def reach(page, name, most=60):
    """Press Tab until something of that name has the focus."""
    named = "e.ariaLabel || e.labels?.[0]?.innerText || (e !== document.body && e.innerText) || ''"
    for _ in range(most):
        page.keyboard.press("Tab")
        if name in page.evaluate(f"(e => {named})(document.activeElement)"):
            return
    raise AssertionError(f"Tab never reaches {name}")


def fits(page):
    """Whether nothing of the page lies outside its width."""
    width = page.evaluate("document.documentElement.scrollWidth")
    return width <= page.viewport_size["width"]


def canvas(page):
    """What is drawn over a clip, (H, W, 4)."""
    script = "document.querySelector('.stage canvas').toDataURL()"
    content = base64.b64decode(page.evaluate(script).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)))
