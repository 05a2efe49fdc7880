"""What a training that was killed leaves behind, so that the next run can go on from there."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from har.files import write_atomically
from har.training.trainer import State


def fingerprint(*settings: Any) -> str:
    """Sha256 of settings, of this library's code and of the versions it computes with.

    A training may only go on from a state that the very same computation has left.
    """
    digest = hashlib.sha256(json.dumps([*settings, torch.__version__, np.__version__]).encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def save_state(path: Path, of: str, state: State) -> None:
    """Keep a training's state under the fingerprint `of`.

    Raises:
        UserError: the file cannot be written.
    """
    content = io.BytesIO()  # torch hides what a file says, such as that the disk is full
    torch.save({"of": of, "state": state}, content)
    with write_atomically(path) as file:
        file.write(content.getbuffer())


def load_state(path: Path, of: str) -> State | None:
    """The state kept under this fingerprint; None where there is none or it is damaged."""
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        return kept["state"] if kept["of"] == of else None
    except Exception:  # whatever is wrong with it, training from the start is right
        return None
