"""The tab in which a set of clips is browsed, audited and mended."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nicegui import ui

from har.clips import UNLABELLED, Clip, ClipSet
from har.clips.annotations import write_pickle
from har.clips.describe import describe
from har.clips.simulate import simulate
from har.clips.subsets import official_splits
from har.dataset.splits import audit
from har.figures.panel import class_colour
from har.recognition.clip_map import principal_components
from har.recognition.label_audit import audit_labels
from har.recognition.recognizer import Recognizer
from har.studio.drop import Drop
from har.studio.player import NONE_OF_THESE, Player, apart, content, percent
from har.studio.prepared_set import read_prepared_set
from har.studio.sessions import Session
from har.studio.work import Desk, Studio, read_clips, show

_ALL = "all"
_NONE = "no label"
_COLUMNS = ("clip", "class", "group", "subset", "prediction")
# A name that is a button, so that the keyboard reaches every clip.
_CLIP_CELL = """
<q-td :props="props">
  <button type="button" class="clip" @click="$parent.$emit('play', props.row.clip)">
    {{ props.row.clip }}
  </button>
</q-td>
"""


class Explore:
    """The tab's content for one page; the set outlives a reload."""

    def __init__(
        self, studio: Studio, session: Session, models: Callable[[], dict[str, Recognizer]]
    ) -> None:
        """Build it; `models` tells those of the page."""
        self.studio, self.session, self.models = studio, session, models
        self.clip: Clip | None = None
        ui.label("Look into a set of clips: who does what, and what looks wrong?").classes("lead")
        with ui.row().classes("sources"):
            Drop(session, "A set: a pickle, or any file of clips", studio.most_bytes, self.take)
            if studio.prepared:
                ui.button(f"Open {studio.prepared}", on_click=self.open_prepared).props(
                    "outline no-caps"
                )
            ui.button("Take an example", on_click=self.example).props("outline no-caps")
        self.desk = Desk(session)
        self.body = ui.column().classes("result")
        if "set" in session.kept:
            self.build()

    @property
    def clips(self) -> ClipSet:
        """The set."""
        return self.session.kept["set"]

    @property
    def answers(self) -> dict[str, dict[str, str]]:
        """Predictions of the set: whose -> clip id -> class."""
        return self.session.kept["answers"]

    async def work(self, doing: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function beside the page; None where it failed, which the page tells."""
        found = None
        if not self.desk.busy:
            async with self.desk.at(doing):
                found = await self.studio.do(function, *arguments)
        return found

    async def take(self, event: Any) -> None:
        """Take a file that was sent."""
        path = self.session.file(event.args[0]["number"])
        if path is None:
            return
        async with self.desk.at(f"reading {path.name}") as progress:
            model = next(iter(self.models().values()))
            found, _ = await self.studio.do(
                read_clips, self.studio, self.session, path, model, progress
            )
            self.start(found, {})

    async def example(self) -> None:
        """Take the simulated set."""
        if found := await self.work("simulating clips", simulate, 42):
            self.start(found, {})

    async def open_prepared(self) -> None:
        """Take the pipeline's clips, with its split and its predictions."""
        name = f"reading {self.studio.prepared}"
        if found := await self.work(name, read_prepared_set, self.studio.prepared):
            clip_set, predictions = found
            told = {f"{name} (evaluate)": own for name, own in predictions.items()}
            self.start(clip_set, dict(reversed(told.items())))  # the better model first

    def start(self, clip_set: ClipSet, answers: dict[str, dict[str, str]]) -> None:
        """Show a new set."""
        self.session.kept |= {"set": clip_set, "answers": answers, "mended": set()}
        self.clip = None
        self.build()

    def build(self) -> None:
        """Lay out the set."""
        clips = self.clips
        self.places: dict[str, list[float]] = {}
        self.chart: ui.echart | None = None
        subsets: dict[str, list[str]] = {}
        for name, members in clips.subsets.items():
            for member in members:
                subsets.setdefault(member, []).append(name)
        self.subsets = subsets
        self.body.clear()
        with self.body:
            with ui.expansion(f"About the {len(clips.clips)} clips").classes("class"):
                ui.label("\n".join(describe(clips))).classes("about")
                for note in clips.notes:
                    ui.label(f"note: {note}").classes("note")
            with ui.row().classes("sources"):
                used = sorted({self.class_of(clip) for clip in clips.clips})
                groups = sorted({clip.group for clip in clips.clips})
                self.class_filter = self.filter("Class", used)
                self.group_filter = self.filter("Group", groups)
                self.subset_filter = self.filter("Subset", list(clips.subsets))
                self.whose = ui.select([], label="Predictions", on_change=self.refresh)
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
            self.mended = ui.label().props("role=status")
            with ui.row().classes("halves"):
                with ui.column().classes("clips"):
                    self.found = ui.column().classes("result")
                    self.count = ui.label().classes("note").props("role=status")
                    self.table = ui.table(
                        columns=[
                            {"name": name, "label": name, "field": name, "align": "left"}
                            for name in _COLUMNS
                        ],
                        rows=[],
                        row_key="clip",
                        pagination=10,
                    ).props("dense flat wrap-cells")
                    self.table.add_slot("body-cell-clip", _CLIP_CELL)
                    self.table.on("play", lambda event: self.play(event.args))
                self.shown = ui.column().classes("why shown")
                with self.shown:
                    ui.label("Choose a clip to see it move and to mend its label.").classes("note")
        self.offer_answers()

    def filter(self, label: str, names: list[str]) -> ui.select:
        """A field that chooses one name or all."""
        return ui.select(
            [_ALL, *names], value=_ALL, label=label, with_input=True, on_change=self.refresh
        )

    def offer_answers(self, chosen: str = "") -> None:
        """Let the user choose whose predictions are shown; there can be mistakes only in some."""
        names = list(self.answers)
        self.whose.set_options(names, value=chosen or next(iter(names), None))
        self.whose.visible = self.mistakes.enabled = bool(names)
        self.mistakes.text = "Only mistakes" + " (predict first)" * (not names)
        self.refresh()

    def class_of(self, clip: Clip) -> str:
        """The name of a clip's class."""
        return _NONE if clip.label == UNLABELLED else self.clips.classes[clip.label]

    def refresh(self) -> None:
        """Show the clips that the filters leave, in the table and on the map."""
        answers = self.answers.get(self.whose.value or "", {})
        rows, left = [], []
        for clip in self.clips.clips:
            name, said = self.class_of(clip), answers.get(clip.id, "")
            own = self.subsets.get(clip.id, [])
            if (
                self.class_filter.value in (_ALL, None, name)
                and self.group_filter.value in (_ALL, None, clip.group)
                and self.subset_filter.value in (_ALL, None, *own)
                and not (self.mistakes.value and said in ("", name))
            ):
                row = {"clip": clip.id, "class": name, "group": clip.group, "prediction": said}
                rows.append(row | {"subset": ", ".join(own)})
                left.append(clip)
        self.table.rows = rows
        self.count.text = f"{len(rows)} of {len(self.clips.clips)} clips"
        number = len(self.session.kept["mended"])
        self.mended.visible = number > 0
        self.mended.text = (
            f"{number} label{'s were' if number > 1 else ' was'} mended: save the set to keep that."
        )
        if self.chart:
            self.chart.options["series"] = self.series(left)
            self.chart.update()

    def play(self, name: str) -> None:
        """Play a clip, with a field to mend its label."""
        clip = self.clip = next(clip for clip in self.clips.clips if clip.id == name)
        layout = self.clips.layout or self.models()[self.model.value].checkpoint.layout
        self.shown.clear()
        with self.shown:
            ui.label(clip.id).classes("lead")
            Player(content(self.session, clip.id, apart(clip), layout) | {"plays": True})
            said = [f"{whose}: {own[name]}" for whose, own in self.answers.items() if name in own]
            for text in said:
                ui.label(text).classes("note")
            ui.select(
                [*self.clips.classes, _NONE],
                value=self.class_of(clip),
                label="Label",
                on_change=self.mend,
            )
        show(self.shown)  # the row or the point may be far from it, on a phone

    def mend(self, event: Any) -> None:
        """Give the shown clip another label."""
        clip_set, clip = self.clips, self.clip
        assert clip
        label = UNLABELLED if event.value == _NONE else clip_set.classes.index(event.value)
        self.clip = replace(clip, label=label)
        clips = [self.clip if other.id == clip.id else other for other in clip_set.clips]
        self.session.kept["set"] = replace(clip_set, clips=clips)
        self.session.kept["mended"].add(clip.id)
        self.refresh()

    async def predict(self) -> None:
        """Name every clip."""
        recognizer, whose = self.models()[self.model.value], self.model.value
        found = await self.work("predicting", recognizer.answer_clips, self.clips.clips)
        if found is None:
            return
        rows, unknown = found
        answers = {
            clip.id: NONE_OF_THESE if none else recognizer.classes[int(row.argmax())]
            for clip, row, none in zip(self.clips.clips, rows, unknown, strict=True)
        }
        self.answers[whose] = answers
        known = [clip for clip in self.clips.clips if self.class_of(clip) in recognizer.classes]
        right = sum(answers[clip.id] == self.class_of(clip) for clip in known)
        self.tell(
            f"{right} of {len(known)} clips whose class the model knows are named right. Only "
            "clips that it was not trained on tell how good it is."
            if known
            else "The model knows none of the clips' classes by name: see the predictions."
        )
        self.offer_answers(whose)

    async def draw_map(self) -> None:
        """Draw the clips as the encoder sees them; a click plays one."""
        recognizer = self.models()[self.model.value]
        places = await self.work(
            "drawing the map", principal_components, recognizer, self.clips.clips
        )
        if places is None:
            return
        ids = [clip.id for clip in self.clips.clips]
        self.places = dict(zip(ids, np.round(places.astype(float), 4).tolist(), strict=True))
        self.tell(
            "Clips that the encoder finds alike lie together (the first two principal components "
            "of its summaries). A click plays one; the filters hold here too."
        )
        with self.found:
            self.chart = ui.echart(
                {
                    "legend": {"type": "scroll", "top": 0},
                    "tooltip": {"formatter": "{a}: {b}"},
                    "grid": {"left": 8, "right": 8, "bottom": 8, "top": 40},
                    # Filters leave the clips where they are.
                    "xAxis": {"show": False, **_range(places[:, 0])},
                    "yAxis": {"show": False, **_range(places[:, 1])},
                    "series": [],
                },
                on_point_click=lambda event: self.play(event.name),
            ).classes("map")
        self.refresh()

    def series(self, clips: list[Clip]) -> list[dict[str, Any]]:
        """The points of clips on the map, by class."""
        found: dict[str, Any] = {}
        for clip in clips:
            name = self.class_of(clip)
            colour = "#888888" if clip.label == UNLABELLED else class_colour(clip.label)
            own = found.setdefault(
                name,
                {"type": "scatter", "name": name, "data": [], "symbolSize": 9, "color": colour},
            )
            own["data"].append({"value": self.places[clip.id], "name": clip.id})
        return list(found.values())

    async def audit_leaks(self) -> None:
        """Count held-out clips with a clip of their group in training."""
        lines = []
        for roles in official_splits(self.clips.subsets).values():
            for role in ("val", "test"):
                if "train" in roles and role in roles:
                    lines.append(self.leaks(roles["train"], roles[role]))
        self.tell(
            *lines
            or [
                "The file tells no subsets, one for training and one held out: there is nothing "
                "that could leak."
            ]
        )

    def leaks(self, train: str, held_out: str) -> str:
        """A sentence on two subsets."""
        learnt, held = set(self.clips.subsets[train]), set(self.clips.subsets[held_out])
        clips = self.clips.clips
        part = ["test" if c.id in held else "train" if c.id in learnt else "" for c in clips]
        found = audit(None, [clip.group for clip in clips], part)
        own = found["test"]
        assert isinstance(own, dict)
        known = "" if found["groups_known"] else " The file does not tell any groups."
        return (
            f"{own['leaking']:.0f} of {own['clips']:.0f} clips of {held_out} have a clip of the "
            f"same group in {train}.{known}"
        )

    async def audit_labels(self) -> None:
        """Doubt every label."""
        found = await self.work("auditing labels", audit_labels, self.clips)
        if found is None:
            return
        doubtful = [d for d in found.doubts if d.label_probability < d.suggestion_probability]
        self.tell(
            f"{len(doubtful)} of {len(found.clips)} clips look more like another class, and there "
            f"are {len(found.duplicates)} pairs of near-duplicates."
            + " The most doubtful labels:"
            * bool(doubtful)
        )
        with self.found, ui.column().classes("doubts"):
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
        self.chart = None
        self.found.clear()
        with self.found:
            for line in lines:
                ui.label(line)

    async def save(self) -> None:
        """Write the set with its mended labels."""
        path = Path(self.session.place("mended.pkl"))
        with self.desk.told():
            await self.studio.do(write_pickle, path, self.clips)
            ui.download(f"{self.session.address(path)}?save_as=mended.pkl")


def _range(values: np.ndarray) -> dict[str, float]:
    """An axis that holds all values, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.03 * (high - low)
    return {"min": low - margin, "max": high + margin}
