"""What a notebook of the course is worked with: an explorer with its controls, and a prediction."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

NOT_YET = "not attempted yet"
NOT_SHOWN = "Not shown:"
BUTTONS = ("More", "Fewer", "Reset", "Settings as code", "Save picture")
MORE = re.compile(r"^More( \(\d+ changed\))?$")
WORKING = ("Train", "Stop", "Measure speed")  # where there is long work

# The digest of the picture's bytes (the address of an image may change while its picture does not), and the readout.
LOOK = """async root => {
  const image = root.querySelector('img.widget-image');
  const bytes = await (await fetch(image.src)).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', bytes));
  return [image.naturalWidth > 0, [...digest].join('.'), root.querySelector('[role=status]')?.textContent ?? ''];
}"""

KNOWN = ".noUi-handle, .widget-slider + .widget-text input, .widget-dropdown select, .widget-checkbox input, "
KNOWN += ".widget-text input[list], .widget-textarea textarea, .widget-upload, .qviz-dots input, "
KNOWN += ".qviz-tensors input, .qviz-tensors select"


@dataclass(frozen=True)
class Seen:
    """A picture and the text below it."""

    decoded: bool
    picture: str
    readout: str

    @property
    def refused(self) -> bool:
        """Whether the readout says why nothing is shown."""
        return self.readout.startswith(NOT_SHOWN)


@dataclass(frozen=True)
class Change:
    """What an action did to an explorer."""

    before: Seen
    after: Seen

    @property
    def picture(self) -> bool:
        return self.before.picture != self.after.picture

    @property
    def readout(self) -> bool:
        return self.before.readout != self.after.readout

    def missing(self, picture: bool = True, readout: bool = True) -> list[str]:
        """Return what should have changed and did not; a refusal is no change for the better."""
        wrong = [] if self.readout or not readout else ["the readout stays"]
        wrong += [] if self.picture or not picture else ["the picture stays"]
        return [*wrong, *([self.after.readout] if self.after.refused else [])]


class Explorer:
    """A picture, its controls and its readout."""

    def __init__(self, lab, root):
        self.lab, self.root = lab, root

    @cached_property
    def name(self) -> str:
        """What the explorer calls itself in its code."""
        self.press("Settings as code")
        code = self.code
        self.press("Settings as code")
        return code.split("qviz.widgets.")[-1].split("(")[0]

    def unfold(self) -> None:
        """Show the controls behind More."""
        if self.root.get_by_role("button", name=MORE).count():
            self.root.get_by_role("button", name=MORE).press("Enter")
            self.lab.settle()

    @property
    def code(self) -> str:
        """What the code field holds; nothing while it is hidden."""
        field = self.root.get_by_role("textbox", name="Code")
        return field.input_value() if field.count() else ""

    def look(self) -> Seen:
        """Return what is to be seen now."""
        return Seen(*self.root.evaluate(LOOK))

    def after(self, act: Callable, *arguments) -> Change:
        """Act, and return what changed."""
        before = self.look()
        act(*arguments)
        self.lab.settle()
        return Change(before, self.look())

    def press(self, button: str) -> None:
        """Press one of the buttons, with the keyboard."""
        self.root.get_by_role("button", name=button, exact=True).press("Enter")
        self.lab.settle()

    @property
    def buttons(self) -> list[str]:
        """What stands on each button."""
        return self.root.locator(".widget-button").all_inner_texts()

    def enabled(self, button: str) -> bool:
        """Return whether a button can be pressed."""
        return self.root.get_by_role("button", name=button, exact=True).is_enabled()

    def prepare(self, needs: dict[str, str]) -> None:
        """Put every control back, and then move those that the next step needs: value by label."""
        self.press("Reset")
        for control in (*self.drop_downs, *self.sliders):
            if control.label in needs:
                control.choose(needs[control.label])
        self.lab.settle()

    def values(self) -> dict[str, str]:
        """Return the value of each control by its label."""
        controls = (*self.sliders, *self.drop_downs, *self.checkboxes, *self.typed)
        return {control.label: control.value for control in controls}

    @cached_property
    def sliders(self) -> list["Slider"]:
        return [Slider(row) for row in self.root.locator(".widget-box:has(> .widget-slider):has(input)").all()]

    @cached_property
    def ladders(self) -> list["Ladder"]:
        return [Ladder(row) for row in self.root.locator(".widget-box:has(> .widget-slider):has(select)").all()]

    @cached_property
    def drop_downs(self) -> list["DropDown"]:
        return [DropDown(row) for row in self.root.locator(".widget-dropdown").all()]

    @cached_property
    def checkboxes(self) -> list["CheckBox"]:
        return [CheckBox(row) for row in self.root.locator(".widget-checkbox").all()]

    @cached_property
    def typed(self) -> list["Typed"]:
        return [Typed(row) for row in self.root.locator(".widget-text:has(input[list])").all()]

    def stops(self) -> list:
        """Return where the Tab key should stop: what is to be seen and is not disabled."""
        everything = self.root.locator(":is(input, select, textarea, button, [role=slider])").all()
        return [stop for stop in everything if stop.is_visible() and stop.is_enabled()]

    def unknown_controls(self) -> list[str]:
        """Return the HTML of each control that no test here would touch, and the name of each such button."""
        everything = self.root.locator(":is(input, select, textarea, button, [role=slider]):not(.widget-button)")
        unknown = everything.evaluate_all(
            "(all, known) => all.filter(e => !e.matches(known)).map(e => e.outerHTML)", KNOWN
        )
        return [*unknown, *(name for name in self.buttons if name not in BUTTONS + WORKING)]


def overwrite(box, text: str) -> None:
    """Type over what a box holds, and press Enter."""
    box.press("ControlOrMeta+a")
    box.press_sequentially(text)
    box.press("Enter")


def values_of(options) -> list[str]:
    """Return the values of the options of a list."""
    return options.evaluate_all("all => all.map(option => option.value)")


class Control:
    """A control whose value is in a box."""

    @property
    def value(self) -> str:
        """What the box says."""
        return self.box.input_value()

    @property
    def enabled(self) -> bool:
        """Whether it has an effect now."""
        return self.box.is_enabled()

    def choose(self, text: str) -> None:
        """Overwrite what the box says."""
        overwrite(self.box, text)


class Slider(Control):
    """A handle, and the number box beside it."""

    def __init__(self, row):
        self.handle, self.box = row.locator(".noUi-handle"), row.locator("input[type=number]")
        self.label = row.locator(".widget-slider > .widget-label").inner_text()

    @property
    def spoken(self) -> tuple[str, str]:
        """The name of the handle, and the value that a screen reader says."""
        return self.handle.get_attribute("aria-label"), self.handle.get_attribute("aria-valuetext")

    @property
    def place(self) -> str:
        """Where the handle is; its aria-valuenow has too few digits."""
        return self.handle.locator("..").get_attribute("style")

    @property
    def ends(self) -> tuple[str, str]:
        """The least and the greatest number that the box takes."""
        return self.box.get_attribute("min"), self.box.get_attribute("max")

    @property
    def arrows(self) -> tuple[str, str]:
        """An arrow key that can move the handle, and the one that takes it back."""
        keys = ("ArrowRight", "ArrowLeft")
        return keys[::-1] if float(self.value) == float(self.ends[1]) else keys


class Ladder(Slider):
    """A handle, and the list of names beside it, which is a drop-down too."""

    def __init__(self, row):
        super().__init__(row)
        self.box = row.locator("select")

    @property
    def arrows(self) -> tuple[str, str]:
        keys = ("ArrowRight", "ArrowLeft")
        return keys[::-1] if self.value == self.box.locator("option").last.get_attribute("value") else keys


class DropDown(Control):
    """A list of names, one of which is chosen."""

    def __init__(self, row):
        self.box = row.locator("select")
        self.label = row.locator(".widget-label").inner_text()

    @cached_property
    def options(self) -> list[str]:
        return values_of(self.box.locator("option"))

    def choose(self, option: str) -> None:
        self.box.select_option(value=option)


class CheckBox(Control):
    """A box to be ticked."""

    def __init__(self, row):
        self.box = row.locator("input")
        self.label = row.locator(".widget-label-basic").inner_text()

    @property
    def value(self) -> bool:
        return self.box.is_checked()

    def toggle(self) -> None:
        self.box.press("Space")


class Typed(Control):
    """A box for a short text, with a few texts to choose from."""

    def __init__(self, row):
        self.box, self.offered = row.locator("input"), row.locator("datalist option")
        self.label = row.locator(".widget-label").inner_text()

    @cached_property
    def options(self) -> list[str]:
        return values_of(self.offered)


class Prediction:
    """A question, its answers, and a button to commit to one."""

    def __init__(self, lab, root):
        self.lab, self.root = lab, root

    @property
    def question(self) -> str:
        return self.root.locator("p").inner_text()

    @property
    def status(self) -> str:
        return self.root.locator("[role=status]").inner_text()

    @property
    def ready(self) -> bool:
        """Whether the button can be pressed."""
        return self.root.get_by_role("button").is_enabled()

    def choose(self, answer: int) -> bool:
        """Go down to this answer by keyboard, and return whether it is chosen.

        The focus is set twice, because JupyterLab takes it to the cell when that becomes the active one.
        """
        answers = self.root.get_by_role("radio")
        for _ in range(2):
            answers.first.focus()
            self.lab.settle()
        for _ in range(answer):
            self.lab.page.keyboard.press("Tab")
        self.lab.page.keyboard.press("Space")
        self.lab.settle()
        return answers.nth(answer).is_checked()

    def commit(self) -> None:
        self.root.get_by_role("button").press("Enter")
        self.lab.settle()
