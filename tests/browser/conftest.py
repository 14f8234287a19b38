"""Notebooks in a real JupyterLab in a real Chromium.

Everything lives as long as one test file, no longer: while Playwright runs, its event loop counts as running in this
thread, and tests of other files (nbval's) want one of their own.

Pictures of each notebook, and how fast it reacted, are left in artifacts/browser (git ignores it).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .lab import LabPage
from .server import jupyterlab

ROOT = Path(__file__).resolve().parent.parent.parent
ARTIFACTS = ROOT / "artifacts" / "browser"
PYODIDE = ROOT / "build" / "pyodide"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# Names other than this machine's do not resolve: the page is as offline as the kernels are.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="module")
def chromium():
    """Return the path of a Chromium: CHROMIUM, or the first on PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or pytest.skip("no Chromium on PATH, and none named by CHROMIUM=/path/of/chromium")


@pytest.fixture(scope="module")
def browser(chromium):
    """Start a browser with a window large enough for an explorer and its text."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        process = p.chromium.launch(executable_path=chromium, args=[OFFLINE])
        try:
            yield process.new_context(viewport={"width": 1400, "height": 1100})
        finally:
            process.close()


def pyodide_tool():
    """Return tools/pyodide.py, which knows what belongs into build/pyodide."""
    sys.path.insert(0, str(ROOT / "tools"))
    import pyodide

    return pyodide


@pytest.fixture(scope="session")
def built_site(tmp_path_factory):
    """Build the site as `start.py site` does, once for all test files and workers: it takes a minute of processor time.

    Pyodide is in it if build/pyodide has it.
    """
    pytest.importorskip("myst_nb")
    filelock = pytest.importorskip("filelock")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    out = folder / "site"
    with filelock.FileLock(folder / "site.lock"):
        if not (out / "service-worker.js").exists():  # it is written last
            local = ["--pyodide", PYODIDE] if not pyodide_tool().bad_files(PYODIDE) else []
            command = [sys.executable, ROOT / "tools" / "site.py", "--states", "few", "--out", out, *local]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """Return a folder for one server; nothing outside it is written."""
    return tmp_path_factory.mktemp("jupyter")


@pytest.fixture(scope="module")
def address(scratch):
    """Start JupyterLab, and return the function from a notebook's name to its address."""
    pytest.importorskip("jupyterlab")
    with jupyterlab(scratch) as address_of:
        yield address_of


@pytest.fixture(scope="module")
def opened(browser, address, scratch):
    """Return a function that opens a copy of a notebook, without outputs, and runs all of it."""

    def copy_without_outputs(path):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        (scratch / "notebooks" / path.name).write_text(json.dumps(notebook), encoding="utf-8")

    def open_and_run(path):
        copy_without_outputs(path)
        lab = LabPage(browser.new_page(), address(path.name), path)
        lab.run_all()
        return lab

    return open_and_run
