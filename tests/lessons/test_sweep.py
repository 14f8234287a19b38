"""A sweep gives what a plain loop gives, on any number of workers; it tells how far it is, and stops when told."""

import math
import os
import sys
import threading
from functools import partial

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend
from threadpoolctl import threadpool_info, threadpool_limits

from qviz.experiments.mixed_precision import every_network, networks_of
from qviz.lessons import ProgressBar, Sweep, sweep

# loky, told to end its processes at once, may look for one that has just gone (KeyError in a thread of its own)
ends_processes = pytest.mark.filterwarnings("ignore:Exception in thread ExecutorManager")
forks = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # is multi-threaded: Python 3.12 and later


def drawn(seed):
    return np.random.default_rng(seed).standard_normal(1000)


def where(_setting):
    return os.getpid()


def refuses_three(setting):
    if setting == 3:
        raise ValueError("three is too many")
    return setting


def interrupted_at_two(setting):
    if setting == 2:
        raise KeyboardInterrupt
    return setting


@pytest.fixture(scope="module", autouse=True)
def processes():
    """End joblib's processes with the tests."""
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


@pytest.fixture
def told():
    class Told(list):
        def __call__(self, done, total):
            self.append((done, total))

    return Told()


def test_one_worker_is_a_plain_loop():
    settings = [3, 1, 2, 1]
    done = sweep(drawn, (s for s in settings), workers=1)
    assert done.settings == settings and not done.stopped
    np.testing.assert_array_equal(done.results, [drawn(s) for s in settings])


def test_two_workers_give_the_same_bits_in_the_same_order():
    one, two = (sweep(drawn, range(20), workers=n).results for n in (1, 2))
    assert [a.tobytes() for a in one] == [b.tobytes() for b in two]


def test_networks_are_the_same_bits_with_two_workers():
    """Products of BLAS too, of which each process would have as many threads as it finds free."""
    function = partial(networks_of, images="test", method="mse")
    one, two = (sweep(function, [2, 8], workers=n).results for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        for name in ("right", "noise", "divergence"):
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes()


def test_two_workers_are_two_other_processes():
    found = set(sweep(where, range(8), workers=2).results)
    assert os.getpid() not in found
    assert set(sweep(where, range(8), workers=1).results) == {os.getpid()}


def test_a_back_end_named_outside_is_used():
    """As "dask" and "ray" would be, which bring such a back end along."""
    with joblib.parallel_config(backend="threading"):
        assert set(sweep(where, range(4), workers=2).results) == {os.getpid()}
    with joblib.parallel_config(backend="loky"):
        assert os.getpid() not in sweep(where, range(4), workers=2).results


@forks
def test_a_back_end_that_returns_lists_alone(told):
    """As Ray's, which is a subclass of this one; it gets as many settings at a time as there are workers."""
    with joblib.parallel_config(backend="multiprocessing"):
        done = sweep(math.sqrt, range(7), workers=2, progress=told)
        stopped = sweep(math.sqrt, range(50), workers=2, should_stop=lambda: True)
    assert done.results == [math.sqrt(n) for n in range(7)]
    assert told == [(n, 7) for n in range(8)]
    assert stopped.results == [0.0] and stopped.stopped


@forks
@ends_processes
@pytest.mark.parametrize("at", [0, 3])
def test_an_interrupt_of_a_back_end_that_returns_lists(at):
    def progress(done, total):
        if done == at:
            raise KeyboardInterrupt

    with joblib.parallel_config(backend="multiprocessing"):
        done = sweep(math.sqrt, range(9), workers=2, progress=progress)
    assert done.results == [math.sqrt(n) for n in range(at)]


class EightPlaces(ThreadingBackend):
    """A cluster with eight places, whatever this machine has; Dask's back end counts them likewise."""

    def effective_n_jobs(self, n_jobs):
        return 8


def test_all_places_of_a_cluster_are_used():
    all_there = threading.Barrier(8)
    with joblib.parallel_config(backend=EightPlaces()):
        done = sweep(lambda _: all_there.wait(timeout=20), range(8))  # each waits for the other seven
    assert sorted(done.results) == list(range(8))


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_told_from_none_to_all(workers, told):
    sweep(drawn, range(5), workers=workers, progress=told)
    assert told == [(n, 5) for n in range(6)]


@pytest.mark.parametrize("workers", [1, 2])
def test_it_stops_when_told_and_keeps_what_is_done(workers, told):
    done = sweep(drawn, range(50), workers=workers, progress=told, should_stop=lambda: len(told) > 3)
    assert done.stopped and repr(done) == "3 of 50 settings done, stopped early"
    np.testing.assert_array_equal(done.results, [drawn(s) for s in range(3)])
    assert not sweep(drawn, range(4), workers=workers).stopped  # the next one is none the worse


def test_an_interrupt_keeps_what_is_done():
    done = sweep(interrupted_at_two, range(5), workers=1)
    assert done.results == [0, 1] and done.stopped


@ends_processes
def test_an_interrupt_between_two_results_of_processes(told):
    def progress(done, total):
        told(done, total)
        if done == 2:
            raise KeyboardInterrupt

    done = sweep(drawn, range(50), workers=2, progress=progress)
    assert len(done.results) == 2 and done.stopped


@pytest.mark.parametrize("done", [0, 3])
def test_lesson_9_goes_on_after_an_interrupt(done, root, monkeypatch, capsys):
    """Its cell, as it stands, interrupted after so many widths of the first layer."""
    page = (root / "course" / "09_benefits_and_trade_offs.py").read_text(encoding="utf-8")
    (cell,) = (cell for cell in page.split("# %%") if "sweep(networks, WIDTHS" in cell)

    def interrupted(function, settings, **_options):
        return Sweep(list(settings), [function(setting) for setting in settings[:done]])

    names = {"sweep": interrupted}
    exec(cell.replace('"training"', '"calibration"'), names)
    whole = every_network("calibration", "mse")
    assert names["training"].divergence.tobytes() == whole.divergence.tobytes()
    assert (
        f"{done} of 8 settings done, stopped early - the rest came after it: 4096 networks" in capsys.readouterr().out
    )


@ends_processes
@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_function_is_told(workers):
    with pytest.raises(ValueError, match="three is too many"):
        sweep(refuses_three, range(6), workers=workers)


@pytest.mark.parametrize("workers", [1, 2, None])
def test_nothing_to_do(workers):
    done = sweep(drawn, [], workers=workers)
    assert (done.results, done.stopped) == ([], False)


@pytest.mark.parametrize(("workers", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_workers_must_be_a_number_of_them(workers, error):
    with pytest.raises(error, match="workers must be"):
        sweep(drawn, [1], workers=workers)


@pytest.mark.parametrize("library", ["joblib", "threadpoolctl"])
def test_what_is_missing_is_named(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"a sweep needs {library}: pip install"):
        sweep(drawn, [1, 2], workers=1)


def blas_threads(_setting):
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("back_end", ["loky", "threading"])
def test_each_setting_has_one_thread_and_all_are_given_back(back_end):
    """Sums of BLAS have other last bits with two threads than with one."""
    with threadpool_limits(2):
        with joblib.parallel_config(backend=back_end):
            for workers in (1, 2):
                found = sweep(blas_threads, range(6), workers=workers).results
                assert all(set(threads) == {1} for threads in found)
        assert set(blas_threads(0)) == {2}


def test_the_bar(capsys):
    bar = ProgressBar("Networks")
    sweep(drawn, range(3), workers=1, progress=bar)
    assert (bar.bar.value, bar.bar.max, bar.bar.description) == (3, 3, "Networks")
    assert "3 of 3" in bar.words.value
