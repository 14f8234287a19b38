"""torch, loaded while Python's garbage collector pauses, which would look through half a million new objects meanwhile.

That takes a fifth of the processor time off loading torch, and as much off loading torchao.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let the garbage collector rest within the `with`, and count what is new as old after it.

    Else it would look through all of that twice, soon after it works again.
    """
    working = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if working:
            if not gc.get_freeze_count():  # the program froze nothing itself, which this would thaw
                gc.freeze()  # these two move all objects to the oldest generation, without a look at them
                gc.unfreeze()
            gc.enable()


with collector_paused():
    import torch  # noqa: F401  (whoever imports this module first has it loaded so)
