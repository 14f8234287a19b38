"""torch, loaded while Python's garbage collector pauses, which would look through half a million new objects meanwhile.

That takes a fifth of the processor time off loading torch, and as much off loading torchao.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let the garbage collector rest within the `with`."""
    working = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if working:
            gc.enable()


with collector_paused():
    import torch  # noqa: F401  (whoever imports this module first has it loaded so)
