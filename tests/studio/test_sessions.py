"""Sessions: files of a tab, and their end."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from har.errors import UserError

sessions = pytest.importorskip("har.studio.sessions")


@pytest.fixture
def some():
    made = sessions.Sessions()
    yield made
    made.close()
    assert not made.root.exists()


def test_a_session_ends_when_its_tab_is_closed_and_not_when_it_is_reloaded(some, monkeypatch):
    monkeypatch.setattr(sessions, "_KEPT", 0.05)

    async def use():
        session = some.enter("a")
        session.place("x.mp4").write_bytes(b"x")
        some.leave("a")
        again = some.enter("a")
        await asyncio.sleep(0.1)
        assert again is session and session.folder.exists()
        some.leave("a")
        await asyncio.sleep(0.1)
        assert not session.folder.exists() and some.find(session.key) is None

    with ThreadPoolExecutor(1) as threads:  # in the main one, the browser's tests have a loop
        threads.submit(asyncio.run, use()).result()


@pytest.mark.parametrize("name", ["../../x.mp4", "/etc/x.mp4", "..\\x.mp4", ".x.mp4", "x\0.mp4"])
def test_files_stay_in_the_folder_whatever_they_are_called(some, name):
    session = some.enter("a")
    place = session.place(name)
    assert place.resolve().is_relative_to(session.folder.resolve())
    assert place.suffix == ".mp4" and not place.name.startswith(".")


def test_a_session_has_room_for_four_of_the_largest_files(some):
    session = some.enter("a")
    assert session.room(10) == 10
    session.place("x").write_bytes(b"0" * 35)
    assert session.room(10) == 5


def test_sentences_name_files_and_no_folders(some):
    session = some.enter("a")
    path = session.place("clip.pkl")
    assert session.sentence(UserError(f"{path} is damaged")) == "clip.pkl is damaged"
