"""A file of many tensors in an explorer, by keyboard alone, on a screen with two dots a pixel, in a real JupyterLab."""

import nbformat
import numpy as np
import pytest

from .lab import KERNEL, LabPage

SIZES = "() => [...document.querySelectorAll('img.widget-image')].map(i => [i.naturalWidth, i.width, i.naturalHeight])"


@pytest.fixture(scope="module")
def browser(browser):
    """Give its pages two dots a pixel."""
    yield browser.browser.new_context(viewport={"width": 1400, "height": 1100}, device_scale_factor=2)


@pytest.fixture(scope="module")
def lab(browser, address, scratch):
    """Return a notebook that shows an explorer of such a file, after Run All."""
    np.savez(scratch / "notebooks" / "model.npz", **{f"layer.{i}": np.arange(10.0 * (i + 1)) for i in range(12)})
    cells = ["import qviz.widgets\nexplorer = qviz.widgets.CalibrationExplorer(data='model.npz')\nexplorer"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = scratch / "notebooks" / "own.ipynb"
    nbformat.write(notebook, path)
    page = LabPage(browser.new_page(), address(path.name), path)
    page.run_all()
    yield page
    assert page.complaints() == []
    page.close()


def test_the_picture_has_a_dot_for_each_of_the_screen(lab):
    lab.page.wait_for_function(f"() => ({SIZES})()[0][0] === 1880")
    ((dots, pixels, rows),) = lab.page.evaluate(SIZES)
    assert (dots, rows) == (1880, 760) and pixels <= 940


def test_a_tensor_is_found_and_chosen_by_keyboard(lab):
    find = lab.page.get_by_label("Find")
    find.focus()
    lab.page.keyboard.type("layer.1")
    lab.settle()
    tensors = lab.page.get_by_label("Tensor", exact=True)
    assert tensors.locator("option").count() == 3
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("ArrowDown")
    lab.settle()
    assert tensors.evaluate("select => select === document.activeElement")
    chosen = tensors.evaluate("select => select.selectedOptions[0].text.split(/\\s/)[0]")
    values = 10 * (int(chosen.removeprefix("layer.")) + 1)
    assert f"{values} of {values} values seen" in lab.page.get_by_role("status").inner_text()


def test_a_file_is_picked(lab, tmp_path):
    np.save(tmp_path / "mine.npy", np.arange(77.0))
    with lab.page.expect_file_chooser() as asked:
        lab.page.get_by_role("button", name="Open a file").press("Enter")
    asked.value.set_files(tmp_path / "mine.npy")
    lab.page.get_by_role("status").filter(has_text="77 of 77 values seen").wait_for()


def test_a_file_is_dropped_on_the_explorer(lab, tmp_path):
    np.save(tmp_path / "dropped.npy", np.arange(55.0))
    content = list((tmp_path / "dropped.npy").read_bytes())
    lab.page.evaluate(
        """content => {
          const files = new DataTransfer(), target = document.querySelector('.qviz-explorer img');
          files.items.add(new File([new Uint8Array(content)], 'dropped.npy'));
          const event = kind => new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true});
          if (target.dispatchEvent(event('dragover'))) throw new Error('the page does not take it');
          target.dispatchEvent(event('drop'));
        }""",
        content,
    )
    lab.page.get_by_role("status").filter(has_text="55 of 55 values seen").wait_for()
    with lab.page.expect_file_chooser():  # and the button asks as before
        lab.page.get_by_role("button", name="Open a file").press("Enter")


SIGN = """() => { const style = getComputedStyle(document.querySelector('.qviz-readout'), '::before');
  return style.content !== 'none' && style.visibility === 'visible'; }"""
WAITING = """
import time
from pathlib import Path
def slow(state):
    while not Path({0!r}).exists():
        time.sleep(0.01)
    return type(explorer).compute(explorer, state)
explorer.compute = slow
"""


def ask(lab, code):
    """Ask the kernel for a cell, and go on."""
    lab.page.evaluate(f"code => {{ {KERNEL}.requestExecute({{code}}); }}", code)


def test_a_move_that_takes_long_shows_a_sign_until_it_is_answered(lab, tmp_path):
    ask(lab, WAITING.format(str(tmp_path / "go")))
    lab.settle()
    assert not lab.page.evaluate(SIGN)
    lab.page.get_by_label("Bits", exact=True).last.press("ArrowUp")
    lab.page.wait_for_function(SIGN)
    (tmp_path / "go").touch()
    lab.settle()
    assert not lab.page.evaluate(SIGN)


def test_a_file_on_its_way_shows_the_sign(lab, tmp_path):
    np.save(tmp_path / "slow.npy", np.arange(33.0))
    ask(lab, f"while not Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)")  # the kernel cannot take it yet
    with lab.page.expect_file_chooser() as asked:
        lab.page.get_by_role("button", name="Open a file").press("Enter")
    asked.value.set_files(tmp_path / "slow.npy")
    lab.page.wait_for_function(SIGN)
    (tmp_path / "go").touch()
    lab.page.get_by_role("status").filter(has_text="33 of 33 values seen").wait_for()
    lab.settle()
    assert not lab.page.evaluate(SIGN)
