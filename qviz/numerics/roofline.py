"""The roofline model: the highest speed that work can reach, and whether memory, arithmetic or calls limit it.

Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009. The fixed time of a call is added here.
"""

from dataclasses import dataclass

LIMITS = ("calls", "memory", "arithmetic")
WIDTHS, BATCHES = (16, 64, 256, 1024), (1, 16, 256)  # of the linear layers measured in the course


@dataclass(frozen=True)
class Work:
    """The operations and the memory traffic of a piece of work.

    Attributes
    ----------
    operations : float
        Multiplications plus additions.
    bytes : float
        Read and written, each value once.

    Examples
    --------
    >>> Work(operations=2e6, bytes=1e6).intensity
    2.0
    """

    operations: float
    bytes: float

    @property
    def intensity(self) -> float:
        """The arithmetic intensity, in operations per byte."""
        return self.operations / self.bytes


@dataclass(frozen=True)
class Roof:
    """The limits of a machine.

    Attributes
    ----------
    peak : float
        Arithmetic speed in Gop/s.
    bandwidth : float
        Memory bandwidth in GB/s.
    call_ms : float
        Fixed time of a call in ms.

    Examples
    --------
    At 100 Gop/s and 10 GB/s, work with fewer than 10 operations per byte is limited by memory.

    >>> roof = Roof(peak=100, bandwidth=10, call_ms=0.0)
    >>> roof.ridge, roof.attainable(Work(4e9, 1e9)), roof.attainable(Work(40e9, 1e9))
    (10.0, 40.0, 100.0)
    """

    peak: float
    bandwidth: float
    call_ms: float

    @property
    def ridge(self) -> float:
        """The intensity, in operations per byte, above which arithmetic is the limit instead of memory."""
        return self.peak / self.bandwidth

    def least_ms(self, work: Work) -> dict[str, float]:
        """Return the time in ms that each of LIMITS alone would take."""
        return {
            "calls": self.call_ms,
            "memory": work.bytes / self.bandwidth / 1e6,
            "arithmetic": work.operations / self.peak / 1e6,
        }

    def limit(self, work: Work) -> str:
        """Return the limit that takes the most time: "calls", "memory" or "arithmetic".

        Examples
        --------
        >>> Roof(100, 10, 0.01).limit(Work(1000, 1000))
        'calls'
        """
        times = self.least_ms(work)
        return max(times, key=times.get)

    def attainable(self, work: Work) -> float:
        """Return the highest speed that the work can reach, in Gop/s."""
        return work.operations / max(self.least_ms(work).values()) / 1e6


def linear_work(width: int, layers: int, batch: int, *, quantized: bool, between: bool = False) -> Work:
    """Return the work of a sequence of square linear layers.

    Parameters
    ----------
    width : int
        Number of inputs and of outputs of each layer.
    layers, batch : int
    quantized : bool
        Values take 1 byte instead of 4; the input is quantized once and the output dequantized once.
    between : bool
        Quantize and dequantize around every layer instead.

    Returns
    -------
    Work

    Examples
    --------
    >>> linear_work(1000, 1, 1, quantized=False)
    Work(operations=2000000, bytes=4008000)
    >>> linear_work(1000, 1, 1, quantized=True)
    Work(operations=2000000, bytes=1012000)
    """
    value = 1 if quantized else 4
    moved = layers * value * (width**2 + 2 * width * batch)
    conversions = 2 * (layers if between else 1) if quantized else 0  # each reads and writes: 4 bytes and 1
    return Work(2 * layers * width**2 * batch, moved + conversions * 5 * width * batch)
