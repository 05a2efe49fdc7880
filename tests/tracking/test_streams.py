"""The WebSocket: conversations against streams, and connections of a made-up server (ASGI)."""

import asyncio
import json

import numpy as np
import pytest

from har.clips import make_clip
from har.errors import UserError
from har.recognition.timeline import windows
from har.tracking.streams import PATH, Conversation, Limits, streamed
from tests.tiny import random_clip, tiny


def frames_of(clip, **more):
    """Messages, one for each frame."""
    points = clip.keypoints.astype(float).round(1).tolist()
    scores = clip.scores.astype(float).round(2).tolist()
    return [
        {"keypoints": [p[n] for p in points], "scores": [p[n] for p in scores]} | more
        for n in range(len(points[0]))
    ]


def as_sent(clip):
    """The clip of those messages."""
    points, scores = clip.keypoints.astype(float).round(1), clip.scores.astype(float).round(2)
    return make_clip("sent", points, scores, clip.image_size, 2)


class Connection:
    """A client of an application; what it sends may be spread over time."""

    def __init__(self, app, messages, pause=0.0, path=PATH):
        self.waiting = [{"type": "websocket.connect"}, *messages]
        self.sent, self.pause = [], pause
        self.scope = {"type": "websocket", "path": path}
        self.app = app

    async def receive(self):
        await asyncio.sleep(self.pause)
        if not self.waiting:
            await asyncio.Event().wait()
        message = self.waiting.pop(0)
        if "type" in message:
            return message
        return {"type": "websocket.receive", "text": json.dumps(message)}

    async def send(self, message):
        self.sent.append(message)

    async def run(self):
        await self.app(self.scope, self.receive, self.send)
        return self.said()

    def said(self):
        """What was answered, and the code at the end."""
        texts = [json.loads(m["text"]) for m in self.sent if m["type"] == "websocket.send"]
        codes = [m["code"] for m in self.sent if m["type"] == "websocket.close"]
        return texts, codes[0] if codes else None


async def other(scope, receive, send):
    await send({"type": "websocket.send", "text": '"the other application"'})


def app(**limits):
    return streamed(other, tiny(), Limits(**{"rate": 1e6} | limits))


def test_answers_are_those_of_the_clips_timeline():
    clip = random_clip(frames=50)
    first = {"window": 20, "stride": 10, "fps": 25, "image_size": [256, 340], "per_person": True}
    messages = [first, *frames_of(clip), {"end": True}]
    (about, *answers), code = asyncio.run(Connection(app(), messages).run())
    assert code == 1000
    assert about == {"classes": ["run", "sit", "wave"], "window": 20, "stride": 10, "fps": 25}
    expected = list(windows(tiny(), as_sent(clip), 20, 10))
    assert len(answers) == len(expected) == 4
    for answer, window in zip(answers, expected, strict=True):
        assert (answer["start"], answer["end"]) == (window.start / 25, window.end / 25)
        found = [answer["probabilities"][name] for name in about["classes"]]
        np.testing.assert_allclose(found, window.probabilities, atol=2e-6)
        assert answer["class"] == about["classes"][window.probabilities.argmax()]
        assert answer["probability"] == max(found)
        assert set(answer["persons"]) == {"0", "1"}


def test_connections_do_not_mix():
    async def together(clips):
        one = app()
        messages = [[{"window": 20}, *frames_of(clip), {"end": True}] for clip in clips]
        return await asyncio.gather(*(Connection(one, some).run() for some in messages))

    clips = [random_clip(seed, frames=30) for seed in range(6)]
    for clip, ((_, *answers), _) in zip(clips, asyncio.run(together(clips)), strict=True):
        expected = list(windows(tiny(), as_sent(clip), 20, 25))
        assert len(answers) == len(expected)
        for answer, window in zip(answers, expected, strict=True):
            found = list(answer["probabilities"].values())
            np.testing.assert_allclose(found, window.probabilities, atol=2e-6)


def test_nobody_is_told_and_usual_lengths_are_the_models():
    talk = Conversation(tiny())
    about = talk.answer("{}")
    usual = tiny().checkpoint.model.windows.test_longest
    assert (about["window"], about["stride"], about["fps"]) == (usual, 25, 25.0)
    assert talk.answer('{"keypoints": []}') is None
    told = talk.answer('{"end": true}')
    assert (told["end"], told["class"], told["probabilities"]) == (0.04, None, {})
    assert talk.ended


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (["x"], "no JSON"),
        (["[" * 100_000], "no JSON"),
        (["[]"], "no JSON object"),
        (['{"windows": 3}'], "unknown key 'windows'; known are fps, image_size"),
        (['{"window": 0}'], "window must be 1 to 1000"),
        (['{"window": 2.5}'], "window must be"),
        (['{"window": true}'], "window must be"),
        (['{"stride": 2}'], "stride must be 3 to 1000"),
        (['{"fps": NaN}'], "fps must be"),
        (['{"fps": 1e9}'], "fps must be"),
        (['{"image_size": [1]}'], "image_size must be"),
        (['{"per_person": 1}'], "per_person must be"),
        (["{}", '{"scores": []}'], 'no "keypoints"'),
        (["{}", '{"keypoints": "x"}'], 'no "keypoints"'),
        (["{}", '{"keypoints": [[[1, 2]]]}'], "17 joints"),
        (["{}", json.dumps({"keypoints": [[[1, 2]] * 17] * 17})], "more than 16 persons"),
        (["{}", '{"keypoints": [], "time": "now"}'], "no number of seconds"),
        (["{}", '{"keypoints": [], "time": 1' + "0" * 400 + "}"], "no number of seconds"),
        (["{}", '{"keypoints": [], "time": NaN}'], "give seconds"),
        (["{}", '{"keypoints": [], "time": 5}', '{"keypoints": [], "time": 4}'], "after one at 5"),
        (["{}", '{"keypoints": [], "end": true}'], "unknown key 'end'"),
    ],
)
def test_wrong_messages_are_refused_in_words(messages, reason):
    talk = Conversation(tiny())
    for message in messages[:-1]:
        talk.answer(message)
    with pytest.raises(UserError, match=reason):
        talk.answer(messages[-1])


def test_a_refusal_is_told_and_ends_the_connection():
    ((_, error), code) = asyncio.run(Connection(app(), [{}, {"keypoints": 1}]).run())
    assert "keypoints" in error["error"] and code == 1008
    binary = {"type": "websocket.receive", "bytes": b"x"}
    assert asyncio.run(Connection(app(), [binary]).run())[0] == [{"error": "a message is no text"}]
    silent = Connection(app(silence=0.05), [{}])
    assert asyncio.run(silent.run())[0][1] == {"error": "nothing came for 0.05 s"}


def test_a_failure_gives_nothing_away(monkeypatch, caplog):
    def broken(self, text):
        raise ValueError("/secret/path")

    monkeypatch.setattr(Conversation, "answer", broken)
    (said, code) = asyncio.run(Connection(app(), [{}]).run())
    assert said == [{"error": "the server failed on this message"}] and code == 1011
    assert "secret" in caplog.text


def test_there_are_only_so_many_connections():
    async def crowd():
        one = app(connections=2)
        gone = {"type": "websocket.disconnect"}
        waiting = [Connection(one, [{}]) for _ in range(2)]
        tasks = [asyncio.create_task(connection.run()) for connection in waiting]
        await asyncio.sleep(0.05)
        refused = await Connection(one, [{}]).run()
        for connection, task in zip(waiting, tasks, strict=True):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert len(connection.said()[0]) == 1
        return refused, await Connection(one, [{}, gone]).run()

    refused, taken = asyncio.run(crowd())
    assert "try again later" in refused[0][0]["error"] and refused[1] == 1013
    assert len(taken[0]) == 1 and taken[1] is None


def test_a_hasty_client_is_read_no_faster_than_allowed():
    async def hasty():
        frames = [{"keypoints": []}] * 30
        connection = Connection(app(rate=20.0), [{}, *frames, {"end": True}])
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await connection.run()
        return loop.time() - begun

    assert 1.2 < asyncio.run(hasty()) < 10  # 32 messages at 20 a second


def test_other_paths_are_the_other_applications():
    connection = Connection(app(), [], path="/elsewhere")
    asyncio.run(connection.run())
    assert connection.said()[0] == ["the other application"]
