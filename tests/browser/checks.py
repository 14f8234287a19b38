"""What must be true of a control: each check returns what is wrong, in words, and nothing where all is well."""

import json
import re
from collections.abc import Callable, Iterable

from .explorers import NOT_YET, CheckBox, DropDown, Explorer, Prediction, Slider, Typed
from .lab import OUTPUT, LabPage

YOURS, HOW_TO = "your own", "In a cell: "
MOST = 6  # options of a list that are gone through in the browser; the sweeps of tests/widgets choose every one

# A control that shows only when others stand right. Its label: value by label of those.
NEEDS = {
    "Percentile": {"Method": "percentile", "Batches seen": "50"},
    "Batches seen": {"Method": "min-max", "Batches seen": "1"},  # the largest value comes early or late
    "Method": {"Batches seen": "50"},  # of one batch, some are equal
    "Batch size": {"Data live in": "DRAM"},
    "Learning rate": {"Slope": "straight-through"},
    "Group size": {"One scale": "per group", "Weights": "fc1 weights"},  # 512 inputs; conv2 has 16
    "Values per scale": {"Format": "int4"},  # NVFP4 has 16 already
    "Scale of MX formats": {"Format": "MXFP4"},
    "Place (8 x 8)": {"Layer": "conv1"},  # only a convolution has places
    "Activation +/-": {"Layer": "conv1"},  # elsewhere many an activation is 0, and its weight has no say
    "Weight +/-": {"Layer": "conv1"},
    "z_y +/-": {"Layer": "fc2"},  # elsewhere it is 0, and cannot be less
}

# A number to be typed where an end of the slider is refused: the lowest value would lie above the highest.
NUMBERS = {"Lowest value, lo": "-5.5", "Highest value, hi": "9.5"}

# (explorer, control, option) with the picture of the option before it, and why that is so.
SAME_PICTURE = {
    ("QuantizeExplorer", "Range", "moving average"): "the average of one batch is that batch",
    (
        "ParetoExplorer",
        "conv1 bits",
    ): "18 bytes more are less than a dot, with as many right answers",
}

# What starts long work, a button of WORKING: how to make it long enough to be stopped, and what a stop says.
WORK = {"Train": ({"Epochs": "20"}, "Stopped after")}

# Keys that are commands of the notebook: m makes a cell Markdown, b adds one, d d and x delete one.
COMMANDS = ("m", "b", "d", "d", "x")
CELLS = "() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.type)"

# The tooltips that a page shows at its links to the glossary.
TERMS = """() => [...document.querySelectorAll('a[href*="docs/glossary."]')].filter(link => link.hash)
    .map(link => link.title)"""


def terms(path) -> list[str]:
    """Return the tooltips that a stored notebook has at its links to the glossary."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.findall(r'docs/glossary\.md#[\w-]+ "([^"]+)"\)', prose)


def each(explorers: Iterable[Explorer], kind: str, check: Callable[..., list[str]]) -> list[str]:
    """Check every control of a kind, each with all others put back; return what is wrong, and where."""
    found = []
    for explorer in explorers:
        prepared = None
        for control in getattr(explorer, kind):
            name, needs = f"{explorer.name}, {control.label}", NEEDS.get(control.label, {})
            if prepared != needs:
                explorer.prepare(needs)
            explorer.lab.keep_reactions()
            wrong = check(explorer, control)
            found += [f"{name}: {what}" for what in wrong]
            explorer.lab.keep_reactions(of=name)
            prepared = needs if check in RESTORING and not wrong else None
    return found


def slider(explorer: Explorer, slider: Slider) -> list[str]:
    """Move it with an arrow key, and back."""
    there, back = slider.arrows
    before, look = (slider.value, slider.place), explorer.look()
    change = explorer.after(slider.handle.press, there)
    wrong = change.missing(picture=(explorer.name, slider.label) not in SAME_PICTURE)
    if slider.value == before[0] or slider.place == before[1]:
        wrong.append("the arrow key does not move it")
    explorer.after(slider.handle.press, back)
    if ((slider.value, slider.place), explorer.look()) != (before, look):
        wrong.append("the other arrow key does not take it back")
    return wrong


def number_box(explorer: Explorer, slider: Slider) -> list[str]:
    """Type another number."""
    place, low, high = slider.place, *slider.ends
    number = NUMBERS.get(slider.label) or (low if float(slider.value) != float(low) else high)
    wrong = explorer.after(slider.choose, number).missing()
    if float(slider.value) != float(number) or slider.place == place:
        wrong.append(f"typing {number} does not move it")
    return wrong


def drop_down(explorer: Explorer, drop_down: DropDown) -> list[str]:
    """Go through the first options with the arrow key, and to the last; "your own" may ask for data instead."""
    drop_down.box.press("Home")
    explorer.lab.settle()
    found = []
    options = drop_down.options
    steps = [("ArrowDown", option) for option in options[1:MOST]]
    steps += [("End", options[-1])] if len(options) > MOST else []
    for key, option in steps:
        change = explorer.after(drop_down.box.press, key)
        if option == YOURS and change.after.refused:
            wrong = ["the picture goes"] if change.picture else []
            wrong += [] if HOW_TO in change.after.readout else ["the readout does not say how"]
        else:
            wrong = change.missing(picture=(explorer.name, drop_down.label, option) not in SAME_PICTURE)
        wrong += [] if drop_down.value == option else ["the arrow key does not choose it"]
        found += [f"{option}: {what}" for what in wrong]
    return found


def checkbox(explorer: Explorer, box: CheckBox) -> list[str]:
    """Toggle it with the space key, and back. What it shows may be in the picture alone: a zoom changes no number."""
    before, look = box.value, explorer.look()
    change = explorer.after(box.toggle)
    wrong = [] if change.picture else ["the picture stays"]
    wrong += ["the space key does not toggle it"] if box.value == before else []
    explorer.after(box.toggle)
    return wrong + ([] if (box.value, explorer.look()) == (before, look) else ["it is not taken back"])


def typed(explorer: Explorer, box: Typed) -> list[str]:
    """Type each text that is offered; then one that means nothing, which must be told, and back."""
    found = []
    for text in [text for text in box.options if text != box.value]:
        change = explorer.after(box.choose, text)  # two names may stand for as many bits, and have the same bars
        found += [f"{text}: {what}" for what in change.missing(picture=False)]
    told = explorer.after(box.choose, "zzz").after.readout
    found += [] if "zzz" in told else ["what means nothing is not told"]
    explorer.press("Reset")
    return found


def work(explorer: Explorer) -> list[str]:
    """Start long work, see the picture grow, and stop it. No time is waited for: the kernel answers meanwhile."""
    wrong = []
    for button in (name for name in WORK if name in explorer.buttons):
        needs, stopped = WORK[button]
        explorer.prepare(needs)
        seen = {explorer.look()}
        explorer.press(button)
        while len(seen) < 4 and explorer.enabled("Stop"):
            seen.add(explorer.look())
        wrong += [] if explorer.enabled("Stop") else [f"{button}: it ends, and only {len(seen)} looks were seen"]
        explorer.press("Stop")
        last = explorer.look()
        wrong += [] if stopped in last.readout else [f"{button}: Stop does not stop it: {last.readout}"]
        for _ in range(20):  # a kernel that still worked would paint between two answers
            explorer.lab.settle()
        wrong += [] if explorer.look() == last else [f"{button}: it goes on after Stop"]
        wrong += [] if explorer.enabled(button) and not explorer.enabled("Stop") else [f"{button}: buttons stay"]
    return wrong


RESTORING = (slider, checkbox)  # which have seen that all is as before


def move_one(explorer: Explorer) -> None:
    """Move the first slider to another end; without one, toggle a box, or type a text."""
    if explorer.sliders:
        slider = explorer.sliders[0]
        slider.choose(next(end for end in slider.ends if float(end) != float(slider.value)))
    elif explorer.checkboxes:
        explorer.checkboxes[0].toggle()
    else:
        box = explorer.typed[0]
        box.choose(next(text for text in box.options if text != box.value))


def reset(explorer: Explorer) -> list[str]:
    """Move everything that has an effect, and press Reset."""
    explorer.press("Reset")
    values, look, tried = explorer.values(), explorer.look(), []
    for control in (*explorer.sliders, *explorer.drop_downs, *explorer.checkboxes, *explorer.typed):
        if not control.enabled:
            continue
        tried.append(control.label)
        if control in explorer.sliders:
            control.handle.press(control.arrows[0])
        elif control in explorer.drop_downs:
            control.choose(next(o for o in control.options if o not in (control.value, YOURS)))
        elif control in explorer.typed:
            control.choose(next(text for text in control.options if text != control.value))
        else:
            control.toggle()
        explorer.lab.settle()
    moved = explorer.values()
    wrong = [f"{label} did not move" for label in tried if moved[label] == values[label]]
    explorer.press("Reset")
    wrong += [f"{label} is not put back" for label, value in explorer.values().items() if value != values[label]]
    return wrong + ([] if explorer.look() == look else ["the picture or the readout is another"])


def tab_order(explorer: Explorer) -> list[str]:
    """Press Tab from the first control on: it reaches each of them, in the order in which they stand."""
    stops = explorer.stops()
    stops[0].focus()
    explorer.lab.settle()  # JupyterLab takes the focus to the cell when that becomes the active one
    stops[0].focus()
    for number, stop in enumerate(stops):
        if not stop.evaluate("e => e === document.activeElement"):
            return [f"the Tab key misses control {number}: {stop.evaluate('e => e.outerHTML')}"]
        explorer.lab.page.keyboard.press("Tab")
    return []


def keys_stay(lab: LabPage, control) -> list[str]:
    """Press keys that are commands of the notebook on a control, which keeps them."""
    cells = lab.page.evaluate(CELLS)
    for _ in range(2):  # JupyterLab takes the focus to the cell when that becomes the active one
        control.focus()
        lab.settle()
    for key in COMMANDS:
        lab.page.keyboard.press(key)
    lab.settle()
    if lab.page.evaluate(CELLS) != cells:
        return ["a key goes to the notebook, and changes its cells"]
    if control.evaluate("e => e === document.activeElement"):
        return []
    return [f"a key takes the focus away from {control.evaluate('e => e.outerHTML')[:200]}"]


def prediction(prediction: Prediction) -> list[str]:
    """Answer by keyboard; a reveal further on, closed until then, opens."""
    reveals = prediction.lab.reveals
    wrong = [] if NOT_YET in prediction.status and not prediction.ready else ["it is answered before the reader"]
    group = prediction.lab.page.get_by_role("group", name=prediction.question, exact=True)
    wrong += [] if group.and_(prediction.root).count() == 1 else ["its answers have no name as a group"]
    before = reveals()
    wrong += [] if prediction.choose(1) and prediction.ready else ["no answer can be chosen by keyboard"]
    wrong += [] if reveals() == before else ["it is revealed before the reader commits"]
    prediction.commit()
    opened = [old for old, new in zip(before, reveals(), strict=True) if old != new]
    wrong += [] if opened and all(NOT_YET in old for old in opened) else ["no reveal opens"]
    return wrong + (["its status stays"] if NOT_YET in prediction.status else [])


def quizzes(lab: LabPage) -> list:
    """Return every quiz: a box with a button that scores."""
    button = lab.page.get_by_role("button", name="Score my answers", exact=True)
    return lab.page.locator(f"{OUTPUT} .widget-vbox").filter(has=button).all()


def quiz(lab: LabPage, quiz) -> list[str]:
    """Answer everything by keyboard, and press the button; each list has a name, and the score is announced."""
    lists, status = [DropDown(row) for row in quiz.locator(".widget-dropdown").all()], quiz.get_by_role("status")
    wrong = [] if NOT_YET in status.inner_text() else ["it is answered before the reader"]
    for each in lists:
        named = quiz.get_by_role("combobox", name=each.label, exact=True)
        wrong += [] if each.label and named.count() == 1 else [f"{each.label}: the list has no name of its own"]
        each.box.press("Home")
        each.box.press("ArrowDown")
        wrong += [] if each.value == each.options[1] else [f"{each.label}: the arrow key does not answer it"]
    lab.settle()
    quiz.get_by_role("button").press("Enter")
    lab.settle()
    scored = f"{len(lists)} questions, {len(lists)} answered, "
    return wrong + ([] if scored in status.inner_text() else [f"it is not scored: {status.inner_text()}"])


def records(lab: LabPage) -> list[str]:
    """Return what each record of all guesses announces."""
    tables = lab.page.get_by_role("status").filter(has=lab.page.get_by_role("table"))
    return tables.filter(has=lab.page.get_by_role("columnheader", name="your guess")).all_inner_texts()  # no readouts
