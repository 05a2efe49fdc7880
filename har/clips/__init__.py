"""Clips of skeletons: what every source gives and every user of the library holds."""

from har.clips.arrays import make_clip
from har.clips.clip import UNLABELLED, USUAL_FPS, Clip, ClipSet, layout_of

__all__ = ["UNLABELLED", "USUAL_FPS", "Clip", "ClipSet", "layout_of", "make_clip"]
