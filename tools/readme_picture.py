"""Record the animation in the README: the slider of the photograph explorer, moved in a real JupyterLab.

    .venv/bin/python tools/readme_picture.py

This needs Chromium on PATH, or CHROMIUM=/path/of/chromium, and uses the server and page of the browser tests.
"""

import os
import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = next((ROOT / "notebooks").glob("*_what_is_quantization.ipynb"))
PICTURE = ROOT / "docs" / "explorer.gif"
WIDTH, FRAME_MS = 720, 700

sys.path.insert(0, str(ROOT / "tests"))
from browser.lab import LabPage  # noqa: E402
from browser.server import jupyterlab  # noqa: E402


def frames(chromium: str | None) -> list[Image.Image]:
    """Return a screenshot of the explorer for each step of its first slider, down and up again."""
    with tempfile.TemporaryDirectory() as base, jupyterlab(Path(base)) as address, sync_playwright() as p:
        shutil.copy(NOTEBOOK, Path(base) / "notebooks")
        browser = p.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        lab = LabPage(page, address(NOTEBOOK.name), NOTEBOOK)
        lab.run_all()
        explorer = lab.explorers[0]
        handle = explorer.root.locator(".noUi-handle").first
        handle.focus()
        taken = []
        for key in ["End", *["ArrowLeft"] * 7, *["ArrowRight"] * 7]:
            handle.press(key)
            lab.settle()
            taken.append(Image.open(BytesIO(explorer.root.screenshot())).convert("RGB"))
        lab.close()
        browser.close()
    return taken


def main() -> int:
    """Write the animation, with one palette for all frames."""
    taken = frames(os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome"))
    height = min(round(image.height * WIDTH / image.width) for image in taken)
    small = [
        image.resize((WIDTH, round(image.height * WIDTH / image.width))).crop((0, 0, WIDTH, height)) for image in taken
    ]
    palette = small[0].quantize(64)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in small)
    first.save(PICTURE, save_all=True, append_images=others, duration=FRAME_MS, loop=0, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {len(small)} frames, {PICTURE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
