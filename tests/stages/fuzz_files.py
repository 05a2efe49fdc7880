"""Coverage-guided fuzzing of params.yaml and of own keypoints; not collected by pytest.

    pip install atheris
    python -m tests.stages.fuzz_files params CORPUS_FOLDER -max_total_time=300 -rss_limit_mb=1024

The first word is `params`, `json`, `npy` or `npz`. The folder keeps what was found; a crash ends
the run and leaves its input beside it.
"""

import io
import json
import sys
import tempfile
from pathlib import Path

import atheris  # not among the project's requirements
import numpy as np

with atheris.instrument_imports(include=["har", "ruamel", "zipfile"]):
    from har.clips.sources import read
    from har.errors import UserError
    from har.params import load_params, load_yaml
    from tests.clips.test_own_arrays import HOSTILE, POINTS, SCORES

KIND = sys.argv.pop(1)
ROOT = Path(__file__).parents[2]


def read_once(content: bytes) -> None:
    """Any outcome but settings, a sound clip or a one-line refusal is a find."""
    path = Path(tempfile.gettempdir()) / ("params.yaml" if KIND == "params" else f"clip.{KIND}")
    path.write_bytes(content)
    try:
        if KIND == "params":
            load_params(path)
            return
        (clip,) = read(path).clips
    except UserError as error:
        assert str(error).isprintable() and len(str(error)) < 3000
    else:
        assert np.isfinite(clip.keypoints).all()
        assert clip.scores.shape == clip.keypoints.shape[:3] and clip.scores.min() >= 0


def seeds() -> list[bytes]:
    """Files as they should be, for the fuzzer to begin with."""
    points, scores = POINTS[:, :1], SCORES[:, :1]
    if KIND == "params":
        text = (ROOT / "params.yaml").read_text()
        short = json.dumps(load_yaml(ROOT / "params.yaml"))
        return [text.encode(), short.encode(), b"a: &a {<<: *a}\nb: !!timestamp 2001-01-01\n? [c]"]
    if KIND == "json":
        whole = {"keypoints": points.tolist(), "scores": scores.tolist(), "image_size": [9, 9]}
        return [json.dumps(whole).encode(), b'{"keypoints": [[[[1, null]]]], "image_size": null}']
    file = io.BytesIO()
    if KIND == "npy":
        np.save(file, points)
    else:
        np.savez_compressed(file, keypoints=points, scores=scores, image_size=(9, 9))
    return [file.getvalue()]


if __name__ == "__main__":
    corpus = Path(sys.argv[1])
    corpus.mkdir(exist_ok=True)
    hostile = [content for name, content in HOSTILE.items() if name.endswith(f".{KIND}")]
    for number, content in enumerate(seeds() + hostile):
        (corpus / f"seed{number}").write_bytes(content)
    atheris.Setup(sys.argv, read_once)
    atheris.Fuzz()
