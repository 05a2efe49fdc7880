"""MLflow's scoring server with limits on requests and without internals in its responses.

`mlflow models serve` takes the same requests, but of any size; it repeats a wrong request in full
and sends tracebacks for CSV and Parquet bodies that it can't read.
"""

import asyncio
import json
import os
import re
import shlex
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, NoReturn

from har.errors import UserError
from har.recognition.recognizer import Recognizer
from har.tracking.registry import SERVER_CODE, model_folder
from har.tracking.store import REMEDY, shortened
from har.tracking.streams import LARGEST_MESSAGE, App, Message, Receive, Send, streamed

LARGEST_BODY = 16 * 2**20
SECONDS = 30
_FOLDER = "HAR_SERVED_FOLDER"
_MOST_CONNECTIONS = 256  # of a worker
_MOST_HELD = 16 * LARGEST_BODY  # bytes of unfinished requests
_LONGEST_REASON = 1000
# The first key of a request in TensorFlow Serving's form.
_INSTANCES = re.compile(rb'\A(\s*\{\s*)"instances"')


class _RefusalError(Exception):
    """Status and reason for refusing a request before it reaches the model."""


def serve(
    model: str, project: Path, host: str = "127.0.0.1", port: int = 5001, workers: int = 1
) -> NoReturn:
    """Replace this process by a server of a registered model, with the code registered with it.

    Args:
        model: its MLflow URI, such as `models:/skeleton-actions@champion`.
        project: folder of `mlflow.db`, used where no server is set.
        host: address to listen on; the default is this machine only.
        port: TCP port.
        workers: processes; one that dies is replaced.

    Raises:
        UserError: there is no such model.
    """
    folder = model_folder(model, project)
    if not (folder / SERVER_CODE).is_file():
        raise UserError(
            f"{model} lacks the code to serve it; `{REMEDY}` registers the better model of the "
            "last `dvc repro` with it"
        )
    address = f"http://{host}:{port}/invocations"
    print(f"{model} answers at {address} (Ctrl-C ends it). To try it:")
    example = folder / "serving_input_example.json"
    data = shlex.quote(f"@{example}")
    print(f"  curl -H 'Content-Type: application/json' -d {data} {address}", flush=True)
    # Requests are computed beside each other, so each takes one thread.
    environment = (
        {"OMP_NUM_THREADS": "1"}
        | os.environ
        | {
            _FOLDER: str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": os.environ.get(
                "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", str(SECONDS)
            ),
        }
    )
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "har.tracking.server:application",
        "--app-dir",
        str(folder / "code"),
        "--host",
        host,
        "--port",
        str(port),
        "--limit-concurrency",
        str(_MOST_CONNECTIONS),
        "--ws-max-size",
        str(LARGEST_MESSAGE),
        "--workers",
        str(workers),
        "--log-level",
        "warning",
    ]
    os.chdir(folder)
    os.execve(sys.executable, command, environment)  # so that signals reach the server


def application() -> App:
    """Uvicorn's application: MLflow's scoring server of the model in `_FOLDER`, and its streams."""
    from mlflow.pyfunc import load_model, scoring_server

    folder = Path(os.environ[_FOLDER])
    model = load_model(str(folder))
    checkpoint = folder / model.metadata.flavors["python_function"]["data"]
    app = guarded(scoring_server.init(model), LARGEST_BODY, SECONDS)
    return streamed(app, Recognizer.load(checkpoint))


def guarded(app: App, largest_body: int, seconds: float, most_held: int = _MOST_HELD) -> App:
    """Wrap a scoring server (ASGI).

    Bodies must be JSON, of at most `largest_body` bytes, and arrive within `seconds`; those that
    are arriving may have `most_held` bytes together. The response to any error is
    `{"error": reason}` and nothing else.
    """
    held = 0

    async def read(receive: Receive) -> bytes:
        nonlocal held
        body = bytearray()
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _RefusalError(400, "the request broke off")
                part = message.get("body", b"")
                body += part
                held += len(part)
                if len(body) > largest_body:
                    raise _RefusalError(
                        413, f"the request is larger than {largest_body} bytes: send less"
                    )
                if held > most_held:
                    raise _RefusalError(503, "the server is busy: try again later")
                if not message.get("more_body"):
                    return bytes(body)
        finally:
            held -= len(body)

    async def guard(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/invocations":
            await app(scope, receive, send)
            return
        try:
            _check_type(scope)
            body = await asyncio.wait_for(read(receive), seconds)
            # From "instances", MLflow makes one array of all clips, which may differ in length.
            body = _INSTANCES.sub(rb'\1"inputs"', body, count=1)
            status, answer = await _ask(app, scope, body)
        except _RefusalError as refused:
            status, answer = refused.args
        except TimeoutError:
            status, answer = 408, f"the request did not arrive within {seconds} s"
        if status != 200:
            answer = json.dumps({"error": answer})
        content = answer.encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return guard


def _check_type(scope: MutableMapping[str, Any]) -> None:
    headers = dict(scope["headers"])
    if not headers.get(b"content-type", b"").startswith(b"application/json"):
        raise _RefusalError(415, "send JSON, with the header Content-Type: application/json")


async def _ask(app: App, scope: MutableMapping[str, Any], body: bytes) -> tuple[int, str]:
    """Returns the status, and the response or the reason of the failure."""
    sent: list[Message] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()  # the app listens for the client's disconnection
        raise AssertionError

    async def collect(message: Message) -> None:
        sent.append(message)

    try:
        await app(scope, receive, collect)
    except RecursionError:
        return 400, "the request is nested too deeply"
    except Exception:
        # Uvicorn too would respond with 500.
        return 500, "the server failed on this request"
    status = sent[0]["status"]
    content = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    return status, content if status == 200 else reason_of(content)


def reason_of(content: str) -> str:
    """The last part of MLflow's error message, which has the reason, without the request."""
    try:
        message = json.loads(content)["message"]
    except (ValueError, TypeError, KeyError):
        message = content
    message = message.split("\nInput:")[0].rpartition("Error: ")[2].strip()
    return shortened(message, _LONGEST_REASON)
