"""Quantization-aware training, epoch by epoch, compared with post-training quantization."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from qviz.plots import AccuracyPanel, Canvas, CrossingsPanel, LossPanel
from qviz.plots.training import LAYOUT

from .background import Working
from .controls import choice, more, slider, toggle
from .explorer import Explorer

MOST_EPOCHS = 20
LEARNING_RATES = (2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2)


@dataclass(frozen=True)
class State:
    """The settings of a training; the fields are those of a QATConfig."""

    weight_bits: int = slider("Weight bits", 2, 2, 8)
    activation_bits: int = more(slider("Activation bits", 4, 2, 8))
    per_channel: bool = toggle("One scale per channel", True)
    epochs: int = slider("Epochs", 10, 0, MOST_EPOCHS)
    lr: float = choice("Learning rate", LEARNING_RATES, 2e-3)
    seed: int = more(slider("Seed", 0, 0, 9))


@dataclass(frozen=True)
class Result:
    """The results of the training so far, and whether it is running.

    `known` is what the source returns: a `qviz.pytorch.labs.qat_lab.QATResult`, or an object with its fields.
    """

    known: Any
    training: bool


class QATExplorer(Working, Explorer):
    """Quantization-aware training against post-training quantization, on the network of the course.

    After a change, it shows the finished training with these settings, or else the network before training. **Train**
    starts one; the curves grow with each epoch, and Stop or another change ends it. `train()` does the same from code.

    Parameters
    ----------
    source : callable, positional only
        A `qviz.pytorch.labs.qat_lab.QATLab`, or an object like it: called with the fields of the State, it returns the
        results so far, and its `epochs` trains.
    **settings
        Initial values of controls.

    Examples
    --------
    >>> from qviz.pytorch.labs.qat_lab import QATLab
    >>> explorer = QATExplorer(QATLab(), epochs=1)
    >>> print(explorer.readout.splitlines()[-1])
    Not trained yet at these settings: press Train.
    >>> explorer.train()
    >>> print(explorer.readout.splitlines()[-1])
    Trained: 1 of 1 epochs.
    >>> explorer.close()
    """

    State = State
    readout_lines = 5
    source = "qviz.pytorch.labs.qat_lab.QATLab"
    work_label = "Train"

    def train(self) -> None:
        """Train with these settings from the beginning; interrupting the kernel stops it."""
        self._work.run()

    def work(self) -> Iterator[float]:
        """Train, and update the curves after each epoch."""
        epochs = self.epochs
        for result in self._source.epochs(**asdict(self.state)):
            self.refresh()
            yield result.done / epochs if epochs else 1.0

    def compute(self, state: State) -> Result:
        """Return the results so far."""
        return Result(self._source(**asdict(state)), self.working)

    def canvas(self) -> Canvas:
        """Put accuracy on the left, loss and crossings on the right."""
        panels = {"accuracy": AccuracyPanel(), "loss": LossPanel(), "crossings": CrossingsPanel()}
        return Canvas(panels, LAYOUT, (980, 430), width_ratios=[5, 4])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show all finished epochs."""
        known = result.known
        accuracies = known.accuracies, known.float_accuracy, known.converted_accuracy
        return {
            "accuracy": (*accuracies, state.epochs, MOST_EPOCHS, _notes(state)),
            "loss": (known.losses, MOST_EPOCHS),
            "crossings": (known.crossings, known.weights, MOST_EPOCHS),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the accuracy of post-training quantization and of training."""
        return _figures(result.known)

    def describe(self, state: State, result: Result) -> str:
        """Return the settings, the accuracies, and the progress of the training."""
        known = result.known
        lines = [
            _settings(state),
            f"accuracy: float {known.float_accuracy:.2%}, PTQ at these bits {known.accuracies[0]:.2%}",
        ]
        if known.done:
            lines += [
                f"after epoch {known.done}: accuracy {known.accuracies[-1]:.2%} (fake-quantized), "
                f"loss {known.losses[-1]:.4f}, "
                f"{known.crossings[-1]:,} of {known.weights:,} weight codes changed in this epoch"
            ]
        if known.engine:
            same = f"same answer for {known.agreement:.2%} of the images"
            simulated = ", simulated because this build of torch has no engine"
            how = f"converted{simulated if known.engine == 'simulated' else ''}"
            lines += [f"{how}: {known.converted_accuracy:.2%}; {same}"]
        return "\n".join([*lines, _progress(state, result)])


def _figures(known) -> dict[str, str]:
    trained = f"{known.accuracies[-1]:.2%}" if known.done else "not trained yet"
    return {"PTQ": f"{known.accuracies[0]:.2%}", "QAT": trained}


def _settings(state: State) -> str:
    scales = "one scale per channel" if state.per_channel else "one scale per layer"
    plan = f"{state.epochs} epochs, learning rate {state.lr:g}, seed {state.seed}"
    return f"W{state.weight_bits}A{state.activation_bits}, {scales}, {plan}"


def _notes(state: State) -> tuple[str, str, str]:
    return f"W{state.weight_bits}A{state.activation_bits}", f"learning rate {state.lr:g}", f"seed {state.seed}"


def _progress(state: State, result: Result) -> str:
    done = f"{result.known.done} of {state.epochs} epochs"
    if result.training:
        return f"Training: {done}. Stop, or a changed setting, ends it."
    if result.known.engine == "stored":
        return f"Trained beforehand: {done}. Press Train to repeat it here."
    if result.known.complete:
        return f"Trained: {done}."
    if result.known.done:
        return f"Stopped after {done}, so nothing was converted. Train starts from the beginning."
    return "Not trained yet at these settings: press Train."
