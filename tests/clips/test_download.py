"""Downloads against a real HTTP server on this machine that can be told to misbehave."""

import errno
import hashlib
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from har.clips import download as fetching
from har.clips.catalogue import PublishedSet
from har.errors import UserError

LOST = 1 << 16  # bytes that may have to be sent again after a break
CONTENT = np.random.default_rng(0).bytes(3_000_000)


class Server:
    """What the server does next, and what it was asked for."""

    def __init__(self):
        self.content = CONTENT
        self.ranges = True
        self.break_after = []  # for each answer to come: bytes before the connection breaks
        self.status = 200
        self.redirect = None
        self.tell_length = True
        self.asked = []  # the Range header of each request
        self.sent = 0


@pytest.fixture
def server():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            start = int(wanted[len("bytes=") : -1]) if wanted and state.ranges else 0
            if state.redirect:
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.end_headers()
                return
            size = len(state.content)
            if state.status != 200:
                self.send_error(state.status)
                return
            self.send_response(416 if start >= size else 206 if start else 200)
            if start and state.tell_length:
                kept = "*" if start >= size else f"{start}-{size - 1}"
                self.send_header("Content-Range", f"bytes {kept}/{size}")
            body = state.content[start:]
            if state.tell_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.break_after:
                body = body[: state.break_after.pop(0)]
                self.close_connection = True
            state.sent += len(body)
            with suppress(ConnectionError):  # the client may have heard enough
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.port = listener.server_port
    yield state
    listener.shutdown()
    listener.server_close()
    thread.join()


def published(server: Server, content: bytes = CONTENT) -> PublishedSet:
    return PublishedSet(
        "small",
        f"http://127.0.0.1:{server.port}/sets/small.pkl",
        len(content),
        hashlib.sha256(content).hexdigest(),
        ("a", "b"),
    )


def refusal(server: Server, folder, **changes) -> str:
    with pytest.raises(UserError) as raised:
        fetching.download(published(server, **changes), folder)
    assert len(str(raised.value).splitlines()) == 1
    assert not (folder / "small.pkl").exists()
    return str(raised.value)


def test_a_file_is_fetched_once(server, tmp_path):
    path = fetching.download(published(server), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "small.pkl"
    assert path.read_bytes() == CONTENT
    assert not path.with_name("small.pkl.part").exists()
    assert fetching.download(published(server), path.parent) == path
    assert server.asked == [None]


def test_a_broken_connection_is_resumed_at_once(server, tmp_path):
    server.break_after = [1_000_000, 500_000]
    assert fetching.download(published(server), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3
    assert server.sent - len(CONTENT) <= 2 * LOST


def test_a_dead_server_leaves_what_came_for_the_next_run(server, tmp_path):
    server.break_after = [1_000_000, 0]
    message = refusal(server, tmp_path)
    arrived = (tmp_path / "small.pkl.part").read_bytes()
    assert f"broke off with {len(arrived):,} of 3,000,000 bytes" in message
    assert arrived == CONTENT[: len(arrived)] and len(arrived) >= 1_000_000 - LOST
    assert fetching.download(published(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={len(arrived)}-"


def test_an_interrupted_run_is_resumed(server, tmp_path, monkeypatch):
    class Interrupted(fetching.tqdm):
        def update(self, count=1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fetching, "tqdm", Interrupted)
        fetching.download(published(server), tmp_path)
    arrived = (tmp_path / "small.pkl.part").stat().st_size
    assert 0 < arrived < len(CONTENT)
    assert fetching.download(published(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={arrived}-"]


def test_a_server_without_ranges_sends_all_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / "small.pkl.part").write_bytes(CONTENT[:1_000_000])
    assert fetching.download(published(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000000-"] and server.sent == len(CONTENT)


def test_a_server_without_ranges_that_always_breaks_is_given_up(server, tmp_path):
    server.ranges = False
    server.break_after = [1_000_000] * 10
    assert "broke off" in refusal(server, tmp_path)
    assert len(server.asked) == 2


def test_a_wrong_file_is_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"x"
    assert "SHA-256" in refusal(server, tmp_path)
    assert not (tmp_path / "small.pkl.part").exists()


def test_a_wrong_beginning_is_found_out(server, tmp_path):
    (tmp_path / "small.pkl.part").write_bytes(b"x" * 1000)
    assert "SHA-256" in refusal(server, tmp_path)
    assert fetching.download(published(server), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [2_999_999, 3_000_001, 9_000_000])
def test_a_file_of_another_size_is_refused(server, tmp_path, size):
    server.content = (CONTENT * 3)[:size]
    assert "another size" in refusal(server, tmp_path)
    (tmp_path / "small.pkl.part").write_bytes(CONTENT[:-1])
    assert "another size" in refusal(server, tmp_path)
    assert server.asked == [None, "bytes=2999999-"]


def test_a_shorter_file_whose_length_is_not_told_is_refused(server, tmp_path):
    server.content, server.tell_length = CONTENT[:1000], False
    assert "another size" in refusal(server, tmp_path)
    server.ranges = False
    assert "broke off with 1,000 of" in refusal(server, tmp_path)


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 5])
def test_a_part_that_is_whole_or_too_long(server, tmp_path, size):
    (tmp_path / "small.pkl.part").write_bytes((CONTENT * 2)[:size])
    assert fetching.download(published(server), tmp_path).read_bytes() == CONTENT


def test_another_file_in_its_place_is_left_alone(server, tmp_path):
    path = tmp_path / "small.pkl"
    for content in (b"mine", CONTENT[:-1] + b"x"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not the published file"):
            fetching.download(published(server), tmp_path)
        assert path.read_bytes() == content
    assert server.asked == []


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_error_of_the_server_is_told(server, tmp_path, status):
    server.status = status
    assert str(status) in refusal(server, tmp_path)


def test_no_server_is_told(server, tmp_path):
    server.port = 9  # the discard port: nobody listens there
    assert "broke off with 0 of" in refusal(server, tmp_path)


def test_only_https_is_trusted(server, tmp_path):
    plain = PublishedSet("small", "http://example.org/small.pkl", 1, "", ())
    with pytest.raises(UserError, match="not https"):
        fetching.download(plain, tmp_path)
    server.redirect = "ftp://example.org/small.pkl"
    refusal(server, tmp_path)


def test_catalogue_addresses_are_https():
    from har.clips.catalogue import CATALOGUE

    assert {published.address.split(":")[0] for published in CATALOGUE.values()} == {"https"}
    assert all(len(published.sha256) == 64 for published in CATALOGUE.values())


# --- Disks ---


@contextmanager
def disk_of(capacity: int, monkeypatch):
    """Files opened by the download fail like on a disk of `capacity` bytes."""
    real = fetching.Path.open

    def limited(path, mode="r", *arguments):
        file = real(path, mode, *arguments)
        write = file.write

        class Full:
            def write(self, chunk):
                room = capacity - file.tell()
                write(chunk[:room])
                if room < len(chunk):
                    raise OSError(errno.ENOSPC, "No space left on device")

            def __getattr__(self, name):
                return getattr(file, name)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

        return Full() if mode in ("ab", "wb") else file

    with monkeypatch.context() as patch:
        patch.setattr(fetching.Path, "open", limited)
        yield


def test_a_disk_that_fills_up_loses_nothing(server, tmp_path, monkeypatch):
    with disk_of(1_500_000, monkeypatch):
        message = refusal(server, tmp_path)
    assert "No space left" in message and "small.pkl.part" in message and "free" in message
    assert (tmp_path / "small.pkl.part").read_bytes() == CONTENT[:1_500_000]
    assert fetching.download(published(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1500000-"]


def test_a_disk_that_is_too_small_is_told_before_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 999}))
    assert "3,000,000 bytes" in refusal(server, tmp_path)
    assert server.asked == []


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot write"):
        fetching.download(published(server), tmp_path / "file" / "raw")


def test_two_at_once_fetch_it_once(server, tmp_path):
    paths = []
    both = [
        threading.Thread(
            target=lambda: paths.append(fetching.download(published(server), tmp_path))
        )
        for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert paths == [tmp_path / "small.pkl"] * 2
    assert paths[0].read_bytes() == CONTENT and server.asked == [None]
