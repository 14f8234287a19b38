"""What the whole suite shares.

Missing parts: where torch, Chromium, an engine ... is not there, skip as usual (`pytest.importorskip`,
`pytest.skip`, `skipif`). With QVIZ_REQUIRE_ALL=1, which .ci/run sets, every such skip fails instead, in
doctests and notebooks too; no test needs to ask.

Processors: QVIZ_NOTEBOOK_KERNELS lets nbval compare what another processor computes.

Threads: two tests run at a time, each on one thread. Threads of BLAS and torch that wait for each other on two busy
processors make a test several times slower.

Network: every process that a test starts, each notebook's kernel included, finds it cut off (tools/offline).
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = str(ROOT / "tools" / "offline")


def as_failure(report):
    """Turn the report of a skip into one of a failure; leave an expected failure alone."""
    if report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"QVIZ_REQUIRE_ALL=1 and a part is missing: {why}"
    return report


class NothingMayBeMissing:
    """Make every skip a failure, that of a test and that of a whole file."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self):
        return as_failure((yield))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self):
        return as_failure((yield))


class OtherProcessor:
    """Let the notebooks that nbval runs compute as another processor does: QVIZ_NOTEBOOK_KERNELS="NAME=value ...".

    tools/processors.sh has such settings. A library reads them when it is loaded, so only new processes obey.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item):
        if type(item).__name__ != "IPyNbCell":
            return (yield)
        with pytest.MonkeyPatch.context() as patch:
            for setting in os.environ["QVIZ_NOTEBOOK_KERNELS"].split():
                patch.setenv(*setting.split("=", 1))
            return (yield)


def pytest_configure(config):
    """Apply both rules to every test, also to those outside this folder."""
    if os.environ.get("QVIZ_REQUIRE_ALL") == "1":
        config.pluginmanager.register(NothingMayBeMissing())
    if os.environ.get("QVIZ_NOTEBOOK_KERNELS"):
        config.pluginmanager.register(OtherProcessor())
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if getattr(config.option, "numprocesses", None):
        for library in ("OMP", "OPENBLAS", "MKL"):  # read when it is loaded, which the workers have not done yet
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    os.environ["QVIZ_GUESSES"] = ""  # a page is compared as nobody has answered it
    os.environ["PYTHONPATH"] = os.pathsep.join([OFFLINE, *(p for p in paths if p and p != OFFLINE)])


@pytest.fixture(scope="session")
def root():
    """Return the project's folder."""
    return ROOT


@pytest.fixture
def reference():
    """Return a function that imports a reference library, or skips where it is missing."""
    return pytest.importorskip
