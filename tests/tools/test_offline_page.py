"""The page of `make plots` is one file and draws everything where there is no network."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vl_convert
from PIL import Image

from har.errors import UserError
from har.files import write_csv
from stages import dvc_plots
from tools.offline_page import offline_page

ROOT = Path(__file__).parents[2]
MAGENTA, BASELINE = (255, 0, 255), (0xE6, 0x9F, 0x00)
PIPELINE = """
plots:
- F1:
    template: per_class
    x: f1
    y:
      plots/per_class.csv: class
- plots/picture one.png
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page as DVC writes it, of one chart and one picture."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    (folder / ".dvc/config").write_text("[core]\nno_scm = true\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "plots").mkdir()
    answers = {"baseline": {"walk": {"precision": 1, "recall": 1, "f1": 1, "support": 1}}}
    rows = dvc_plots.per_class_rows(answers)
    write_csv(folder / "plots/per_class.csv", rows, dvc_plots.PER_CLASS_COLUMNS)
    Image.new("RGB", (50, 50), MAGENTA).save(folder / "plots/picture one.png")
    subprocess.run(
        [sys.executable, "-m", "dvc", "plots", "show", "-o", "out"],
        cwd=folder,
        env={**os.environ, "DVC_NO_ANALYTICS": "true"},
        check=True,
        capture_output=True,
    )
    return folder / "out/index.html"


def test_nothing_is_left_outside(page):
    text = page.read_text()
    assert "cdn.jsdelivr.net" in text and "static/" in text  # or there was nothing to do
    single = offline_page(page, title="F1 < 1")
    assert "cdn.jsdelivr.net" not in single
    body = single.partition("<body>")[2]
    assert re.findall(r'<img[^>]*src="(.{21})', body) == ["data:image/png;base64"]
    assert not re.search(r'<(script|link|img)[^>]*(src|href)="(?!data:)', body)
    assert not re.search(r"<(script|link)[^>]+>", single.partition("<body>")[0])
    assert single.count("</script>") == 2  # the library's and the chart's
    assert "<title>F1 &lt; 1</title>" in single


def test_a_page_that_is_not_there_is_named(page, tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*missing\.html.*dvc plots show"):
        offline_page(tmp_path / "missing.html")
    empty = tmp_path / "empty.html"
    empty.write_text("<html><body></body></html>")
    with pytest.raises(UserError, match="shows no plots"):
        offline_page(empty)
    moved = tmp_path / "moved.html"
    moved.write_text(page.read_text())
    with pytest.raises(UserError, match=r"cannot read .*picture one\.png"):
        offline_page(moved)


def test_command_line(page, tmp_path):
    command = [sys.executable, "-m", "tools.offline_page"]
    done = subprocess.run([*command, page, tmp_path / "plots.html"], cwd=ROOT, check=True)
    assert done.returncode == 0
    assert (tmp_path / "plots.html").read_text() == offline_page(page)
    failed = subprocess.run(
        [*command, tmp_path / "none.html", tmp_path / "other.html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 2 and failed.stderr.startswith("error: cannot read")
    assert not (tmp_path / "other.html").exists()


def test_it_is_drawn_in_a_browser_without_a_network(page, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("neither chromium nor google-chrome is installed")
    shots = {}
    for name, text in (("online", page.read_text()), ("offline", offline_page(page))):
        file = page.with_name(f"{name}.html")
        file.write_text(text)
        picture = tmp_path / f"{name}.png"
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                f"--user-data-dir={tmp_path / name}",
                "--window-size=1200,900",
                "--virtual-time-budget=10000",
                f"--screenshot={picture}",
                file.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        shots[name] = np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("RGB"))

    def pixels(name, colour):
        return int(np.all(shots[name] == colour, axis=-1).sum())

    assert pixels("offline", BASELINE) > 1000 and pixels("offline", MAGENTA) == 2500
    assert pixels("online", BASELINE) == 0  # DVC's own page can't draw the chart here


def test_the_library_cannot_end_its_own_script(page, monkeypatch):
    assert vl_convert.javascript_bundle()[:1000] in offline_page(page)
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: "say('</script>')")
    assert "<script>say('<\\/script>')</script>" in offline_page(page)
