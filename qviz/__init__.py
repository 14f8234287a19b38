"""See, move and measure neural-network quantization.

Its packages, each loaded when it is first used:

* qviz.numerics: scale, zero point, observers, calibrators, metrics; NumPy alone
* qviz.methods: what lets few bits lose less: equalization, GPTQ and others; NumPy alone
* qviz.data: real inputs that need no download, and the reader's own files
* qviz.networks: the course's networks in NumPy
* qviz.experiments: what the course measures on them
* qviz.pytorch: post-training quantization and quantization-aware training; needs torch
* qviz.plots: one picture a file, drawn with matplotlib
* qviz.widgets: explorers, pictures that answer to sliders
* qviz.lessons: predictions, and what else a course needs

The names a reader types most are here too. Importing qviz loads neither matplotlib, ipywidgets nor torch.

Examples
--------
>>> import qviz
>>> qviz.tensor("Gaussian").dtype
dtype('float32')
"""

from importlib import import_module

from .numerics import (
    INT4,
    INT8,
    UINT4,
    UINT8,
    IntFormat,
    PerChannel,
    PerGroup,
    PerTensor,
    QParams,
    calibrate,
    choose_qparams,
    dequantize,
    error_parts,
    fake_quantize,
    mse,
    quantize,
    sqnr_db,
)

__version__ = "0.1.0"

__all__ = [
    "INT4",
    "INT8",
    "TENSORS",
    "UINT4",
    "UINT8",
    "IntFormat",
    "PerChannel",
    "PerGroup",
    "PerTensor",
    "QParams",
    "calibrate",
    "choose_qparams",
    "dequantize",
    "error_parts",
    "fake_quantize",
    "mse",
    "quantize",
    "sqnr_db",
    "tensor",
]  # fmt: skip

_PACKAGES = ("data", "experiments", "lessons", "methods", "networks", "numerics", "plots", "pytorch", "widgets")


def __getattr__(name: str):
    """Load a package of qviz, or the named tensors, when first asked for."""
    if name in ("TENSORS", "tensor"):
        return getattr(import_module(f"{__name__}.tensors"), name)
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its packages are {', '.join(_PACKAGES)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PACKAGES, *__all__})
