from pathlib import Path

from tools.pictures import leak

ROOT = Path(__file__).resolve().parents[2]


def test_the_leak_picture_shows_every_row_of_the_table():
    text = (ROOT / "docs/references.md").read_text(encoding="utf-8")
    axes = leak(text).axes[0]
    heights = [bar.get_height() for bars in axes.containers[1::2] for bar in bars]
    wanted = [
        float(line.split("|")[3].split("±")[0])
        for protocol in ("own", "honest")
        for line in text.splitlines()
        if line.startswith("| ") and f", {protocol} |" in line
    ]
    assert len(wanted) == 12
    assert heights == wanted
