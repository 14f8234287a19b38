"""Sweeps: one function on many settings, on all cores, with a progress bar; an interrupt keeps what is done."""

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile
from typing import Any

import ipywidgets as widgets
from IPython.display import display

from qviz.numerics import _check


@dataclass(frozen=True, eq=False)
class Sweep:
    """What came of a sweep.

    Attributes
    ----------
    settings : list: all that were asked for
    results : list: one for each setting, in their order; where it stopped early, of the first ones only
    """

    settings: list
    results: list

    @property
    def stopped(self) -> bool:
        """Whether it ended before its last setting."""
        return len(self.results) < len(self.settings)

    def __repr__(self) -> str:
        early = ", stopped early" if self.stopped else ""
        return f"{len(self.results)} of {len(self.settings)} settings done{early}"


def sweep(
    function: Callable[[Any], Any],
    settings: Iterable,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | bool = False,
    should_stop: Callable[[], bool] | None = None,
) -> Sweep:
    """Call a function on each setting, on several cores at once.

    The results are the same to the last bit, and in the order of the settings, whatever the number of workers and
    cores: no setting knows of another, and each is computed while BLAS and OpenMP have one thread. A function that
    draws random numbers must take its seed from its setting.

    With more than one worker, joblib runs it. The processes are joblib's own ("loky"), unless a
    `joblib.parallel_config` around the call names another back end: "dask" and "ray" take the same sweep to a cluster.
    Dask needs a `dask.distributed.Client` before, Ray a `ray.init()` and `ray.util.joblib.register_ray()`.

    Parameters
    ----------
    function : callable of one setting
        To reach another process it must be importable: a function of a module, or a `functools.partial` of one.
    settings : iterable
    workers : int or None
        How many at a time, at least 1; None for one for each core, of the cluster where there is one. With 1 no
        process is started.
    progress : callable of (done, of how many), or bool
        Called at the start and after each result, in order. True shows a progress bar.
    should_stop : callable, or None
        Asked after each result; where it says True, the sweep ends there.

    Returns
    -------
    Sweep
        An interrupt from the keyboard, or the stop button of a notebook, ends the sweep too and keeps what is done.

    Raises
    ------
    TypeError, ValueError
        `workers` is not a whole number of at least 1.
    ImportError
        joblib or threadpoolctl is missing; both come with scikit-learn.
    Exception
        Whatever the function raises, at the first setting where it does.

    Examples
    --------
    >>> done = sweep(abs, [-1, 2, -3], workers=1, progress=lambda done, total: print(f"{done} of {total}"))
    0 of 3
    1 of 3
    2 of 3
    3 of 3
    >>> done, done.results
    (3 of 3 settings done, [1, 2, 3])
    """
    settings, workers = list(settings), _check_workers(workers)
    tell = progress if callable(progress) else ProgressBar() if progress else _tell_nobody
    results: list = []
    stopped = threading.Event()
    to_do = takewhile(lambda _setting: not stopped.is_set(), settings)
    with closing(_each(function, to_do, workers)) as found:
        try:
            tell(0, len(settings))
            for result in found:
                if stopped.is_set():  # what other workers had begun is let end, and dropped
                    continue
                results.append(result)
                tell(len(results), len(settings))
                if should_stop is not None and should_stop():
                    stopped.set()
        except KeyboardInterrupt:
            pass
    return Sweep(settings, results)


class ProgressBar:
    """A bar that fills, shown where it is first told of.

    Examples
    --------
    >>> bar = ProgressBar("Networks")
    >>> bar.label
    'Networks'
    """

    def __init__(self, label: str = "Progress"):
        self.label = label
        self.bar: widgets.IntProgress | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        if self.bar is None:
            self.bar = widgets.IntProgress(max=total, description=self.label, style={"description_width": "initial"})
            self.words = widgets.HTML()
            display(widgets.HBox([self.bar, self.words]))
        self.bar.value = done
        self.words.value = f'<span role="status">{done} of {total}</span>'


def _each(function, settings: Iterable, workers: int) -> Iterator:
    """Yield the results in order, each as soon as it and all before it are there."""
    joblib, threadpoolctl = _libraries()
    alone = partial(_with_one_thread, function)
    if workers == 1:
        yield from map(alone, settings)
        return
    calls = (joblib.delayed(alone)(setting) for setting in settings)
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):  # workers may be threads of this process
        warnings.filterwarnings("ignore", r"\d+ tasks", UserWarning)  # were cancelled, by an interrupt
        yield from (_as_they_come if _gives_one_by_one(joblib) else _as_lists)(joblib, calls, workers)


def _gives_one_by_one(joblib) -> bool:
    """Whether the back end of this place in the program can; Ray's and "multiprocessing" cannot."""
    back_end, _ = joblib.parallel.get_active_backend()
    return getattr(back_end, "supports_return_generator", False)


def _as_they_come(joblib, calls: Iterable, workers: int) -> Iterator:
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator", pre_dispatch=workers)
    with closing(parallel(calls)) as found:
        yield from found


def _as_lists(joblib, calls: Iterator, workers: int) -> Iterator:
    """Hand out as many calls as there are workers, and wait for all of them: progress and stops come in such steps."""
    with joblib.Parallel(n_jobs=workers) as parallel:
        while some := list(islice(calls, workers)):
            yield from parallel(some)


def _tell_nobody(done: int, total: int) -> None:
    pass


def _with_one_thread(function, setting):
    """Call it while BLAS has one thread: with several, the last bits of its sums depend on how many."""
    _, threadpoolctl = _libraries()
    with threadpoolctl.threadpool_limits(1):
        return function(setting)


def _libraries():
    try:
        import joblib
        import threadpoolctl
    except ImportError as error:
        raise ImportError(f"a sweep needs {error.name}: pip install joblib threadpoolctl") from error
    return joblib, threadpoolctl


def _check_workers(workers) -> int:
    if workers is None:
        return _libraries()[0].effective_n_jobs(-1)  # cores that this process may use, or places of the cluster
    return _check.whole_number(workers, "workers", 1)
