"""The explorers of the site move: in Chromium, on a local Pyodide, with the network cut off, as CPython says.

Pyodide is not part of the repository: `python3 tools/pyodide.py` fetches it into build/pyodide.
"""

import base64
import io
import pkgutil

import numpy as np
import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("myst_nb")
from PIL import Image

from qviz.widgets import CalibrationExplorer, FormatNameExplorer, PhotoExplorer, PTQExplorer, QATExplorer
from qviz.widgets.controls import YOURS, Slider, Toggle, Typed, controls_of
from qviz.widgets.links import write_link
from qviz.widgets.live import live_explorers

from .conftest import PYODIDE, pyodide_tool
from .site import lesson, serious, serve, wait

pytestmark = pytest.mark.timeout(600)  # the first test waits for the site to be built

STATES = 3  # of each explorer
ON_TORCH = {kind.__name__: kind for kind in (PTQExplorer, QATExplorer)}
PATIENCE_MS = 120_000
# Pyodide has matplotlib 3.8, whose letters are drawn by another FreeType and a pixel or two elsewhere. Most that was
# seen is 12 of 255, the mean over the picture.
TOLERANCE = 16
VALUE = "e => e.tagName === 'SELECT' ? e.selectedOptions[0].textContent : +e.value"
ANOTHER = """e => e.tagName === 'SELECT' ? (e.selectedIndex > 0 ? 'ArrowUp' : 'ArrowDown')
    : (+e.value > +e.min ? 'ArrowLeft' : 'ArrowRight')"""  # the key that leads to another value
KEPT = """async least => {
    const name = (await caches.keys()).find((name) => name.startsWith('qviz-python'));
    return name && (await (await caches.open(name)).keys()).length >= least;
}"""
SPOIL = """async () => {
    const shelf = await caches.open("qviz");
    const memory = (await shelf.keys()).find(({ url }) => url.includes(".memory"));
    await shelf.put(memory, new Response(new Uint8Array(25 << 20)));
}"""
AT = "element => element.getBoundingClientRect().top"
MOVES = "performance.getEntriesByName('qviz move').length"


@pytest.fixture(scope="module")
def built(built_site):
    """Return the site with the local Pyodide in it."""
    if pyodide_tool().bad_files(PYODIDE):
        pytest.skip("build/pyodide is not there, or not what is pinned: python3 tools/pyodide.py")
    return built_site


@pytest.fixture(scope="module")
def address(built):
    """Serve it on this machine alone."""
    with serve(built) as address:
        yield address


@pytest.fixture(scope="module")
def opened(browser, address):
    """Return a function that opens a page which reaches this machine's server alone, and notes complaints."""
    context = browser.browser.new_context(viewport={"width": 1280, "height": 900}, service_workers="block")
    context.route(lambda url: not url.startswith(address), lambda route: route.abort())

    def open_page(name):
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.complaints = []
        page.asked = []
        page.on("request", lambda asked: page.asked.append(asked.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{address}/{name}")
        return page

    yield open_page
    context.close()


@pytest.fixture(scope="module")
def explore(opened):
    """Return the page of all explorers, with Python loaded."""
    page = opened("explore.html")
    page.get_by_role("button", name="Make it interactive").click()
    page.locator(".qviz-live[data-state=live]").wait_for()
    return page


def follow(page, link):
    """Change the page's address, and wait for the answer."""
    before = page.evaluate(MOVES)
    page.evaluate("link => { location.hash = link }", link)
    wait(page, f"before => {MOVES} > before", before)


def readout(page, nth=0):
    return page.locator(".qviz-live").nth(nth).locator("pre").inner_text().strip()


def said(page):
    return page.locator(".qviz-says").first.inner_text()


def picture(page, name=""):
    place = page.locator(f".qviz-live[data-explorer={name}]" if name else ".qviz-live").first
    data = place.locator("canvas").evaluate("canvas => canvas.toDataURL('image/png')")
    return pixels(base64.b64decode(data.partition(",")[2]))


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int16)


def random_state(kind, rng):
    state = {}
    for name, (control, _) in controls_of(kind.State).items():
        if isinstance(control, Slider):
            value = control.low + control.step * int(
                rng.integers(round((control.high - control.low) / control.step) + 1)
            )
            state[name] = round(value, control.digits) if control.digits else int(value)
        else:
            options = [False, True] if isinstance(control, Toggle) else [o for o in control.options if o != YOURS]
            state[name] = options[int(rng.integers(len(options)))]
    return state


def difference(a, b):
    rows = min(len(a), len(b))  # versions of matplotlib may round the height of a picture otherwise
    assert abs(len(a) - len(b)) <= 1
    return float(np.abs(a[:rows] - b[:rows]).mean())


@pytest.mark.parametrize("name", live_explorers())
def test_text_and_picture_are_those_of_cpython(name, explore):
    kind, rng = live_explorers()[name], np.random.default_rng(0)
    states = [random_state(kind, rng) for _ in range(STATES)]
    seen, native = [], []
    for state in states:
        follow(explore, write_link(kind, state))
        seen.append(picture(explore))
        explorer = kind(**state)
        native.append(pixels(explorer.png))
        assert readout(explore) == explorer.readout.strip(), write_link(kind, state)
        explorer.close()
    apart = np.array([[difference(a, b) for b in native] for a in seen])
    assert apart.diagonal().max() < TOLERANCE
    # A picture that was left from another state would be nearer to that state's.
    assert (apart.diagonal() <= apart.min(axis=1) + 0.01).all(), apart
    assert explore.complaints == []


@pytest.mark.parametrize("name", live_explorers())
def test_a_control_moves_it(name, explore):
    """The first slider by one step, or the first list by one entry, by keyboard, from where a new explorer stands."""
    kind = live_explorers()[name]
    follow(explore, write_link(kind, {}) + "&nth=1")  # another address than before, for the same state
    if any(isinstance(control, Typed) for control, _ in controls_of(kind.State).values()):
        return  # the next test types
    control = explore.locator(".qviz-controls input[type=range], .qviz-controls select").first
    before, left = explore.evaluate(MOVES), control.evaluate(VALUE)
    control.press(control.evaluate(ANOTHER))
    wait(explore, f"before => {MOVES} > before", before)
    setting = control.get_attribute("id").split("-")[2]
    declared = controls_of(kind.State)[setting][0]
    listed = {str(option): option for option in getattr(declared, "options", ())}
    native = kind(**{setting: listed.get(control.evaluate(VALUE), control.evaluate(VALUE))})
    assert control.evaluate(VALUE) != left
    assert readout(explore) == native.readout.strip()
    native.close()


def test_a_name_is_typed(explore):
    follow(explore, write_link(FormatNameExplorer, {}) + "&nth=2")
    box, before = explore.locator(".qviz-controls").get_by_label("Name"), explore.evaluate(MOVES)
    box.fill("E5M2")
    box.press("Enter")
    wait(explore, f"before => {MOVES} > before", before)
    native = FormatNameExplorer(name="E5M2")
    assert readout(explore) == native.readout.strip()


@pytest.mark.parametrize(
    ("page", "name", "link", "control", "key", "settings"),
    [
        (
            "ptq_with_fbgemm",
            "PTQExplorer",
            {"method": "mse"},
            "Weight bits",
            "Home",
            {"weight_bits": 3, "method": "mse"},
        ),
        (
            "ptq_with_fbgemm",
            "PTQExplorer",
            {"weight_bits": 3},
            "Ranges by",
            "ArrowDown",
            {"weight_bits": 3, "method": "mse"},
        ),
        ("qat_with_fbgemm", "QATExplorer", {}, "Epochs", "Home", {"seed": 1, "epochs": 0}),
    ],
)
def test_an_explorer_on_torch_moves_to_states_that_were_computed(page, name, link, control, key, settings, opened):
    """With no Python in the page; text and picture are those of the explorer itself, here and now."""
    pytest.importorskip("torch")
    native = ON_TORCH[name](pkgutil.resolve_name(ON_TORCH[name].source)(), **settings)
    page = opened(lesson(page))
    place = page.locator(f".qviz-live[data-explorer={name}]")
    follow(page, write_link(type(native), link))
    before = page.evaluate(MOVES)
    place.get_by_label(control, exact=True).first.press(key)
    wait(page, f"before => {MOVES} > before", before)
    assert place.locator("pre").inner_text().strip() == native.readout.strip()
    figures = " ".join(f"{name} {figure}" for name, figure in native.figures(native.state, native.result).items())
    assert place.locator(".qviz-figures").inner_text().split() == figures.split()
    assert (picture(page, name) == pixels(native.png)).all()
    assert page.complaints == [] and not [asked for asked in page.asked if "pyodide" in asked]
    native.close()
    page.close()


def test_a_link_to_states_that_were_not_computed_gets_a_sentence(opened):
    page = opened(lesson("ptq_with_fbgemm"))
    follow(page, "explorer=PTQExplorer&weight_bits=3&method=<img src=x onerror=alert(1)>&__proto__=1&hide=bits,method")
    assert readout(page).startswith("W3A8")
    assert "method=<img src=x onerror=alert(1)> was not computed. The setting of the lesson is shown." in said(page)
    for name in ("__proto__", "bits"):
        assert f"This explorer has no control {name}." in said(page)
    before = page.evaluate(MOVES)
    page.get_by_label("Weight bits", exact=True).first.press("End")
    page.get_by_role("button", name="Reset").click()
    wait(page, f"before => {MOVES} === before + 2", before)
    assert readout(page).startswith("W3A8")  # where the link began
    assert page.complaints == []
    page.close()


def test_a_control_behind_more_is_counted(opened):
    page = opened(lesson("calibration"))
    place = page.locator(".qviz-live").first
    more, scheme = place.get_by_role("button", name="More"), place.locator(".qviz-row").get_by_label("Scheme")
    assert scheme.is_hidden() and more.get_attribute("aria-expanded") == "false"
    more.press("Enter")
    scheme.press("ArrowDown")
    page.locator(".qviz-live[data-state=live]").wait_for()
    place.get_by_role("button", name="Fewer").press("Enter")
    native = CalibrationExplorer(data="conv2 activations", bits=4, method="min-max", scheme="symmetric")
    assert readout(page) == native.readout
    native.close()
    assert scheme.is_hidden() and place.get_by_role("button", name="More (1 changed)").is_visible()
    page.close()


def test_few_values_are_counted_with_32_bits_too(explore):
    """Groups of at most 4,096 values are listed bin by bin, by a function that takes no 64-bit counts there."""
    settings = {"data": "conv2 activations", "batches": 1}
    follow(explore, write_link(CalibrationExplorer, settings))
    native = CalibrationExplorer(**settings)
    assert readout(explore) == native.readout
    native.close()


def test_an_explorer_of_a_lesson_moves_by_keyboard_and_shares_the_worker(opened):
    page = opened(lesson("calibration"))
    native = CalibrationExplorer(data="conv2 activations", bits=4, method="min-max")
    assert readout(page) == native.readout
    bits = page.locator(".qviz-live").first.get_by_role("slider", name="Bits")
    bits.press("ArrowLeft")  # the first touch loads Python, and counts
    page.locator(".qviz-live[data-state=live]").wait_for()
    native.bits = 3
    assert readout(page) == native.readout
    for _ in range(5):  # faster than pictures come: the last one counts
        bits.press("ArrowRight")
    wait(page, "document.querySelector('.qviz-live pre').innerText.startsWith('uint8')")
    native.bits = 8
    assert readout(page) == native.readout
    page.locator(".qviz-live").nth(1).get_by_role("button", name="Make it interactive").press("Enter")
    wait(page, "document.querySelectorAll('.qviz-live[data-state=live]').length === 2")
    assert len(page.workers) == 1
    page.locator(".qviz-live").first.get_by_role("button", name="Reset").press("Enter")
    wait(page, "document.querySelector('.qviz-live pre').innerText.startsWith('uint4')")
    assert serious(page) == []
    assert page.complaints == []
    native.close()
    page.close()


def test_a_link_opens_a_lesson_in_its_state_without_the_hidden_controls(opened):
    page = opened(lesson("what_is_quantization") + "#explorer=PhotoExplorer&bits=2&hide=zoom,data")
    page.locator(".qviz-live[data-state=live]").wait_for()
    native = PhotoExplorer(bits=2)
    assert readout(page) == native.readout
    root = page.locator(".qviz-live").first
    assert root.locator(".qviz-controls label:visible").all_inner_texts() == ["Bits"]
    root.get_by_text("Link to this state").click()
    written = root.get_by_label("Link to this state").input_value()
    link = write_link(PhotoExplorer, {"bits": 2}, ("data", "zoom"))
    assert written.endswith(f"/{lesson('what_is_quantization')}#{link}")
    native.close()
    page.close()


def test_a_teacher_prepares_a_link(opened):
    """What is unticked disappears at once; "Copied." is withdrawn when the link changes; Reset returns to the link."""
    page = opened(lesson("calibration"))
    place = page.locator(".qviz-live").first
    place.get_by_role("button", name="More").click()
    outliers = place.locator(".qviz-row").get_by_role("spinbutton", name="Outliers (%)")
    outliers.fill("1")
    outliers.press("Enter")
    assert place.locator(".qviz-row").get_by_role("slider", name="Outliers (%)").input_value() == "1"
    page.locator(".qviz-live[data-state=live]").wait_for()
    place.get_by_text("Link to this state").click()
    place.get_by_role("button", name="Copy link").click()
    copied = place.get_by_text("Copied.", exact=True)
    copied.wait_for()
    for label in ("Data", "Scheme", "Percentile", "Outliers (%)", "Batches seen"):
        place.locator("fieldset").get_by_label(label).uncheck()
    assert copied.count() == 0
    assert place.locator(".qviz-row label:visible").all_inner_texts() == ["Bits", "Method"]
    address = place.get_by_label("Link to this state").input_value()
    page.close()

    page = opened(address.partition("/")[2].partition("/")[2].partition("/")[2])
    assert "Then the picture changes to the setting of the link." in said(page)
    page.locator(".qviz-live[data-state=live]").wait_for()
    native = CalibrationExplorer(data="conv2 activations", bits=4, method="min-max", outliers=1.0)
    assert readout(page) == native.readout
    place = page.locator(".qviz-live").first
    assert place.locator(".qviz-row label:visible").all_inner_texts() == ["Bits", "Method"]
    assert place.get_by_role("button", name="More").count() == 0  # nothing is left behind it
    before = page.evaluate(MOVES)
    page.set_viewport_size({"width": 390, "height": 844})  # a phone that is turned gets it drawn anew
    wait(page, f"before => {MOVES} > before", before)
    place.get_by_role("slider", name="Bits").press("ArrowLeft")
    wait(page, "document.querySelector('.qviz-live pre').innerText.startsWith('uint3')")
    place.get_by_role("button", name="Reset").click()
    wait(page, "text => document.querySelector('.qviz-live pre').innerText.trim() === text", native.readout)
    native.close()
    assert page.complaints == []
    page.close()


def test_a_link_shows_the_question_before_its_explorer(opened):
    page = opened(lesson("scale_and_zero_point") + "#explorer=GranularityExplorer&bits=3")
    page.locator(".qviz-live[data-state=live]").wait_for()
    assert 0 <= page.locator(".qviz-guess").nth(2).evaluate(AT) < 100  # below the bar of the page
    assert page.locator(".qviz-live[data-state=live]").evaluate(AT) < 700  # of 900: part of the picture is in sight too
    assert page.complaints == []
    page.close()


def test_a_link_says_how_many_such_explorers_there_are(opened):
    page = opened(lesson("calibration") + "#explorer=CalibrationExplorer&bits=3&nth=9")
    page.locator(".qviz-live[data-state=live]").wait_for()
    assert "nth must be a whole number from 1 to 2, the number of such explorers on this page: got 9." in said(page)
    assert 0 <= page.locator(".qviz-live").first.evaluate(AT) < 300  # the answer, not a question, stands before it
    follow(page, "explorer=CalibrationExplorer&bits=3&nth=2")
    assert page.locator(".qviz-live[data-state=live]").count() == 2
    assert page.locator(".qviz-says").nth(2).inner_text() == ""  # the one between them is another explorer
    assert page.complaints == []
    page.close()


def test_a_link_that_names_no_explorer_gets_a_sentence(opened):
    page = opened(lesson("calibration") + "#explorr=CalibrationExplorer&bits=3")
    assert "The link is incomplete or mistyped" in said(page)
    page.close()
    page = opened(lesson("calibration") + "#keep-everything-or-clip")
    assert said(page) == ""
    page.close()


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        (
            "explorer=QuantizeExplorer&bits=99",
            "bits must be a whole number from 2 to 8: got 99. The default, 8, is shown.",
        ),
        ("explorer=QuantizeExplorer&scheme=<img src=x onerror=alert(1)>", "scheme must be on its list: got '<img"),
        ("explorer=QuantizeExplorer&data=your own", "which no link can carry"),
        ("explorer=QuantizeExplorer&__class__=x&hide=constructor", "has no control '__class__'"),
        ("explorer=constructor&bits=3", "No explorer here is called 'constructor'"),
        ("explorer=<script>alert(1)</script>", "No explorer here is called '<script>"),
        ("explorer=QuantizeExplorer&bits=" + "9" * 5000, "too long to be one of ours"),
    ],
)
def test_a_link_that_is_wrong_gets_a_sentence_and_the_default(link, sentence, explore):
    follow(explore, write_link(PhotoExplorer, {"bits": 3}))
    explore.once("dialog", lambda dialog: explore.complaints.append(dialog.message))
    follow(explore, link)
    assert sentence in said(explore)
    kind = live_explorers()[explore.locator("#qviz-all").input_value()]
    native = kind()
    assert readout(explore) == native.readout.strip()
    native.close()
    assert explore.locator(".qviz-live :is(img, canvas)").count() == 1
    assert explore.complaints == []


def test_on_a_phone(explore):
    explore.set_viewport_size({"width": 390, "height": 844})
    for name in live_explorers():
        explore.get_by_label("Explorer", exact=True).select_option(name)
        assert explore.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        small = explore.evaluate("""[...document.querySelectorAll('.qviz-live :is(input, select, button, summary)')]
            .filter(e => e.checkVisibility() && e.type !== 'checkbox' && e.getBoundingClientRect().height < 44)
            .map(e => e.outerHTML)""")
        assert small == [], name
    assert serious(explore) == []
    explore.set_viewport_size({"width": 1280, "height": 900})


def test_a_phone_that_is_turned_gets_the_other_picture_of_the_same_state(opened):
    """Held upright all panels stand in one column, before it moves and after."""
    page = opened(lesson("calibration"))
    tall = "e => { const p = document.querySelector('.qviz-picture > *'); return p.clientHeight > p.clientWidth / 1.5 }"
    page.set_viewport_size({"width": 390, "height": 844})
    wait(page, tall)
    page.locator(".qviz-live").first.get_by_role("slider", name="Bits").press("ArrowLeft")
    page.locator(".qviz-live[data-state=live]").wait_for()
    assert page.evaluate(tall)
    page.set_viewport_size({"width": 844, "height": 390})
    wait(page, f"() => !({tall})()")
    native = CalibrationExplorer(data="conv2 activations", bits=3, method="min-max")
    assert readout(page) == native.readout
    page.locator(".qviz-live").first.get_by_role("button", name="Reset").click()
    native.bits = 4
    wait(page, "text => document.querySelector('.qviz-live pre').innerText.trim() === text", native.readout)
    native.close()
    page.close()


def test_what_cannot_be_fetched_is_said_and_tried_again(opened):
    page = opened("index.html")
    page.route("**/python_stdlib.zip", lambda route: route.abort())
    page.evaluate("link => { location.hash = link }", write_link(PhotoExplorer, {"bits": 2}))
    page.locator(".qviz-live[data-state=failed]").wait_for()
    assert "It does not move: " in said(page) and "try again" in said(page)
    page.unroute("**/python_stdlib.zip")
    page.get_by_role("button", name="Make it interactive").click()
    page.locator(".qviz-live[data-state=live]").wait_for()
    assert said(page) == ""
    native = PhotoExplorer(bits=2)
    assert readout(page) == native.readout  # what the link asked for, not what the page shows without one
    native.close()
    page.close()


def test_a_later_visit_finds_its_bytecode_and_memory(opened, explore):
    """They save a third of the time until a page moves. Chromium keeps them for pages from localhost, as from https."""
    page = opened("index.html")
    wait(page, "async () => (await (await caches.open('qviz')).keys()).length === 2")  # `explore` leaves them
    native = PhotoExplorer(bits=3)
    for used in (1, 0):
        page.reload()
        page.get_by_role("button", name="Make it interactive").click()
        page.locator(".qviz-live[data-state=live]").wait_for()
        assert page.workers[0].evaluate("performance.getEntriesByName('qviz memory').length") == used
        assert readout(page) == native.readout
        page.evaluate(SPOIL)  # as a later version of the browser might find it: then Python starts as at first
    native.close()
    assert page.complaints == []
    page.close()


def test_a_page_that_was_opened_moves_without_its_server(browser, built):
    context = browser.browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    with serve(built) as address:
        page.goto(f"{address}/index.html")
        page.locator("html[data-kept]").wait_for(state="attached")
        page.get_by_role("button", name="Make it interactive").click()
        page.locator(".qviz-live[data-state=live]").wait_for()
        wait(page, KEPT, 15)
    page.reload()
    page.get_by_role("button", name="Make it interactive").click()
    page.locator(".qviz-live[data-state=live]").wait_for()
    follow(page, write_link(PhotoExplorer, {"bits": 2}))
    native = PhotoExplorer(bits=2)
    assert readout(page) == native.readout
    native.close()
    context.close()


def test_a_file_of_pyodide_that_was_changed_is_not_used(opened):
    page = opened("index.html")
    page.route("**/pyodide.asm.js", lambda route: route.fulfill(body="self.postMessage({ broken: 'it ran' })"))
    page.get_by_role("button", name="Make it interactive").click()
    page.locator(".qviz-live[data-state=failed]").wait_for()
    assert "It does not move: Failed to fetch" in said(page)
    page.close()
