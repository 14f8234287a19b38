"""The errors that people post about quantization in torch: made on purpose, explained, and mended by the reader.

A case knows what is commonly written, what torch says of it, the cause, the fix, and how to tell whether a repair
works. `check_repair` runs what the reader hands over. It raises nothing, and leaves nothing changed.

    with failures.workbench() as bench:  # what goes wrong inside is kept, and does not stop a notebook
        prepared = prepare(failures.digits_network())
        bench.model = convert(prepared)
    failures.check_repair("uncalibrated", bench)

trial.py      what torch says, on one line; the workbench; the verdict
networks.py   networks to break
flow.py       cases of the steps: stubs, calibration, modes, fusing, adding
ranges.py     cases of ranges: codes that no value reaches, values that no code reaches
settings.py   cases of the choices: engine, dtypes, sizes, inputs
"""

from . import flow, ranges, settings
from .networks import Residual, after_training, digits_network, images, numbers, right, with_batch_norm
from .ranges import codes_used
from .settings import race
from .trial import Failure, RepairResult, Workbench, workbench

__all__ = [
    "FAILURES",
    "Failure",
    "RepairResult",
    "Residual",
    "Workbench",
    "after_training",
    "case",
    "check_repair",
    "codes_used",
    "digits_network",
    "images",
    "numbers",
    "race",
    "right",
    "with_batch_norm",
    "workbench",
]  # fmt: skip

FAILURES = {case.name: case for case in (*flow.FAILURES, *ranges.FAILURES, *settings.FAILURES)}


def case(name: str) -> Failure:
    """Return a case of the gallery.

    Raises
    ------
    ValueError
        There is none of this name.

    Examples
    --------
    >>> case("missing-stub").sources[0]
    'https://github.com/pytorch/pytorch/issues/34583'
    """
    if name not in FAILURES:
        raise ValueError(f"name must be one of {', '.join(map(repr, FAILURES))}: got {name!r}")
    return FAILURES[name]


def check_repair(name: str, repair) -> RepairResult:
    """Say what torch makes of a repair, whether it works, and if not, what may help.

    Parameters
    ----------
    name : str
        Of a case in `FAILURES`.
    repair : what the case is about: a Workbench with a model, an observer, a percentage, the name of an engine ...
        As commonly written it counts as "not attempted yet".

    Raises
    ------
    ValueError
        There is no case of this name. Whatever is wrong with the repair is told in the verdict.

    Examples
    --------
    >>> from qviz.numerics import Percentile
    >>> check_repair("percentile", Percentile(0.01)).works
    False
    """
    return case(name).check(repair)
