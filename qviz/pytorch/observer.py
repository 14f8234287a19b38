"""An observer for torch that collects as qviz does, and lets any of qviz's calibrators decide."""

import torch
from torch.ao.quantization.observer import ObserverBase

from qviz.numerics import SCHEMES, HistogramObserver, IntFormat, PerChannel, PerTensor, QParams, _check, choose_qparams
from qviz.numerics._groups import ranges_of
from qviz.numerics.calibrators import Calibrator, as_calibrator

from .bridge import check_tensor, container_of, to_array

QSCHEMES = {
    ("affine", False): torch.per_tensor_affine,
    ("symmetric", False): torch.per_tensor_symmetric,
    ("affine", True): torch.per_channel_affine,
    ("symmetric", True): torch.per_channel_symmetric,
}


class CalibratorObserver(ObserverBase):
    """Collect with `qviz.numerics.HistogramObserver`, and decide with any of its calibrators, inside torch's flows.

    Use it as torch's own: `CalibratorObserver.with_args(calibrator="mse", bits=4)` in a QConfig.

    Parameters
    ----------
    calibrator : Calibrator, or a name in qviz.numerics.CALIBRATORS
    bits : int
        2 to 8. Fewer than 8 are a narrower quant_min and quant_max in the same container.
    scheme : {"affine", "symmetric"}
    signed : bool
        False for activations (quint8), true for weights (qint8). Symmetric activations have their zero point in the
        middle of the codes, 2**(bits - 1): signed codes, moved up.
    ch_axis : int or None
        Keep one range for each index along this axis; None is one for the whole tensor.
    averaging_constant : float
        Weight of a new batch in the moving average, 0 to 1.

    Raises
    ------
    ValueError
        The name of the calibrator, the scheme or the bits is not one of these.

    Examples
    --------
    >>> observer = CalibratorObserver("percentile", bits=4)
    >>> x = observer(torch.linspace(-1, 2, 1000))
    >>> scale, zero_point = observer.calculate_qparams()
    >>> round(float(scale), 2), int(zero_point), observer.quant_max
    (0.2, 5, 15)
    """

    def __init__(
        self,
        calibrator: Calibrator | str = "min-max",
        bits: int = 8,
        scheme: str = "affine",
        signed: bool = False,
        ch_axis: int | None = None,
        averaging_constant: float = 0.01,
    ):
        self.fmt = IntFormat(bits, signed)
        super().__init__(container_of(self.fmt))
        self.calibrator = as_calibrator(calibrator)
        self.scheme = scheme
        self.qscheme = QSCHEMES[_check.one_of(scheme, SCHEMES, "scheme"), ch_axis is not None]
        self.quant_min, self.quant_max = self.fmt.qmin, self.fmt.qmax
        self.ch_axis = -1 if ch_axis is None else ch_axis
        self.granularity = PerTensor() if ch_axis is None else PerChannel(ch_axis)
        self.averaging_constant = averaging_constant
        self.observers: list[HistogramObserver] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take in one batch, and return it unchanged."""
        if check_tensor(x).numel():
            groups = self.granularity.to_groups(to_array(x))
            if not self.observers:
                self.observers = [HistogramObserver(averaging_constant=self.averaging_constant) for _ in groups]
            for observer, group in zip(self.observers, groups, strict=True):
                observer.update(group)
        return x

    def qparams(self) -> QParams:
        """Let the calibrator decide.

        Raises
        ------
        ValueError
            Nothing was observed yet. torch's observers warn, and answer scale 1 and zero point 0.
        """
        if not self.observers:
            raise ValueError("nothing was observed yet: run the prepared model on calibration data before convert")
        fmt = IntFormat(self.fmt.bits, signed=True) if self.scheme == "symmetric" else self.fmt
        lo, hi = ranges_of(self.calibrator, [observer.histogram() for observer in self.observers], fmt, self.scheme)
        signed = choose_qparams(lo, hi, fmt, self.scheme, self.granularity)
        return QParams(signed.scale, signed.zero_point + (self.fmt.qmin - fmt.qmin), self.fmt, self.granularity)

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale (float32) and zero point (int64), one of each or one a channel."""
        p = self.qparams()
        return torch.tensor(p.scale, dtype=torch.float32).flatten(), torch.tensor(p.zero_point).flatten()

    def extra_repr(self) -> str:
        """Say what decides, and for which codes."""
        return f"{self.calibrator}, {self.scheme}, {self.fmt}, {self.granularity}"
