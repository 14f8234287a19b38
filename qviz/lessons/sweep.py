"""Sweeps: one function on many settings, on all cores; an interrupt keeps the results so far."""

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
    settings : list: all settings
    results : list: one per setting, in order; after an interrupt, only those of the first settings
    """

    settings: list
    results: list

    @property
    def stopped(self) -> bool:
        """Whether the sweep ended before its last setting."""
        return len(self.results) < len(self.settings)

    def __repr__(self) -> str:
        early = ", stopped early" if self.stopped else ""
        return f"{len(self.results)} of {len(self.settings)} settings done{early}"


def sweep(
    function: Callable[[Any], Any], settings: Iterable, *, workers: int | None = None, progress: bool = False
) -> Sweep:
    """Call a function on each setting, on several cores at once.

    The results are in the order of the settings, and the same to the last bit for any number of workers, because each
    setting is computed with one thread of BLAS and OpenMP. A function that draws random numbers must take its seed from
    the setting.

    joblib runs the function in separate processes. To run the same call on a Dask cluster, connect to it first::

        import dask.distributed, joblib
        with dask.distributed.Client("tcp://scheduler:8786"), joblib.parallel_config("dask"):
            done = sweep(function, settings)

    `Client()` without an address starts workers on this machine; on a cluster, qviz must be installed on each worker.

    Parameters
    ----------
    function : callable of one setting
        It must be importable in other processes: a function of a module, or a `functools.partial` of one.
    settings : iterable
    workers : int or None
        Number of processes, at least 1; None for all cores. With 1, everything runs in this process, in a plain loop. A
        Dask cluster uses all of its workers.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Sweep
        A keyboard interrupt, or the stop button of a notebook, ends the sweep and keeps the results so far.

    Raises
    ------
    TypeError, ValueError
        `workers` is not an integer of at least 1.
    ImportError
        joblib, threadpoolctl or tqdm is missing.
    Exception
        The first error that the function raises.

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
            warnings.filterwarnings("ignore", r"\d+ tasks", UserWarning)  # "... were cancelled", after an interrupt
            for result in found:
                results.append(result)
                bar.update()
                answer_moves()
    except KeyboardInterrupt:
        pass
    return Sweep(settings, results)


def _with_one_thread(function, setting):
    """Call the function with one BLAS thread, because the last bits of sums depend on the number of threads."""
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
