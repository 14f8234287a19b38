"""Granularity: one scale for a whole tensor, for a channel, or for a group."""

from dataclasses import dataclass

import numpy as np

from qviz.networks import cnn_weights
from qviz.networks.layer_shapes import SCALE_BYTES
from qviz.numerics import (
    SCHEMES,
    Granularity,
    IntFormat,
    PerChannel,
    PerGroup,
    PerTensor,
    QParams,
    choose_qparams,
    decibels,
    fake_quantize,
    value_range,
)
from qviz.numerics._groups import in_threads
from qviz.plots import Canvas, ChannelPanel, SqnrPanel

from .controls import YOURS, choice, more, slider
from .explorer import Explorer

CONV2, FC1, RESCALED = "conv2 weights", "fc1 weights", "conv2 weights, channels rescaled"
GRANULARITIES = ("per tensor", "per channel", "per group")
_VALUES = 1 << 17  # at a time: they and what is computed from them fit in the cache
GROUP_SIZES = (4, 8, 16, 32, 64, 128)
ZERO_POINT_BYTES = 1  # int8


@dataclass(frozen=True)
class State:
    """Which weights, in which format, and how many of them share a scale."""

    data: str = choice("Weights", (CONV2, FC1, RESCALED, YOURS))
    bits: int = slider("Bits", 4, 2, 8)
    scheme: str = more(choice("Scheme", SCHEMES, "symmetric"))
    granularity: str = choice("One scale", GRANULARITIES)
    group_size: int = choice("Group size", GROUP_SIZES, 16, open=True)


@dataclass(frozen=True)
class Result:
    """Quantized weights, their bytes (packed codes, and 16 bits for each scale), and their errors."""

    weights: np.ndarray
    qparams: QParams
    weight_bytes: int
    scale_bytes: int
    zero_point_bytes: int
    mse: float
    sqnr_db: float
    channels_db: np.ndarray

    @property
    def bits_per_weight(self) -> float:
        """Bits per weight, including scales and zero points."""
        return 8 * (self.weight_bytes + self.scale_bytes + self.zero_point_bytes) / self.weights.size


def granularity_of(state: State) -> Granularity:
    """Return the granularity of a State: channels along axis 0 (outputs), groups along axis 1 (inputs).

    Examples
    --------
    >>> granularity_of(State(granularity="per group", group_size=8))
    PerGroup(axis=1, size=8)
    """
    return {
        "per tensor": PerTensor(),
        "per channel": PerChannel(0),
        "per group": PerGroup(1, state.group_size),
    }[state.granularity]


class Measured:
    """Weights, (out channels, in channels, ...), and what does not depend on the bits, measured once."""

    def __init__(self, weights: np.ndarray):
        self.weights = weights
        self.signal = np.concatenate(in_threads(lambda rows: _squares(weights[rows]), self.blocks()))
        self._ranges: dict[Granularity, tuple[np.ndarray, np.ndarray]] = {}

    def range_of(self, granularity: Granularity) -> tuple[np.ndarray, np.ndarray]:
        """Return the ranges of all groups, computed once."""
        if granularity not in self._ranges:
            self._ranges[granularity] = value_range(self.weights, granularity)
        return self._ranges[granularity]

    def noise(self, qparams: QParams) -> np.ndarray:
        """Return the sum of squared errors of each output channel."""
        scale, zero_point = qparams.scale, qparams.zero_point
        each = scale.size // len(self.weights)  # scales per channel; 0 if one scale is for all

        def of_block(rows: slice) -> np.ndarray:
            of_rows = slice(rows.start * each, rows.stop * each) if scale.ndim else ()
            part = QParams(scale[of_rows], zero_point[of_rows], qparams.fmt, qparams.granularity)
            return _squares(self.weights[rows] - fake_quantize(self.weights[rows], part))

        return np.concatenate(in_threads(of_block, self.blocks()))

    def blocks(self) -> list[slice]:
        """Return slices of channels that fit in the cache."""
        height = max(1, _VALUES * len(self.weights) // max(self.weights.size, 1))
        return [slice(top, top + height) for top in range(0, len(self.weights), height)]


def _squares(block: np.ndarray) -> np.ndarray:
    rows = block.reshape(len(block), -1).astype(np.float64)
    return np.vecdot(rows, rows)  # takes a third of the time of np.einsum, which converts in small pieces


def compute(state: State, weights: np.ndarray, measured: Measured | None = None) -> Result:
    """Quantize `weights`, (out channels, in channels, ...), over the whole range of each group."""
    granularity, measured = granularity_of(state), measured or Measured(weights)
    fmt = IntFormat(state.bits, signed=state.scheme == "symmetric")
    qparams = choose_qparams(*measured.range_of(granularity), fmt, state.scheme, granularity)
    noise, scales = measured.noise(qparams), qparams.scale.size
    return Result(
        weights=weights,
        qparams=qparams,
        weight_bytes=-(-weights.size * state.bits // 8),
        scale_bytes=scales * SCALE_BYTES,
        zero_point_bytes=scales * ZERO_POINT_BYTES if state.scheme == "affine" else 0,
        mse=float(noise.sum()) / weights.size,
        sqnr_db=float(decibels(measured.signal.sum(), noise.sum())),
        channels_db=decibels(measured.signal, noise),
    )


def channel_factors(n: int) -> np.ndarray:
    """Return (n,) seeded powers of two from 1/8 to 8.

    Multiplying a channel by a positive factor and dividing the next layer's weights of this channel by it does not
    change the network, because ReLU and max pooling preserve positive factors. Powers of two change no mantissa, so
    the results are identical bit for bit.

    Examples
    --------
    >>> channel_factors(4)
    array([4.  , 2.  , 1.  , 0.25], dtype=float32)
    """
    return np.exp2(np.random.default_rng(0).integers(-3, 4, n)).astype(np.float32)


class GranularityExplorer(Explorer):
    """The ranges that the channels of a weight tensor need, and those that their scales cover.

    Examples
    --------
    >>> explorer = GranularityExplorer(granularity="per channel")
    >>> print(explorer.readout)
    4,608 weights of shape (32, 16, 3, 3) in int4, per channel (axis 0): 32 scales
    bytes: 2,304 for the weights, 64 for 16-bit scales, 0 for int8 zero points; 4.11 bits per weight in total
    mean squared error = 4.309e-04, SQNR = 18.10 dB
    worst channel: 12, with 15.61 dB
    >>> explorer.close()
    """

    State = State
    readout_lines = 4
    _measured: Measured | None = None

    def compute(self, state: State) -> Result:
        """Quantize the chosen weights."""
        weights = self._weights(state)
        if self._measured is None or self._measured.weights is not weights:
            self._measured = Measured(weights)
        return compute(state, weights, self._measured)

    def canvas(self) -> Canvas:
        """Put the ranges on the left, the SQNR of each channel on the right."""
        return Canvas({"ranges": ChannelPanel(), "sqnr": SqnrPanel()}, size=(900, 380), width_ratios=[3, 2])

    def offers(self, state: State) -> dict[str, tuple]:
        """Offer the group sizes that divide the number of input channels."""
        length = self._weights(state).shape[1]
        divisors = tuple(size for size in range(1, min(length, GROUP_SIZES[-1]) + 1) if length % size == 0)
        return {"group_size": tuple(size for size in divisors if size in GROUP_SIZES) or divisors}

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the range and the SQNR of each channel."""
        return {"ranges": (result.weights, result.qparams), "sqnr": (result.channels_db, result.sqnr_db)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the SQNR, and the bits per weight including scales."""
        return {
            "SQNR": f"{result.sqnr_db:.2f} dB",
            "bits per weight": f"{result.bits_per_weight:.2f}",
        }

    def idle(self, state: State) -> dict[str, str]:
        """Disable the group size unless there are groups."""
        return {} if state.granularity == "per group" else {"group_size": "used only with one scale per group"}

    def describe(self, state: State, result: Result) -> str:
        """Return the number of scales, the bytes, the error, and the worst channel."""
        size, p, worst = result.weights.size, result.qparams, int(np.argmin(result.channels_db))
        return (
            f"{size:,} weights of shape {result.weights.shape} in {p.fmt}, {p.granularity}: "
            f"{p.scale.size:,} scale{'s' if p.scale.size > 1 else ''}\n"
            f"bytes: {result.weight_bytes:,} for the weights, {result.scale_bytes:,} for 16-bit scales, "
            f"{result.zero_point_bytes:,} for int8 zero points; {result.bits_per_weight:.2f} bits per weight in total\n"
            f"mean squared error = {result.mse:.3e}, SQNR = {result.sqnr_db:.2f} dB\n"
            f"worst channel: {worst}, with {result.channels_db[worst]:.2f} dB"
        )

    def _weights(self, state: State) -> np.ndarray:
        if state.data == FC1:
            return cnn_weights()["fc1.weight"]
        if state.data != YOURS:
            weights = cnn_weights()["conv2.weight"]
            factors = channel_factors(len(weights)) if state.data == RESCALED else np.ones(len(weights), np.float32)
            return weights * factors.reshape(-1, 1, 1, 1)
        weights = self.own()
        if weights.ndim < 2:
            raise ValueError(
                f"weights must have at least two axes, output and input channels: got shape {weights.shape}"
            )
        return weights
