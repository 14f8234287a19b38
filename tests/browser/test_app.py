"""What Voila serves: the explorers alone, without code, and a lesson as slides; both moved by keyboard."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

import start
from qviz.widgets.controls import controls_of
from qviz.widgets.gallery import all_explorers, summary

from .conftest import ARTIFACTS, ROOT
from .server import end, environment, free_port, wait_until_it_answers

CHANGED = "before => [...document.querySelectorAll('img.widget-image')].find(e => e.offsetParent)?.src !== before"
DISABLED = "e => e.disabled || !!e.closest('[disabled]')"

# What is wrong with the slide that is shown, each part with the words that it begins with.
FAULTS = """() => {
  const nav = document.getElementById('slides-nav').getBoundingClientRect(), found = [];
  const shown = selector => [...document.querySelectorAll('.slide-part.shown')]
    .flatMap(part => [...part.querySelectorAll(selector)]).filter(e => e.offsetParent);
  const told = (fault, element) => found.push(`${fault}: ${element.innerText.trim().slice(0, 50)}`);
  for (const text of shown(':is(pre, p, li, td, label, input, select, button, img):not(.qviz-readout *)')) {
    const box = text.getBoundingClientRect();
    if (box.bottom > nav.top + 1) told('not above the arrows', text);
    if (box.right > innerWidth) told('wider than the slide', text);
  }
  for (const text of shown('pre:not(.qviz-readout *)'))
    if (text.scrollWidth > text.clientWidth + 1) told('a line is cut off', text);
  for (const text of shown('.jp-RenderedText pre, .highlight pre'))
    if (parseFloat(getComputedStyle(text).fontSize) < 10) told('too small', text);
  for (const root of shown('.qviz-explorer'))
    if (!root.querySelector('img.widget-image')?.offsetParent || !root.querySelector('.qviz-readout')?.offsetParent)
      told('a picture without its words', root);
  for (const link of shown('a[href]:not([href^=http])')) told('leads nowhere', link);
  if (!shown('.jp-MarkdownOutput, .jp-OutputArea-output').length) found.push('code alone');
  return found;
}"""

SPOILT = {  # fault: what brings it about in a slide
    "not above the arrows": "document.getElementById('slides-nav').style.bottom = '90vh'",
    "wider than the slide": "part.insertAdjacentHTML('beforeend', '<p style=\"width: 200vw\">x</p>')",
    "a line is cut off": "part.insertAdjacentHTML('beforeend', `<pre>${'x'.repeat(999)}</pre>`)",
    "too small": "part.insertAdjacentHTML('beforeend', '<div class=highlight><pre style=\"font-size: 9px\">x</pre>')",
    "a picture without its words": "part.querySelector('.qviz-readout').style.display = 'none'",
    "leads nowhere": "part.insertAdjacentHTML('beforeend', '<a href=04.ipynb>x</a>')",
    "code alone": "document.querySelectorAll('.slide-part.shown > *').forEach(cell => cell.remove())",
}


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
    """Return an empty page; whatever its console complains of is an error, and whatever it wants from elsewhere."""
    page, said, asked = browser.new_page(), [], []
    page.on("console", lambda m: said.append(f"{m.text} {m.location['url']}") if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []


@pytest.fixture
def app(scratch):
    with served(scratch, "app") as address:
        yield address


@pytest.fixture(scope="module")
def slides(scratch):
    with served(scratch, "slides", "calibration") as address:
        yield address


def test_every_explorer_is_chosen_and_moved(app, page):
    page.goto(app)
    picture = page.locator("img.widget-image")
    picture.wait_for(timeout=60_000)
    assert page.locator("pre:has-text('import')").count() == 0
    (ARTIFACTS / "app").mkdir(parents=True, exist_ok=True)
    explorers = page.get_by_role("combobox", name="Explorer")
    names = explorers.locator("option").all_text_contents()
    assert names[0].replace("\xa0", " ") == summary(min(all_explorers(), key=lambda kind: len(controls_of(kind.State))))
    for index, name in enumerate(names):
        before = picture.get_attribute("src")
        explorers.select_option(index=index)
        if index:  # the simplest was there from the beginning
            page.wait_for_function(CHANGED, arg=before, timeout=60_000)
        page.screenshot(path=ARTIFACTS / "app" / f"{name.partition(':')[0]}.png")
        before = picture.get_attribute("src")
        move(page)
        page.wait_for_function(CHANGED, arg=before)
        assert picture.count() == 1


def move(page):
    """Move the first control of an explorer: a slider, a list, a name that is typed, or a box."""
    explorer = page.locator(".qviz-explorer:visible")
    sliders, lists, names, boxes = (
        [each for each in explorer.locator(kind).all() if each.is_visible() and not each.evaluate(DISABLED)]
        for kind in ("[role=slider]", "select", "input[list]", "input[type=checkbox]")
    )
    if sliders:
        now, most = (float(sliders[0].get_attribute(f"aria-value{end}")) for end in ("now", "max"))
        sliders[0].press("ArrowLeft" if now == most else "ArrowRight")
    elif lists:
        lists[0].select_option(index=0 if lists[0].evaluate("list => list.selectedIndex") else 1)
    elif names:
        names[0].fill(names[0].evaluate("name => [...name.list.options].find(o => o.value !== name.value).value"))
        names[0].press("Enter")
    else:
        boxes[0].press("Space")


def number(page):
    """Return which slide is shown, by the browser itself: what Playwright knows of the address comes later."""
    return int(page.evaluate("location.hash.slice(1)"))


def test_a_lesson_is_shown_as_slides_with_its_explorers_alive(slides, page):
    page.set_viewport_size({"width": 1280, "height": 720})  # what most projectors show
    page.goto(slides)
    page.locator("img.widget-image").first.wait_for(state="attached", timeout=60_000)
    assert page.locator(".slide-part.shown").count() == 2  # the title, and the imports
    assert page.get_by_role("status").filter(has_text="1 / ").count() == 1
    (ARTIFACTS / "app").mkdir(parents=True, exist_ok=True)
    picture, last, moved = page.locator("img.widget-image:visible"), 0, []
    while (slide := number(page)) != last:
        last = slide
        page.screenshot(path=ARTIFACTS / "app" / f"slide{slide:02d}.png")
        assert page.evaluate(FAULTS) == [], slide
        if picture.count():
            before = picture.get_attribute("src")
            move(page)  # an explorer's key turns no slide
            page.wait_for_function(CHANGED, arg=before)
            moved.append(slide)
            assert number(page) == slide
            page.keyboard.press("Escape")
        page.keyboard.press("PageDown")
    assert len(moved) == 3
    page.keyboard.press("ArrowLeft")
    assert number(page) == last - 1
    page.get_by_role("button", name="Next slide").click()
    assert number(page) == last


def test_a_slide_with_a_fault_is_found(slides, page):
    page.goto(slides)
    page.locator("img.widget-image").first.wait_for(state="attached", timeout=60_000)
    while not page.locator(".qviz-explorer:visible").count():
        page.keyboard.press("PageDown")
    assert page.evaluate(FAULTS) == []
    for fault, spoil in SPOILT.items():
        assert fault not in " ".join(page.evaluate(FAULTS))
        last = page.locator(".slide-part.shown").last.element_handle()
        assert fault in " ".join(page.evaluate(f"part => {{ {spoil}; return ({FAULTS})(); }}", last))
