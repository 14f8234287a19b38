"""The site: built with no network and no warning, and looked at by an accessibility engine at three widths."""

import json
import re

import pytest

pytest.importorskip("ipywidgets")
from qviz.widgets.live import live_explorers

from . import checks
from .conftest import ARTIFACTS, ROOT
from .site import lesson, serious, serve, wait

pytestmark = pytest.mark.timeout(600)  # the first test waits for the site to be built

PAGES = ["index.html", "explore.html", "docs/glossary.html", "docs/instructor.html"]
PAGES += [f"notebooks/{path.stem}.html" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
SIZES = {"desktop": (1400, "light"), "at night": (1400, "dark"), "tablet": (820, "light"), "phone": (390, "light")}
VIEWS = {"desktop": "at night", "phone": "tablet"}
# What may be missing, and why that is no fault of the site.
MISSING = {"/basic.css": "the theme imports it once more, by a path that is wrong; it was there before"}


@pytest.fixture(scope="module")
def address(built_site):
    """Serve the site on this machine alone."""
    with serve(built_site) as address:
        yield address


@pytest.fixture
def page(browser):
    """Return an empty page that notes what it asks for and does not get."""
    context = browser.browser.new_context(service_workers="block")  # each page anew, from the server
    page = context.new_page()
    page.missing = []
    # On a phone the script puts the narrow picture into the place of one that may still be loading.
    page.on("requestfailed", lambda asked: asked.failure == "net::ERR_ABORTED" or page.missing.append(asked.url))
    page.on("response", lambda got: page.missing.append(got.url) if got.status >= 400 else None)
    page.refused = []
    page.on("console", lambda said: page.refused.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("first", VIEWS)
def test_a_page_is_for_everybody(name, first, page, address):
    """A page is loaded for the first view, and turned into the second by the window or the system's colours."""
    for view in (first, VIEWS[first]):
        width, scheme = SIZES[view]
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme=scheme)
        if view == first:
            page.goto(f"{address}/{name}")
        assert serious(page) == [], view
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view}: it scrolls sideways"
        (ARTIFACTS / "site").mkdir(parents=True, exist_ok=True)
        page.screenshot(path=ARTIFACTS / "site" / f"{view}-{name.split('/')[-1].removesuffix('.html')}.png")
    asked = [re.sub(r"^http://[^/]*", "", url) for url in page.missing]
    assert [url for url in asked if url not in MISSING] == []
    assert page.refused == []


def test_the_engine_finds_what_is_wrong(page):
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src='x.png'></main>")
    assert [rule for _, rule, _ in serious(page)] == ["image-alt"]


def test_no_script_runs_that_was_not_built(page, address):
    page.goto(f"{address}/index.html")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=none onerror=\"window.ran = true\">')")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), { text: 'window.ran = true' }))"
    )
    wait(page, "[...document.images].at(-1).complete")
    assert page.evaluate("window.ran") is None
    assert page.refused


def test_the_search_finds_a_word(page, address):
    page.goto(f"{address}/search.html?q=calibrator")
    page.locator("#search-results li a").first.wait_for()
    assert "Calibration" in page.locator("#search-results").inner_text()
    assert serious(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_is_described(name, built_site):
    html = (built_site / name).read_text(encoding="utf-8")
    pictures = re.findall(r"<img [^>]*>", html)
    words = [re.search(r'alt="([^"]*)"', picture) for picture in pictures]
    assert all(alt and len(alt[1]) > 20 for alt in words), pictures


@pytest.mark.parametrize("name", PAGES)
def test_the_stored_text_of_an_explorer_is_that_of_its_settings(name, built_site, page, address):
    """So that nothing jumps when it begins to move."""
    page.goto(f"{address}/{name}")
    for place in page.locator(".qviz-live").all():
        kind = live_explorers().get(place.get_attribute("data-explorer"))
        if kind is None:  # its states were computed; see test_site_live
            continue
        native = kind(**json.loads(place.get_attribute("data-settings")))
        text = place.locator("pre").inner_text().strip()
        if kind.source_optional:  # what only its source can do, such as to measure time, is told at the end
            text = text[: len(native.readout)]
        assert text == native.readout.strip()
        native.close()


def test_the_stored_text_on_disk_says_why_it_cannot_move(page, built_site):
    page.goto((built_site / lesson("calibration")).as_uri())
    assert "this page was opened as a file" in page.locator(".qviz-says").first.inner_text()
    assert page.locator(".qviz-live").first.get_by_role("button", name="Make it interactive").is_disabled()


def test_an_explorer_on_torch_says_what_it_needs(built_site):
    html = (built_site / lesson("benefits_and_trade_offs")).read_text(encoding="utf-8")
    assert "This explorer needs PyTorch, which no browser runs. On your own machine: " in html  # it measures time
    for name in ("ptq_with_fbgemm", "qat_with_fbgemm"):
        html = (built_site / lesson(name)).read_text(encoding="utf-8")
        assert "settings that these controls offer were computed when the site was built." in html


def test_a_guess_opens_the_answer_fills_the_record_and_is_kept(page, address):
    page.goto(f"{address}/{lesson('calibration')}")
    question, answer = page.locator(".qviz-guess").first, page.locator(".qviz-answer").first
    assert answer.get_attribute("open") is None and answer.locator("p").first.is_hidden()
    commit = question.get_by_role("button", name="That is my guess")
    assert commit.is_disabled()
    wrong = next(
        r for r in question.get_by_role("radio").all() if r.input_value() != answer.get_attribute("data-right")
    )
    wrong.press("Space")
    commit.press("Enter")
    guess = wrong.input_value()
    for _ in range(2):  # the second time after the page was opened anew
        assert f"Your guess: {guess}. Read on" in question.inner_text()
        assert answer.locator(".qviz-expected").inner_text() == f"✗ Your guess: {guess}."
        assert answer.locator("p").nth(1).is_visible()
        count = page.locator(".qviz-guess").count()
        assert f"1 of {count} guessed, 0 right." in page.locator(".qviz-record").inner_text()
        assert guess in page.locator(".qviz-record tr").nth(1).inner_text()
        page.reload()
    page.evaluate("localStorage.clear()")


def test_a_term_shows_its_definition(page, address):
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page.goto(f"{address}/notebooks/{path.stem}.html")
        assert page.evaluate(checks.TERMS) == checks.terms(path) != [], path.name


def test_every_question_of_the_course_becomes_a_form(built_site):
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        html = (built_site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        asked = len(re.findall(r"\w+ = Prediction\(", text))
        assert html.count('class="qviz-guess"') == html.count('class="qviz-answer"') == asked, path.name
        assert 'data-right=""' not in html, path.name


def test_a_public_address_brings_launch_buttons(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    monkeypatch.setenv("QVIZ_REPOSITORY", "https://github.com/someone/qviz")
    import conf

    assert conf.html_theme_options["launch_buttons"]["binderhub_url"] == "https://mybinder.org"
    assert conf.html_theme_options["repository_url"] == "https://github.com/someone/qviz"
