"""Every notebook, as a reader works it: run all, move every control by keyboard, answer every question.

One page for each notebook; the tests of one notebook share it: each puts the controls back first.
The last one asks for the memory that all of them took.
"""

import json

import pytest

from qviz.lessons.folding import CLOSED

from . import checks
from .conftest import ARTIFACTS, ROOT
from .explorers import NOT_YET, Change
from .lab import ANSWERS_WITHIN_MS

MOST_MIB = 486  # 510 MB: 510e6 bytes are 486.4 MiB
MOST_WITH_COMPILER_MIB = 524  # 550 MB: lowering a graph loads torch's inductor and dynamo, 130 MB of Python modules
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def lab(request, opened):
    """Return one notebook after Run All, photographed."""
    folder = ARTIFACTS / request.param.stem
    lab = opened(request.param)
    lab.photograph(folder)
    yield lab
    measured = {"run_all_ms": lab.run_all_ms, "peak_mib": lab.kernel_peak_mib(), "reactions_ms": lab.reactions_ms}
    (folder / "measured.json").write_text(json.dumps(measured, indent=1), encoding="utf-8")
    lab.close()


@pytest.fixture(autouse=True)
def quiet(lab):
    """Nothing is said on the browser's console or on the kernel's stderr, whatever a test does."""
    yield
    assert lab.complaints() == []


def test_run_all_ends_well(lab):
    assert lab.wrong_outputs() == []
    assert lab.prompts() == [f"[{n}]:" for n in range(1, len(lab.prompts()) + 1)]
    assert lab.kernel_status() == "idle"
    assert len(lab.explorers) == lab.written("Explorer") and len(lab.predictions) == lab.written("Prediction")
    for explorer in lab.explorers:
        assert explorer.look().decoded and explorer.look().readout and not explorer.look().refused


def test_the_tab_key_goes_from_control_to_control(lab):
    assert [(explorer.name, wrong) for explorer in lab.explorers for wrong in checks.tab_order(explorer)] == []


def test_every_slider_moves_by_arrow_key(lab):
    assert checks.each(lab.explorers, "sliders", checks.slider) == []
    assert checks.each(lab.explorers, "ladders", checks.slider) == []


def test_every_number_box_moves_its_slider(lab):
    assert checks.each(lab.explorers, "sliders", checks.number_box) == []


def test_every_option_of_every_drop_down_shows(lab):
    assert checks.each(lab.explorers, "drop_downs", checks.drop_down) == []


def test_every_checkbox_toggles_with_the_space_key(lab):
    assert checks.each(lab.explorers, "checkboxes", checks.checkbox) == []


def test_every_text_that_is_offered_can_be_typed(lab):
    assert checks.each(lab.explorers, "typed", checks.typed) == []


def test_reset_puts_everything_back(lab):
    assert [(explorer.name, wrong) for explorer in lab.explorers for wrong in checks.reset(explorer)] == []


def test_long_work_is_seen_and_can_be_stopped(lab):
    assert [(explorer.name, wrong) for explorer in lab.explorers for wrong in checks.work(explorer)] == []


def test_speed_is_measured_when_the_reader_asks(lab):
    asked = [
        explorer for explorer in lab.explorers if explorer.root.get_by_role("button", name="Measure speed").count()
    ]
    assert len(asked) == lab.written("SpeedExplorer") + lab.written("ParetoExplorer")
    for explorer in asked:
        explorer.prepare({})
        before = explorer.look()
        explorer.press("Measure speed")  # the kernel goes on listening, and the button comes back at the end
        measured = explorer.root.get_by_role("status").filter(has_text="times as fast")
        measured.wait_for(timeout=ANSWERS_WITHIN_MS)
        lab.settle()
        assert explorer.enabled("Measure speed") and Change(before, explorer.look()).missing() == []


def test_settings_are_shown_as_code(lab):
    for explorer in lab.explorers:
        explorer.prepare({})
        explorer.press("Settings as code")
        before = explorer.code
        assert explorer.root.get_by_role("textbox", name="Code").evaluate(
            "(field, image) => field.getBoundingClientRect().bottom <= image.getBoundingClientRect().top + 1",
            explorer.root.locator("img.widget-image").element_handle(),
        )  # above the picture, where the button is
        checks.move_one(explorer)
        explorer.lab.settle()
        assert explorer.code.startswith("import qviz.widgets\n") and explorer.code != before  # it follows
        compile(explorer.code, "code", "exec")
        explorer.press("Settings as code")
        assert explorer.code == ""


def saved_as(explorer):
    """Return the name of the file that the first line of the text tells."""
    first, *more = explorer.look().readout.splitlines()
    assert first.startswith("Saved as ") and not any("Saved as" in line for line in more)
    return first.removeprefix("Saved as ")


def test_the_picture_is_saved(lab, scratch):
    for explorer in lab.explorers:
        explorer.prepare({})
        explorer.press("Save picture")
        first = saved_as(explorer)
        explorer.press("Save picture")
        assert saved_as(explorer) != first  # what is there is never overwritten
        for name in (first, saved_as(explorer)):
            assert (scratch / "notebooks" / name).read_bytes().startswith(b"\x89PNG")


def test_every_prediction_is_answered_by_keyboard_and_revealed(lab):
    folded = lab.page.get_by_text(CLOSED)
    assert bool(folded.count()) == bool(lab.written("fold_output"))
    assert [(p.question, wrong) for p in lab.predictions for wrong in checks.prediction(p)] == []
    assert [text for text in lab.reveals() if NOT_YET in text] == [] and folded.count() == 0
    assert len(checks.records(lab)) == lab.written("record")
    number = len(lab.predictions)
    assert [text for text in checks.records(lab) if f"{number} of {number} guessed" not in text] == []


def test_every_quiz_is_answered_by_keyboard_and_scored(lab):
    quizzes = checks.quizzes(lab)
    assert len(quizzes) == lab.written("before_the_course") + lab.written("after_the_course")
    assert [wrong for quiz in quizzes for wrong in checks.quiz(lab, quiz)] == []


def test_a_term_shows_its_definition(lab):
    assert lab.page.evaluate(checks.TERMS) == checks.terms(lab.path) != []


def test_every_control_and_picture_has_a_name(lab):
    for explorer in lab.explorers:
        explorer.press("Settings as code")  # or its field is hidden
    assert lab.unnamed() == []


def test_no_control_is_unknown_to_these_tests(lab):
    assert [html for explorer in lab.explorers for html in explorer.unknown_controls()] == []


def test_the_kernel_needs_little_memory(lab):
    """A public Binder gives 1 to 2 GB to a reader, a course's server as little. By now, all was moved."""
    most = MOST_WITH_COMPILER_MIB if lab.path.stem.endswith("_moving_on") else MOST_MIB
    assert 20 < lab.kernel_peak_mib() < most
