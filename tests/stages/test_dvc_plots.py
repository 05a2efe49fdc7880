"""The rows that DVC draws, and the templates that draw them."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import vl_convert
from dvc_render.vega import VegaRenderer

from har.evaluation import metrics
from stages import dvc_plots

TEMPLATES = Path(__file__).parents[2] / ".dvc/plots"
CLASSES = ["zumba", "Archery", "mixing"]  # not in alphabetical order
TABLE = np.array([[4, 0, 0], [1, 3, 0], [2, 1, 0]])  # mixing is never predicted


def strings(rows):
    """Rows as DVC reads them from CSV."""
    return [{key: str(cell) for key, cell in row.items()} for row in rows]


def drawn(template, rows, x, y, **more):
    """The texts of the picture, in drawing order, and its SVG."""
    rows = strings(rows)
    revs = [{**row, "rev": rev} for rev in ("workspace", "main") for row in rows]
    renderer = VegaRenderer(
        revs, "plot", template=str(TEMPLATES / f"{template}.json"), x=x, y=y, title="T", **more
    )
    svg = vl_convert.vegalite_to_svg(json.loads(renderer.partial_html()), vl_version="5.8")
    return re.findall(r">([^<>]+)</text>", svg), svg


def test_confusion_rows_hold_the_table():
    rows = list(dvc_plots.confusion_rows(TABLE, CLASSES))
    assert [row["actual"] for row in rows[:3]] == [row["predicted"] for row in rows[:3]] == CLASSES
    cells = {(row["actual"], row["predicted"]): (row["clips"], row["share"]) for row in rows}
    assert len(cells) == len(rows) == 6
    for (row, column), clips in np.ndenumerate(TABLE):
        expected = (clips, clips / TABLE[row].sum())
        assert cells.get((CLASSES[row], CLASSES[column]), (0, 0)) == expected
    assert set(rows[0]) == set(dvc_plots.CONFUSION_COLUMNS)


def test_confusion_is_drawn_in_label_order_with_all_classes_and_numbers():
    rows = dvc_plots.confusion_rows(TABLE, CLASSES)
    texts, _ = drawn("confusion_counts", rows, "predicted", "actual")
    names = [text for text in texts if text in CLASSES]
    assert names == CLASSES * 3  # rows, then columns of either revision
    counts = [text for text in texts if re.fullmatch(r"\d+", text)]
    assert sorted(counts) == sorted(["4", "1", "3", "2", "1"] * 2)
    assert "67%" in texts  # two thirds of mixing


def test_per_class_rows_are_drawn_side_by_side():
    labels = np.array([0, 0, 1, 2])
    probabilities = {"baseline": np.eye(3)[[0, 1, 1, 1]], "improved": np.eye(3)[[0, 0, 1, 1]]}
    answers = {name: metrics.per_class(labels, p, CLASSES) for name, p in probabilities.items()}
    rows = list(dvc_plots.per_class_rows(answers))
    assert [(row["class"], row["model"]) for row in rows[:3]] == [
        ("zumba", "baseline"),
        ("zumba", "improved"),
        ("Archery", "baseline"),
    ]
    assert set(rows[0]) == set(dvc_plots.PER_CLASS_COLUMNS)
    texts, _ = drawn("per_class", rows, "f1", "class")
    assert [text for text in texts if text in CLASSES] == CLASSES
    numbers = [text for text in texts if re.fullmatch(r"\d\.\d\d", text)]
    assert sorted(numbers) == sorted(["0.67", "1.00", "0.50", "0.67", "0.00", "0.00"] * 2)


def test_reliability_draws_each_model_in_its_own_panel():
    bins = metrics.calibration_bins([0, 0, 1], np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]))
    models = {"baseline": {"before": bins[:1]}, "improved": {"before": bins}}
    rows = list(dvc_plots.reliability_rows(models))
    assert [row["model"] for row in rows] == ["baseline", "improved", "improved", "improved"]
    assert set(rows[0]) == set(dvc_plots.RELIABILITY_COLUMNS)
    texts, svg = drawn("reliability", rows, "confidence", "accuracy")
    panels = [
        text for text in texts if re.fullmatch(r"(workspace|main): (baseline|improved)", text)
    ]
    assert len(panels) == 4
    group = next(
        item for item in ElementTree.fromstring(svg).iter() if "scope cell" in item.get("class", "")
    )
    points = [
        sum(item.get("aria-roledescription") == "point" for item in cell.iter()) for cell in group
    ]
    assert points == [1 if panel.endswith("baseline") else 3 for panel in panels]


@pytest.mark.parametrize("models", [["baseline", "improved"], ["improved"]])
def test_curves_have_a_panel_per_model_and_a_line_per_part(models):
    sources = [
        {"filename": f"history_{model}.csv", "field": field}
        for model in models
        for field in ("train_loss", "val_loss")
    ]
    rows = [{"epoch": e, "value": 1 / e, **source} for source in sources for e in (1, 2, 3)]
    texts, svg = drawn("curves", rows, "epoch", "value", anchors_y_definitions=sources)
    assert {"train", "val", "workspace", "main"} <= set(texts)
    if len(models) == 2:  # DVC hides the file's name where there is only one
        assert set(models) <= set(texts)
    assert "undefined" not in texts
    lines = re.findall(r'aria-roledescription="line mark"', svg)
    assert len(lines) == 2 * 2 * len(models)
