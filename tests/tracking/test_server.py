import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

from har.clips import Clip, make_clip
from har.errors import UserError
from har.models import build
from har.models.checkpoint import Checkpoint, Known, load_checkpoint, save_checkpoint
from har.params import load_params
from har.recognition.recognizer import Recognizer
from har.recognition.timeline import windows
from har.skeleton import LAYOUTS
from har.tracking import server as serving
from har.tracking.results import Result, record_results
from har.tracking.runs import DataDescription, Training
from har.tracking.served_model import MOST_FRAMES, ServedModel, clip_of_row
from har.tracking.store import sqlite_uri
from tests.tiny import tiny

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
CLASSES = ["Clap", "Jump", "Wave"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained network whose answers depend much on the clip."""
    torch.manual_seed(3)
    settings = PARAMS.model.model_copy(update={"width": 8, "layers": 1})
    network = build(settings, len(CLASSES), LAYOUTS["coco17"])
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(3)
    path = tmp_path_factory.mktemp("model") / "improved.safetensors"
    content = (
        network.state_dict(),
        settings,
        PARAMS.preprocess,
        LAYOUTS["coco17"],
        CLASSES,
        1.0,
        "h",
    )
    save_checkpoint(path, Checkpoint(*content, {"accuracy": 0.75}))
    return path


def row(persons=1, frames=20, seed=0, **changes):
    random = np.random.default_rng(seed)
    found = {
        "keypoints": random.uniform(1, 240, (persons, frames, 17, 2)).round(1).tolist(),
        "scores": random.uniform(0.3, 1, (persons, frames, 17)).round(2).tolist(),
        "image_size": [240, 320],
    }
    return found | changes


def clip_of(found):
    keypoints, scores = (np.array(found[key], np.float32) for key in ("keypoints", "scores"))
    return Clip("", 0, keypoints, scores, (240, 320), "")


ROWS = [row(), row(2, 33, 1), row(1, 1, 2)]


def test_it_answers_as_the_recognizer_does(checkpoint):
    recognizer = Recognizer.load(checkpoint)
    answers = ServedModel(recognizer).predict(pd.DataFrame(ROWS))
    for found, answer in zip(ROWS, answers, strict=True):
        expected = recognizer.predict(clip_of(found))
        assert answer["probabilities"] == pytest.approx(
            dict(zip(CLASSES, expected.tolist(), strict=True)), abs=1e-6
        )
        assert answer["class"] == CLASSES[expected.argmax()]
        assert answer["probability"] == pytest.approx(expected.max())


def test_it_calls_unknown_what_the_recognizer_does(checkpoint):
    found = load_checkpoint(checkpoint)
    plain = ServedModel(Recognizer.of(found)).predict(pd.DataFrame(ROWS))
    size = Recognizer.of(found).model.encode(torch.rand(1, 16, 17, 3)).shape[1]
    refusing = replace(found, known=Known(np.zeros((1, size), np.float16), 0.5))
    answers = ServedModel(Recognizer.of(refusing)).predict(pd.DataFrame(ROWS))
    assert [(a["class"], a["probability"]) for a in answers] == [("unknown", 0.0)] * len(ROWS)
    assert [a["probabilities"] for a in answers] == [a["probabilities"] for a in plain]


def test_one_person_missing_scores_and_null_joints():
    found = row(frames=3)
    found["keypoints"][0][1][4] = [None, None]
    clip = clip_of_row(found, 1)
    assert clip.scores[0, 1, 4] == 0 and not clip.keypoints[0, 1, 4].any()
    assert clip.keypoints[0, 0, 3].tolist() == pytest.approx(found["keypoints"][0][0][3])

    flat = {"keypoints": [[[5, 6], [0, 0]]], "image_size": [240, 320]}
    clip = clip_of_row(flat, 1)
    assert clip.keypoints.shape == (1, 1, 2, 2)
    assert clip.scores.tolist() == [[[1, 0]]]
    # Where one clip of a request has scores, pandas gives the others NaN.
    assert clip_of_row(flat | {"scores": float("nan")}, 1).scores.tolist() == [[[1, 0]]]

    assert clip_of_row(flat | {"image_size": float("nan")}, 1).image_size == (0, 0)


WRONG = {
    "no keypoints": ({"image_size": [240, 320]}, "no keypoints"),
    "text": (row(keypoints="hello"), "nested lists"),
    "uneven": (row(keypoints=[[[[1, 2], [3]]]]), "nested lists"),
    "too flat": (row(keypoints=[1, 2]), "persons, frames, joints"),
    "empty": (row(keypoints=[[[]]], scores=None), "give 2 or 3"),
    "far away": (row(keypoints=[[[[1e9, 0.0]] * 17]], scores=None), "outside the image"),
    "scores": (row(scores=[[[1.0] * 17]]), "one score per joint"),
    "one side": (row(image_size=[240]), "image size"),
    "infinite size": (row(image_size=[240, float("inf")]), "image size"),
    "other key": (row(keypoint=1), "unknown key 'keypoint'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_clip_is_refused_by_its_number(case):
    found, reason = WRONG[case]
    with pytest.raises(UserError, match=f"clip '?7.*{reason}"):
        clip_of_row(found, 7)


def test_only_a_model_that_scales_by_the_image_asks_for_its_size(checkpoint):
    from mlflow.exceptions import MlflowException

    recognizer = Recognizer.load(checkpoint)
    without = {key: value for key, value in row().items() if key != "image_size"}
    (answer,) = ServedModel(recognizer).predict(pd.DataFrame([without]))
    assert answer["probability"] == pytest.approx(recognizer.predict(clip_of(row())).max())
    by_image = ServedModel(tiny(preprocess={"scale": "image", "frames": 40}))
    with pytest.raises(MlflowException, match=r"clip 1.*image"):
        by_image.predict(pd.DataFrame([without]))


def test_the_served_model_refuses_with_400_and_fails_without_a_traceback(checkpoint, caplog):
    from mlflow.exceptions import MlflowException

    model = ServedModel(Recognizer.load(checkpoint))
    too_long = pd.DataFrame([row(frames=MOST_FRAMES // 2, scores=None)] * 3)
    for wrong in (pd.DataFrame([row(keypoints="x")]), pd.DataFrame(), too_long):
        with pytest.raises(MlflowException) as refusal:
            model.predict(wrong)
        assert refusal.value.get_http_status_code() == 400
    other_layout = row(keypoints=[[[[1.0, 2.0]] * 25]], scores=None)
    with pytest.raises(MlflowException, match="25 joints"):
        model.predict(pd.DataFrame([other_layout]))

    class Broken:
        checkpoint = model.recognizer.checkpoint

        def answer_clips(self, clips):
            raise ValueError("/secret/path")

    with pytest.raises(MlflowException) as failure:
        ServedModel(Broken()).predict(pd.DataFrame([row()]))
    assert failure.value.get_http_status_code() == 500
    assert "secret" not in failure.value.serialize_as_json()
    assert "secret" in caplog.text


def ask(app, *chunks, content_type=b"application/json", pause=0.0, most=10, held=100):
    """Status and answer of a guarded ASGI application."""
    waiting, sent = list(chunks), []

    async def receive():
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "path": "/invocations",
        "headers": [(b"content-type", content_type)],
    }
    asyncio.run(serving.guarded(app, most, 0.2, held)(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def app_answering(status, content):
    async def app(scope, receive, send):
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content or body})

    return app


async def app_that_must_not_be_asked(scope, receive, send):
    raise AssertionError


def test_the_guard_passes_what_is_right():
    assert ask(app_answering(200, b""), b'{"a":', b" 1}") == (200, {"a": 1})


def test_the_guard_takes_instances_for_inputs():
    app = app_answering(200, b"")
    for begin in ("", " \n"):
        body = f'{begin}{{ "instances": 1}}'.encode()
        assert ask(app, body, most=100) == (200, {"inputs": 1})


def test_the_guard_keeps_wrong_requests_from_the_model():
    app = app_that_must_not_be_asked
    assert ask(app, b"12345", b"123456")[0] == 413
    assert ask(app, b"1", b"2", pause=0.15)[0] == 408
    assert ask(app, b"a,b", content_type=b"text/csv")[0] == 415
    status, answer = ask(app, b"1234", b"5678", held=6)
    assert status == 503 and "busy" in answer["error"]


def test_the_guard_gives_nothing_away():
    message = "Failed to predict data '[[1, 2]]'. \nError: clip 1: wrong"
    told = {"error_code": "X", "message": message, "stack_trace": "File /secret"}
    assert ask(app_answering(400, json.dumps(told).encode()), b"{}") == (
        400,
        {"error": "clip 1: wrong"},
    )
    status, answer = ask(app_answering(400, json.dumps({"message": "x" * 10**6}).encode()), b"{}")
    assert status == 400 and len(answer["error"]) < 1100

    async def deep(scope, receive, send):
        raise RecursionError("/secret")

    assert ask(deep, b"[[[[[[[") == (400, {"error": "the request is nested too deeply"})

    async def broken(scope, receive, send):
        raise ValueError("/secret")

    status, answer = ask(broken, b"{}")
    assert status == 500 and "secret" not in answer["error"]


@pytest.fixture(scope="module")
def registered(checkpoint, tmp_path_factory):
    """A project whose champion is that network; and the environment to serve it."""
    project = tmp_path_factory.mktemp("it's project #1 at 100%")
    training = Training("improved", "improved", {}, DataDescription("simulated", "h"))
    history = [{"epoch": 1, "val_loss": 1.0}]
    example = clip_of(ROWS[1])
    result = Result(training, checkpoint, history, {"accuracy": 0.75}, example=example)
    before = os.environ.pop("MLFLOW_TRACKING_URI", None)
    assert record_results(PARAMS.tracking, [result], project)
    if before:
        os.environ["MLFLOW_TRACKING_URI"] = before
    return project


class Server:
    def __init__(self, command, project, port, log):
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": f"{sqlite_uri(project)}/mlflow.db",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.address = f"http://127.0.0.1:{port}"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=log.parent,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.address}/ping").close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(log.read_text())

    def post(self, body, content_type="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.address}/invocations", data, {"Content-Type": content_type}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self):
        os.killpg(self.process.pid, 15)
        self.process.wait(30)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def check_answers(server, checkpoint):
    recognizer = Recognizer.load(checkpoint)
    status, answer = server.post({"inputs": ROWS})
    assert status == 200
    for found, predicted in zip(ROWS, json.loads(answer)["predictions"], strict=True):
        expected = recognizer.predict(clip_of(found))
        assert predicted["class"] == CLASSES[expected.argmax()]
        assert list(predicted["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
    mixed = [*ROWS, {"keypoints": ROWS[1]["keypoints"]}]
    for form in ("inputs", "dataframe_records"):
        status, answer = server.post({form: mixed})
        assert status == 200 and len(json.loads(answer)["predictions"]) == 4, answer


@pytest.fixture(scope="module")
def our_server(registered, tmp_path_factory):
    """The server of `har serve`, and its log."""
    port = free_port()
    model = f"models:/{PARAMS.tracking.registered_model}@champion"
    code = f"from har.tracking.server import serve; serve({model!r}, Path(), port={port})"
    imports = f"import sys; from pathlib import Path; sys.path.insert(0, {str(ROOT)!r})"
    log = tmp_path_factory.mktemp("server") / "log.txt"
    server = Server([sys.executable, "-c", f"{imports}; {code}"], registered, port, log)
    yield server, log
    server.stop()


@pytest.mark.slow
def test_our_server_over_a_real_connection(our_server, checkpoint):
    server, _ = our_server
    check_answers(server, checkpoint)
    sockets = psutil.Process(server.process.pid).net_connections("inet")
    assert {found.laddr.ip for found in sockets if found.status == "LISTEN"} == {"127.0.0.1"}
    asked = {"instances": [*ROWS, {"keypoints": ROWS[1]["keypoints"]}]}
    assert len(json.loads(server.post(asked)[1])["predictions"]) == 4
    for body, status, reason in [
        ({"inputs": [row(keypoints="x")]}, 400, "keypoints"),
        ({"inputs": [{"image_size": [1, 2]}]}, 400, "keypoints"),
        ({"inputs": []}, 400, "keypoints"),
        ({"other": 1}, 400, "inputs"),
        (b"{", 400, "JSON"),
        (b"[" * 100_000, 400, "deeply"),
        (b" " * (serving.LARGEST_BODY + 1), 413, "larger"),
    ]:
        answered, text = server.post(body)
        assert answered == status and reason in json.loads(text)["error"], text
        assert "Traceback" not in text and str(ROOT) not in text and len(text) < 1000
    assert server.post(b"a,b\n", "text/csv")[0] == 415
    assert server.post({"inputs": [ROWS[0]]})[0] == 200  # still there


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_command_that_our_server_prints_works_as_it_stands(our_server, checkpoint):
    _, log = our_server
    (curl,) = [line for line in log.read_text().splitlines() if line.startswith("  curl")]
    answer = subprocess.run(curl, shell=True, capture_output=True, text=True).stdout
    expected = Recognizer.load(checkpoint).predict(clip_of(ROWS[1]))
    assert json.loads(answer)["predictions"][0]["class"] == CLASSES[expected.argmax()]


@pytest.mark.slow
def test_frames_over_a_real_websocket(our_server, checkpoint, capsys):
    client = pytest.importorskip("websockets.sync.client", reason="needs the extra websocket")
    server, _ = our_server
    address = server.address.removeprefix("http://")
    text = (ROOT / "docs/mlflow.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(import json\nfrom websockets.*?)```", text, re.DOTALL)
    exec(example.replace("127.0.0.1:5001", address), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(CLASSES)
    frames = np.array([[[100 + n, 200 + joint] for joint in range(17)] for n in range(60)])
    expected = windows(Recognizer.load(checkpoint), make_clip("c", frames[None]), 50, 25)
    for line, window in zip(lines[1:], expected, strict=True):
        start, end, name, share = line.split()
        assert (float(start), float(end)) == (window.start / 25, window.end / 25)
        assert name == CLASSES[window.probabilities.argmax()]
        assert float(share) == pytest.approx(window.probabilities.max(), abs=1e-5)

    with client.connect(f"ws://{address}/stream") as large:
        large.send(" " * (2**16 + 1))
        with pytest.raises(Exception, match="1009"):
            large.recv()
    assert server.post({"inputs": [ROWS[0]]})[0] == 200  # still there


@pytest.mark.slow
def test_mlflows_own_server_over_a_real_connection(registered, checkpoint, tmp_path):
    port = free_port()
    model = f"models:/{PARAMS.tracking.registered_model}@champion"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        model,
        "--env-manager",
        "local",
        "--port",
        str(port),
    ]
    server = Server(command, registered, port, tmp_path / "log.txt")
    try:
        check_answers(server, checkpoint)
        status, text = server.post({"inputs": [row(keypoints="x")]})
        assert status == 400 and "keypoints" in text and "Traceback" not in text
    finally:
        server.stop()
