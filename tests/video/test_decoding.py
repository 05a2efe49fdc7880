"""Videos of every odd kind: frames, or one line that says what is wrong."""

import functools
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from har.errors import UserError
from har.video.decoding import is_video, open_video
from tests.video.make_videos import turn, write_sound, write_video
from tests.video.stand_ins import frame_with_spots

pytest.importorskip("av", reason="PyAV is an optional extra: make video")

SIZE = 96, 128


def moving(count, size=SIZE):
    """Frames with a spot that walks to the right, a pixel a frame."""
    return [frame_with_spots(size, (20 + n, 30), side=16) for n in range(count)]


def noise(count):
    """Frames that take many bytes."""
    return [*np.random.default_rng(0).integers(0, 255, (count, *SIZE, 3), np.uint8)]


def place(frame):
    """Where the spot of a decoded frame is."""
    rows, columns = np.nonzero(frame[..., 0] > 128)
    return columns.mean(), rows.mean()


@pytest.mark.parametrize("name", ["a.avi", "b.mp4", "c.mkv", "é 走:る?.mp4", "d.ts"])
def test_frames_come_in_order(tmp_path, name):
    path = write_video(tmp_path / name, moving(40))
    with open_video(path) as video:
        frames = list(video.frames)
        assert (video.size, video.fps, video.scale, video.skipped) == (SIZE, 25, 1, 0)
        assert abs(video.expected - 40) <= 1
    assert len(frames) == 40 and frames[0].shape == (*SIZE, 3) and frames[0].dtype == np.uint8
    places = np.array([place(frame) for frame in frames])
    np.testing.assert_allclose(places[:, 0], 19.5 + np.arange(40), atol=1)
    np.testing.assert_allclose(places[:, 1], 29.5, atol=1)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_phones_picture_is_turned_upright(tmp_path, degrees):
    path = turn(write_video(tmp_path / "phone.mp4", moving(3)), degrees)
    with open_video(path) as video:
        first = next(video.frames)
        assert first.shape[:2] == video.size == (SIZE if degrees == 180 else SIZE[::-1])
    turned = np.rot90(moving(1)[0], -degrees // 90)  # rot90 turns against the clock
    np.testing.assert_allclose(place(first), place(turned), atol=1)


@pytest.mark.parametrize("fps,step", [(25, 1), (30, 1), (60, 2), (120, 4)])
def test_of_fast_videos_every_nth_frame_is_taken(tmp_path, fps, step):
    path = write_video(tmp_path / "fast.mp4", moving(40), fps=fps)
    with open_video(path) as video:
        frames = list(video.frames)
        assert video.fps == fps / step
    assert len(frames) == 40 // step
    np.testing.assert_allclose(place(frames[2])[0], 19.5 + 2 * step, atol=1)


def test_a_variable_rate_is_its_mean(tmp_path):
    times = np.cumsum([0, 20, 60, 20, 60, 20, 60, 40, 40, 40])
    with open_video(write_video(tmp_path / "vfr.mkv", moving(10), times=times)) as video:
        assert len(list(video.frames)) == 10
        assert video.fps == pytest.approx(25, abs=1)


def test_large_pictures_are_shrunk(tmp_path):
    frames = [frame_with_spots((2160, 3840), (3000, 1000), side=60)] * 2
    with open_video(write_video(tmp_path / "4k.mp4", frames)) as video:
        first = next(video.frames)
        assert first.shape == (720, 1280, 3) and video.size == (2160, 3840)
    np.testing.assert_allclose(np.array(place(first)) / video.scale, (3000, 1000), atol=3)


def test_a_truncated_file_gives_what_there_is(tmp_path):
    path = write_video(tmp_path / "cut.avi", noise(60))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_video(path) as video:
        assert 5 < len(list(video.frames)) < 60


def test_damage_in_the_middle_is_passed_over(tmp_path):
    path = write_video(tmp_path / "hurt.ts", noise(60))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20000] = bytes(20000)
    path.write_bytes(content)
    with open_video(path) as video:
        assert 20 < len(list(video.frames)) <= 60


def no_moov(path):
    write_video(path, noise(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def picture(path):
    from PIL import Image

    Image.fromarray(moving(1)[0]).save(path)


def no_frame(path):
    import av

    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize(
    "name,make,reason",
    [
        ("none.mp4", lambda path: None, "not found"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "cannot be read as a video"),
        ("text.mp4", lambda path: path.write_text("no video at all\n" * 99), "cannot be read"),
        ("cut.mp4", no_moov, "cannot be read as a video"),
        ("folder.mp4", lambda path: path.mkdir(), "is a folder"),
        ("sound.mp4", write_sound, "no pictures"),
        ("picture.png", picture, "is a picture"),
        (
            "picture.mp4",
            lambda path: picture(path.with_suffix(".jpg")) or path.with_suffix(".jpg").rename(path),
            "is a picture",
        ),
        ("no_frame.avi", no_frame, "no frame"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(tmp_path, name, make, reason):
    make(tmp_path / name)
    with (
        pytest.raises(UserError, match=rf"{name}.*{reason}"),
        open_video(tmp_path / name) as video,
    ):
        next(video.frames)


def test_an_address_that_does_not_answer_is_told():
    with pytest.raises(UserError, match="cannot be read"), open_video("http://127.0.0.1:9/a.mp4"):
        pass


def test_a_video_is_read_from_an_address(tmp_path):
    path = write_video(tmp_path / "a.mp4", moving(20))
    folder = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/{path.name}"
        with open_video(address) as video:
            assert len(list(video.frames)) == 20
        with pytest.raises(UserError, match="404"), open_video(f"{address}.gone"):
            pass
        server.shutdown()
        thread.join()


def test_without_pyav_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match="make video"), open_video("a.mp4"):
        pass


def test_what_counts_as_a_video():
    assert all(map(is_video, ["a.MP4", "dir/b.avi", "rtsp://camera/1", "https://x.org/v"]))
    assert not any(map(is_video, ["a.pkl", "b.npz", "mp4", "poses.json", "C:/clip.npy"]))
