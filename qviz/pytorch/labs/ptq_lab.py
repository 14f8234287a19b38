"""A laboratory of post-training quantization: one setting in, one result out, many times a second.

Most of what `quantize_model` does is the same from one setting to the next. Kept here, each in a cache with a bound,
are the float network's side of the comparison, what the observers saw of the calibration samples, what was decided for
each tensor, and the last few results. What is left for a move is to convert, and to run the integers.
"""

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization.observer import ObserverBase

from .. import digits_model, engines
from ..measure import Reference
from ..measure_results import Layer, PTQResult
from ..observer import CalibratorObserver
from ..ptq import BATCH, PTQConfig, convert_prepared
from ..reproducible import ReproducibleSums

NETWORKS = {
    "as trained": digits_model.digits_cnn,
    "channels rescaled": lambda: digits_model.rescale_channels(digits_model.digits_cnn()),
}
OBSERVED = 64  # networks, sample counts and kinds of observer: 160 kB each
DECIDED = 2048  # tensors, formats and methods: about 1 kB each
RESULTS = 16  # 200 kB each, so that going back, or looking at another layer, costs nothing


class Decided(ObserverBase):
    """An observer that looks at nothing: its answer is that of another one, asked once.

    Parameters
    ----------
    observer : ObserverBase
        One that has seen data.

    Examples
    --------
    >>> seen = quantization.MinMaxObserver(quant_min=0, quant_max=15)
    >>> _ = seen(torch.tensor([-1.0, 2.0]))
    >>> decided = Decided(seen)
    >>> _ = decided(torch.tensor([100.0]))
    >>> [round(float(p), 3) for p in decided.calculate_qparams()], decided.quant_max
    ([0.2, 5.0], 15)
    """

    def __init__(self, observer: ObserverBase):
        super().__init__(observer.dtype)
        self.qscheme, self.ch_axis = observer.qscheme, getattr(observer, "ch_axis", -1)
        self.quant_min, self.quant_max = observer.quant_min, observer.quant_max
        self.answer = observer.calculate_qparams()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x`."""
        return x

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scale and zero point that were decided."""
        return self.answer


@dataclass(frozen=True, eq=False)
class Varied:
    """What came of varying one setting.

    Attributes
    ----------
    setting : str
    results : dict of PTQResult by the value of the setting
    layer : str: whose numbers stand in the table beside the accuracy
    """

    setting: str
    results: dict
    layer: str

    @property
    def accuracies(self) -> dict[object, float]:
        """The share of right answers by the value of the setting, 0 to 1."""
        return {value: result.accuracy for value, result in self.results.items()}

    def __repr__(self) -> str:
        head = f"{self.setting:<22}{'right':>8}   {self.layer}: range up to   clipped   outputs dB   weights dB"
        rows = (f"{value!s:<22}{r.accuracy:>8.2%}{_numbers(r.layer(self.layer))}" for value, r in self.results.items())
        return "\n".join((head, *rows))


class PTQLab:
    """Quantize the digits network after training, and measure it on the test images.

    Examples
    --------
    >>> lab = PTQLab()
    >>> lab(weight_bits=4).accuracy > 0.97 > lab("channels rescaled", weight_bits=4, per_channel=False).accuracy
    True
    """

    def __init__(self):
        self.calibration_x, _, self._x, self._y = digits_model.digits_tensors()
        self._reference = lru_cache(len(NETWORKS))(self._measured_float)
        self._observed = lru_cache(OBSERVED)(self._observe)
        self._decided = lru_cache(DECIDED)(self._decide)
        self._results = lru_cache(RESULTS)(self._measure)

    def __call__(self, network: str = "as trained", **settings) -> PTQResult:
        """Quantize and measure."""
        config = PTQConfig(**settings)
        self._check(network, config)  # before the cache, which would say of a list that it is unhashable
        return self._results(network, config)

    def vary(self, setting: str, values: Iterable, layer: str = "conv2", **settings) -> Varied:
        """Quantize and measure for each value of one setting.

        Parameters
        ----------
        setting : str
            A parameter of this laboratory, or of PTQConfig.
        values : iterable
        layer : str
            The layer to tell of.
        **settings
            Any others.

        Examples
        --------
        >>> PTQLab().vary("weight_bits", (8, 4), layer="fc1")
        weight_bits              right   fc1: range up to   clipped   outputs dB   weights dB
        8                       98.89%              46.51     0.01%         42.7         41.0
        4                       97.77%              46.51     0.01%         24.7         15.9
        """
        return Varied(setting, {value: self(**{setting: value}, **settings) for value in values}, layer)

    def _measure(self, network: str, config: PTQConfig) -> PTQResult:
        model = self.quantized(network, config)
        with engines.threads(1), ReproducibleSums():
            return self._reference(network).compare(model)

    def quantized(self, network: str, config: PTQConfig) -> nn.Module:
        """Return the quantized network: bit for bit that of `quantize_model` on one thread.

        Tensors this small are not worth waking a second one, which may also add in another order.

        Raises
        ------
        ValueError
            As above; or the flow is not eager, or dynamic.
        """
        self._check(network, config)
        with engines.threads(1), engines.quiet():
            prepared = deepcopy(self._reference(network).model)
            prepared.qconfig = config.qconfig()
            for name, decided in self._decided_sites(network, config).items():
                prepared.get_submodule(name).qconfig = decided
            quantization.prepare(prepared, inplace=True)
            return convert_prepared(prepared, config)

    def _check(self, network: str, config: PTQConfig) -> None:
        if not isinstance(network, str) or network not in NETWORKS:
            raise ValueError(f"network must be one of {', '.join(map(repr, NETWORKS))}: got {network!r}")
        if config.samples > len(self.calibration_x):
            raise ValueError(f"samples must be at most {len(self.calibration_x)}: got {config.samples}")
        if config.flow != "eager" or config.dynamic:
            raise ValueError("the laboratory takes the eager and static way alone: use quantize_model for any other")

    def _measured_float(self, network: str) -> Reference:
        return Reference(NETWORKS[network]().fuse(), self._x, self._y)

    def _observe(self, network: str, samples: int, method: str) -> dict[str, ObserverBase]:
        """Return, for each activation, an observer that has seen the samples; its format does not matter yet."""
        model = deepcopy(self._reference(network).model)
        with engines.quiet(), torch.no_grad(), ReproducibleSums():
            model.qconfig = PTQConfig(method=method).qconfig()
            quantization.prepare(model, inplace=True)
            for batch in self.calibration_x[:samples].split(BATCH):
                model(batch)
        found = ((n, getattr(m, "activation_post_process", None)) for n, m in model.named_modules())
        return {name: observer for name, observer in found if observer is not None}

    def _decided_sites(self, network: str, config: PTQConfig) -> dict[str, quantization.QConfig]:
        """Return a qconfig with fixed qparams for each module whose outputs are codes."""
        kind = config.method if config.method.startswith("torch") else "min-max"
        activation = replace(config, weight_bits=8, per_channel=True)  # what an activation does not depend on
        weight = replace(config, activation_bits=8, scheme="affine", samples=1, reduce_range=False)
        sites = {}
        for name in self._observed(network, config.samples, kind):
            first = self._decided(network, name, "activation", activation, kind)
            second = self._decided(network, name, "weight", weight, kind)
            sites[name] = quantization.QConfig(activation=lambda x=first: x, weight=lambda x=second: x)
        return sites

    def _decide(self, network: str, name: str, part: str, config: PTQConfig, kind: str) -> Decided | None:
        module = self._reference(network).model.get_submodule(name)
        observer = getattr(config.qconfig(), part)()
        with engines.quiet(), torch.no_grad():
            if part == "activation":
                _take_over(observer, self._observed(network, config.samples, kind)[name])
            else:
                layer = module[0] if isinstance(module, nn.Sequential) else module
                if not hasattr(layer, "weight"):
                    return None
                observer(layer.weight)
            return Decided(observer)


def _take_over(observer: ObserverBase, seen: ObserverBase) -> None:
    """Let a new observer have seen what another one saw, which may have been for another format."""
    if isinstance(seen, CalibratorObserver):
        observer.observers = seen.observers
    else:
        observer.load_state_dict(seen.state_dict())


def _numbers(layer: Layer) -> str:
    return (
        f"{float(layer.qparams.hi):>{16 + len(layer.name)}.2f}{layer.clipped:>10.2%}{layer.sqnr_db:>13.1f}"
        f"{layer.weights.sqnr_db if layer.weights else math.nan:>13.1f}"
    )
