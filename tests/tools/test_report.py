from pathlib import Path

import pytest

from har.files import read_json
from har.params import load_params
from tools.report import blocks, fill

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", ["README.md", "MODEL_CARD.md"])
def test_documents_say_what_metrics_say(document):
    text = (ROOT / document).read_text()
    content = blocks(load_params(ROOT / "params.yaml"), ROOT / "metrics")
    assert fill(text, content) == text, "run `make report`"
    accuracy = read_json(ROOT / "metrics/evaluation.json")["improved"]["accuracy"]
    assert f"| improved | {accuracy:.3f} |" in text


def test_other_figures_are_noticed():
    text = "a\n<!-- x -->\nold 1\n<!-- /x -->\nb\n"
    assert fill(text, {"x": "new \\1 2"}) == "a\n<!-- x -->\nnew \\1 2\n<!-- /x -->\nb\n"


def test_the_model_card_has_every_block():
    text = (ROOT / "MODEL_CARD.md").read_text()
    for name in ("figures", "per-class", "leak", "data"):
        assert f"<!-- {name} -->\n" in text
        assert f"<!-- /{name} -->" in text
