"""The explorers alone, as Voila serves them: chosen from a list, moved by keyboard, no code in sight."""

import subprocess
import sys

import pytest

import start

from .conftest import ARTIFACTS, ROOT
from .server import end, environment, free_port, wait_until_it_answers

# Voila's own template asks a public host for a font of icons that no explorer uses.
ICONS = "fontawesome"


@pytest.fixture(scope="module")
def address(scratch):
    """Start what `start.py app` starts, on a port of its own."""
    pytest.importorskip("voila")
    port, log = free_port(), scratch / "voila.log"
    command = [sys.executable, *start.COMMANDS["app"][1], "--no-browser", f"--port={port}"]
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=environment(scratch), stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until_it_answers(server, f"http://127.0.0.1:{port}/voila/static/voila.js", log)
            yield f"http://127.0.0.1:{port}/"
        finally:
            end(server)


def test_an_explorer_is_chosen_and_moved(browser, address):
    page, said = browser.new_page(), []
    page.on("console", lambda m: said.append(f"{m.text} {m.location['url']}") if m.type == "error" else None)
    page.goto(address)
    picture = page.locator("img.widget-image")
    picture.wait_for(timeout=60_000)
    assert page.locator("pre:has-text('import')").count() == 0
    first = picture.get_attribute("src")
    page.get_by_role("combobox", name="Explorer").select_option(index=3)
    page.wait_for_function("first => document.querySelector('img.widget-image')?.src !== first", arg=first)
    before = picture.get_attribute("src")
    page.get_by_role("slider").first.press("ArrowLeft")
    page.wait_for_function("before => document.querySelector('img.widget-image')?.src !== before", arg=before)
    assert picture.count() == 1
    (ARTIFACTS / "app").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / "app" / "explorer.png")
    assert [text for text in said if ICONS not in text] == []
    page.close()
