"""A WebSocket beside the served model: a camera's frames in, answers out.

Every connection has a recogniser of its own (har/recognition/streaming.py). docs/mlflow.md has the
protocol.
"""

import asyncio
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from har.clips import USUAL_FPS
from har.errors import UserError
from har.recognition.recognizer import Recognizer
from har.recognition.streaming import Stream, Window

PATH = "/stream"
LARGEST_MESSAGE = 2**16  # bytes; a frame of one person has less than a thousand
_MOST_PERSONS = 16  # of a frame
_LONGEST_WINDOW = 1000  # frames
_HIGHEST_RATE = 240  # frames per second
_MOST_ANSWERS = 10  # per second of frames
_KEYS = {"window", "stride", "fps", "image_size", "per_person"}
# Codes of RFC 6455 and its registry.
_NORMAL, _WRONG, _FAILED, _BUSY = 1000, 1008, 1011, 1013

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Limits:
    """What one server allows.

    Attributes:
        connections: at once; further ones are refused.
        rate: messages per second of a connection; it is read no faster.
        silence: seconds without a message, after which a connection is closed.
    """

    connections: int = 100
    rate: float = 120.0
    silence: float = 60.0


class Conversation:
    """What a connection says, message by message."""

    def __init__(self, recognizer: Recognizer) -> None:
        """Begin with a recogniser."""
        self.recognizer = recognizer
        self.stream: Stream | None = None
        self.ended = False

    def answer(self, text: str) -> dict[str, Any] | None:
        """The answer to a message, None to most frames.

        Raises:
            UserError: says what is wrong with the message.
        """
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise UserError("a message is no JSON") from None
        if not isinstance(message, dict):
            raise UserError("a message is no JSON object")
        if self.stream is None:
            return self._begin(message)
        if message == {"end": True}:
            self.ended = True
            return self._told(self.stream.end())
        _refuse_unknown(message, {"keypoints", "scores", "time"})
        people, seconds = message.get("keypoints"), message.get("time")
        if not isinstance(people, list):
            raise UserError('a frame has no "keypoints", a list of persons')
        if len(people) > _MOST_PERSONS:
            raise UserError(f"a frame has more than {_MOST_PERSONS} persons")
        if not (seconds is None or _is_number(seconds)):
            raise UserError("a frame's time is no number of seconds")
        return self._told(self.stream.add(people, message.get("scores"), seconds))

    def _begin(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Make the stream that the first message asks for."""
        _refuse_unknown(settings, _KEYS)
        fps = settings.get("fps", USUAL_FPS)
        if not (_is_number(fps) and 0 < fps <= _HIGHEST_RATE):
            raise UserError(f"fps must be a number above 0, {_HIGHEST_RATE} at most")
        usual = self.recognizer.checkpoint.model.windows.test_longest * fps / USUAL_FPS
        window = settings.get("window", min(max(round(usual), 1), _LONGEST_WINDOW))
        stride = settings.get("stride", max(round(fps), 1))
        least = math.ceil(fps / _MOST_ANSWERS)
        for name, frames, low in (("window", window, 1), ("stride", stride, least)):
            if type(frames) is not int or not low <= frames <= _LONGEST_WINDOW:
                raise UserError(f"{name} must be {low} to {_LONGEST_WINDOW} frames")
        size = settings.get("image_size", [0, 0])
        if not (isinstance(size, list) and len(size) == 2 and all(map(_is_number, size))):
            raise UserError("image_size must be [height, width]")
        per_person = settings.get("per_person", False)
        if not isinstance(per_person, bool):
            raise UserError("per_person must be true or false")
        height, width = size
        self.stream = Stream(
            self.recognizer, window, stride, fps, image_size=(height, width), per_person=per_person
        )
        classes = self.recognizer.classes
        return {"classes": classes, "window": window, "stride": stride, "fps": fps}

    def _told(self, window: Window | None) -> dict[str, Any] | None:
        """An answer in words."""
        if window is None:
            return None
        assert self.stream
        fps, classes = self.stream.fps, self.recognizer.classes
        told: dict[str, Any] = {
            "start": round(window.start / fps, 3),
            "end": round(window.end / fps, 3),
            "class": None,
            "probability": None,
            "probabilities": {},
        }
        if window.probabilities is not None:
            best = int(window.probabilities.argmax())
            shares = window.probabilities.astype(float).round(6).tolist()
            told |= {
                "class": classes[best],
                "probability": shares[best],
                "probabilities": dict(zip(classes, shares, strict=True)),
            }
        if self.stream.per_person:
            told["persons"] = {
                str(slot): {
                    "class": classes[int(own.argmax())],
                    "probability": round(float(own.max()), 6),
                }
                for slot, own in window.persons.items()
            }
        return told


def streamed(app: App, recognizer: Recognizer, limits: Limits | None = None) -> App:
    """Answer WebSockets at PATH; everything else goes to an application (ASGI)."""
    allowed = limits or Limits()
    open_now = 0

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        nonlocal open_now
        if scope["type"] != "websocket" or scope["path"] != PATH:
            await app(scope, receive, send)
            return
        await receive()  # that it wants to connect
        await send({"type": "websocket.accept"})
        if open_now >= allowed.connections:
            await _close(send, _BUSY, f"there are {open_now} connections: try again later")
            return
        open_now += 1
        try:
            await _converse(Conversation(recognizer), receive, send, allowed)
        finally:
            open_now -= 1

    return answer


async def _converse(
    conversation: Conversation, receive: Receive, send: Send, limits: Limits
) -> None:
    """Answer the messages of a connection until either side ends it."""
    code, reason = _NORMAL, ""
    ready = time.monotonic()
    while not (conversation.ended or reason):
        try:
            message = await asyncio.wait_for(receive(), limits.silence)
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is None:
                raise UserError("a message is no text")
            # In a thread: a connection's frames wait for each other, other connections do not.
            told = await asyncio.to_thread(conversation.answer, message["text"])
            if told is not None:
                await send({"type": "websocket.send", "text": json.dumps(told)})
        except TimeoutError:
            code, reason = _WRONG, f"nothing came for {limits.silence:g} s"
        except UserError as error:
            code, reason = _WRONG, str(error)
        except OSError:  # the other side is gone
            return
        except Exception:
            # What is in a traceback is for the server's log, not for whoever asked.
            logging.getLogger(__name__).exception("a stream failed")
            code, reason = _FAILED, "the server failed on this message"
        ready = max(ready + 1 / limits.rate, time.monotonic() - 1)  # a second may be made up for
        await asyncio.sleep(ready - time.monotonic())
    await _close(send, code, reason)


async def _close(send: Send, code: int, reason: str) -> None:
    with suppress(OSError):  # the other side may be gone
        if reason:
            await send({"type": "websocket.send", "text": json.dumps({"error": reason})})
        await send({"type": "websocket.close", "code": code})


def _refuse_unknown(message: dict[str, Any], known: set[str]) -> None:
    if unknown := message.keys() - known:
        raise UserError(f"unknown key {min(unknown)[:40]!r}; known are {', '.join(sorted(known))}")


def _is_number(value: Any) -> bool:
    """Whether a value of JSON is a number that a float can hold."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**53)
