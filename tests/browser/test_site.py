"""The site: built with no network and no warning, and looked at by an accessibility engine at three widths."""

import re
import subprocess
import sys

import pytest

from .conftest import ARTIFACTS, ROOT
from .site import serve

PAGES = ["index.html", "docs/glossary.html", "docs/instructor.html"]
PAGES += [f"notebooks/{path.stem}.html" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
VIEWS = {"desktop": (1400, "light"), "at night": (1400, "dark"), "tablet": (820, "light"), "phone": (390, "light")}
SERIOUS = ("critical", "serious")
# What may be missing, and why that is no fault of the site.
MISSING = {"/basic.css": "the theme imports it once more, by a path that is wrong; it was there before"}


@pytest.fixture(scope="module")
def built():
    """Build the site as `start.py site` does."""
    pytest.importorskip("myst_nb")
    command = [sys.executable, ROOT / "tools" / "site.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ROOT / "build" / "site"


@pytest.fixture(scope="module")
def address(built):
    """Serve the site on this machine alone."""
    with serve(built) as address:
        yield address


@pytest.fixture
def page(browser):
    """Return an empty page that notes what it asks for and does not get."""
    page = browser.new_page()
    page.missing = []
    page.on("requestfailed", lambda asked: page.missing.append(asked.url))
    page.on("response", lambda got: page.missing.append(got.url) if got.status >= 400 else None)
    yield page
    page.close()


def serious(page):
    """Return what the engine finds that keeps somebody out."""
    page.evaluate("Promise.all(document.getAnimations().map(fading => fading.finished))")  # no colour half way
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [(v["impact"], v["id"], n["html"][:200]) for v in found if v["impact"] in SERIOUS for n in v["nodes"]]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_page_is_for_everybody(name, view, page, address):
    width, scheme = VIEWS[view]
    page.set_viewport_size({"width": width, "height": 1000})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/{name}")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    asked = [re.sub(r"^http://[^/]*", "", url) for url in page.missing]
    assert [url for url in asked if url not in MISSING] == []
    (ARTIFACTS / "site").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / "site" / f"{view}-{name.split('/')[-1].removesuffix('.html')}.png")


def test_the_engine_finds_what_is_wrong(page):
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src='x.png'></main>")
    assert [rule for _, rule, _ in serious(page)] == ["image-alt"]


def test_the_search_finds_a_word(page, address):
    page.goto(f"{address}/search.html?q=calibrator")
    page.locator("#search-results li a").first.wait_for()
    assert "Calibration" in page.locator("#search-results").inner_text()
    assert serious(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_is_described(name, built):
    html = (built / name).read_text(encoding="utf-8")
    pictures = re.findall(r"<img [^>]*>", html)
    words = [re.search(r'alt="([^"]*)"', picture) for picture in pictures]
    assert all(alt and len(alt[1]) > 20 for alt in words), pictures


def test_a_public_address_brings_launch_buttons(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    monkeypatch.setenv("QVIZ_REPOSITORY", "https://github.com/someone/qviz")
    import conf

    assert conf.html_theme_options["launch_buttons"]["binderhub_url"] == "https://mybinder.org"
    assert conf.html_theme_options["repository_url"] == "https://github.com/someone/qviz"
