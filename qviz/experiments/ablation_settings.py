"""Settings of the ablation: which parts of a network are quantized, and how."""

from dataclasses import dataclass, replace

from qviz.numerics import CALIBRATORS, Granularity, IntFormat, PerChannel, PerTensor, _check

PARTS = ("weights", "activations", "biases")
ACCUMULATOR, OWN = BIAS_SCALES = ("scale_x * scale_w", "its own")
GRANULARITIES = {"per tensor": PerTensor(), "per channel": PerChannel(0)}
_BITS = {"weight_bits": (2, 8), "activation_bits": (2, 8), "bias_bits": (2, 32)}


@dataclass(frozen=True)
class Switches:
    """Three switches, for weights, activations and biases, and how each part is quantized if its switch is on.

    Parameters
    ----------
    weights, activations, biases : bool
        Whether this part is quantized; otherwise it stays float32.
    weight_bits, activation_bits : int, 2 to 8
        Weights are symmetric and signed, activations affine and unsigned.
    bias_bits : int, 2 to 32
    bias_scale : {"scale_x * scale_w", "its own"}
        The scale of the layer's integer sum; or, for each layer, the largest bias divided by the highest code. The
        scales of input and weights are those at `activation_bits` and `weight_bits` even if these parts are off, so
        that the effect of the bias switch does not depend on the other two.
    granularity : {"per channel", "per tensor"}
        Which weights share a scale.
    method : a name in qviz.numerics.CALIBRATORS
        How the ranges of weights and activations are chosen.

    Raises
    ------
    TypeError, ValueError
        A field has the wrong type or value.

    Examples
    --------
    >>> switches = Switches(weight_bits=4, biases=False)
    >>> switches.on
    ('weights', 'activations')
    >>> print(switches.weight_format, switches.activation_format)
    int4 uint8
    """

    weights: bool = True
    activations: bool = True
    biases: bool = True
    weight_bits: int = 8
    activation_bits: int = 8
    bias_bits: int = 32
    bias_scale: str = ACCUMULATOR
    granularity: str = "per channel"
    method: str = "min-max"

    def __post_init__(self):
        for name in PARTS:
            object.__setattr__(self, name, _check.yes_or_no(getattr(self, name), name))
        for name, ends in _BITS.items():
            object.__setattr__(self, name, _check.whole_number(getattr(self, name), name, *ends))
        for name, choices in (("bias_scale", BIAS_SCALES), ("granularity", GRANULARITIES), ("method", CALIBRATORS)):
            _check.one_of(getattr(self, name), choices, name)

    @property
    def on(self) -> tuple[str, ...]:
        """The parts that are quantized."""
        return tuple(part for part in PARTS if getattr(self, part))

    @property
    def weight_format(self) -> IntFormat:
        """Number format of the weights."""
        return IntFormat(self.weight_bits)

    @property
    def activation_format(self) -> IntFormat:
        """Number format of the activations."""
        return IntFormat(self.activation_bits, signed=False)

    @property
    def weight_granularity(self) -> Granularity:
        """Which weights share a scale."""
        return GRANULARITIES[self.granularity]

    def with_on(self, *parts: str) -> "Switches":
        """Return a copy with exactly these switches on.

        Raises
        ------
        ValueError
            There is no such switch.

        Examples
        --------
        >>> Switches().with_on("biases").on
        ('biases',)
        """
        for part in parts:
            if part not in PARTS:
                raise ValueError(f"parts must be among {', '.join(map(repr, PARTS))}: got {part!r}")
        return replace(self, **{part: part in parts for part in PARTS})

    def relevant(self) -> "Switches":
        """Return equivalent settings in which every field without an effect has its default value.

        Examples
        --------
        >>> Switches(weights=False, weight_bits=3, bias_scale=OWN).relevant().weight_bits
        8
        >>> Switches(weights=False, weight_bits=3).relevant().weight_bits  # the bias scale depends on it
        3
        """
        from_scales = self.biases and self.bias_scale == ACCUMULATOR
        matters = {
            "weight_bits": self.weights or from_scales,
            "granularity": self.weights or from_scales,
            "activation_bits": self.activations or from_scales,
            "method": self.weights or self.activations or from_scales,
            "bias_bits": self.biases,
            "bias_scale": self.biases,
        }
        return Switches(
            *(getattr(self, part) for part in PARTS), **{n: getattr(self, n) for n in matters if matters[n]}
        )
