"""The tab that names the actions in a video, a clip file, or on the camera."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nicegui import ui

from har.clips import UNLABELLED, USUAL_FPS, Clip, ClipSet
from har.clips.annotations import write_pickle
from har.clips.simulate.everyday_clips import simulate_everyday
from har.dataset.preprocessing import at_usual_rate
from har.errors import UserError
from har.figures.overlay import write_overlay
from har.figures.skeletons import moving_clip
from har.files import write_atomically
from har.recognition.answers import Answer, Times, as_csv, as_json
from har.recognition.occlusion import Occlusion, body_parts, occlude
from har.recognition.recognizer import Recognizer
from har.recognition.streaming import Window
from har.recognition.timeline import cut, persons_apart, usual_window, windows
from har.studio.camera import Camera, Live
from har.studio.drop import Drop
from har.studio.player import Player, content, percent
from har.studio.sessions import Session
from har.studio.teach import OWN
from har.studio.work import Desk, Studio, read_clips

_TOP = 5  # classes in tables
_EXAMPLE = ("walking", "waving both hands", "jumping jacks", "squats")


@dataclass(frozen=True)
class Watched:
    """A clip with its answers.

    Attributes:
        clip: the clip.
        classes: names of its set.
        persons: one clip for each person.
        windows: of each person.
        recognizer: whose answers they are.
        model: its name.
        video: the file that was brought, None for a file of clips.
        frames: address of the video's frames, empty for a file of clips.
    """

    clip: Clip
    classes: list[str]
    persons: list[Clip]
    windows: list[list[Window]]
    recognizer: Recognizer
    model: str
    video: Path | None
    frames: str

    def answers(self) -> list[Answer]:
        """The answers as tables take them."""
        true = self.classes[self.clip.label] if self.clip.label >= 0 else None
        return [
            Answer(
                self.clip,
                true,
                person,
                window.start,
                window.end,
                window.probabilities,
                window.unknown,
            )
            for person, own in enumerate(self.windows, start=1)
            for window in own
        ]


def watched(
    clip_set: ClipSet, clip: Clip, recognizer: Recognizer, model: str, path: Path, frames: str
) -> Watched:
    """Name what each person of a clip does over time.

    Raises:
        UserError: the clip does not fit the model, or nobody is seen in it.
    """
    persons = persons_apart(clip, recognizer.checkpoint.preprocess)
    if not persons:
        raise UserError(f"nobody was seen in {clip.id}: is a whole person in the picture?")
    window = usual_window(recognizer, clip, clip.fps or USUAL_FPS)
    found = [list(windows(recognizer, one, window, max(window // 6, 1))) for one in persons]
    video = path if frames else None
    return Watched(clip, clip_set.classes, persons, found, recognizer, model, video, frames)


class Watch:
    """The tab's content for one page."""

    def __init__(self, studio: Studio, session: Session) -> None:
        """Build it, with what the session watched before a reload."""
        self.studio, self.session = studio, session
        self.seen: Watched | None = None
        self.asked = 0
        self.live: tuple[str, Live] | None = None
        ui.label("What goes on in a video, a clip, or before your camera?").classes("lead")
        with ui.row().classes("sources"):
            Drop(session, "A video or a clip file", studio.most_bytes, self.take)
            ui.button("Show an example", on_click=self.example).props("outline no-caps")
            names = list(self.models())
            self.model = ui.select(names, value=names[0], label="Model", on_change=self.again)
        usual = studio.models[names[0]]
        Camera(session, "watch", usual, self.camera_off)
        session.cameras["watch"] = self.look
        self.desk = Desk(session)
        self.clips = ui.select([], label="Clip", with_input=True, on_change=self.choose)
        self.clips.visible = False
        self.notes = ui.column().classes("notes")
        self.result = ui.column().classes("result")
        if "watched" in session.kept:
            ui.timer(0, self.again, once=True)

    def models(self) -> dict[str, Recognizer]:
        """The models of the page, by name: the studio's, and the taught one once there is one."""
        own = {OWN: self.session.kept[OWN]} if OWN in self.session.kept else {}
        return self.studio.models | own

    def recognizer(self) -> Recognizer:
        """The chosen model."""
        return self.models()[self.model.value]

    async def offer(self) -> None:
        """Let the taught model answer, and watch by it."""
        self.live = None
        names = list(self.models())
        if self.model.value == OWN:
            await self.again()
        self.model.set_options(names, value=OWN)

    async def take(self, event: Any) -> None:
        """Watch a file that was sent."""
        number = event.args[0]["number"]
        if path := self.session.file(number):
            await self.read(path)

    def look(self) -> Live:
        """What looks at the camera's frames, by the model that is chosen now."""
        name = self.model.value
        if self.live is None or self.live[0] != name:
            recognizer = self.recognizer()
            window = recognizer.checkpoint.model.windows.test_longest
            self.live = name, Live(self.studio.estimator(), recognizer, window)
        return self.live[1]

    async def camera_off(self) -> None:
        """Watch again what the camera showed."""
        if self.live:
            path = self.session.place("camera.pkl")
            with self.desk.told():
                write_pickle(path, ClipSet([self.live[1].clip("camera")], []))
                await self.read(path)

    async def example(self) -> None:
        """Watch a simulated clip."""
        path = self.session.place("example.pkl")
        with self.desk.told():
            await self.studio.do(_write_example, path)
            await self.read(path)

    async def read(self, path: Path) -> None:
        """Watch a file of the session."""
        async with self.desk.at(f"reading {path.name}") as progress:
            self.clear()
            recognizer = self.recognizer()
            clip_set, frames = await self.studio.do(
                read_clips, self.studio, self.session, path, recognizer, progress
            )
            self.session.kept["watched"] = clip_set, clip_set.clips[0].id, path, frames
            await self.show()

    async def show(self) -> None:
        """Answer for the chosen clip of the set that the session keeps."""
        clip_set, wanted, path, frames = self.session.kept["watched"]
        ids = [clip.id for clip in clip_set.clips]
        self.clips.visible = len(ids) > 1
        if self.clips.options != ids:
            self.clips.set_options(ids, value=wanted)
        clip = clip_set.clips[ids.index(wanted)]
        name = self.model.value
        self.seen = await self.studio.do(
            watched, clip_set, clip, self.recognizer(), name, path, frames
        )
        self.result.clear()
        self.notes.clear()
        with self.notes:
            for note in clip_set.notes:
                if note.startswith("no label"):  # none is needed here
                    continue
                ui.label(self.session.sentence(UserError(note)))
        with self.result:
            self.build(self.seen)
        await self.explain(self.surest(self.seen))

    async def choose(self) -> None:
        """Watch another clip of the set."""
        clip_set, wanted, *rest = self.session.kept["watched"]
        if self.clips.value and self.clips.value != wanted:
            self.session.kept["watched"] = clip_set, self.clips.value, *rest
            await self.again()

    async def again(self) -> None:
        """Watch the same clip, perhaps by another model."""
        if "watched" in self.session.kept:
            async with self.desk.at("one moment"):
                await self.show()

    def clear(self) -> None:
        """Show nothing."""
        self.seen = None
        self.result.clear()
        self.notes.clear()
        self.clips.visible = False

    def build(self, seen: Watched) -> None:
        """Lay out a clip and its answers."""
        classes = seen.recognizer.classes
        layout = seen.recognizer.checkpoint.layout
        shown = content(
            self.session, seen.clip.id, seen.persons, layout, seen.windows, classes, seen.frames
        )
        if seen.clip.label >= 0:
            ui.label(f"The file calls this clip {seen.classes[seen.clip.label]}.").classes("note")
        with ui.row().classes("halves"):
            self.player = Player(shown | {"plays": True}, self.moved)
            with ui.column().classes("why"):
                self.person = ui.toggle(
                    {n: f"Person {n + 1}" for n in range(len(seen.persons))},
                    value=self.surest(seen)[0],
                    on_change=self.moved,
                ).props("no-caps")
                self.person.visible = len(seen.persons) > 1
                self.reasons = ui.column().classes("reasons")
        with ui.row().classes("downloads"):
            ui.label("Save:")
            for text, make in (
                ("skeletons.pkl", self.write_skeletons),
                ("timeline.csv", self.write_csv),
                ("timeline.json", self.write_json),
                ("overlay.mp4", self.write_overlay) if seen.video else ("clip.gif", self.write_gif),
            ):
                ui.button(text, on_click=lambda text=text, make=make: self.save(text, make)).props(
                    "outline dense no-caps"
                )

    def surest(self, seen: Watched) -> tuple[int, int]:
        """The person and the window with the surest answer."""
        shares = [
            (-1.0 if window.probabilities is None else float(window.probabilities.max()), p, w)
            for p, own in enumerate(seen.windows)
            for w, window in enumerate(own)
        ]
        _, person, window = max(shares, key=lambda share: share[0])
        return person, window

    async def moved(self, event: Any) -> None:
        """Explain the answer about the moment at which the player stands."""
        seen = self.seen
        if seen is None:
            return
        if isinstance(event.args if hasattr(event, "args") else None, int | float):
            self.frame = int(event.args)
        person = self.person.value
        own = seen.windows[person]
        middles = np.array([(window.start + window.end - 1) / 2 for window in own])
        await self.explain((person, int(np.abs(middles - self.frame).argmin())))

    async def explain(self, place: tuple[int, int]) -> None:
        """Tell which joints and moments decided the answer about a person's window."""
        seen, (person, number) = self.seen, place
        if seen is None:
            return
        window = seen.windows[person][number]
        self.frame = (window.start + window.end) // 2
        self.asked = asked = self.asked + 1
        with self.desk.told():
            if window.probabilities is None:
                found = None
            else:
                clip = cut(seen.persons[person], window.start, window.end)
                found = await self.studio.do(occlude, seen.recognizer, clip)
        if asked == self.asked and seen is self.seen:
            self.reasons.clear()
            with self.reasons:
                self.list_reasons(seen, person, window, found)

    def list_reasons(
        self, seen: Watched, person: int, window: Window, found: Occlusion | None
    ) -> None:
        """Lay out what an answer loses without parts of the body and stretches of time."""
        fps = seen.clip.fps or USUAL_FPS
        when = f"{window.start / fps:.1f} to {window.end / fps:.1f} s"
        if found is None:
            ui.label(f"Person {person + 1} was not seen, {when}.")
            return
        name = seen.recognizer.classes[found.label]
        if window.unknown:
            name = f"none of these; nearest: {name}"
        ui.label(f"{name}, {percent(found.whole)}: what decided?").classes("lead")
        ui.label(f"Person {person + 1}, {when}. Hide a part to see what is left of the answer.")
        parts = body_parts(seen.recognizer.checkpoint.layout)
        for part, left in sorted(found.parts.items(), key=lambda item: item[1]):
            button = ui.element("button").classes("part").props("type=button aria-pressed=false")
            button.style(f"--share: {100 * left:.0f}%; --whole: {100 * found.whole:.0f}%")
            with button:
                ui.label(f"without {part}")
                ui.label(f"{percent(left)}")
            button.on("click", lambda part=part, button=button: self.hide(parts[part], button))
        ui.label("Without a stretch of time:")
        with ui.row().classes("stretches"):
            for start, end, left in found.stretches:
                first = window.start + start
                last = window.start + end
                text = f"without {first / fps:.1f} to {last / fps:.1f} s: {percent(left)}"
                lost = max(found.whole - left, 0) / max(found.whole, 1e-6)
                button = ui.element("button").props("type=button").props(f'aria-label="{text}"')
                button.style(f"--lost: {100 * lost:.0f}%").tooltip(text)
                button.on("click", lambda first=first: self.player.run_method("seek", first))
        weights = np.clip((found.whole - found.joints) / max(found.whole, 1e-6), 0, 1)
        self.player.hide([])
        self.player.weigh(weights.tolist())
        ui.label("Rings: the wider, the more the answer loses without the joint.").classes("note")

    def hide(self, joints: list[int], button: ui.element) -> None:
        """Hide joints in the picture, or show them again."""
        pressed = button.props["aria-pressed"] == "true"
        assert button.parent_slot
        for other in button.parent_slot.children:
            if "aria-pressed" in other.props:
                other.props("aria-pressed=false")
        button.props(f"aria-pressed={'false' if pressed else 'true'}")
        self.player.hide([] if pressed else joints)

    async def save(self, name: str, make: Any) -> None:
        """Write a file and let the browser save it."""
        seen = self.seen
        if seen is None:
            return
        stem = Path(seen.clip.id).name
        path = self.session.place(f"{stem}.{name}")
        with self.desk.told():
            ui.notify(f"writing {path.name}")
            await self.studio.do(make, seen, path)
            ui.download(f"{self.session.address(path)}?save_as={path.name}")

    @staticmethod
    def write_skeletons(seen: Watched, path: Path) -> None:
        """The clip in the published format."""
        write_pickle(path, ClipSet([seen.clip], seen.classes))

    @staticmethod
    def write_csv(seen: Watched, path: Path) -> None:
        """A row for each window of each person."""
        times = Times("seconds", seen.clip.fps or USUAL_FPS)
        text = as_csv(seen.answers(), seen.recognizer.classes, _TOP, times)
        with write_atomically(path) as file:
            file.write(f"{text}\n".encode())

    @staticmethod
    def write_json(seen: Watched, path: Path) -> None:
        """The same as one object."""
        times = Times("seconds", seen.clip.fps or USUAL_FPS)
        text = as_json(seen.answers(), seen.recognizer, seen.model, _TOP, times)
        with write_atomically(path) as file:
            file.write(f"{text}\n".encode())

    @staticmethod
    def write_overlay(seen: Watched, path: Path) -> None:
        """The video with skeletons, answers about all persons together, and a timeline."""
        assert seen.video
        recognizer, clip = seen.recognizer, seen.clip
        fps = clip.fps or USUAL_FPS
        window = usual_window(recognizer, clip, fps)
        found = list(windows(recognizer, clip, window, max(window // 6, 1)))
        layout = recognizer.checkpoint.layout
        write_overlay(seen.video, path, clip, fps, layout, recognizer.classes, found)

    @staticmethod
    def write_gif(seen: Watched, path: Path) -> None:
        """The moving skeletons."""
        poses = np.concatenate([seen.clip.keypoints, seen.clip.scores[..., None]], axis=-1)
        layout, fps = seen.recognizer.checkpoint.layout, seen.clip.fps or USUAL_FPS
        with write_atomically(path) as file:
            file.write(moving_clip(seen.clip.id, "", poses.astype(np.float32), layout, fps))


def _write_example(path: Path) -> None:
    """A simulated person who does one thing after the other."""
    made = simulate_everyday(7, _EXAMPLE, people=[1], clips=1, frames=120).clips
    parts = [
        at_usual_rate(np.concatenate([c.keypoints, c.scores[..., None]], axis=-1)[:1], c.fps)
        for c in made
    ]
    poses = np.concatenate(parts, axis=1)
    size = max(made[0].image_size, made[1].image_size)
    clip = Clip("example", UNLABELLED, poses[..., :-1], poses[..., -1], size, "example", USUAL_FPS)
    write_pickle(path, ClipSet([clip], []))
