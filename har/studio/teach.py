"""The tab in which a model is taught classes of the user's own."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nicegui import ui

from har.clips import UNLABELLED, USUAL_FPS, Clip, ClipSet
from har.clips.annotations import write_pickle
from har.clips.simulate.everyday_clips import simulate_everyday
from har.errors import UserError
from har.models.checkpoint import save_checkpoint
from har.recognition.recognizer import Recognizer
from har.recognition.timeline import cut
from har.studio.camera import Camera, Live
from har.studio.drop import Drop
from har.studio.player import Player, apart, content, percent
from har.studio.sessions import Session
from har.studio.work import Desk, Progress, Studio, read_clips
from har.training.teaching import Report, teach

OWN = "your classes"  # the taught model's name
_SECONDS = 3  # of a recorded clip
_MOST_CLIPS = 1000
_EXAMPLE = ("waving one hand", "clapping", "jumping jacks")


class Teach:
    """The tab's content for one page; the clips outlive a reload."""

    def __init__(
        self, studio: Studio, session: Session, taught: Callable[[], Awaitable[None]]
    ) -> None:
        """Build it; `taught` is called when there is a new model."""
        self.studio, self.session, self.taught = studio, session, taught
        self.clips: list[tuple[str, Clip]] = session.kept.setdefault("teach", [])
        self.long: Clip | None = None
        self.open: set[str] = set()  # classes whose clips are shown
        self.live: tuple[Recognizer, Live] | None = None
        ui.label("Teach it actions of your own: a few clips of each are enough.").classes("lead")
        ui.label(
            "1. Name a class and give its clips: drop files, record with the camera, or mark "
            "stretches of a long video. Then the next class."
        )
        with ui.row().classes("sources"):
            self.name = ui.input("Class", placeholder="such as: thumbs up").props("outlined")
            Drop(session, "Its clips: videos or clip files", studio.most_bytes, self.take, True)
            ui.button("Take an example", on_click=self.example).props("outline no-caps")
        camera = Camera(session, "teach", self.base, seconds=_SECONDS, recorded=self.record)
        self.name.on_value_change(lambda event: camera.record_for(event.value))
        session.cameras["teach"] = self.look
        with ui.expansion("Mark stretches of a long video").classes("long"):
            Drop(session, "A long video", studio.most_bytes, self.take_long)
            self.marking = ui.column().classes("result")
        self.table = ui.column().classes("result")
        ui.label("2. Train, and see what to expect.")
        self.desk = Desk(session)
        with ui.row().classes("downloads"):
            self.train = ui.button("Train", on_click=self.learn).props("no-caps")
            self.keep = ui.button("Save the clips (mine.pkl)", on_click=self.save_clips)
            self.save = ui.button("Save the model (mine.safetensors)", on_click=self.save_model)
            self.keep.props("outline no-caps")
            self.save.props("outline no-caps")
        self.changed = ui.label("The clips have changed since: train again.").props("role=status")
        self.result = ui.column().classes("result")
        self.list_clips()
        self.report(session.kept.get("report"))

    @property
    def base(self) -> Recognizer:
        """The model whose encoder is taught: the everyday one, which is the last."""
        return list(self.studio.models.values())[-1]

    def look(self) -> Live:
        """What looks at the camera's frames: by the taught model, once there is one."""
        recognizer = self.session.kept.get(OWN, self.base)
        if self.live is None or self.live[0] is not recognizer:
            # An answer about as much as a clip that it was taught shows.
            usual = recognizer.checkpoint.model.windows.test_longest
            lengths = sorted(
                round(clip.keypoints.shape[1] / (clip.fps or USUAL_FPS) * USUAL_FPS)
                for _, clip in self.clips
            )
            window = min(usual, max(lengths[len(lengths) // 2], 10)) if lengths else usual
            self.live = recognizer, Live(self.studio.estimator(), recognizer, window)
        return self.live[1]

    async def take(self, event: Any) -> None:
        """Add the clips of files that were sent."""
        name, wrong = self.name.value, []  # the next class may be named while this one is read
        for sent in event.args:
            if path := self.session.file(sent["number"]):
                async with self.desk.at(f"reading {path.name}") as progress:
                    try:
                        clip_set, _ = await self.read(path, progress)
                        self.add(clip_set, name)
                    except UserError as error:
                        wrong.append(str(error))
        if wrong:
            with self.desk.told():
                raise UserError("; ".join(wrong))

    async def example(self) -> None:
        """Add simulated clips of three classes."""
        async with self.desk.at("simulating clips"):
            self.add(await self.studio.do(simulate_everyday, 11, _EXAMPLE, range(1, 7), 1), "")

    async def record(self, event: Any) -> None:
        """Add what the camera saw between two times."""
        with self.desk.told():
            number = self.session.kept["recorded"] = self.session.kept.get("recorded", 0) + 1
            clip = self.look().clip(f"recorded {number}", event.args["since"], event.args["until"])
            self.add(ClipSet([clip], []), event.args["record"])

    async def read(self, path: Path, progress: Progress) -> tuple[ClipSet, str]:
        """Read a file of the session."""
        return await self.studio.do(
            read_clips, self.studio, self.session, path, self.base, progress
        )

    def add(self, clip_set: ClipSet, name: str) -> None:
        """Add clips to a class, or to their own classes where the file tells them.

        Raises:
            UserError: neither is known, or there are too many.
        """
        name = name.strip()
        if len(self.clips) + len(clip_set.clips) > _MOST_CLIPS:
            raise UserError(f"{_MOST_CLIPS} clips are the most that are taught here")
        new = []
        for clip in clip_set.clips:
            own = clip_set.classes[clip.label] if clip.label != UNLABELLED else ""
            if not (name or own):
                raise UserError(
                    f"which class is {clip.id}? write its name into the field Class first"
                )
            new.append((own if own and len(clip_set.clips) > 1 else name or own, clip))
        ids = {clip.id for _, clip in self.clips}
        for label, clip in new:
            number = next(n for n in range(1, len(ids) + 2) if _numbered(clip.id, n) not in ids)
            named = replace(clip, id=_numbered(clip.id, number))
            # A clip of its own group stays one: nothing else is known of it.
            group = named.id if clip.group == clip.id else clip.group
            self.clips.append((label, replace(named, group=group)))
            ids.add(named.id)
        self.list_clips()

    def list_clips(self) -> None:
        """Show the classes and their clips."""
        self.table.clear()
        counts = Counter(label for label, _ in self.clips)
        self.train.enabled = len(counts) > 1
        self.keep.enabled = bool(counts)
        self.save.enabled = OWN in self.session.kept
        # Clips hold arrays, which are not compared: the same ones are the very same objects.
        taught = self.session.kept.get("taught", self.clips)
        self.changed.visible = [*map(id, taught)] != [*map(id, self.clips)]
        with self.table:
            if not counts:
                ui.label("No clips yet. Two classes are the least, and five clips of each a start.")
            for label, count in counts.items():
                with ui.expansion(
                    f"{label}: {count} clip{'s' * (count > 1)}",
                    value=label in self.open,
                    on_value_change=lambda event, label=label: self.keep_open(label, event.value),
                ).classes("class"):
                    self.list_class(label)

    def keep_open(self, label: str, is_open: bool) -> None:
        """Note whether a class's clips are shown, for when they are listed anew."""
        (self.open.add if is_open else self.open.discard)(label)

    def list_class(self, label: str) -> None:
        """Show the clips of a class, each with buttons to look at it and to remove it."""
        shown = ui.column().classes("result")
        for entry in self.clips:
            if entry[0] == label:
                clip = entry[1]
                with ui.row().classes("downloads"):
                    ui.label(clip.id)
                    ui.button("look", on_click=lambda clip=clip: self.play(clip, shown)).props(
                        f'flat dense no-caps aria-label="look at {clip.id}"'
                    )
                    ui.button("remove", on_click=lambda entry=entry: self.remove(entry)).props(
                        f'flat dense no-caps aria-label="remove {clip.id}"'
                    )

    def play(self, clip: Clip, place: ui.element) -> None:
        """Play a clip."""
        place.clear()
        with place:
            ui.label(clip.id).classes("note")
            shown = content(self.session, clip.id, apart(clip), self.base.checkpoint.layout)
            Player(shown | {"plays": True})

    def remove(self, entry: tuple[str, Clip]) -> None:
        """Remove a clip."""
        self.clips[:] = [other for other in self.clips if other is not entry]
        self.list_clips()

    async def take_long(self, event: Any) -> None:
        """Show a long video to mark stretches of."""
        path = self.session.file(event.args[0]["number"])
        if path is None:
            return
        async with self.desk.at(f"reading {path.name}") as progress:
            clip_set, frames = await self.read(path, progress)
            if len(clip_set.clips) > 1:
                raise UserError(f"{path.name} has {len(clip_set.clips)} clips: give one recording")
            self.mark(clip_set.clips[0], frames)

    def mark(self, clip: Clip, frames: str) -> None:
        """Lay out a long clip with the fields that mark a stretch."""
        self.long = clip
        self.marking.clear()
        with self.marking:
            layout = self.base.checkpoint.layout
            shown = content(self.session, clip.id, apart(clip), layout, video=frames)
            self.player = Player(shown)
            ui.label("Play or drag to where the action begins and ends, then add the stretch.")
            with ui.row().classes("downloads"):
                last = round(clip.keypoints.shape[1] / self.rate(), 2)
                ends = []
                for label, value, what in (
                    ("from (s)", 0.0, "begin here"),
                    ("to (s)", last, "end here"),
                ):
                    field = ui.number(label, value=value, min=0, max=last, step=0.1, precision=2)
                    ui.button(what, on_click=lambda field=field: self.here(field)).props(
                        "outline dense no-caps"
                    )
                    ends.append(field)
                self.start, self.end = ends
                ui.input("Class").bind_value(self.name)
                ui.button("Add the stretch", on_click=self.add_stretch).props("no-caps")

    def rate(self) -> float:
        """Frames per second of the long video."""
        assert self.long
        return self.long.fps or USUAL_FPS

    async def here(self, field: ui.number) -> None:
        """Set a field to the moment at which the long video stands."""
        field.value = round(await self.player.run_method("now") / self.rate(), 2)

    def add_stretch(self) -> None:
        """Add the marked stretch to the class."""
        with self.desk.told():
            assert self.long
            since, until = self.start.value or 0.0, self.end.value or 0.0
            start, end = round(since * self.rate()), round(until * self.rate())
            if not 0 <= start < end <= self.long.keypoints.shape[1]:
                length = self.long.keypoints.shape[1] / self.rate()
                raise UserError(
                    f"{since:g} to {until:g} s is no stretch of a video of {length:.2f} s"
                )
            name = f"{self.long.id} {since:.2f}-{until:.2f} s"
            stretch = replace(cut(self.long, start, end), id=name)
            self.add(ClipSet([stretch], []), self.name.value)
            ui.notify(f"added to {self.name.value.strip()}")

    def clip_set(self) -> ClipSet:
        """The clips with their classes in alphabetical order."""
        classes = sorted({label for label, _ in self.clips})
        clips = [replace(clip, label=classes.index(label)) for label, clip in self.clips]
        return ClipSet(clips, classes, layout=self.base.checkpoint.layout)

    async def learn(self) -> None:
        """Train, and tell how good it is."""
        if self.desk.busy:
            return
        async with self.desk.at("training"):
            begun, clips = time.monotonic(), list(self.clips)
            checkpoint, report = await self.studio.do(teach, self.base.checkpoint, self.clip_set())
            kept = self.session.kept
            kept[OWN] = await self.studio.do(Recognizer.of, checkpoint)
            kept |= {"report": (report, time.monotonic() - begun), "taught": clips}
            await self.taught()
            self.list_clips()
            self.report(kept["report"])

    def report(self, found: tuple[Report, float] | None) -> None:
        """Lay out what to expect of the taught model."""
        self.result.clear()
        if found is None:
            return
        report, seconds = found
        low, high = report.interval
        whose = "groups" if report.by_group else "clips"
        with self.result:
            found_right = (
                f"{report.right} of {report.clips} clips are named right by a model that was "
                f"taught without them ({percent(low)} to {percent(high)}, 95 % interval; {whose} "
                "left out in turn)."
            )
            ui.label(
                found_right if report.clips else "Too few clips to tell how good it is."
            ).classes("lead")
            ui.label(f"Taught in {seconds:.1f} s. Switch the camera on, or watch a clip by it.")
            for true, taken, number in report.confused:
                ui.label(f"{true} was taken for {taken}: {number} clip{'s' * (number > 1)}")
            if report.suspects:
                self.list_suspects(report)
            if report.record_more:
                ui.label(f"Record more of: {', '.join(report.record_more)}.").classes("lead")
                ui.label(
                    "Their clips are too few, or too often mistaken, to be sure that 70 % of new "
                    "ones will be named right."
                )

    def list_suspects(self, report: Report) -> None:
        """Lay out the clips that look mislabelled, each with a button to look at it."""
        ui.label("These clips may be mislabelled:").classes("lead")
        by_id = {clip.id: clip for _, clip in self.session.kept["taught"]}
        shown = ui.column().classes("result")
        for suspect in report.suspects:
            with ui.row().classes("downloads"):
                ui.label(
                    f"{suspect.clip} is labelled {suspect.label} but looks like {suspect.rather} "
                    f"({percent(suspect.probability)})"
                )
                clip = by_id[suspect.clip]
                ui.button("look", on_click=lambda clip=clip: self.play(clip, shown)).props(
                    f'flat dense no-caps aria-label="look at the suspect {clip.id}"'
                )

    async def save_clips(self) -> None:
        """Write the clips as a set that the pipeline trains on."""
        with self.desk.told():
            path = self.session.place("mine.pkl")
            await self.studio.do(write_pickle, path, self.clip_set())
            ui.download(f"{self.session.address(path)}?save_as=mine.pkl")

    async def save_model(self) -> None:
        """Write the taught model."""
        with self.desk.told():
            path = self.session.place("mine.safetensors")
            await self.studio.do(save_checkpoint, path, self.session.kept[OWN].checkpoint)
            ui.download(f"{self.session.address(path)}?save_as=mine.safetensors")


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"
