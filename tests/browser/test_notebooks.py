"""Every notebook, as a reader works it: run all, move every control by keyboard, answer every question.

One page for each notebook; the tests of one notebook share it, in any order: each puts the controls back first.
"""

import json

import pytest

from .conftest import ARTIFACTS, ROOT
from .explorers import NOT_YET

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
YOURS = "your own"

# A control that another one switches on: label: the option of a drop-down that it needs.
NEEDS = {
    "Percentile": {"Method": "percentile"},
    "Group size": {"One scale": "per group"},
}


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def lab(request, opened):
    """Return one notebook after Run All, photographed."""
    folder = ARTIFACTS / request.param.stem
    lab = opened(request.param)
    lab.photograph(folder)
    yield lab
    times = sorted(lab.reactions())
    (folder / "reactions_ms.json").write_text(json.dumps(times))
    print(f"{request.param.stem}: milliseconds from key to picture: {times}")
    lab.close()


@pytest.fixture(autouse=True)
def quiet(lab):
    """Nothing is said on the browser's console or on the kernel's stderr, whatever a test does."""
    yield
    assert lab.complaints() == []


def each(explorers, kind):
    """Yield (what to call it, explorer, control) for every control of a kind, with all controls put back."""
    for explorer in explorers:
        for control in getattr(explorer, kind):
            explorer.prepare(NEEDS.get(control.label, {}))
            yield f"{explorer.name}, {control.label}", explorer, control


def test_run_all_ends_well(lab):
    assert lab.wrong_outputs() == []
    assert lab.prompts() == [f"[{n}]:" for n in range(1, len(lab.prompts()) + 1)]
    assert lab.kernel_status() == "idle"
    for explorer in lab.explorers:
        assert explorer.look().decoded and explorer.look().readout and not explorer.look().refused


def test_every_slider_moves_the_picture_and_the_readout(lab):
    found = []
    for name, explorer, slider in each(lab.explorers, "sliders"):
        there, back = slider.arrows
        value, place, look = slider.value, slider.place, explorer.look()
        missing = explorer.after(slider.handle.press, there).missing()
        if slider.value == value or slider.place == place:
            missing.append("the arrow key does not move it")
        explorer.after(slider.handle.press, back)
        if (slider.value, slider.place, explorer.look()) != (value, place, look):
            missing.append("the other arrow key does not take it back")
        found += [f"{name}: {what}" for what in missing]
    assert found == []


def test_every_number_box_moves_its_slider_and_the_readout(lab):
    found = []
    for name, explorer, slider in each(lab.explorers, "sliders"):
        low, high = slider.ends
        number, place = (low if float(slider.value) != float(low) else high), slider.place
        missing = explorer.after(slider.type, number).missing()
        if float(slider.value) != float(number) or slider.place == place:
            missing.append(f"typing {number} does not move it")
        found += [f"{name}: {what}" for what in missing]
    assert found == []


def test_every_option_of_every_drop_down_shows(lab):
    found = []
    for name, explorer, drop_down in each(lab.explorers, "drop_downs"):
        drop_down.list.press("Home")
        explorer.lab.settle()
        for option in drop_down.options[1:]:
            change = explorer.after(drop_down.list.press, "ArrowDown")
            missing = [] if drop_down.value == option else ["the arrow key does not choose it"]
            if option == YOURS and change.after.refused:
                missing += ["the picture does not stay"] if change.picture else []
                missing += [] if "In a cell: " in change.after.readout else ["the readout does not say how"]
            else:
                missing += change.missing()
            found += [f"{name} = {option}: {what}" for what in missing]
    assert found == []


def test_every_checkbox_toggles_with_the_space_key(lab):
    found = []
    for name, explorer, box in each(lab.explorers, "checkboxes"):
        ticked, look = box.value, explorer.look()
        missing = explorer.after(box.toggle).missing(readout=False)
        missing += ["the space key does not toggle it"] if box.value == ticked else []
        explorer.after(box.toggle)
        missing += ["not taken back"] if (box.value, explorer.look()) != (ticked, look) else []
        found += [f"{name}: {what}" for what in missing]
    assert found == []


def test_reset_puts_everything_back(lab):
    for explorer in lab.explorers:
        explorer.press("Reset")
        values, look = explorer.values(), explorer.look()
        for slider in explorer.sliders:
            slider.handle.press(slider.arrows[0])
        for drop_down in explorer.drop_downs:
            drop_down.choose(next(o for o in drop_down.options if o not in (drop_down.value, YOURS)))
        for box in explorer.checkboxes:
            box.toggle()
        lab.settle()
        changed = explorer.values()
        assert [label for label in values if values[label] == changed[label]] == []
        explorer.press("Reset")
        assert (explorer.values(), explorer.look()) == (values, look)


def test_settings_are_shown_as_code(lab):
    for explorer in lab.explorers:
        explorer.prepare({})
        slider = explorer.sliders[0]
        explorer.press("Settings as code")
        before = explorer.code
        slider.type(next(end for end in slider.ends if float(end) != float(slider.value)))
        explorer.press("Settings as code")
        assert explorer.code.startswith("import qviz.widgets\n") and explorer.code != before
        compile(explorer.code, "code", "exec")


def test_the_picture_is_saved(lab, scratch):
    for explorer in lab.explorers:
        explorer.prepare({})
        explorer.press("Save picture")
        last = explorer.look().readout.splitlines()[-1]
        assert last.startswith("Saved as ")
        assert (scratch / "notebooks" / last.removeprefix("Saved as ")).read_bytes().startswith(b"\x89PNG")


def test_every_prediction_is_answered_by_keyboard_and_revealed(lab):
    """Each is unanswered after Run All, and its answer changes the first reveal that is still closed."""
    for prediction in lab.predictions:
        assert NOT_YET in prediction.status and not prediction.ready, prediction.question
        before = lab.reveals()
        prediction.choose(1)
        assert prediction.ready and lab.reveals() == before
        prediction.commit()
        changed = [old for old, new in zip(before, lab.reveals(), strict=True) if old != new]
        assert NOT_YET not in prediction.status
        assert changed and all(NOT_YET in old for old in changed), prediction.question
    assert [text for text in lab.reveals() if NOT_YET in text] == []


def test_every_control_and_picture_has_a_name(lab):
    for explorer in lab.explorers:
        explorer.press("Settings as code")  # or its field is hidden
    assert lab.unnamed() == []


def test_no_control_is_unknown_to_these_tests(lab):
    assert [html for explorer in lab.explorers for html in explorer.unknown_controls()] == []
