"""Long work that keeps the kernel responsive: a start button, a progress bar and a Stop button.

The work is a generator that yields the share done. The start button runs it in the kernel's event loop, step by step;
between steps the kernel handles Stop, moved controls and cells. This needs no thread, and matplotlib is not
thread-safe. Code runs the same generator to its end at once.
"""

import asyncio
from collections.abc import Callable, Iterator

import ipywidgets as widgets

from ._moves_first import answer_moves

PAUSE_S = 0.01  # the kernel needs several iterations of its loop to receive a message


class Work(widgets.HBox):
    """A start button, a progress bar and a stop button for work in steps.

    Parameters
    ----------
    label : str
        Label of the start button.
    steps : function that returns a generator
        Called at each start. The generator yields the share done, 0 to 1, after each step; Stop closes it.
    ended : function of an exception or None
        Called after the last step, a stop or a failure, with the exception in case of a failure. A keyboard interrupt
        counts as a stop.

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
        self._task: asyncio.Task | None = None  # the loop itself holds only a weak reference
        look = {"layout": {"width": "auto"}}
        self._start = widgets.Button(description=label, tooltip=f"{label}: from the start", **look)
        self._stop = widgets.Button(description="Stop", tooltip="Stop, and keep what is done", **look)
        self._bar = widgets.FloatProgress(min=0, max=1, description="Done", layout={"width": "220px"})
        self._start.on_click(lambda _button: self.start())
        self._stop.on_click(lambda _button: self.stop())
        super().__init__([self._start, self._stop, self._bar])
        self._update_buttons()

    @property
    def running(self) -> bool:
        """Whether the work has started and not ended."""
        return self._steps is not None

    @property
    def share(self) -> float:
        """The share done, 0 to 1."""
        return self._bar.value

    def run(self) -> None:
        """Do all the work now; interrupting the kernel stops it."""
        steps = self._begin()
        while self._step(steps):
            answer_moves()

    def start(self) -> None:
        """Do the work step by step in the event loop; without one, do it all now."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.run()
        else:
            self._task = loop.create_task(self._in_turns(self._begin()))

    def stop(self) -> None:
        """Stop the work if it is running, and call `ended`."""
        if self.running:
            self._end(None)

    def cancel(self) -> None:
        """Stop the work if it is running, without calling `ended`."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()
            self._update_buttons()

    def close(self) -> None:
        """Cancel the work, and free the widgets."""
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
        self._update_buttons()
        return self._steps

    def _step(self, steps: Iterator[float]) -> bool:
        """Do one step, and return whether there may be another."""
        if steps is not self._steps:  # stopped or restarted in the meantime
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

    def _update_buttons(self) -> None:
        self._start.disabled, self._stop.disabled = self.running, not self.running
        self._bar.layout.visibility = "visible" if self.running else "hidden"


class Working:
    """Mixin for an explorer with long work: `work()` yields the share done, and `work_label` names its button.

    Moving a control cancels the work, because it belongs to the previous settings.
    """

    work_label = "Start"
    not_done = ""  # start of the message if the work fails, such as "Not measured"; "" if it should not fail
    _work: Work | None = None

    def work(self) -> Iterator[float]:
        """Yield the share done, 0 to 1, after each step."""
        raise NotImplementedError

    @property
    def working(self) -> bool:
        """Whether the work is running."""
        return self._work is not None and self._work.running

    def can_work(self) -> bool:
        """Return whether there is any work, and therefore a button."""
        return True

    def close(self) -> None:
        """Cancel the work, and free everything."""
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
