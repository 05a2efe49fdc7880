"""Coverage-guided fuzzing of the pickle reader; not collected by pytest.

    pip install atheris
    python -m tests.clips.fuzz_pickle CORPUS_FOLDER -max_total_time=300 -rss_limit_mb=1024

The folder keeps what was found; a crash ends the run and leaves its input beside it.
"""

import pickle
import sys
import tempfile
from pathlib import Path

import atheris  # not among the project's requirements
import numpy as np

with atheris.instrument_imports(include=["har"]):
    from har.clips.annotations import read_pickle
    from har.errors import UserError
    from tests.clips.test_safe_pickle import PROTOCOLS, RAW, published


def read_once(content: bytes) -> None:
    """Any outcome but a clip set or a one-line refusal is a find."""
    path = Path(tempfile.gettempdir()) / "fuzzed.pkl"
    path.write_bytes(content)
    try:
        read_pickle(path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


if __name__ == "__main__":
    corpus = Path(sys.argv[1])
    corpus.mkdir(exist_ok=True)
    rich = published(2, 1)
    rich["classes"] = np.array(["sit", "stand", "wave"])
    rich["split"] = {name: np.array(members) for name, members in rich["split"].items()}
    rich["annotations"][0] |= {"label": np.int64(1), "group": 3, "img_shape": np.array((9, 9))}
    for protocol in PROTOCOLS:
        (corpus / f"published{protocol}").write_bytes(pickle.dumps(published(1, 1), protocol))
        (corpus / f"rich{protocol}").write_bytes(pickle.dumps(rich, protocol))
    for number, (content, _) in enumerate(RAW.values()):
        (corpus / f"raw{number}").write_bytes(content)
    atheris.Setup(sys.argv, read_once)
    atheris.Fuzz()
