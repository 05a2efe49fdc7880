"""The tab Explore, in a real browser."""

import pytest

from har.clips.annotations import read_pickle
from tests.studio.test_watch import saved, send

pytestmark = pytest.mark.slow


def test_a_set_is_filtered_mapped_audited_and_mended(page, tiny_pickle):
    clips = read_pickle(tiny_pickle).clips
    page.get_by_role("tab", name="Explore").click()
    panel = page.locator(".q-tab-panel:visible")
    send(page, tiny_pickle, panel)
    panel.get_by_text(f"About the {len(clips)} clips").wait_for()

    panel.get_by_role("combobox", name="Class").fill("BlowDry")
    page.get_by_role("option", name="BlowDryHair").click()
    panel.get_by_text("ApplyEyeMakeup").first.wait_for(state="hidden")
    panel.get_by_role("button", name="Audit leaks").click()
    panel.get_by_text("same group in").first.wait_for()
    panel.get_by_role("button", name="Draw the map").click()
    panel.locator(".map canvas").wait_for()

    chosen = next(clip for clip in clips if "BlowDry" in clip.id)
    panel.locator("tbody tr").first.locator(".q-checkbox").click()
    panel.get_by_role("img", name=f"skeletons of {chosen.id}").wait_for()
    panel.get_by_role("combobox", name="Label").click()
    page.get_by_role("option", name="HeadMassage").click()
    mended = read_pickle(saved(page, "Save the set"))
    labels = {clip.id: mended.classes[clip.label] for clip in mended.clips}
    assert labels.pop(chosen.id) == "HeadMassage"
    old = read_pickle(tiny_pickle)
    assert labels == {c.id: old.classes[c.label] for c in old.clips if c.id != chosen.id}
