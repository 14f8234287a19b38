"""The explorers of the site move: in Chromium, on a local Pyodide, with the network cut off, as CPython says.

Pyodide is not part of the repository: `python3 tools/pyodide.py` fetches it into build/pyodide.
"""

import subprocess
import sys

import pytest

from .conftest import ROOT
from .site import serve

PYODIDE = ROOT / "build" / "pyodide"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Build the site on the local Pyodide, and serve it on this machine alone."""
    pytest.importorskip("myst_nb")
    sys.path.insert(0, str(ROOT / "tools"))
    import pyodide

    if pyodide.wrong(PYODIDE):
        pytest.skip("build/pyodide is not there, or not what is pinned: python3 tools/pyodide.py")
    out = tmp_path_factory.mktemp("live") / "site"
    command = [sys.executable, ROOT / "tools" / "site.py", "--pyodide", PYODIDE, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with serve(out) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser, address):
    """Return a page that reaches this machine's server alone, and notes what its scripts complain about."""
    context = browser.browser.new_context(viewport={"width": 1280, "height": 900})
    context.route(lambda url: not url.startswith(address), lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def test_an_explorer_of_a_lesson_moves_by_keyboard(page, address):
    from qviz.widgets import CalibrationExplorer

    page.goto(f"{address}/notebooks/03_calibration.html")
    explorer = page.locator(".qviz-live").first
    native = CalibrationExplorer(data="conv2 activations", bits=4, method="min-max")
    assert explorer.locator("pre").inner_text().strip() == native.readout
    bits = explorer.get_by_role("slider", name="Bits")
    bits.focus()
    bits.press("ArrowLeft")  # the first touch loads Python, and counts
    page.locator(".qviz-live[data-state=live]").wait_for()
    native.bits = 3
    assert explorer.locator("pre").inner_text().strip() == native.readout
    native.close()
    assert page.complaints == []
