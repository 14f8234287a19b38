"""Choose a quantization method: apply the rules in `methods` to a few answers, and measure each method's loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from qviz.networks.digits_cnn import cnn_accuracy, cnn_weights
from qviz.numerics import IntFormat, calibrate, fake_quantize

from .bit_allocation import best_that_fits
from .methods import COSTS, ELSEWHERE, METHODS, OUT, QUESTIONS, RULES, Rule
from .mixed_precision import BITS, FLOAT, LAYERS, every_network, mixed_weights, one_thread, place, size_bytes

LOSS = "loss"  # the only question with a numeric answer: the accuracy that may be lost, in percentage points
_FLOATS16 = "16-bit floats"


@dataclass(frozen=True)
class Decision:
    """The rules that apply to each method, and the recommended method.

    Attributes
    ----------
    answers : mapping of question to answer
    tolerated : float: accuracy that may be lost, in percentage points
    against : dict of method to the rules that apply against it
    lost : dict of method to its loss of accuracy on the digits network at these bits; NaN where it was not measured
    """

    answers: Mapping
    tolerated: float
    against: dict[str, tuple[Rule, ...]]
    lost: dict[str, float]

    @cached_property
    def method(self) -> str:
        """The recommended method: not ruled out, with the fewest rules against it; a tie goes to the least effort."""
        order = [name for name in METHODS if name != _FLOATS16 and not self.is_out(name)]
        return min(order, key=lambda name: len(self.against[name]), default=_FLOATS16)

    def verdict(self, method: str, question: str) -> str:
        """Return "out", "costs" or "" for a method and a question, `LOSS` included."""
        found = {rule.verdict for rule in self.against[method] if rule.question == question}
        if question == LOSS and self.lost[method] > self.tolerated:
            found = {OUT}
        return OUT if OUT in found else COSTS if COSTS in found else ""

    def is_out(self, method: str) -> bool:
        """Return whether any answer rules the method out."""
        return any(self.verdict(method, question) == OUT for question in (*QUESTIONS, LOSS))

    @property
    def code(self) -> str:
        """Python code of the recommended method; if the goal is size, it also saves sub-byte codes packed."""
        method, bits = METHODS[self.method], self.answers["bits"]
        few = self.answers["goal"] == "size" and bits < BITS[-1]
        return (method.code + method.packed * few).format(bits=bits)

    @property
    def elsewhere(self) -> str:
        """What remains to be done to deploy the result on the target; "" for nothing."""
        return ELSEWHERE.get(self.answers["target"], "")


def decide(answers: Mapping, tolerated: float = 1.0) -> Decision:
    """Apply all rules to the answers.

    Parameters
    ----------
    answers : mapping of each question in QUESTIONS to one of its answers
    tolerated : float
        Accuracy that may be lost, in percentage points, at least 0.

    Raises
    ------
    ValueError
        A question has no answer, or one that is not on its list; or `tolerated` is below 0.

    Examples
    --------
    >>> answers = {question: listed[0] for question, listed in QUESTIONS.items()}
    >>> decide(answers | {"bits": 8, "goal": "latency"}).method
    'per channel'
    >>> decide(answers | {"bits": 2, "inputs": "labelled training set", "retrain": True}).method
    'QAT'
    """
    for question, listed in QUESTIONS.items():
        if answers.get(question) not in listed:
            raise ValueError(f"{question} must be one of {listed}: got {answers.get(question)!r}")
    if not tolerated >= 0:
        raise ValueError(f"tolerated must be at least 0, in points of accuracy: got {tolerated}")
    against = {name: tuple(r for r in RULES if name in r.methods and r.holds(answers)) for name in METHODS}
    return Decision(dict(answers), float(tolerated), against, points_lost(answers["bits"]))


@cache  # seven widths
def points_lost(bits: int) -> dict[str, float]:
    """Measure the loss of accuracy of each method on the digits network, in percentage points, on 359 test images.

    Only the weights are quantized, to this many bits. NaN stands for not measured: QAT, which needs training, and
    dynamic below 8 bits, which torch does not support.

    Examples
    --------
    >>> {method: round(lost, 2) for method, lost in points_lost(3).items() if lost > 2}
    {'static': 11.14, 'per channel': 2.79, 'better calibration': 3.06}
    """
    budget = 1.01 * size_bytes()[place(bits)]
    mixed = best_that_fits(every_network("calibration", "mse").divergence, budget)
    networks = {
        "weight-only": mixed_weights((FLOAT, FLOAT, bits, bits)),
        "static": _per_tensor(bits),
        "per channel": mixed_weights(bits),
        "better calibration": mixed_weights(bits, "mse"),
        "mixed precision": mixed_weights(mixed, "mse"),
        _FLOATS16: cnn_weights(),
    }
    with one_thread():
        lost = {name: 100 * (cnn_accuracy() - cnn_accuracy(weights)) for name, weights in networks.items()}
    dynamic = lost["weight-only"] if bits == BITS[-1] else np.nan
    return {name: lost.get(name, dynamic if name == "dynamic" else np.nan) for name in METHODS}


def _per_tensor(bits: int) -> dict[str, np.ndarray]:
    w = cnn_weights()
    for name in (f"{layer}.weight" for layer in LAYERS):
        w[name] = fake_quantize(w[name], calibrate(w[name], "min-max", IntFormat(bits), "symmetric"))
    return w
