"""The next day: a page was run, saved and closed, its kernel is gone, and the page is opened again."""

import json

import nbformat
import pytest

from .conftest import ARTIFACTS
from .lab import KERNEL, LabPage

CELLS = (
    "from qviz.widgets import QuantizeExplorer\nexplorer = QuantizeExplorer(bits=3)\nexplorer",
    "from qviz.lessons import Prediction\nguess = Prediction('How many levels?', ['4', '8'])\nguess",
    "guess.reveal('8', 'Two to the power of three.')",
)
KERNELSPEC = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
MODEL = "window.jupyterapp.shell.currentWidget"
# The text of each cell's outputs as it is seen, and how many pictures are in sight.
SEEN = """() => [...document.querySelectorAll('.jp-Notebook .jp-Cell-outputArea')].map(area => [
  area.innerText,
  [...area.querySelectorAll('img')].filter(image => image.offsetParent && image.naturalWidth).length])"""
NOT_YET_STORED = "() => document.getAnimations().every(a => a.animationName !== 'qviz-late')"
SHOWN = f"""() => {MODEL}?.content?.widgets?.length && document.querySelector('.jp-Notebook .jp-Cell-outputArea')"""


@pytest.fixture(scope="module")
def page_of(browser, address, scratch):
    """Return a function that opens the notebook, as stored or to be run."""
    path = scratch / "notebooks" / "back.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = KERNELSPEC
    nbformat.write(notebook, path)
    return lambda: LabPage(browser.new_page(), address(path.name), path)


def seen(lab):
    """Return what each cell shows once nothing is about to change."""
    lab.settle()
    lab.page.wait_for_function(NOT_YET_STORED)
    return lab.page.evaluate(SEEN)


def stored_is_shown(lab):
    """Require picture, words and advice for each, and no error of a widget."""
    (explorer, pictures), (question, _), (answer, _) = seen(lab)
    assert pictures == 1
    assert "Gaussian as uint3" in explorer and explorer.count("Run this cell to make the explorer interactive.") == 1
    assert "How many levels?" in question and question.count("Run this cell to answer.") == 1
    assert answer.startswith("Make your guess, then open the answer.")  # and it is folded
    assert "rror" not in (explorer + question + answer).replace("squared error", "")


def live_is_shown(lab):
    """Require widgets alone."""
    (explorer, pictures), (question, _), (answer, _) = seen(lab)
    assert pictures == 1 and "Gaussian as uint3" in explorer
    assert "Run this cell" not in explorer + question + answer
    assert lab.page.locator(".qviz-explorer img.widget-image").count() == 1


def test_a_page_comes_back(page_of, scratch):
    lab = page_of()
    lab.run_all()
    live_is_shown(lab)
    lab.page.evaluate(f"() => {MODEL}.context.save()")
    lab.close()
    (output,) = [
        output
        for cell in json.loads((scratch / "notebooks" / "back.ipynb").read_text())["cells"]
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    assert "".join(output["data"]["text/plain"]).startswith("Gaussian as uint3")

    lab = page_of()
    lab.page.wait_for_function(SHOWN)
    stored_is_shown(lab)
    (ARTIFACTS / "back").mkdir(parents=True, exist_ok=True)
    lab.page.screenshot(path=ARTIFACTS / "back" / "reopened.png")
    lab.run_all()  # what the advice says
    live_is_shown(lab)

    lab.page.evaluate(f"() => {KERNEL}.restart()")
    lab.page.wait_for_function(f"() => {KERNEL}?.status === 'idle'")
    stored_is_shown(lab)
    lab.page.screenshot(path=ARTIFACTS / "back" / "restarted.png")
    lab.close()


def test_a_page_that_is_opened_and_closed_untouched_needs_no_saving(browser, address, scratch):
    """As tools/notebooks.py stores it; with another language, JupyterLab would write the kernel's, and ask."""
    for name, language, changed in (("stored", {"name": "python"}, False), ("other", {"name": "python2"}, True)):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
        notebook.metadata = {"kernelspec": KERNELSPEC, "language_info": language}
        nbformat.write(notebook, scratch / "notebooks" / f"{name}.ipynb")
        lab = LabPage(browser.new_page(), address(f"{name}.ipynb"), scratch)
        lab.page.wait_for_function(f"() => {MODEL}.content.model.sharedModel.metadata.language_info?.version")
        assert lab.page.evaluate(f"() => {MODEL}.content.model.dirty") is changed
        lab.close()
