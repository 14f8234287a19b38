"""Which code runs the integer arithmetic: torch calls it an engine, and has one for each family of processors.

The engine is a setting of the whole process. It decides how weights are packed when a model is converted, and
which kernel runs afterwards; the two must be the same. Here it changes only inside a `with`.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from qviz.numerics.unavailable import Unavailable

PREFERENCE = ("fbgemm", "x86", "onednn", "qnnpack")
NONE_HERE = "this build of torch has no engine"

# What torch says at almost every call of the quantization that this course teaches; beginnings of messages. The moves
# to torchao that they ask for are pytorch/pytorch issue 184982 and pytorch/ao issue 2259.
_EXPECTED = (
    ("torch.ao.quantization is deprecated", DeprecationWarning),
    ("Please use quant_min and quant_max to specify the range for observers", UserWarning),
    ("torch.quantize_per_tensor, torch.quantize_per_channel and other quantized tensor creation", UserWarning),
    ("TypedStorage is deprecated", UserWarning),
)


def supported() -> tuple[str, ...]:
    """Return the engines that this build of torch can run on this machine, the preferred one first.

    With QVIZ_ENGINE in the environment only that one counts: the course as it runs on another machine, such as a Mac,
    where there is qnnpack alone.

    Examples
    --------
    >>> set(supported()) <= set(torch.backends.quantized.supported_engines)
    True
    """
    only = os.environ.get("QVIZ_ENGINE")
    found = [name for name in torch.backends.quantized.supported_engines if name != "none" and only in (None, name)]
    return tuple(sorted(found, key=lambda name: (*PREFERENCE, name).index(name)))


def preferred() -> str | None:
    """Return the first of fbgemm, x86, onednn and qnnpack that is supported, or None.

    Examples
    --------
    >>> preferred() in (*PREFERENCE, None)
    True
    """
    return next((name for name in PREFERENCE if name in supported()), None)


@contextmanager
def using(engine: str | None = None) -> Iterator[str]:
    """Make an engine the current one until the end of the `with`, also when it ends in an error.

    Parameters
    ----------
    engine : str or None
        None is the preferred one.

    Yields
    ------
    str
        The engine that is current now.

    Raises
    ------
    ValueError
        The engine is not supported here, or there is none at all.

    Examples
    --------
    >>> before = torch.backends.quantized.engine
    >>> with using() as name:
    ...     torch.backends.quantized.engine == name == preferred()
    True
    >>> torch.backends.quantized.engine == before
    True
    """
    chosen = preferred() if engine is None else engine
    if not supported():
        raise Unavailable(
            f"engine cannot be chosen, because {NONE_HERE}: got {engine!r}; "
            "quantize_model and convert simulate, if they are given none"
        )
    if chosen not in supported():
        listed = ", ".join(map(repr, supported()))
        raise ValueError(f"engine must be one that this build of torch supports, {listed}: got {engine!r}")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = chosen
    try:
        yield chosen
    finally:
        torch.backends.quantized.engine = before


@contextmanager
def needed() -> Iterator[None]:
    """Say in one line that this cannot run here, where there is no engine, instead of ending in an error.

    With an engine it does nothing, and errors are heard.

    Examples
    --------
    >>> with needed():
    ...     print(4 / 2)
    2.0
    """
    try:
        yield
    except Exception:
        if supported():
            raise
        print(f"This cannot run here: {NONE_HERE} for quantized networks.")


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch compute with so many threads until the end of the `with`.

    With one, sums have one order, and a training gives the same bits however many processors there are.

    Examples
    --------
    >>> before = torch.get_num_threads()
    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what torch says about its own quantization being deprecated, and nothing else.

    Examples
    --------
    >>> from torch.ao.quantization import default_qconfig, prepare
    >>> layer = torch.nn.Sequential(torch.nn.Linear(2, 2)).eval()
    >>> layer.qconfig = default_qconfig
    >>> with quiet():
    ...     prepared = prepare(layer)
    """
    with warnings.catch_warnings():
        for message, category in _EXPECTED:
            warnings.filterwarnings("ignore", message, category)
        yield


def is_expected(warning: warnings.WarningMessage) -> bool:
    """Say whether a recorded warning is one of those that `quiet` silences."""
    text = str(warning.message)
    return any(text.startswith(start) and issubclass(warning.category, kind) for start, kind in _EXPECTED)


def has_vnni() -> bool | None:
    """Say whether this processor adds 8-bit products in 32 bits with one instruction (VNNI); None is unknown.

    Without it, x86 kernels add two products in 16 bits first, where large ones saturate.

    Examples
    --------
    >>> has_vnni() in (True, False, None)
    True
    """
    ask = getattr(torch.cpu, "_is_vnni_supported", None)
    if ask is not None:
        return bool(ask())
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def describe() -> str:
    """Say in a sentence or two which engine runs on this machine, and how it adds.

    Examples
    --------
    >>> print(describe())  # doctest: +ELLIPSIS
    Quantized models ...
    """
    engine = preferred()
    if engine is None:
        return f"Quantized models cannot run here: {NONE_HERE} for them. Results are simulated."
    others = ", ".join(supported()[1:]) or "nothing else"
    vnni = {
        True: "The processor has VNNI: 8-bit products are added in 32 bits.",
        False: "The processor has no VNNI: on x86, two 8-bit products are added in 16 bits, which large ones exceed.",
        None: "Whether the processor has VNNI is unknown.",
    }[has_vnni()]
    return f"Quantized models run on {engine} here (also there: {others}). {vnni}"
