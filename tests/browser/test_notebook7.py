"""The course in Notebook 7, which many courses give to their students: it works there as in JupyterLab.

Two notebooks stand for all, since JupyterLab and Notebook 7 are built of the same parts.
"""

import json
import re

import pytest

from . import checks
from .conftest import ARTIFACTS, ROOT
from .explorers import NOT_YET
from .server import NOTEBOOK_7, jupyterlab

NOTEBOOKS = [next((ROOT / "notebooks").glob(f"*_{slug}.ipynb")) for slug in ("start_here", "scale_and_zero_point")]
CELL = ".jp-Notebook .jp-Cell"


@pytest.fixture(scope="module")
def address(scratch):
    """Start Notebook 7 in place of JupyterLab."""
    pytest.importorskip("notebook")
    with jupyterlab(scratch, NOTEBOOK_7) as address_of:
        yield address_of


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def lab(request, opened):
    """Return one notebook after Run All, photographed."""
    lab = opened(request.param)
    lab.photograph(ARTIFACTS / "notebook7" / request.param.stem)
    yield lab
    lab.close()


@pytest.fixture(autouse=True)
def quiet(lab):
    """Nothing is said on the browser's console or on the kernel's stderr, whatever a test does."""
    yield
    assert lab.complaints() == []


def exercises(lab):
    """Return the place of the cell for each answer, and the name that its check, in the next cell, looks at."""
    cells = json.loads(lab.path.read_text(encoding="utf-8"))["cells"]
    asked = [re.match(r'check\("[\w.]+", (\w+)\)', "".join(cell["source"])) for cell in cells]
    return [(place - 1, found[1]) for place, found in enumerate(asked) if found]


def verdict(lab, place):
    """Return what is announced below the cell after this place."""
    return lab.page.locator(CELL).nth(place + 1).get_by_role("status").inner_text()


def answer(lab, place, line):
    """Type one more line into a cell, run it and the next, which is its check, and return the verdict."""
    lab.page.locator(CELL).nth(place).locator(".cm-content").focus()
    lab.page.keyboard.press("ControlOrMeta+End")
    lab.page.keyboard.type(f"\n{line}")
    for _ in range(2):
        lab.page.keyboard.press("Shift+Enter")
        lab.settle()
    return verdict(lab, place)


def test_this_is_notebook_7(lab):
    assert lab.page.evaluate("jupyterapp.name") == "Jupyter Notebook"
    assert lab.page.evaluate("jupyterapp.version").startswith("7.")


def test_run_all_ends_well(lab):
    assert lab.wrong_outputs() == []
    assert [prompt for prompt in lab.prompts() if not re.fullmatch(r"\[\d+\]:", prompt)] == []
    assert lab.kernel_status() == "idle"
    assert len(lab.explorers) == lab.written("Explorer") > 0
    assert len(lab.predictions) == lab.written("Prediction") > 0
    for explorer in lab.explorers:
        assert explorer.look().decoded and explorer.look().readout and not explorer.look().refused


def test_every_slider_moves_by_arrow_key(lab):
    assert checks.each(lab.explorers, "sliders", checks.slider) == []
    assert checks.each(lab.explorers, "ladders", checks.slider) == []


def test_keys_stay_with_the_control(lab):
    """Notebook 7 hears keys before an output does, JupyterLab after it."""
    lists = [
        d.box for explorer in lab.explorers for d in explorer.drop_downs if d.box.is_visible() and d.box.is_enabled()
    ]
    lists += [quiz.get_by_role("combobox").first for quiz in checks.quizzes(lab)]
    lists += [prediction.root.get_by_role("radio").first for prediction in lab.predictions]
    assert [wrong for each in lists for wrong in checks.keys_stay(lab, each)] == []


def test_shift_enter_on_a_control_runs_its_cell(lab):
    before = lab.prompts()
    lab.explorers[0].drop_downs[0].box.press("Shift+Enter")
    lab.settle()
    assert len([prompt for prompt in lab.prompts() if prompt not in before]) == 1


def test_every_prediction_is_answered_by_keyboard_and_revealed(lab):
    assert [(p.question, wrong) for p in lab.predictions for wrong in checks.prediction(p)] == []
    assert [text for text in lab.reveals() if NOT_YET in text] == []
    assert len(checks.records(lab)) == lab.written("record")


def test_every_quiz_is_answered_by_keyboard_and_scored(lab):
    quizzes = checks.quizzes(lab)
    assert len(quizzes) == lab.written("_the_course")
    assert [wrong for quiz in quizzes for wrong in checks.quiz(lab, quiz)] == []


def test_an_answer_is_typed_and_its_verdict_announced(lab):
    asked = exercises(lab)
    assert len(asked) == lab.written("check")
    for place, name in asked:
        assert NOT_YET in verdict(lab, place)
        assert "not yet." in answer(lab, place, f"{name} = -1")
        if name == "symmetric_scale":
            assert "right." in answer(lab, place, f"{name} = lambda x: abs(x).max() / 127")


def test_a_term_shows_its_definition(lab):
    assert lab.page.evaluate(checks.TERMS) == checks.terms(lab.path) != []


def test_every_control_and_picture_has_a_name(lab):
    for explorer in lab.explorers:
        explorer.press("Settings as code")  # or its field is hidden
    assert lab.unnamed() == []
