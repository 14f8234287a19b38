"""What Voila serves: the explorers alone, without code, and a lesson as slides; both moved by keyboard."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

import start

from .conftest import ARTIFACTS, ROOT
from .server import end, environment, free_port, wait_until_it_answers

# Voila's own template asks a public host for a font of icons that no explorer uses.
ICONS = "fontawesome"
CHANGED = "before => [...document.querySelectorAll('img.widget-image')].find(e => e.offsetParent)?.src !== before"


@contextmanager
def served(scratch, name, *options):
    """Start what `start.py app` or `start.py slides` starts, on a port of its own; yield its address."""
    pytest.importorskip("voila")
    port, log = free_port(), scratch / f"{name}.log"
    command = [sys.executable, *start.COMMANDS[name][1], *options, "--no-browser", f"--port={port}"]
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=environment(scratch), stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until_it_answers(server, f"http://127.0.0.1:{port}/voila/static/voila.js", log)
            yield f"http://127.0.0.1:{port}/"
        finally:
            end(server)


@pytest.fixture
def page(browser):
    """Return an empty page; whatever its console complains of, but for a font of icons, is an error."""
    page, said = browser.new_page(), []
    page.on("console", lambda m: said.append(f"{m.text} {m.location['url']}") if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert [text for text in said if ICONS not in text] == []


@pytest.fixture
def app(scratch):
    with served(scratch, "app") as address:
        yield address


@pytest.fixture
def slides(scratch):
    with served(scratch, "slides", "01") as address:
        yield address


def test_an_explorer_is_chosen_and_moved(app, page):
    page.goto(app)
    picture = page.locator("img.widget-image")
    picture.wait_for(timeout=60_000)
    assert page.locator("pre:has-text('import')").count() == 0
    first = picture.get_attribute("src")
    page.get_by_role("combobox", name="Explorer").select_option(index=3)
    page.wait_for_function(CHANGED, arg=first)
    before = picture.get_attribute("src")
    page.get_by_role("slider").first.press("ArrowLeft")
    page.wait_for_function(CHANGED, arg=before)
    assert picture.count() == 1
    (ARTIFACTS / "app").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / "app" / "explorer.png")


def number(page):
    """Return which slide is shown, by the browser itself: what Playwright knows of the address comes later."""
    return int(page.evaluate("location.hash.slice(1)"))


def test_a_lesson_is_shown_as_slides_with_its_explorers_alive(slides, page):
    page.goto(slides)
    page.locator("img.widget-image").first.wait_for(state="attached", timeout=60_000)
    picture = page.locator("img.widget-image:visible")
    assert page.locator(".slide-part.shown").count() == 2  # the title, and the imports
    assert page.get_by_role("status").filter(has_text="1 / ").count() == 1
    turned = 0
    while not picture.count():
        page.keyboard.press("PageDown")
        turned += 1
        assert turned < 10
    slide, before = number(page), picture.get_attribute("src")
    assert slide > 1 and page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page.get_by_role("slider").first.press("ArrowLeft")  # an explorer's key turns no slide
    page.wait_for_function(CHANGED, arg=before)
    assert number(page) == slide
    (ARTIFACTS / "app").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / "app" / "slide.png")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    assert number(page) < slide
    page.get_by_role("button", name="Next slide").click()
    assert number(page) == slide
