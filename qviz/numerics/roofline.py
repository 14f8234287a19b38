"""The roofline: how fast a piece of work can run at most, and what stands in its way.

Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009. Added to it: the time that calls take whatever their size.
"""

from dataclasses import dataclass

LIMITS = ("calls", "memory", "arithmetic")
WIDTHS, BATCHES = (16, 64, 256, 1024), (1, 16, 256)  # of the linear layers that the course measures


@dataclass(frozen=True)
class Work:
    """What a piece of work consists of.

    Attributes
    ----------
    operations : float: products and additions, each counted as one
    bytes : float: read and written, each value once
    """

    operations: float
    bytes: float

    @property
    def intensity(self) -> float:
        """Operations for each byte, the arithmetic intensity."""
        return self.operations / self.bytes


@dataclass(frozen=True)
class Roof:
    """What a machine reaches at most.

    Attributes
    ----------
    peak : float: operations a second, in thousand millions (Gop/s)
    bandwidth : float: bytes a second from and to memory, in thousand millions (GB/s)
    call_ms : float: time that a call takes with next to nothing to do

    Examples
    --------
    100 Gop/s at 10 GB/s: a byte must be used in 10 operations, or memory is in the way.

    >>> roof = Roof(peak=100, bandwidth=10, call_ms=0.0)
    >>> roof.ridge, roof.attainable(Work(4e9, 1e9)), roof.attainable(Work(40e9, 1e9))
    (10.0, 40.0, 100.0)
    """

    peak: float
    bandwidth: float
    call_ms: float

    @property
    def ridge(self) -> float:
        """The intensity from which on arithmetic is in the way, not memory."""
        return self.peak / self.bandwidth

    def least_ms(self, work: Work) -> dict[str, float]:
        """Return the time that each limit alone would ask for, by its name in LIMITS."""
        return {
            "calls": self.call_ms,
            "memory": work.bytes / self.bandwidth / 1e6,
            "arithmetic": work.operations / self.peak / 1e6,
        }

    def limit(self, work: Work) -> str:
        """Return what is in the way most: calls, memory or arithmetic.

        Examples
        --------
        >>> Roof(100, 10, 0.01).limit(Work(1000, 1000))
        'calls'
        """
        times = self.least_ms(work)
        return max(times, key=times.get)

    def attainable(self, work: Work) -> float:
        """Return how many Gop/s the work reaches at most."""
        return work.operations / max(self.least_ms(work).values()) / 1e6


def linear_work(width: int, layers: int, batch: int, *, quantized: bool, between: bool = False) -> Work:
    """Count the work of square linear layers, one after the other.

    Parameters
    ----------
    width : int
        Inputs, and outputs, of each layer.
    layers, batch : int
    quantized : bool
        Values of 1 byte in place of 4; the input is quantized once, the output dequantized once.
    between : bool
        Quantize and dequantize around every layer, not once.

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
