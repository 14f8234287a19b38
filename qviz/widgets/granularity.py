"""Granularity: one scale for a whole tensor, for a channel, or for a group."""

import math
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
from qviz.plots.channels import MOST

from .controls import YOURS, choice, more, slider
from .explorer import Explorer

CONV2, FC1, RESCALED = "conv2 weights", "fc1 weights", "conv2 weights, channels rescaled"
GRANULARITIES = ("per tensor", "per channel", "per group")
_VALUES = 1 << 17  # at a time: they and what is computed from them fit in the cache
MANY = 1 << 22  # weights; the errors of more are estimated from some inputs of every channel
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
    """Quantized weights, their bytes (packed codes, and 16 bits for each scale), and their errors.

    Errors are those of the `measured` weights. Where these are not all, and in groups, `qparams` has the first scales.
    """

    weights: np.ndarray
    qparams: QParams
    scales: int
    measured: int
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
    """Weights, (out channels, in channels, ...), and what does not depend on the bits, measured once.

    Errors are measured on `some` of the weights: on all, or on whole blocks of the inputs of every channel, drawn at
    random with a seed. A block is as long as the largest group, so that no group is cut.
    """

    def __init__(self, weights: np.ndarray, most: int | None = None):
        self.weights, self.some = weights, _some_inputs(weights, most or MANY)
        self.signal = np.concatenate(in_threads(lambda rows: _squares(self.some[rows]), self.blocks()))
        self._ranges: dict[Granularity, tuple[np.ndarray, np.ndarray]] = {}

    def range_of(self, granularity: Granularity) -> tuple[np.ndarray, np.ndarray]:
        """Return the ranges of all groups, or of those that errors are measured on, computed once."""
        if granularity not in self._ranges:
            in_groups = isinstance(granularity, PerGroup) and self.weights.shape[1] % granularity.size == 0
            of = self.some if in_groups else self.weights
            self._ranges[granularity] = value_range(of, granularity)
        return self._ranges[granularity]

    def first_ranges(self, granularity: Granularity) -> tuple[np.ndarray, np.ndarray]:
        """Return those of the groups that a picture shows."""
        if self.some is self.weights or not isinstance(granularity, PerGroup):
            return self.range_of(granularity)
        return tuple(ends[:MOST] for ends in value_range(self.weights[:MOST], granularity))

    def noise(self, qparams: QParams) -> np.ndarray:
        """Return the sum of squared errors of each output channel."""
        scale, zero_point = qparams.scale, qparams.zero_point
        each = scale.size // len(self.some)  # scales per channel; 0 if one scale is for all

        def of_block(rows: slice) -> np.ndarray:
            of_rows = slice(rows.start * each, rows.stop * each) if scale.ndim else ()
            part = QParams(scale[of_rows], zero_point[of_rows], qparams.fmt, qparams.granularity)
            return _squares(self.some[rows] - fake_quantize(self.some[rows], part))

        return np.concatenate(in_threads(of_block, self.blocks()))

    def blocks(self) -> list[slice]:
        """Return slices of channels that fit in the cache."""
        height = max(1, _VALUES * len(self.some) // max(self.some.size, 1))
        return [slice(top, top + height) for top in range(0, len(self.some), height)]


def group_sizes(inputs: int) -> tuple[int, ...]:
    """Return the sizes of groups that divide a number of inputs: those of the list, or all others up to the longest."""
    divisors = tuple(size for size in range(1, min(inputs, GROUP_SIZES[-1]) + 1) if inputs % size == 0)
    return tuple(size for size in divisors if size in GROUP_SIZES) or divisors


def _some_inputs(weights: np.ndarray, most: int) -> np.ndarray:
    """Return the weights of some blocks of inputs, about `most` of them; all weights if they are no more."""
    channels, inputs, *rest = weights.shape
    length = math.lcm(*group_sizes(inputs))
    blocks = inputs // length
    count = max(1, int(most / weights.size * blocks)) if weights.size > most else blocks
    if count == blocks:
        return weights
    chosen = np.sort(np.random.default_rng(0).choice(blocks, count, replace=False))
    return weights.reshape(channels, blocks, length, *rest)[:, chosen].reshape(channels, count * length, *rest)


def _squares(block: np.ndarray) -> np.ndarray:
    rows = block.reshape(len(block), -1).astype(np.float64)
    return np.vecdot(rows, rows)  # takes a third of the time of np.einsum, which converts in small pieces


def compute(state: State, weights: np.ndarray, measured: Measured | None = None) -> Result:
    """Quantize `weights`, (out channels, in channels, ...), over the whole range of each group."""
    granularity, measured = granularity_of(state), measured or Measured(weights)
    fmt = IntFormat(state.bits, signed=state.scheme == "symmetric")
    qparams, shown = (
        choose_qparams(*ends, fmt, state.scheme, granularity)
        for ends in (measured.range_of(granularity), measured.first_ranges(granularity))
    )
    noise = measured.noise(qparams)
    scales = weights.size // state.group_size if state.granularity == "per group" else qparams.scale.size
    return Result(
        weights=weights,
        qparams=shown,
        scales=scales,
        measured=measured.some.size,
        weight_bytes=-(-weights.size * state.bits // 8),
        scale_bytes=scales * SCALE_BYTES,
        zero_point_bytes=scales * ZERO_POINT_BYTES if state.scheme == "affine" else 0,
        mse=float(noise.sum()) / measured.some.size,
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
        return {"group_size": group_sizes(self._weights(state).shape[1])}

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
        estimated = f" (errors are estimated from {result.measured:,} weights)" if result.measured < size else ""
        return (
            f"{size:,} weights of shape {result.weights.shape} in {p.fmt}, {p.granularity}: "
            f"{result.scales:,} scale{'s' if result.scales > 1 else ''}\n"
            f"bytes: {result.weight_bytes:,} for the weights, {result.scale_bytes:,} for 16-bit scales, "
            f"{result.zero_point_bytes:,} for int8 zero points; {result.bits_per_weight:.2f} bits per weight in total\n"
            f"mean squared error = {result.mse:.3e}, SQNR = {result.sqnr_db:.2f} dB\n"
            f"worst channel: {worst}, with {result.channels_db[worst]:.2f} dB{estimated}"
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
