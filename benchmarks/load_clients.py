"""Clients for benchmarks.load, run by locust in an environment of its own.

Every client has a clip of its own and checks each answer against what the model says of it.
"""

import itertools
import json
import os
import time
from pathlib import Path

import websocket
from locust import FastHttpUser, User, constant, task

CASES = json.loads(Path(os.environ["LOAD_CASES"]).read_text())
NUMBERS = itertools.count()
FPS = 25
TOLERANCE = 1e-4


def differs(answer, expected):
    """Whether probabilities are others than expected."""
    return any(abs(answer[name] - share) > TOLERANCE for name, share in expected.items())


class Requests(FastHttpUser):
    """Sends its clip again and again, as soon as the answer is there; nothing is tried twice."""

    wait_time = constant(0)
    max_retries = 0

    def on_start(self):
        self.case = CASES[next(NUMBERS) % len(CASES)]
        self.body = json.dumps(self.case["request"])

    @task
    def ask(self):
        headers = {"Content-Type": "application/json"}
        with self.client.post(
            "/invocations", self.body, headers=headers, catch_response=True, name="clip"
        ) as response:
            if response.status_code != 200:
                response.failure(f"lost: status {response.status_code}")
            elif differs(response.json()["predictions"][0]["probabilities"], self.case["whole"]):
                response.failure("mixed up")


class Frames(User):
    """Sends the frames of its clip at their rate over a WebSocket."""

    wait_time = constant(0)

    def on_start(self):
        self.case = CASES[next(NUMBERS) % len(CASES)]

    @task
    def watch(self):
        """One clip; what is measured is the time from a window's last frame to its answer."""
        answers, wrong = list(self.case["windows"]), None
        address = self.environment.host.replace("http", "ws", 1) + "/stream"
        begun = time.perf_counter()
        try:
            connection = websocket.create_connection(address, timeout=30)
            connection.send(json.dumps(self.case["settings"]))
            connection.recv()
            first = time.monotonic()
            for number, frame in enumerate(self.case["frames"]):
                time.sleep(max(first + number / FPS - time.monotonic(), 0))
                connection.send(json.dumps(frame))
                if answers and number + 1 == answers[0]["end"]:
                    begun = time.perf_counter()
                    told = json.loads(connection.recv())
                    expected = answers.pop(0)
                    if "error" in told:
                        wrong = "lost: " + told["error"]
                    elif differs(told["probabilities"], expected["probabilities"]):
                        wrong = "mixed up"
                    self.tell(begun, wrong)
            connection.close()
        except Exception as error:
            self.tell(begun, f"lost: {type(error).__name__}")
            time.sleep(1)

    def tell(self, begun, wrong):
        self.environment.events.request.fire(
            request_type="WS",
            name="window",
            response_time=1000 * (time.perf_counter() - begun),
            response_length=0,
            exception=RuntimeError(wrong) if wrong else None,
        )
