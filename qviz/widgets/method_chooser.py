"""A few questions, and the method that fits the answers best."""

from dataclasses import dataclass

import numpy as np

from qviz.experiments.method_chooser import LOSS, Decision, decide
from qviz.experiments.methods import COSTS, METHODS, OUT, QUESTIONS
from qviz.plots import Canvas
from qviz.plots.method_matrix import AnswersLostPanel, VerdictPanel

from ._readout import Readout, Table
from .controls import choice, more, slider, toggle
from .explorer import Explorer

_SHORT = {"model": "model", "target": "target", "inputs": "data", "retrain": "training", "bits": "bits", "goal": "goal"}
_UNMEASURED = {"dynamic": "8 bits only", "QAT": "see the QAT page"}
_AGAINST = {OUT: "ruled out", COSTS: "drawback"}


@dataclass(frozen=True)
class State:
    """The answers to the questions."""

    model: str = more(choice("Model", QUESTIONS["model"]))
    target: str = choice("Runs on", QUESTIONS["target"])
    inputs: str = choice("Available data", QUESTIONS["inputs"])
    retrain: bool = more(toggle("Can retrain"))
    goal: str = choice("What counts", QUESTIONS["goal"])
    bits: int = slider("Weight bits", 4, QUESTIONS["bits"][0], QUESTIONS["bits"][-1])
    loss: float = more(slider("Allowed loss (points)", 1.0, 0.0, 20.0, 0.5, digits=1))


def compute(state: State) -> Decision:
    """Apply the rules to the answers."""
    return decide({question: getattr(state, question) for question in QUESTIONS}, state.loss)


class DecisionExplorer(Explorer):
    """Eight methods for a smaller network, and how well each of them fits your answers.

    The rules are plain data, each with its source, in `qviz.experiments.methods`.
    The losses are measured on the digits network of this course, so measure them on your own network.

    Examples
    --------
    >>> explorer = DecisionExplorer(bits=8, goal="latency")
    >>> print(explorer.readout.splitlines()[0])
    Recommended: per channel. Like static, but each output channel of the weights has its own scale.
    >>> explorer.close()
    """

    State = State
    readout_lines = 7
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Put the verdicts on the left, the losses on the right."""
        panels = {
            "verdicts": VerdictPanel(METHODS, [*_SHORT.values(), LOSS]),
            "losses": AnswersLostPanel(METHODS, _UNMEASURED),
        }
        return Canvas(panels, size=(940, 420), width_ratios=[5, 3])

    def views(self, state: State, result: Decision) -> dict[str, tuple]:
        """Show all verdicts, and all losses."""
        columns = {**_SHORT, LOSS: LOSS}
        verdicts = {
            (method, name): result.verdict(method, question) for method in METHODS for question, name in columns.items()
        }
        return {"verdicts": (verdicts, result.method), "losses": (result.lost, result.tolerated, result.method)}

    def figures(self, state: State, result: Decision) -> dict[str, str]:
        """Return the recommended method, and its loss."""
        return {"method": result.method, "loss": _points(result.lost[result.method])}

    def describe(self, state: State, result: Decision) -> str:
        """Return the recommended method, the disadvantages of all methods, and its code."""
        what = METHODS[result.method].what
        names = list(METHODS)
        rows = [(method, _disadvantages(result, method)) for method in names]
        code = f"Code; model is a torch model, and images and labels are training data. {result.elsewhere}".rstrip()
        return Readout.of(
            f"Recommended: {result.method}. {what[0].upper()}{what[1:]}.\n{_loss(result)}",
            Table(("method", "disadvantages"), rows, (-19, -1), names.index(result.method), "*"),
            "\n".join([code, *(f"    {line}" for line in result.code.splitlines())]),
        )


def _points(lost: float) -> str:
    return "see the QAT page" if np.isnan(lost) else f"{lost:.2f} points"


def _loss(result: Decision) -> str:
    lost, bits = result.lost[result.method], result.answers["bits"]
    if np.isnan(lost):
        page = 'Its loss of accuracy is measured on the page "Quantization-aware training with fbgemm".'
        return f"{page} You allow a loss of {result.tolerated:.1f} points."
    return (
        f"On the digits network, with {bits}-bit weights, it loses {lost:.2f} points of accuracy; "
        f"you allow {result.tolerated:.1f}."
    )


def _disadvantages(result: Decision, method: str) -> str:
    """Return the strongest reason against a method, its source, and how many more there are."""
    rules = sorted(result.against[method], key=lambda rule: rule.verdict != OUT)
    reasons = [f"{_AGAINST[rule.verdict]}: {rule.reason} ({rule.source})" for rule in rules]
    if result.verdict(method, LOSS):
        reasons.insert(0, f"{_AGAINST[OUT]}: loses {result.lost[method]:.2f} points (measured here)")
    others = len(reasons) - 1
    more = f", and {others} more disadvantage{'s' * (others > 1)}" if others > 0 else ""
    if not reasons:
        return "none" if method == result.method else "none, but more effort"
    return reasons[0] + more
