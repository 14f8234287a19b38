"""The checks find what they are there to find: a notebook in which each thing is wrong once."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from . import checks

BROKEN = """
import ipywidgets as w
from qviz.widgets import QuantizeExplorer
explorer = QuantizeExplorer(bits=4)

def slider(name, **options):
    pair = [w.IntSlider(description=name, readout=False, **options), w.BoundedIntText(description=name)]
    explorer._panel_of_controls.children += (w.HBox(pair),)
    return pair

def linked(name):
    pair = slider(name)
    w.jslink((pair[0], "value"), (pair[1], "value"))
    return pair[0]

linked("Dead")
linked("Only words").observe(lambda change: explorer._say(f"now {change.new}"), "value")
linked("Fails").observe(lambda change: 1 / 0, "value")
slider("Stuck", disabled=True)
explorer._panel_of_controls.children += (
    w.Dropdown(options=["a", "b"], description="Dead list"), w.Checkbox(description="Dead box"), w.Text(),
    w.Button(description="Train"), w.Button(description="Stop", disabled=True), w.Button(description="Strange"))
explorer._image.tooltip = None
explorer
"""
OTHERS = (
    "from qviz.lessons import Prediction\nguess = Prediction('Never told?', ['yes', 'no'])\nguess",
    "import sys\nprint('careful', file=sys.stderr)",
    "1 / 0",
    "'not reached'",
)


def stored(path, sources):
    """Write a notebook of code cells, and return its path."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [new_code_cell(source) for source in sources]
    path.write_text(nbformat.writes(new_notebook(cells=cells, metadata=kernel)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def lab(opened, tmp_path_factory):
    """Return that notebook after Run All."""
    lab = opened(stored(tmp_path_factory.mktemp("broken") / "broken.ipynb", [BROKEN, *OTHERS]))
    yield lab
    lab.close()


def test_moves_from_code_are_not_undone_by_late_answers(opened, tmp_path):
    """A slider may answer the first of two moves after the second was made; it must not bring the first one back."""
    moves = "explorer.set(weight=0.4)\nexplorer.set(weight=-0.8)"
    cells = ["from qviz.widgets import STEExplorer\nexplorer = STEExplorer()\nexplorer", moves]
    lab = opened(stored(tmp_path / "moves.ipynb", cells))
    (explorer,) = lab.explorers
    assert explorer.values()["Initial weight"] == "-0.8"
    assert "weight -0.8000" in explorer.look().readout
    lab.close()


@pytest.fixture
def explorer(lab):
    """Return its one explorer, put back."""
    (explorer,) = lab.explorers
    explorer.press("Reset")
    lab.complaints()
    return explorer


def control(explorer, kind, label):
    return next(control for control in getattr(explorer, kind) if control.label == label)


def test_an_error_and_stderr_are_found(lab):
    stderr, error = lab.wrong_outputs()
    assert "careful" in stderr and "ZeroDivisionError" in error
    assert lab.prompts() == ["[1]:", "[2]:", "[3]:", "[4]:", "[ ]:"]


def test_the_console_is_heard(lab):
    lab.page.evaluate("() => console.error('odd')")
    assert any("odd" in text for text in lab.complaints())


@pytest.mark.parametrize(
    ("label", "wrong"),
    [
        ("Bits", []),
        ("Dead", ["the readout stays", "the picture stays"]),
        ("Only words", ["the picture stays"]),
        ("Stuck", ["the readout stays", "the picture stays", "the arrow key does not move it"]),
    ],
)
def test_a_dead_slider_is_found(explorer, label, wrong):
    assert [w for w in checks.slider(explorer, control(explorer, "sliders", label)) if "back" not in w] == wrong


def test_a_number_box_without_a_slider_is_found(explorer):
    assert checks.number_box(explorer, control(explorer, "sliders", "Bits")) == []
    assert "typing 100 does not move it" in checks.number_box(explorer, control(explorer, "sliders", "Stuck"))


def test_an_option_that_shows_nothing_is_found(explorer):
    wrong = checks.drop_down(explorer, control(explorer, "drop_downs", "Dead list"))
    assert wrong == ["b: the readout stays", "b: the picture stays"]


def test_your_own_without_data_says_how(explorer):
    assert checks.drop_down(explorer, control(explorer, "drop_downs", "Data")) == []
    assert explorer.look().refused and checks.HOW_TO in explorer.look().readout


def test_a_dead_checkbox_is_found(explorer):
    assert checks.checkbox(explorer, control(explorer, "checkboxes", "Dead box")) == ["the picture stays"]


def test_what_reset_forgets_is_found(explorer):
    assert "Dead is not put back" in checks.reset(explorer)
    assert "Bits is not put back" not in checks.reset(explorer)


def test_the_traceback_of_a_callback_is_heard(explorer):
    explorer.after(control(explorer, "sliders", "Fails").handle.press, "ArrowRight")
    assert any("ZeroDivisionError" in text for text in explorer.lab.complaints())


def test_a_control_that_the_tab_key_misses_is_found(explorer):
    assert checks.tab_order(explorer) == []
    bits = control(explorer, "sliders", "Bits").box
    bits.evaluate("box => { box.tabIndex = -1; }")
    (wrong,) = checks.tab_order(explorer)
    assert 'type="number"' in wrong
    bits.evaluate("box => { box.tabIndex = 0; }")


def test_an_answer_that_is_never_revealed_is_found(lab):
    (prediction,) = lab.predictions
    assert checks.prediction(prediction) == ["no reveal opens"]


def test_what_has_no_name_is_found(lab):
    assert sorted(html.split()[0] for html in lab.unnamed()) == ["<img", "<input"]


def test_an_unknown_control_is_found(explorer):
    html, button = explorer.unknown_controls()
    assert 'type="text"' in html and button == "Strange"


def test_work_that_neither_shows_nor_stops_is_found(explorer, monkeypatch):
    monkeypatch.setitem(checks.WORK, "Train", ({}, "Stopped after"))
    found = checks.work(explorer)
    assert "Train: it ends, and only 1 looks were seen" in found and any("does not stop it" in text for text in found)


def test_keys_stay_with_the_explorer(explorer):
    """JupyterLab's m turns a cell into Markdown, b adds a cell, d d deletes one, an arrow leaves it."""
    methods = control(explorer, "drop_downs", "Range")
    cells = len(explorer.lab.prompts())
    for key in ("m", "b", "d", "d", "x", "ArrowDown", "ArrowUp"):
        methods.box.press(key)
    explorer.lab.settle()
    assert len(explorer.lab.prompts()) == cells and explorer.look().decoded
    assert methods.box.evaluate("list => list === document.activeElement")
