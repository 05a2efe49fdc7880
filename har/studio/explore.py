"""The tab in which a set of clips is browsed, audited and mended."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nicegui import ui

from har.clips import UNLABELLED, Clip, ClipSet
from har.clips.annotations import write_pickle
from har.clips.describe import describe
from har.clips.simulate import simulate
from har.dataset.splits import audit
from har.errors import UserError
from har.figures.panel import class_colour
from har.recognition.clip_map import principal_components
from har.recognition.label_audit import audit_labels
from har.recognition.recognizer import Recognizer
from har.studio.drop import Drop
from har.studio.player import Player, content, percent
from har.studio.sessions import Session
from har.studio.work import Progress, Studio, read_clips, told

_ALL = "all"
_NONE = "no label"


class Explore:
    """The tab's content for one page; the set outlives a reload."""

    def __init__(
        self, studio: Studio, session: Session, models: Callable[[], dict[str, Recognizer]]
    ) -> None:
        """Build it; `models` tells those of the page."""
        self.studio, self.session, self.models = studio, session, models
        self.answers: dict[str, str] = {}
        self.clip: Clip | None = None
        ui.label("Look into a set of clips: a pickle, or any file of clips.").classes("lead")
        with ui.row().classes("sources"):
            Drop(session, "A set of clips", studio.most_bytes, self.take)
            ui.button("Take an example", on_click=self.example).props("outline no-caps")
        self.problem = ui.label().classes("problem").props("role=alert")
        self.working = ui.spinner(size="1.5em")
        self.working.visible = False
        self.body = ui.column().classes("result")
        if "set" in session.kept:
            self.build()

    @property
    def clips(self) -> ClipSet:
        """The set."""
        return self.session.kept["set"]

    async def work(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function beside the page; None where it failed, which the page tells."""
        self.working.visible = True
        found = None
        with told(self.session, self.problem):
            found = await self.studio.do(function, *arguments)
        self.working.visible = False
        return found

    async def take(self, event: Any) -> None:
        """Take a file that was sent."""
        path = self.session.file(event.args[0]["number"])
        model = next(iter(self.models().values()))
        found = await self.work(read_clips, self.studio, self.session, path, model, Progress())
        if found:
            self.start(found[0])

    async def example(self) -> None:
        """Take the simulated set."""
        if found := await self.work(simulate, 42):
            self.start(found)

    def start(self, clip_set: ClipSet) -> None:
        """Show a new set."""
        self.session.kept["set"] = clip_set
        self.answers = {}
        self.build()

    def build(self) -> None:
        """Lay out the set."""
        clips = self.clips
        subsets = {name: set(members) for name, members in clips.subsets.items()}
        self.body.clear()
        with self.body:
            with ui.expansion(f"About the {len(clips.clips)} clips").classes("class"):
                ui.label("\n".join(describe(clips))).classes("about")
            with ui.row().classes("sources"):
                used = sorted({self.class_of(clip) for clip in clips.clips})
                groups = sorted({clip.group for clip in clips.clips})
                self.class_filter = self.filter("Class", used)
                self.group_filter = self.filter("Group", groups)
                self.subset_filter = self.filter("Subset", list(subsets))
                self.mistakes = ui.switch("Only mistakes", on_change=self.refresh)
            with ui.row().classes("downloads"):
                names = list(self.models())
                self.model = ui.select(names, value=names[0], label="Model")
                for text, run in (
                    ("Predict all", self.predict),
                    ("Draw the map", self.draw_map),
                    ("Audit leaks", self.audit_leaks),
                    ("Audit labels", self.audit_labels),
                    ("Save the set (mended.pkl)", self.save),
                ):
                    ui.button(text, on_click=run).props("outline dense no-caps")
            self.found = ui.column().classes("result")
            with ui.row().classes("halves"):
                self.table = ui.table(
                    columns=[
                        {"name": name, "label": name, "field": name, "align": "left"}
                        for name in ("clip", "class", "group", "subset", "prediction")
                    ],
                    rows=[],
                    row_key="clip",
                    selection="single",
                    pagination=10,
                    on_select=self.select,
                ).classes("clips")
                self.shown = ui.column().classes("why")
            self.refresh()

    def filter(self, label: str, names: list[str]) -> ui.select:
        """A field that chooses one name or all."""
        return ui.select(
            [_ALL, *names], value=_ALL, label=label, with_input=True, on_change=self.refresh
        )

    def class_of(self, clip: Clip) -> str:
        """The name of a clip's class."""
        return _NONE if clip.label == UNLABELLED else self.clips.classes[clip.label]

    def subset_of(self, clip: Clip) -> str:
        """The official subsets that a clip is in."""
        return ", ".join(name for name, ids in self.clips.subsets.items() if clip.id in ids)

    def refresh(self) -> None:
        """Show the clips that the filters leave."""
        rows = []
        for clip in self.clips.clips:
            name, said = self.class_of(clip), self.answers.get(clip.id, "")
            if (
                self.class_filter.value in (_ALL, None, name)
                and self.group_filter.value in (_ALL, None, clip.group)
                and self.subset_filter.value in (_ALL, None, *self.subset_of(clip).split(", "))
                and not (self.mistakes.value and said in ("", name))
            ):
                row = {"clip": clip.id, "class": name, "group": clip.group, "prediction": said}
                rows.append(row | {"subset": self.subset_of(clip)})
        self.table.rows = rows

    def select(self, event: Any) -> None:
        """Play the chosen clip."""
        if event.selection:
            self.play(event.selection[0]["clip"])

    def play(self, name: str) -> None:
        """Play a clip, with a field to mend its label."""
        clip = self.clip = next(clip for clip in self.clips.clips if clip.id == name)
        layout = self.models()[self.model.value].checkpoint.layout
        persons = [
            replace(clip, keypoints=points[None], scores=scores[None])
            for points, scores in zip(clip.keypoints, clip.scores, strict=True)
            if scores.any()
        ] or [clip]
        self.shown.clear()
        with self.shown:
            ui.label(clip.id).classes("lead")
            Player(content(self.session, clip.id, persons, layout) | {"plays": True})
            ui.select(
                [*self.clips.classes, _NONE],
                value=self.class_of(clip),
                label="Label",
                on_change=self.mend,
            )

    def mend(self, event: Any) -> None:
        """Give the shown clip another label."""
        clip_set, clip = self.clips, self.clip
        assert clip
        label = UNLABELLED if event.value == _NONE else clip_set.classes.index(event.value)
        self.clip = replace(clip, label=label)
        clips = [self.clip if other.id == clip.id else other for other in clip_set.clips]
        self.session.kept["set"] = replace(clip_set, clips=clips)
        self.refresh()

    async def predict(self) -> None:
        """Name every clip."""
        recognizer = self.models()[self.model.value]
        found = await self.work(recognizer.answer_clips, self.clips.clips)
        if found is not None:
            rows, unknown = found
            self.answers = {
                clip.id: "none of these" if none else recognizer.classes[int(row.argmax())]
                for clip, row, none in zip(self.clips.clips, rows, unknown, strict=True)
            }
            known = [clip for clip in self.clips.clips if self.class_of(clip) in recognizer.classes]
            right = sum(self.answers[clip.id] == self.class_of(clip) for clip in known)
            self.tell(
                f"{right} of {len(known)} clips whose class the model knows are named right. Only "
                "clips that it was not trained on tell how good it is."
            )
            self.refresh()

    async def draw_map(self) -> None:
        """Draw the clips as the encoder sees them; a click plays one."""
        recognizer = self.models()[self.model.value]
        places = await self.work(principal_components, recognizer, self.clips.clips)
        if places is None:
            return
        series: dict[str, Any] = {}
        for clip, (x, y) in zip(self.clips.clips, places.tolist(), strict=True):
            name = self.class_of(clip)
            colour = "#888888" if clip.label == UNLABELLED else class_colour(clip.label)
            own = series.setdefault(
                name,
                {"type": "scatter", "name": name, "data": [], "symbolSize": 8, "color": colour},
            )
            own["data"].append({"value": [round(x, 4), round(y, 4)], "name": clip.id})
        self.found.clear()
        with self.found:
            ui.label(
                "Clips that the encoder finds alike lie together (the first two principal "
                "components of its summaries). A click plays one."
            )
            ui.echart(
                {
                    "legend": {"type": "scroll"},
                    "tooltip": {"formatter": "{a}: {b}"},
                    "grid": {"left": 8, "right": 8, "bottom": 8, "top": 40},
                    "xAxis": {"show": False},
                    "yAxis": {"show": False},
                    "series": list(series.values()),
                },
                on_point_click=lambda event: self.play(event.name),
            ).classes("map")

    async def audit_leaks(self) -> None:
        """Count held-out clips with a clip of their group in training."""
        subsets = self.clips.subsets
        if not subsets:
            self.tell("The file tells no subsets: there is nothing that could leak.")
            return
        lines = []
        for test in sorted(name for name in subsets if "test" in name or "val" in name):
            for train in sorted(name for name in subsets if "train" in name):
                if test.replace("test", "").replace("val", "") == train.replace("train", ""):
                    held = set(subsets[test])
                    learnt = set(subsets[train])
                    part = [
                        "test" if c.id in held else "train" if c.id in learnt else ""
                        for c in self.clips.clips
                    ]
                    found = audit(None, [c.group for c in self.clips.clips], part)
                    own = found["test"]
                    assert isinstance(own, dict)
                    lines.append(
                        f"{own['leaking']:.0f} of {own['clips']:.0f} clips of {test} have a clip "
                        f"of the same group in {train}."
                        + ("" if found["groups_known"] else " Groups are not known: see docs.")
                    )
        self.tell(*lines or ["None of the subsets is for training and none is held out, by name."])

    async def audit_labels(self) -> None:
        """Doubt every label."""
        found = await self.work(audit_labels, self.clips)
        if found is None:
            return
        doubtful = [d for d in found.doubts if d.label_probability < d.suggestion_probability]
        self.tell(
            f"{len(doubtful)} of {len(found.clips)} clips look more like another class, and there "
            f"are {len(found.duplicates)} pairs of near-duplicates. The most doubtful labels:"
        )
        with self.found:
            for doubt in doubtful[:10]:
                clip = found.clips[doubt.clip]
                text = (
                    f"{clip.id}: labelled {found.classes[doubt.label]}, looks like "
                    f"{found.classes[doubt.suggestion]} ({percent(doubt.suggestion_probability)})"
                )
                ui.button(text, on_click=lambda clip=clip: self.play(clip.id)).props(
                    "flat dense no-caps align=left"
                )

    def tell(self, *lines: str) -> None:
        """Show what was found."""
        self.found.clear()
        with self.found:
            for line in lines:
                ui.label(line)

    async def save(self) -> None:
        """Write the set with its mended labels."""
        path = Path(self.session.place("mended.pkl"))
        with told(self.session, self.problem):
            if not self.clips.clips:
                raise UserError("there are no clips")
            await self.studio.do(write_pickle, path, self.clips)
            ui.download(f"{self.session.address(path)}?save_as=mended.pkl")
