"""A notebook in JupyterLab, as a reader meets it: run all, explorers with their controls, predictions.

Nothing here sleeps. After each action the page waits until the kernel has answered it (`LabPage.settle`), so what has
not changed by then does not change: a dead control is found at once, and a slow machine only takes longer.
"""

import json
import sys
import time
from functools import cached_property
from pathlib import Path

from .explorers import Explorer, Prediction

READY_WITHIN_MS = 90_000
ANSWERS_WITHIN_MS = 150_000  # all cells too; less than pytest allows a test, so that the reason is told
OUTPUT = ".jp-Notebook .jp-OutputArea-output"

# Part of what the browser's console may say: why that is no fault of a notebook.
HARMLESS: dict[str, str] = {}

# Notes, before anything else runs, each key press, and how long after it the next picture is on the screen.
INIT = """
window.seenByTests = {said: [], sent: 0, reactions: [], pressed: null};
window.addEventListener('keydown', () => { seenByTests.pressed = performance.now(); }, true);
new MutationObserver(changes => {
  const image = changes.map(c => c.target).find(e => e.matches('img.widget-image'));
  if (!image || seenByTests.pressed === null) return;
  const pressed = seenByTests.pressed;
  seenByTests.pressed = null;
  image.decode().catch(() => 0).then(() => requestAnimationFrame(
    () => seenByTests.reactions.push(Math.round(performance.now() - pressed))));
}).observe(document, {attributes: true, attributeFilter: ['src'], subtree: true});
"""

KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"

# The traceback of a callback is in no cell; JupyterLab shows it nowhere.
LISTEN = f"""() => {KERNEL}.anyMessage.connect((_, {{msg, direction}}) => {{
  const {{name, text, traceback}} = msg.content, kind = msg.header.msg_type;
  if (direction === 'send') seenByTests.sent += kind === 'comm_msg';
  else if (kind === 'error' || (kind === 'stream' && name === 'stderr'))
    seenByTests.said.push(text ?? traceback.join(' '));
}})"""

# The kernel answers in order, so an answer to nothing comes after all the others. Once more if something was sent
# meanwhile: ipywidgets keeps a change back while another one is on its way.
SETTLE = f"""async () => {{
  const late = new Promise((_, fail) => setTimeout(
    () => fail(new Error('the kernel does not answer: ' + {KERNEL}.status)), {ANSWERS_WITHIN_MS}));
  let sent;
  do {{
    sent = seenByTests.sent;
    await Promise.race([{KERNEL}.requestExecute({{code: '', silent: true}}).done, late]);
  }} while (sent !== seenByTests.sent);
  await new Promise(done => requestAnimationFrame(done));
}}"""

# Linux counts in KiB, macOS in bytes.
PEAK = f"""async () => {{
  const code = "__import__('resource').getrusage(0).ru_maxrss", future = {KERNEL}.requestExecute(
    {{code: '', silent: true, user_expressions: {{peak: code}}}});
  return Number((await future.done).content.user_expressions.peak.data['text/plain']);
}}"""

SCROLLER = ".jp-Notebook .jp-WindowedPanel-outer"


class LabPage:
    """One notebook, opened."""

    def __init__(self, page, address: str, path: Path):
        self.page, self.path = page, path
        self.reactions_ms: dict[str, list[int]] = {}
        self.run_all_ms: dict[str, int] = {}
        self._console: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._console.append(str(error)))
        page.add_init_script(INIT)
        page.goto(address)
        page.wait_for_function(f"() => {KERNEL}?.status === 'idle'", timeout=READY_WITHIN_MS)
        page.evaluate(LISTEN)

    def _hear(self, message) -> None:
        if message.type == "error" and not any(part in message.text for part in HARMLESS):
            self._console.append(f"{message.text} ({message.location.get('url', '')})")

    def run_all(self) -> None:
        """Choose Run All Cells in the menu, and wait for the last one; note when the first explorer was seen.

        What was said before is not the notebook's: JupyterLab asks an empty kernel for its widgets.
        """
        for _ in range(2):
            self.settle()
        self.complaints()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        started = time.monotonic()
        if self.written("Explorer"):
            self.page.locator(f"{OUTPUT} img.widget-image").first.wait_for(timeout=ANSWERS_WITHIN_MS)
            self.run_all_ms["first explorer seen"] = round(1000 * (time.monotonic() - started))
        self.settle()  # the kernel takes a control's messages only now: those of the cells were first in the queue
        self.run_all_ms["every control answers"] = round(1000 * (time.monotonic() - started))

    def settle(self) -> None:
        """Wait until the kernel has done all that it was asked, and the page shows it."""
        self.page.evaluate(SETTLE)

    def complaints(self) -> list[str]:
        """Return what the console, the kernel's stderr and lost tracebacks said since the last call."""
        said = self.page.evaluate("() => seenByTests.said.splice(0)")
        heard, self._console[:] = [*self._console, *said], []
        return heard

    def kernel_status(self) -> str:
        """Return idle, busy, dead ..."""
        return self.page.evaluate(f"() => {KERNEL}.status")

    def kernel_peak_mib(self) -> float:
        """Return the most memory that the kernel has held so far, in MiB."""
        return self.page.evaluate(PEAK) * (1 if sys.platform == "darwin" else 1024) / 2**20

    def written(self, name: str) -> int:
        """Return how many times the notebook's code calls a name that ends so."""
        cells = json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        return sum("".join(cell["source"]).count(f"{name}(") for cell in cells if cell["cell_type"] == "code")

    def prompts(self) -> list[str]:
        """Return what stands before each code cell that holds code, folded or not: [3]: where it ran."""
        return self.page.evaluate("""() => jupyterapp.shell.currentWidget.content.widgets
            .filter(cell => cell.model.type === 'code' && cell.model.sharedModel.source.trim())
            .map(cell => `[${cell.model.executionCount ?? ' '}]:`)""")

    def wrong_outputs(self) -> list[str]:
        """Return each output that is an error, that went to stderr, or that ipywidgets could not show."""
        kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
        found = ", ".join([*(f"[data-mime-type='{kind}']" for kind in kinds), ".jupyter-widgets-error-widget"])
        return self.page.locator(f".jp-Notebook :is({found})").all_inner_texts()

    @cached_property
    def explorers(self) -> list[Explorer]:
        """Return every explorer, a box with a picture in it, with all its controls in sight."""
        roots = self.page.locator(f"{OUTPUT} .widget-vbox:has(> img.widget-image)").all()
        explorers = [Explorer(self, root) for root in roots]
        for explorer in explorers:
            explorer.unfold()
        return explorers

    @cached_property
    def predictions(self) -> list[Prediction]:
        """Return every question."""
        roots = self.page.locator(f"{OUTPUT} .widget-vbox:has(> .widget-radio)").all()
        return [Prediction(self, root) for root in roots]

    def reveals(self) -> list[str]:
        """Return what the reveals say, from top to bottom."""
        return self.page.locator(f"{OUTPUT} div[role=status][aria-live]").all_inner_texts()

    def unnamed(self) -> list[str]:
        """Return the HTML of each control and each picture of an explorer that a screen reader has no name for.

        The browser itself is asked. A slider's handle has none (ipywidgets issue 2650): its number box has.
        """
        session = self.page.context.new_cdp_session(self.page)
        root = session.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
        selector = f"{OUTPUT} :is(input, select, textarea, button, img.widget-image)"
        found = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": selector})["nodeIds"]
        return [session.send("DOM.getOuterHTML", {"nodeId": n})["outerHTML"] for n in found if not named(session, n)]

    def keep_reactions(self, of: str | None = None) -> None:
        """File the milliseconds from each key press since the last call to its picture on the screen, or drop them."""
        times = self.page.evaluate("() => seenByTests.reactions.splice(0)")
        if of and times:
            self.reactions_ms.setdefault(of, []).extend(times)

    def photograph(self, folder: Path) -> None:
        """Write the whole notebook as pages."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.png"):
            old.unlink()
        scroller = self.page.locator(SCROLLER).first
        height, step = scroller.evaluate("e => [e.scrollHeight, e.clientHeight - 40]")
        for number, top in enumerate(range(0, height, step)):
            scroller.evaluate("(e, top) => { e.scrollTop = top; }", top)
            self.page.screenshot(path=folder / f"{number:02d}.png")

    def close(self) -> None:
        """Shut the kernel down, and leave."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget?.sessionContext.shutdown()")
        self.page.close()


def named(session, node: int) -> bool:
    """Return whether a node has an accessible name, or is hidden from everybody."""
    tree = session.send("Accessibility.getPartialAXTree", {"nodeId": node, "fetchRelatives": False})["nodes"]
    return tree[0]["ignored"] or bool(tree[0].get("name", {}).get("value", "").strip())
