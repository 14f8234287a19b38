"""Sweeps: one function on many settings, on all cores; an interrupt keeps what is done."""

import warnings
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from qviz.numerics import _check
from qviz.widgets._moves_first import answer_moves


@dataclass(frozen=True, eq=False)
class Sweep:
    """The results of a sweep.

    Attributes
    ----------
    settings : list: all that were asked for
    results : list: one for each setting, in their order; after an interrupt, those of the first settings only
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
    function: Callable[[Any], Any], settings: Iterable, *, workers: int | None = None, progress: bool = False
) -> Sweep:
    """Call a function on each setting, on several cores at once.

    The results are the same to the last bit, and in the order of the settings, for any number of workers: each setting
    is computed with one thread of BLAS and OpenMP. A function that draws random numbers must take its seed from its
    setting.

    joblib runs it, in processes of its own. To run the same call on a Dask cluster, connect to it and name it::

        import dask.distributed, joblib
        with dask.distributed.Client("tcp://scheduler:8786"), joblib.parallel_config("dask"):
            done = sweep(function, settings)

    `Client()` without an address starts workers on this machine; on a cluster, qviz must be installed on each worker.

    Parameters
    ----------
    function : callable of one setting
        To reach another process it must be importable: a function of a module, or a `functools.partial` of one.
    settings : iterable
    workers : int or None
        How many at a time, at least 1; None for all cores. With 1 everything runs here, in a plain loop. A Dask cluster
        uses all of its own.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Sweep
        An interrupt from the keyboard, or the stop button of a notebook, ends the sweep and keeps what is done.

    Raises
    ------
    TypeError, ValueError
        `workers` is not a whole number of at least 1.
    ImportError
        joblib, threadpoolctl or tqdm is missing.
    Exception
        Whatever the function raises, at the first setting where it does.

    Examples
    --------
    >>> done = sweep(abs, [-1, 2, -3], workers=1)
    >>> done, done.results
    (3 of 3 settings done, [1, 2, 3])
    """
    settings, results = list(settings), []
    workers = -1 if workers is None else _check.whole_number(workers, "workers", 1)
    joblib, limits, tqdm = _libraries()
    call = partial(_with_one_thread, function)
    many = joblib.Parallel(workers, return_as="generator")
    try:
        with (
            warnings.catch_warnings(),
            limits(1),  # workers may be threads of this process
            tqdm(total=len(settings), disable=not progress, bar_format="{l_bar}{bar}| {n_fmt} of {total_fmt}") as bar,
            closing(
                many(map(joblib.delayed(call), settings)) if workers != 1 else (call(s) for s in settings)
            ) as found,
        ):
            warnings.filterwarnings("ignore", r"\d+ tasks", UserWarning)  # were cancelled, by an interrupt
            for result in found:
                results.append(result)
                bar.update()
                answer_moves()
    except KeyboardInterrupt:
        pass
    return Sweep(settings, results)


def _with_one_thread(function, setting):
    """Call it while BLAS has one thread: with several, the last bits of its sums depend on how many."""
    with _libraries()[1](1):
        return function(setting)


def _libraries():
    """Return joblib, `threadpool_limits` and `tqdm`, imported only when a sweep runs."""
    try:
        import joblib
        from threadpoolctl import threadpool_limits
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(f"a sweep needs {error.name}: pip install joblib threadpoolctl tqdm") from error
    return joblib, threadpool_limits, tqdm
