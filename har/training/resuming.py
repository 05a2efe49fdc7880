"""What a training that was killed leaves behind, so that the next run can resume it."""

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

    A training may only be resumed by the very same computation.
    """
    digest = hashlib.sha256(json.dumps([*settings, torch.__version__, np.__version__]).encode())
    for source in sorted(_LIBRARY.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def save_state(path: Path, key: str, state: dict[str, Any]) -> None:
    """Keep a training's state under a fingerprint.

    Raises:
        UserError: the file cannot be written.
    """
    content = io.BytesIO()  # torch hides what a file says, such as that the disk is full
    torch.save({"key": key, "state": state}, content)
    with write_atomically(path) as file:
        file.write(content.getbuffer())


def load_state(path: Path, key: str) -> dict[str, Any] | None:
    """Return the state kept under a fingerprint, or None where there is none or it is damaged."""
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        return kept["state"] if kept["key"] == key else None
    except Exception:  # whatever is wrong with it, training from the start is right
        return None
