"""Every explorer, as it first appears, on four screens: what belongs together is seen together, and nothing breaks."""

import json

import nbformat
import pytest

from qviz.widgets.gallery import all_explorers

from .conftest import ARTIFACTS
from .explorers import Explorer, Ladder
from .lab import LabPage

SCREENS = {"laptop": (1280, 720), "desktop": (1400, 900), "tablet": (1024, 768), "phone": (390, 844)}
MOST_PX = 680  # of an explorer, from its first control to the end of its text
FEW = range(1, 5)
MANY = {  # all in sight at once, because they are one thing to a reader
    "FloatBitsExplorer": "the eight bits of one number",
    "HardToQuantizeExplorer": "the remedies that the picture has a row for",
}

# For each explorer: what it is, its height, how far it is from its first control to the lower end of its picture, the
# height of the window on the page, how much wider it is than its place, and how many controls are in sight.
MEASURE = """() => [...document.querySelectorAll('.qviz-explorer')].map(root => {
  const window = root.closest('.jp-WindowedPanel-outer'), box = root.getBoundingClientRect();
  const picture = root.querySelector('img.widget-image').getBoundingClientRect();
  const rows = [...root.querySelectorAll('.widget-gridbox > *')].filter(e => e.offsetParent);
  return {height: Math.round(box.height), together: Math.round(picture.bottom - box.top), window: window.clientHeight,
    beyond: root.scrollWidth - root.clientWidth, first: rows.length,
    narrow: Math.round(Math.min(...rows.map(e => e.getBoundingClientRect().width)))}; })"""

# Words of a readout that stand on two lines, and the fonts that are not monospace. A range's boxes tell its lines.
BROKEN = """() => [...document.querySelectorAll('.qviz-readout')].flatMap(readout => {
  const walk = document.createTreeWalker(readout, NodeFilter.SHOW_TEXT), found = [];
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    if (!/mono|menlo|consolas/i.test(getComputedStyle(node.parentElement).fontFamily)) found.push('font: ' + node.data);
    for (const word of node.data.matchAll(/\\S+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (range.getClientRects().length > 1) found.push(word[0]);
    }
  }
  return found; })"""
TABLES = """() => [...document.querySelectorAll('.qviz-readout table')].map(table => [
  [...table.rows].every(row => row.cells[0].matches('th[scope]')), table.querySelectorAll('th[scope=col]').length,
  Math.max(...[...table.rows].map(row => row.cells.length))])"""


def cell(kind):
    """Return the code that shows an explorer."""
    if not kind.source or kind.source_optional:
        return f"from qviz.widgets import {kind.__name__}\n{kind.__name__}()"
    module, _, name = kind.source.rpartition(".")
    return f"from qviz.widgets import {kind.__name__}\nfrom {module} import {name}\n{kind.__name__}({name}())"


@pytest.fixture(scope="module")
def lab(browser, address, scratch):
    """Return a notebook of all explorers after Run All, beside an open side bar."""
    path = scratch / "notebooks" / "all.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell(kind)) for kind in all_explorers()])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(notebook, path)
    lab = LabPage(browser.new_page(), address(path.name), path)
    lab.run_all()
    yield lab
    assert lab.complaints() == []
    lab.close()


@pytest.fixture
def at(lab):
    """Return a function that gives the window a size; JupyterLab lays out anew in the next frames."""

    def resize(width, height):
        lab.page.set_viewport_size({"width": width, "height": height})
        bar = "collapseLeft" if width < 1200 else "expandLeft"
        lab.page.evaluate(f"() => jupyterapp.shell.{bar}()")
        lab.settle()
        for _ in range(10):
            lab.page.evaluate("() => new Promise(requestAnimationFrame)")

    return resize


def folded(lab):
    """Return every explorer as it first appears, with only its first controls in sight."""
    return [Explorer(lab, root) for root in lab.page.locator(".qviz-explorer").all()]


@pytest.mark.parametrize("screen", SCREENS)
def test_slider_picture_and_figures_are_seen_together(lab, at, screen):
    at(*SCREENS[screen])
    names = [kind.__name__ for kind in all_explorers()]
    found = dict(zip(names, lab.page.evaluate(MEASURE), strict=True))
    folder = ARTIFACTS / "one_screen"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{screen}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    lab.photograph(folder / screen)
    assert [name for name, seen in found.items() if seen["beyond"] > 0] == []
    assert [name for name, seen in found.items() if seen["first"] not in FEW and name not in MANY] == []
    assert [name for name, seen in found.items() if seen["narrow"] < 230] == []  # a slider needs room to be dragged
    if screen != "phone":
        assert {name: seen for name, seen in found.items() if seen["height"] > MOST_PX} == {}
        assert {name: seen for name, seen in found.items() if seen["together"] > seen["window"]} == {}


@pytest.mark.parametrize("screen", SCREENS)
def test_no_word_and_no_number_is_broken(lab, at, screen):
    at(*SCREENS[screen])
    assert lab.page.evaluate(BROKEN) == []
    tables = lab.page.evaluate(TABLES)
    assert len(tables) > 5 and all(heads and columns == cells for heads, columns, cells in tables)


def test_a_broken_word_and_a_wrong_font_are_found(lab, at):
    at(*SCREENS["phone"])
    spoil = "e => { e.style.setProperty('word-break', 'break-all', 'important'); e.style.fontFamily = 'serif'; }"
    readout = max(lab.page.locator(".qviz-readout pre").all(), key=lambda each: len(each.inner_text()))
    before = readout.get_attribute("style")
    readout.evaluate(spoil)
    assert lab.page.evaluate(BROKEN) != []
    readout.evaluate("(e, style) => e.setAttribute('style', style ?? '')", before)


def test_nothing_jumps_while_a_slider_is_dragged(lab, at):
    at(*SCREENS["laptop"])
    heights = "() => [...document.querySelectorAll('.qviz-explorer')].map(e => e.getBoundingClientRect().height)"
    before = lab.page.evaluate(heights)
    for explorer in folded(lab):
        for slider in [each for each in explorer.sliders if each.handle.is_visible() and each.enabled]:
            for key in ("Home", "End"):
                slider.handle.press(key)
                lab.settle()
    assert lab.page.evaluate(heights) == before


def says_its_value(slider):
    """Return whether a screen reader hears the name and the value: a number as in the box, or a name of the list."""
    name, value = slider.spoken
    same = value == slider.value if isinstance(slider, Ladder) else float(value) == float(slider.value)
    return name == slider.label and same


def test_a_screen_reader_hears_the_value_of_a_slider(lab, at):
    at(*SCREENS["desktop"])
    silent = []
    for explorer in lab.explorers:
        for slider in (*explorer.sliders, *explorer.ladders):
            before = says_its_value(slider)
            if slider.enabled:
                explorer.after(slider.handle.press, slider.arrows[0])
            if not (before and says_its_value(slider)):
                silent.append((explorer.name, slider.label, slider.spoken, slider.value))
    assert silent == []
