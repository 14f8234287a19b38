"""Take the picture of the README: the first explorer of lesson 3, in a real JupyterLab.

    .venv/bin/python tools/readme_picture.py

Needs Chromium on PATH, or CHROMIUM=/path/of/chromium; the browser tests' own server and page do the work.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "03_calibration.ipynb"
PICTURE = ROOT / "docs" / "explorer.png"

sys.path.insert(0, str(ROOT / "tests"))
from browser.lab import LabPage  # noqa: E402
from browser.server import jupyterlab  # noqa: E402


def main() -> int:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as base, jupyterlab(Path(base)) as address, sync_playwright() as p:
        shutil.copy(NOTEBOOK, Path(base) / "notebooks")
        browser = p.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        lab = LabPage(page, address(NOTEBOOK.name), NOTEBOOK)
        lab.run_all()
        explorer = lab.explorers[0]
        for drop_down in explorer.drop_downs:
            if "mse" in drop_down.options:
                drop_down.choose("mse")
        lab.settle()
        PICTURE.parent.mkdir(exist_ok=True)
        explorer.root.screenshot(path=PICTURE)
        lab.close()
        browser.close()
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
