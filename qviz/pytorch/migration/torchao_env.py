"""torchao on this machine: how it is loaded, what is silenced meanwhile, and which of its parts can run here.

torchao is the library that the quantization of torch moves to. Nothing else of qviz needs it, so it is imported only
when asked for, and a reader without it is told how to get it.
"""

import logging
import os
import re
import shutil
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

from .. import engines
from .._loading import collector_paused

HOW_TO_GET_IT = "torchao is not installed: run `python3 start.py lab` again, or `pip install 'torchao>=0.18,<0.19'`"

# What is written to a log while torchao is loaded: logger, beginning of the message. Each is harmless here.
_EXPECTED_LOGS = (
    ("torchao", r"Failed to load .*_C_"),  # its wheel for Linux holds kernels for CUDA, and torch here has no CUDA
    ("torchao", r"Skipping import of cpp extensions"),  # the same, where its makers asked torch's version first
    ("torch.utils._pytree", r"<enum '\w+'> is an Enum subclass"),  # torchao 0.18 registers enums as before torch 2.13
)
# What is said as a warning while it is loaded, or while a graph is exported and lowered; none is about its result.
_EXPECTED_WARNINGS = (
    (r"`torch.jit.script_method` is deprecated", DeprecationWarning),  # torch's own, on the way to its compiler
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),  # torch copies the graphs that it exports
)
_COMPILERS = {"darwin": "clang++", "win32": "cl"}


def installed() -> bool:
    """Say whether torchao is installed, without loading it."""
    return find_spec("torchao") is not None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what loading and using torchao is known to say, what `engines.quiet` silences, and nothing else.

    Examples
    --------
    >>> with quiet():
    ...     logging.getLogger("torchao").info("said, if somebody listens")
    """
    filters = [(logging.getLogger(name), _Without(message)) for name, message in _EXPECTED_LOGS]
    for logger, without in filters:
        logger.addFilter(without)
    try:
        with engines.quiet(), warnings.catch_warnings():
            for message, category in _EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        for logger, without in filters:
            logger.removeFilter(without)


class _Without(logging.Filter):
    """Let every record pass but those whose message begins so."""

    def __init__(self, beginning: str):
        super().__init__()
        self.beginning = re.compile(beginning)

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.beginning.match(record.getMessage())


def load() -> ModuleType:
    """Import and return torchao.quantization: `quantize_` and its configurations.

    Raises
    ------
    ModuleNotFoundError
        torchao is not installed; the message says how to get it.

    Examples
    --------
    >>> load().Int8WeightOnlyConfig.__name__
    'Int8WeightOnlyConfig'
    """
    _check()
    with quiet(), collector_paused():
        import torchao.quantization
    return torchao.quantization


def load_pt2e() -> ModuleType:
    """Import and return torchao.quantization.pt2e: exported graphs, with the quantizer and the lowering for x86.

    It loads torch's compiler as well, which takes about 40 MB.

    Raises
    ------
    ModuleNotFoundError
        torchao is not installed; the message says how to get it.

    Examples
    --------
    >>> load_pt2e().quantize_pt2e.prepare_pt2e.__name__
    'prepare_pt2e'
    """
    _check()
    with quiet(), collector_paused():
        import torchao.quantization.pt2e.lowering
        import torchao.quantization.pt2e.quantize_pt2e
        import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer
    return torchao.quantization.pt2e


def _check() -> None:
    if not installed():
        raise ModuleNotFoundError(HOW_TO_GET_IT, name="torchao")


def compiler() -> str | None:
    """Return the C++ compiler that torch.compile would find here, or None.

    It looks where torch's inductor looks: at CXX in the environment, else for g++, clang++ (macOS) or cl (Windows).
    Python's own header files are needed too.

    Examples
    --------
    >>> compiler() is None or Path(compiler()).exists()
    True
    """
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(os.environ.get("CXX", _COMPILERS.get(sys.platform, "g++"))) if headers.exists() else None


def can_lower() -> bool:
    """Say whether this build of torch has oneDNN's integer kernels, which a graph is lowered to without a compiler."""
    return torch.backends.mkldnn.is_available() and "onednn" in engines.supported()


def describe() -> str:
    """Say in a few lines which parts of torchao run here, and what the others would need.

    Examples
    --------
    >>> print(describe())  # doctest: +ELLIPSIS
    torchao: ...
    """
    lowered = "here" if can_lower() else "not in this build of torch: the graph stays a reference model"
    compile_with = compiler() or "none found: torch.compile cannot run, and nothing on this page needs it"
    cuda = "here" if torch.cuda.is_available() else "none: torchao's kernels for 4-bit and float8 products cannot run"
    return "\n".join(
        (
            f"torchao: {'here' if installed() else HOW_TO_GET_IT}",
            f"oneDNN's integer kernels: {lowered}",
            f"C++ compiler: {compile_with}",
            f"GPU for CUDA: {cuda}",
        )
    )
