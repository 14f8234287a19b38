"""Long work that does not freeze the reader: a button to start it, a bar that shows how far it is, one to stop it.

The work is a generator that yields how much of it is done. A button hands it to the event loop of the kernel, step by
step: in between the kernel hears other messages, so that Stop, a moved control or another cell gets its turn. No
thread is needed, which matplotlib would not bear. From code the same generator runs to its end at once.
"""

import asyncio
from collections.abc import Callable, Iterator

import ipywidgets as widgets

from ._moves_first import answer_moves

PAUSE_S = 0.01  # the kernel takes several rounds of its loop to hear one message


class Work(widgets.HBox):
    """A start button, a progress bar and a stop button for work in steps.

    Parameters
    ----------
    label : str
        Of the start button.
    steps : function that returns a generator
        Called at each start; yields the share done, 0 to 1, after each step. It is closed when it is stopped.
    ended : function of the exception that ended it, or None
        Called after the last step, a stop or a failure; an interrupt from the keyboard counts as a stop.

    Examples
    --------
    >>> work = Work("Count", lambda: (n / 3 for n in (1, 2, 3)), lambda error: print("ended", error))
    >>> work.run()
    ended None
    >>> work.share, work.running
    (1.0, False)
    >>> work.close()
    """

    def __init__(self, label: str, steps: Callable[[], Iterator[float]], ended: Callable[[Exception | None], None]):
        self._make, self._ended = steps, ended
        self._steps: Iterator[float] | None = None
        self._task: asyncio.Task | None = None  # or the loop's weak reference is the only one
        look = {"layout": {"width": "auto"}}
        self._start = widgets.Button(description=label, tooltip=f"{label}: from the start", **look)
        self._stop = widgets.Button(description="Stop", tooltip="Stop, and keep what is done", **look)
        self._bar = widgets.FloatProgress(min=0, max=1, description="Done", layout={"width": "220px"})
        self._start.on_click(lambda _button: self.start())
        self._stop.on_click(lambda _button: self.stop())
        super().__init__([self._start, self._stop, self._bar])
        self._switch()

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._steps is not None

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return self._bar.value

    def run(self) -> None:
        """Do all of it now; an interrupt of the kernel stops it."""
        steps = self._begin()
        while self._step(steps):
            answer_moves()

    def start(self) -> None:
        """Do it step by step while the kernel goes on listening; where nothing listens, now."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.run()
        else:
            self._task = loop.create_task(self._in_turns(self._begin()))

    def stop(self) -> None:
        """End it here, and say so; nothing happens if it does not run."""
        if self.running:
            self._end(None)

    def cancel(self) -> None:
        """End it here without a word; nothing happens if it does not run."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()
            self._switch()

    def close(self) -> None:
        """Cancel it, and free the widgets."""
        self.cancel()
        self._make = self._ended = self._task = None
        super().close()

    async def _in_turns(self, steps: Iterator[float]) -> None:
        await asyncio.sleep(PAUSE_S)
        while self._step(steps):
            await asyncio.sleep(PAUSE_S)

    def _begin(self) -> Iterator[float]:
        self.cancel()
        self._steps = self._make()
        self._bar.value = 0.0
        self._switch()
        return self._steps

    def _step(self, steps: Iterator[float]) -> bool:
        """Do one step; return whether there may be another."""
        if steps is not self._steps:  # stopped meanwhile, or begun anew
            return False
        try:
            self._bar.value = next(steps)
            return steps is self._steps
        except (StopIteration, KeyboardInterrupt):
            self._end(None)
        except Exception as error:
            self._end(error)
        return False

    def _end(self, error: Exception | None) -> None:
        self.cancel()
        self._ended(error)

    def _switch(self) -> None:
        self._start.disabled, self._stop.disabled = self.running, not self.running
        self._bar.layout.visibility = "visible" if self.running else "hidden"


class Working:
    """What gives an explorer long work: a `work_label`, and `work()`, a generator of the share done.

    A moved control stops the work, because the picture is that of other settings then.
    """

    work_label = "Start"
    not_done = ""  # how an error of the work itself is told, such as "Not measured"; none is a fault of the explorer
    _work: Work | None = None

    def work(self) -> Iterator[float]:
        """Yield how much is done, 0 to 1, after each step."""
        raise NotImplementedError

    @property
    def working(self) -> bool:
        """Whether the work is under way."""
        return self._work is not None and self._work.running

    def can_work(self) -> bool:
        """Return whether there is anything to do, and so a button."""
        return True

    def close(self) -> None:
        """Stop the work, and free everything."""
        if self._work is not None:
            self._work.close()
        super().close()

    def _build_controls(self, settings: dict) -> None:
        super()._build_controls(settings)
        if self.can_work():
            self._work = Work(self.work_label, self.work, self._worked)
            self._panel_of_controls.add(self._work)

    def _worked(self, error: Exception | None) -> None:
        self.refresh()
        if error is not None and self.not_done:
            self.last_error = error
            self._say(f"{self.not_done}: {error}")
        elif error is not None:
            self._fail(error)

    def _moved(self, change) -> None:
        if self._work is not None:
            self._work.cancel()
        super()._moved(change)
