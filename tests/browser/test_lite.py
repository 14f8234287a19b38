"""Whole notebooks in JupyterLite: one is run from its first cell to its last, with the network cut off.

`start.py test --thorough tests/browser/test_lite.py` runs all of them, which takes six minutes.

Pyodide is not part of the repository: `python3 tools/pyodide.py` fetches it into build/pyodide.
"""

import json
import os

import pytest

pytest.importorskip("jupyterlite_core")
pytest.importorskip("ipywidgets")

from .conftest import PYODIDE, ROOT, pyodide_tool
from .site import serve, wait

pytestmark = pytest.mark.timeout(600)

PAGES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
TRIED = [name for name in PAGES if name.endswith("_calibration.ipynb") or "QVIZ_STATES" in os.environ]
PANEL = "window.jupyterapp?.shell?.currentWidget"
READY = f"{PANEL}?.sessionContext?.session?.kernel?.status === 'idle'"
CELLS = f"{PANEL}.content.model.toJSON().cells"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build JupyterLite alone."""
    pyodide = pyodide_tool()
    import lite_site

    if pyodide.bad_files(PYODIDE, pyodide.EVERYTHING):
        pytest.skip("build/pyodide is not there, or not what is pinned: python3 tools/pyodide.py")
    out = tmp_path_factory.mktemp("lite")
    lite_site.build(out, PYODIDE)
    return out


def text(cell):
    """Return what a cell has put out, without stderr, where matplotlib says that it lists the fonts."""
    told = [output for output in cell["outputs"] if output.get("name") != "stderr"]
    parts = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in told]
    return "".join("".join(part) for part in parts).replace("\n", "")


@pytest.fixture(scope="module")
def address(built):
    """Serve it on this machine alone."""
    with serve(built) as address:
        yield address


@pytest.mark.parametrize("name", TRIED)
def test_a_page_runs_as_it_is_stored_and_work_is_kept(name, browser, built, address):
    path = built / "lite" / "files" / name
    stored = {cell["id"]: cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
    page = browser.new_page()
    page.goto(f"{address}/lite/notebooks/index.html?path={name}", wait_until="domcontentloaded")
    wait(page, READY)
    run = "app.commands.execute('notebook:run-all-cells').then(() => { window.done = true })"
    page.evaluate(f"() => {{ const app = window.jupyterapp; {run}; return 0 }}")
    wait(page, "window.done", seconds=240)
    code = [cell for cell in page.evaluate(CELLS) if cell["cell_type"] == "code"]
    assert [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"] == []
    assert {cell["id"]: text(cell) for cell in code} == {cell["id"]: text(stored[cell["id"]]) for cell in code}
    page.evaluate(f"() => {{ {PANEL}.content.model.cells.get(0).sharedModel.setSource('my own words'); return 0 }}")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.reload(wait_until="domcontentloaded")
    wait(page, READY)
    assert "my own words" in page.evaluate(CELLS)[0]["source"]
    page.close()
