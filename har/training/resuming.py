"""The state of an interrupted training, which the next run resumes."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from har.files import write_atomically

_LIBRARY = Path(__file__).parents[1]


def fingerprint(*settings: Any) -> str:
    """Sha256 of settings, of this library's code and of the versions it computes with.

    Only the same computation may resume a training.
    """
    digest = hashlib.sha256(json.dumps([*settings, torch.__version__, np.__version__]).encode())
    for source in sorted(_LIBRARY.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def save_state(path: Path, key: str, state: dict[str, Any]) -> None:
    """Write a training's state with a fingerprint.

    Raises:
        UserError: the file cannot be written.
    """
    content = io.BytesIO()  # torch hides the reason of a failure, such as a full disk
    torch.save({"key": key, "state": state}, content)
    with write_atomically(path) as file:
        file.write(content.getbuffer())


def load_state(path: Path, key: str) -> dict[str, Any] | None:
    """Returns the state with this fingerprint, or None where there is none or it is damaged."""
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        return kept["state"] if kept["key"] == key else None
    except Exception:  # whatever is wrong, training starts from the beginning
        return None
