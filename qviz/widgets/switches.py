"""Quantize weights, activations and biases of one network separately."""

from dataclasses import dataclass, fields

from qviz.experiments import SwitchedCNN, Switches
from qviz.experiments.ablation import COMBINATIONS, PLACES
from qviz.experiments.ablation_result import AblationResult
from qviz.experiments.ablation_settings import BIAS_SCALES, GRANULARITIES
from qviz.numerics import CALIBRATORS
from qviz.plots import Canvas, CombinationsPanel, LayerSqnrPanel

from ._readout import Readout, Table
from .controls import choice, more, slider, toggle
from .explorer import Explorer

_LAYERS = ("layer", "SQNR dB", "cosine", "weights", "biases", "scales", "bytes of outputs")
_COMBINATIONS = ("quantized", "SQNR dB", "cosine", "right", "accuracy", "bytes stored", "bytes of outputs")


@dataclass(frozen=True)
class State:
    """Which parts are quantized, and the bits of each."""

    weights: bool = more(toggle("Weights", True))
    weight_bits: int = slider("Weight bits", 8, 2, 8)
    activations: bool = more(toggle("Activations", True))
    activation_bits: int = slider("Activation bits", 8, 2, 8)
    biases: bool = more(toggle("Biases", True))
    bias_bits: int = slider("Bias bits", 32, 2, 32)
    bias_scale: str = more(choice("Bias scale", BIAS_SCALES))
    granularity: str = more(choice("Weight scales", GRANULARITIES, "per channel"))
    method: str = more(choice("Calibration", CALIBRATORS))


@dataclass(frozen=True)
class Result:
    """The settings, and the result of every combination of switches, by the parts that are on."""

    switches: Switches
    combinations: dict[tuple[str, ...], AblationResult]

    @property
    def this(self) -> AblationResult:
        """The result with the current switches."""
        return self.combinations[self.switches.on]


def compute(state: State, cnn: SwitchedCNN) -> Result:
    """Measure all eight combinations with these bits."""
    switches = Switches(**{field.name: getattr(state, field.name) for field in fields(State)})
    return Result(switches, cnn.combinations(switches))


class SwitchesExplorer(Explorer):
    """Weights, activations and biases quantized, each on its own: what each layer keeps, and all of it.

    Examples
    --------
    >>> explorer = SwitchesExplorer(weight_bits=4, biases=False)
    >>> explorer.result.this.right
    353
    >>> explorer.close()
    """

    State = State
    readout_lines = 6
    MOST_IMAGES: int | None = None  # number of test images; None for all
    _cnn: SwitchedCNN | None = None

    def compute(self, state: State) -> Result:
        """Measure the digits network."""
        if self._cnn is None:
            self._cnn = SwitchedCNN(self.MOST_IMAGES)
        return compute(state, self._cnn)

    def canvas(self) -> Canvas:
        """Put the layers on the left, the combinations on the right."""
        panels = {"layers": LayerSqnrPanel(PLACES), "combinations": CombinationsPanel(COMBINATIONS)}
        return Canvas(panels, size=(980, 400), width_ratios=[5, 6])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the layers with these settings and with each part alone, and all combinations."""
        outcomes = list(result.combinations.values())
        this_db, *alone_db = ([layer.sqnr_db for layer in o.layers] for o in (result.this, *outcomes[1:4]))
        right, sizes = [o.right for o in outcomes], [o.size_bytes for o in outcomes]
        this = COMBINATIONS.index(result.switches.on)
        return {"layers": (this_db, alone_db), "combinations": (right, result.this.images, sizes, this)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the accuracy and the bytes."""
        return {"right": f"{result.this.accuracy:.1%}", "bytes": f"{result.this.size_bytes:,}"}

    def describe(self, state: State, result: Result) -> str:
        """Return two tables: all combinations, with a star at this one, and the layers."""
        layers = [(x.name, *_errors(x), *_bytes(x)) for x in result.this.layers]
        parts = [
            (", ".join(on) or "nothing: float32", *_errors(x), f"{x.right}", f"{x.accuracy:.1%}", *_sizes(x))
            for on, x in result.combinations.items()
        ]
        this = list(result.combinations).index(result.switches.on)
        return Readout.of(
            Table(_COMBINATIONS, parts, (-28, 8, 9, 9, 10, 14, 18), this, "*"),
            "",
            Table(_LAYERS, layers, (-30, 8, 9, 9, 8, 8, 18)),
        )

    def close(self) -> None:
        """Free the cached results too."""
        super().close()
        self._cnn = None


def _errors(x) -> tuple[str, str]:
    return f"{x.sqnr_db:.1f}", f"{x.cosine:.4f}"


def _sizes(x) -> tuple[str, str]:
    return f"{x.size_bytes:,}", f"{x.activation_bytes:,}"


def _bytes(x) -> tuple[str, ...]:
    return tuple(f"{n:,}" for n in (x.weight_bytes, x.bias_bytes, x.overhead_bytes, x.activation_bytes))
