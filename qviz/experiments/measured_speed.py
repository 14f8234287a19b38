"""One measured example of speed, for readers who cannot run the measurement: times of float32 and int8 layers."""

from dataclasses import dataclass

MACHINE = "AMD EPYC with VNNI, one thread of a shared virtual machine, torch 2.13 with fbgemm, November 2026"


@dataclass(frozen=True)
class MeasuredTime:
    """Times of two linear layers with a ReLU between them, quantized once at the input.

    Attributes
    ----------
    width, batch : int
        Inputs and outputs of each layer; batch size.
    float_us, int8_us : tuple of float
        Microseconds: the medians of three measurements of 60 runs each.
    """

    width: int
    batch: int
    float_us: tuple[float, float, float]
    int8_us: tuple[float, float, float]

    @property
    def times_as_fast(self) -> tuple[float, float, float]:
        """Smallest, middle and largest speed-up of int8 over float32 in the three measurements.

        Examples
        --------
        >>> MeasuredTime(16, 1, (10.0, 12.0, 10.0), (20.0, 30.0, 40.0)).times_as_fast
        (0.25, 0.4, 0.5)
        """
        return tuple(sorted(real / integer for real, integer in zip(self.float_us, self.int8_us, strict=True)))


EXAMPLE: tuple[MeasuredTime, ...] = (
    MeasuredTime(16, 1, (15.4, 15.4, 15.8), (44.4, 43.8, 68.6)),
    MeasuredTime(16, 16, (16.2, 16.1, 26.0), (43.8, 75.8, 69.7)),
    MeasuredTime(16, 256, (19.6, 19.8, 20.1), (53.0, 55.3, 53.2)),
    MeasuredTime(256, 1, (26.5, 26.0, 26.8), (45.9, 46.2, 46.3)),
    MeasuredTime(256, 16, (72.9, 72.0, 73.1), (57.6, 56.9, 56.9)),
    MeasuredTime(256, 256, (737.6, 830.7, 764.5), (253.2, 250.8, 307.0)),
    MeasuredTime(1024, 1, (177.8, 183.5, 180.9), (82.2, 82.3, 83.3)),
    MeasuredTime(1024, 16, (1363.3, 1650.0, 1408.6), (250.9, 217.8, 217.9)),
    MeasuredTime(1024, 256, (56073.0, 63206.8, 59520.6), (15674.1, 16117.9, 15965.8)),
)
