"""Three switches on one network: its weights, its activations, its biases."""

from dataclasses import dataclass, fields

from qviz.experiments import SwitchedCNN, Switches
from qviz.experiments.ablation import COMBINATIONS, PLACES
from qviz.experiments.ablation_result import AblationResult
from qviz.experiments.ablation_settings import BIAS_SCALES, GRANULARITIES
from qviz.numerics import CALIBRATORS
from qviz.plots import Canvas, CombinationsPanel, LayerSqnrPanel

from .controls import choice, slider, toggle
from .explorer import Explorer


@dataclass(frozen=True)
class State:
    """Which switches are on, and the bits of each part."""

    weights: bool = toggle("Weights", True)
    weight_bits: int = slider("Weight bits", 8, 2, 8)
    activations: bool = toggle("Activations", True)
    activation_bits: int = slider("Activation bits", 8, 2, 8)
    biases: bool = toggle("Biases", True)
    bias_bits: int = slider("Bias bits", 32, 2, 32)
    bias_scale: str = choice("Bias scale", BIAS_SCALES)
    granularity: str = choice("Weight scales", GRANULARITIES, "per channel")
    method: str = choice("Calibration", CALIBRATORS)


@dataclass(frozen=True)
class Result:
    """The setting, and the outcome of every combination of its switches; by the parts that are on."""

    switches: Switches
    combinations: dict[tuple[str, ...], AblationResult]

    @property
    def this(self) -> AblationResult:
        """The outcome of the switches as they stand."""
        return self.combinations[self.switches.on]


def compute(state: State, cnn: SwitchedCNN) -> Result:
    """Measure all eight combinations at these bits."""
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
    MOST_IMAGES: int | None = None  # of the test images; None for all
    _cnn: SwitchedCNN | None = None

    def compute(self, state: State) -> Result:
        """Measure the network of the course."""
        if self._cnn is None:
            self._cnn = SwitchedCNN(self.MOST_IMAGES)
        return compute(state, self._cnn)

    def canvas(self) -> Canvas:
        """Put the layers on the left, the combinations on the right."""
        panels = {"layers": LayerSqnrPanel(PLACES), "combinations": CombinationsPanel(COMBINATIONS)}
        return Canvas(panels, size=(980, 400), width_ratios=[5, 6])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show this setting, each part alone, and all combinations."""
        outcomes = list(result.combinations.values())
        this_db, *alone_db = ([layer.sqnr_db for layer in o.layers] for o in (result.this, *outcomes[1:4]))
        right, sizes = [o.right for o in outcomes], [o.size_bytes for o in outcomes]
        this = COMBINATIONS.index(result.switches.on)
        return {"layers": (this_db, alone_db), "combinations": (right, result.this.images, sizes, this)}

    def describe(self, state: State, result: Result) -> str:
        """Say it as two tables: layers of this setting, and combinations, with a star at this one."""
        lines = [
            f"  {'layer':<28}{'SQNR dB':>8}{'cosine':>9}{'weights':>9}{'biases':>8}{'scales':>8}{'outputs, bytes':>16}"
        ]
        lines += [
            f"  {x.name:<28}{x.sqnr_db:>8.1f}{x.cosine:>9.4f}{x.weight_bytes:>9,}{x.bias_bytes:>8,}"
            f"{x.overhead_bytes:>8,}{x.activation_bytes:>16,}"
            for x in result.this.layers
        ]
        lines.append(
            f"\n  {'quantized':<28}{'SQNR dB':>8}{'cosine':>9}{'right':>9}{'':>8}{'bytes':>8}{'outputs, bytes':>16}"
        )
        for parts, x in result.combinations.items():
            star = "*" if parts == result.switches.on else " "
            name = ", ".join(parts) or "nothing: float32"
            lines.append(
                f"{star} {name:<28}{x.sqnr_db:>8.1f}{x.cosine:>9.4f}{x.right:>9}{x.accuracy:>8.1%}"
                f"{x.size_bytes:>8,}{x.activation_bytes:>16,}"
            )
        return "\n".join(lines)

    def close(self) -> None:
        """Free the kept outcomes too."""
        super().close()
        self._cnn = None
