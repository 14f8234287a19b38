"""The real kernel where two products are added in 16 bits: what this processor does, and what one without VNNI does.

fbgemm reads the variable FBGEMM_ENABLE_INSTRUCTIONS once, when it starts. So a processor with VNNI is made to do
without in a process of its own, which takes the two or three seconds that torch needs to start; answers are kept.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from qviz.numerics.saturation import dot

from .. import engines
from ..digits_model import digits_cnn, digits_tensors
from ..kernel_sums import kernel_sums
from ..ptq import PTQConfig, quantize_model

_PROGRAM = "from qviz.pytorch.labs.saturation import _answer; _answer()"
SHAPES = ((1, 2, 1), (5, 7, 3), (64, 512, 16), (33, 1001, 8))  # rows, inputs, outputs
SECONDS = 60


@dataclass(frozen=True)
class Kernel:
    """What fbgemm's linear kernel gave for random codes.

    Attributes
    ----------
    compared : int: how many sums
    exact : int: how many of them are the true sum
    emulated : int: how many of them are those of `qviz.numerics.saturation.dot`
    issue : int: its 211 * 71 + 171 * 107
    reduced_exact : int: how many are the true sum with activations of 7 bits
    accuracy, reduced_accuracy : float
        Share of the digits that the network of the course names right, with activations of 8 bits and of 7.
    """

    compared: int
    exact: int
    emulated: int
    issue: int
    reduced_exact: int
    accuracy: float
    reduced_accuracy: float


def measure() -> Kernel:
    """Compare the kernel with the true sums and with the emulation, on this processor as it is.

    Raises
    ------
    ValueError
        There is no fbgemm here.
    """
    rng = np.random.default_rng(0)
    compared = exact = emulated = reduced = 0
    for n, k, m in SHAPES:
        x, w = rng.integers(0, 256, (n, k), dtype=np.uint8), rng.integers(-128, 128, (m, k), dtype=np.int8)
        sums, truth = kernel_sums(x, w), dot(x, w, saturate=False)
        compared += sums.size
        exact += int((sums == truth).sum())
        emulated += int((sums == dot(x, w)).sum())
        reduced += int((kernel_sums(x // 2, w) == dot(x // 2, w, saturate=False)).sum())
    issue = int(kernel_sums(np.array([[211, 171]], np.uint8), np.array([[71, 107]], np.int8))[0, 0])
    return Kernel(compared, exact, emulated, issue, reduced, *_accuracies())


def _nothing() -> None:
    """Do nothing while another process computes."""


@lru_cache(maxsize=2)
def without_vnni(waiting: Callable[[], object] = _nothing) -> Kernel | None:
    """Do the same in another process, in which fbgemm uses AVX2 alone; None where there is no fbgemm.

    Parameters
    ----------
    waiting : function
        Called some times a second until the answer is there.
    """
    if "fbgemm" not in engines.supported():
        return None
    environment, last = {**os.environ, "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2"}, time.monotonic() + SECONDS
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], env=environment, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            while other.poll() is None and time.monotonic() < last:  # what it prints fits into the pipe
                waiting()
                time.sleep(0.05)
        finally:
            other.kill()
        if other.wait():
            raise subprocess.CalledProcessError(other.returncode, other.args)
        return Kernel(**json.loads(other.stdout.read()))


def report(waiting: Callable[[], object] = _nothing) -> str:
    """Say what this reader's processor does, and what the same kernel does without VNNI.

    Parameters
    ----------
    waiting : function
        Called some times a second while another process computes.

    Examples
    --------
    >>> report().split(" ")[0] in ("Your", "There")
    True
    """
    if "fbgemm" not in engines.supported():
        return f"There is no fbgemm on this machine, so the page shows only the emulation. {engines.describe()}"
    mine, other = measure(), without_vnni(waiting)
    habit = {True: "has VNNI", False: "has no VNNI", None: "does not say whether it has VNNI"}[engines.has_vnni()]
    return (
        f"Your processor {habit}. It returns 211 * 71 + 171 * 107 = {mine.issue:,}, and {mine.exact:,} of "
        f"{mine.compared:,} random sums are exact.\n"
        f"With AVX2 alone, the same kernel returns {other.issue:,}. {other.exact:,} of {other.compared:,} sums are "
        f"exact, and {other.emulated:,} equal those of the emulation.\n"
        f"With AVX2 and 7-bit activations, {other.reduced_exact:,} of {other.compared:,} sums are exact.\n"
        f"Accuracy on your processor: {mine.accuracy:.1%} with 8 bits, {mine.reduced_accuracy:.1%} with 7. "
        f"With AVX2 alone: {other.accuracy:.1%} and {other.reduced_accuracy:.1%}."
    )


def _accuracies() -> list[float]:
    samples, _, x, y = digits_tensors()
    model = digits_cnn()
    configs = (PTQConfig(reduce_range=reduced) for reduced in (False, True))
    networks = [quantize_model(model, config, samples, "fbgemm") for config in configs]
    with torch.inference_mode():  # not digits_model.accuracy, which computes what a processor with VNNI would
        return [float((network(x).argmax(1) == y).double().mean()) for network in networks]


def _answer() -> None:
    torch.set_num_threads(1)
    print(json.dumps(vars(measure())))
