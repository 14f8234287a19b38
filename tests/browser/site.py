"""A folder of pages, served on this machine alone, and an engine that finds what keeps somebody out."""

import functools
import http.server
import threading
import time
from contextlib import contextmanager

import pytest

from .conftest import ROOT

SERIOUS = ("critical", "serious")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serve(folder):
    """Yield the address while it is served."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def lesson(slug):
    """Return the page of a lesson, whatever its number."""
    (path,) = (ROOT / "notebooks").glob(f"*_{slug}.ipynb")
    return f"notebooks/{path.stem}.html"


def wait(page, expression, arg=None, seconds=120):
    """Wait until this is true in the page; Playwright's own way needs eval, which the pages forbid."""
    until = time.monotonic() + seconds
    while not page.evaluate(expression, arg):
        assert time.monotonic() < until, f"not within {seconds} s: {expression}"
        page.wait_for_timeout(20)


def serious(page):
    """Return what the engine finds that keeps somebody out."""
    page.evaluate("""async () => {
        for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);  // what is to fade begins to
        await Promise.all(document.getAnimations().map(fading => fading.finished));  // no colour half way
    }""")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(v["impact"], v["id"], n["html"][:200]) for v in found if v["impact"] in SERIOUS for n in v["nodes"]]
