"""A sweep gives what a plain loop gives, on any number of workers and on Dask; an interrupt keeps what is done."""

import os
import sys
from functools import partial

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from qviz.experiments.mixed_precision import every_network, networks_of
from qviz.lessons import Sweep, sweep

# loky, told to end its processes at once, may look for one that has just gone (KeyError in a thread of its own)
ends_processes = pytest.mark.filterwarnings("ignore:Exception in thread ExecutorManager")


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


def blas_threads(_setting):
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(scope="module", autouse=True)
def processes():
    """End joblib's processes with the tests."""
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="module")
def dask_cluster():
    """A scheduler here, and two workers that are processes of their own."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        yield


def same_bits(a, b):
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ("right", "noise", "divergence"))


def test_one_worker_is_a_plain_loop():
    settings = [3, 1, 2, 1]
    done = sweep(drawn, (s for s in settings), workers=1)
    assert done.settings == settings and not done.stopped
    np.testing.assert_array_equal(done.results, [drawn(s) for s in settings])
    assert set(sweep(where, range(8), workers=1).results) == {os.getpid()}


@pytest.mark.parametrize("workers", [2, None])
def test_processes_give_the_same_bits_in_the_same_order(workers):
    one, more = (sweep(drawn, range(20), workers=n).results for n in (1, workers))
    assert [a.tobytes() for a in one] == [b.tobytes() for b in more]
    assert os.getpid() not in sweep(where, range(8), workers=2).results


def test_networks_are_the_same_bits_with_two_workers():
    """Products of BLAS too, of which each process would have as many threads as it finds free."""
    function = partial(networks_of, images="test", method="mse")
    one, two = (sweep(function, [2, 8], workers=n).results for n in (1, 2))
    assert all(map(same_bits, one, two))


def test_dask_gives_the_same_bits(dask_cluster):
    """The sweep of the page on benefits on a cluster of two processes, started by joblib's own back end."""
    function = partial(networks_of, images="test", method="mse")
    with joblib.parallel_config("dask"):
        found, pids = sweep(function, [2, 5, 8]).results, set(sweep(where, range(20)).results)
        threads = sweep(blas_threads, range(4)).results
    assert all(map(same_bits, found, sweep(function, [2, 5, 8], workers=1).results))
    assert len(pids) == 2 and os.getpid() not in pids
    assert all(set(each) == {1} for each in threads)


def test_the_bar(capsys):
    sweep(drawn, range(3), workers=1)
    assert capsys.readouterr().err == ""
    sweep(drawn, range(3), workers=1, progress=True)
    assert "| 3 of 3" in capsys.readouterr().err


def test_an_interrupt_keeps_what_is_done():
    done = sweep(interrupted_at_two, range(5), workers=1)
    assert done.results == [0, 1] and done.stopped
    assert repr(done) == "2 of 5 settings done, stopped early"


@ends_processes
def test_an_interrupt_between_two_results_of_processes(monkeypatch):
    import tqdm.auto

    class Interrupted(tqdm.auto.tqdm):
        def update(self, n=1):
            super().update(n)
            if self.n == 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tqdm.auto, "tqdm", Interrupted)
        done = sweep(drawn, range(50), workers=2, progress=True)
    assert done.stopped
    np.testing.assert_array_equal(done.results, [drawn(0), drawn(1)])
    assert not sweep(drawn, range(4), workers=2).stopped  # the next one is none the worse


@pytest.mark.parametrize("done", [0, 1])
def test_the_page_on_benefits_goes_on_after_an_interrupt(done, root, monkeypatch, capsys):
    """Its cell, as it stands, interrupted after so many widths of the first layer: the rest is stored."""
    page = (root / "course" / "benefits_and_trade_offs.py").read_text(encoding="utf-8")
    (cell,) = (cell for cell in page.split("# %%") if "sweep(partial(networks_of" in cell)

    def interrupted(function, settings, **_options):
        return Sweep(list(settings), [function(setting) for setting in settings[:done]])

    names = {"sweep": interrupted}
    exec(cell, names)
    assert names["training"] is every_network("training", "mse")
    nothing = "0 of 1 settings done, stopped early, 360 images: no network was measured here, so none was compared\n"
    all_of_it = "1 of 1 settings done, 360 images: 512 of 512 networks measured here give the stored results\n"
    assert capsys.readouterr().out == (all_of_it if done else nothing)


@ends_processes
@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_function_is_raised(workers):
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


@pytest.mark.parametrize("library", ["joblib", "threadpoolctl", "tqdm.auto"])
def test_what_is_missing_is_named(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"a sweep needs {library}: pip install"):
        sweep(drawn, [1, 2], workers=1)


@pytest.mark.parametrize("back_end", ["loky", "threading"])
def test_each_setting_has_one_thread_and_all_are_given_back(back_end):
    """Sums of BLAS have other last bits with two threads than with one."""
    with threadpool_limits(2):
        with joblib.parallel_config(backend=back_end):
            for workers in (1, 2):
                found = sweep(blas_threads, range(6), workers=workers).results
                assert all(set(threads) == {1} for threads in found)
        assert set(blas_threads(0)) == {2}
