"""Results stay folded until there is a guess: tried in a real kernel, since IPython's own outputs are held."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

nbclient = pytest.importorskip("nbclient")

ASK = 'from qviz.lessons import Prediction\ng = Prediction("How many?", {"2": 2, "4": 4})\ng'
FOLD = "g.fold_output()\n"
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run cells in a fresh kernel, and return what each puts out, and the state of every widget after the last."""

    def outputs(*sources, allow_errors=False):
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120, allow_errors=allow_errors)
        client.execute(cwd=str(tmp_path_factory.mktemp("folding")))
        nbformat.validate(notebook)
        states = {key: widget["state"] for key, widget in _widgets(notebook).items()}
        return [cell.outputs for cell in notebook.cells], states

    return outputs


def _widgets(notebook):
    return notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})


def stored(outputs):
    """Return what a page that only is read keeps of outputs: those that are no widget."""
    return [output for output in outputs if VIEW not in output.get("data", {})]


def live(outputs, states):
    """Return what a reader of the running notebook sees of each widget."""
    return [states[output["data"][VIEW]["model_id"]]["value"] for output in outputs if VIEW in output["data"]]


def test_text_and_the_last_value_are_folded_and_open_with_the_guess(run):
    (_, printed, value, _), states = run(ASK, FOLD + "print('a < b')\nprint(2)", FOLD + "[1, 2]", "print('before')")
    (words,), (last,) = stored(printed), stored(value)
    assert words["data"]["text/plain"] == "a < b\n2" and last["data"]["text/plain"] == "[1, 2]"
    assert "a &lt; b" in words["data"]["text/html"].partition("</summary>")[2]
    (seen,) = live(printed, states)
    assert "Folded until" in seen and "a &lt; b" not in seen
    (_, printed, _), states = run(ASK, FOLD + "print('a < b')", 'g.commit("2")')
    assert "a &lt; b" in live(printed, states)[0]


def test_after_the_guess_a_cell_puts_out_as_ever(run):
    (_, _, printed, value), _ = run(ASK, 'g.commit("2")', FOLD + "print(1)", FOLD + "3")
    assert printed[0]["output_type"] == "stream" and value[0]["output_type"] == "execute_result"


def test_the_order_is_kept_and_widgets_come_through(run):
    cell = "import ipywidgets\nprint('one')\ndisplay(ipywidgets.Label('two'))\nprint('three')\ng.reveal(4, 'why')"
    (_, outputs), states = run(ASK, FOLD + cell)
    assert [output["data"]["text/plain"][:5] for output in stored(outputs)] == ["one", "three", "Your "]
    first, label, second, answer = live(outputs, states)
    assert "Folded" in first and label == "two" and "Folded" in second and "not attempted yet" in answer


def test_a_page_that_only_is_read_folds_the_answer(run):
    """What is stored: an answer behind a summary, which says nothing of it."""
    (_, outputs), _ = run(ASK, "g.reveal(4, 'a < b')")
    summary, _, rest = stored(outputs)[0]["data"]["text/html"].partition("</summary>")
    assert summary.endswith("<details><summary>Make your guess, then open the answer.")
    assert rest.startswith("Answer: <strong>4</strong>.<br>a &lt; b</details>")


def test_a_picture_is_folded_live_and_stored_as_it_is(run):
    cell = "from qviz import plots\nplots.compare_accuracies({'float32': 0.9, 'W8A8': 0.5})"
    (_, outputs), states = run(ASK, FOLD + cell)
    assert stored(outputs)[0]["data"]["image/png"].startswith("iVBOR")
    assert "Folded until" in live(outputs, states)[0]
    (_, outputs, _), states = run(ASK, FOLD + cell, 'g.commit("2")')
    assert '<img alt="Right answers: float32' in live(outputs, states)[0]


def test_an_error_is_shown_and_the_next_cell_is_free(run):
    (_, failed, after), _ = run(ASK, FOLD + "print('so far')\n1 / 0", "print('free')\n4", allow_errors=True)
    assert [output["output_type"] for output in failed].count("error") == 1
    assert "so far" in str(failed)
    assert [output["output_type"] for output in after] == ["stream", "execute_result"]


def test_outside_a_notebook_nothing_is_folded(capsys):
    from qviz.lessons import Prediction

    question = Prediction("How many?", ["a", "b"])
    question.fold_output()
    print("seen")
    assert capsys.readouterr().out == "seen\n"
