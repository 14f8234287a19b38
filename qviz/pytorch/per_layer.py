"""Layers that have settings of their own: other bits for their weights, or none at all, so that they stay float."""

from collections.abc import Mapping

from torch import nn

from qviz.numerics import IntFormat, _check

from .layer_support import quantizable, weight_of

Layers = Mapping[str, int | None] | tuple[tuple[str, int | None], ...]


class PerLayer:
    """What PTQConfig and QATConfig share: `weight_bits` for most layers, and `layers` for the others."""

    weight_bits: int
    layers: Layers

    @property
    def weight_format(self) -> IntFormat:
        """The codes of the weights of most layers, in qint8."""
        return IntFormat(self.weight_bits)

    def weight_format_of(self, layer: str) -> IntFormat:
        """Return the codes of the weights of the layer of this name, or that a part of this name belongs to."""
        bits = (bits for name, bits in self.own_bits.items() if f"{layer}.".startswith(f"{name}."))
        return IntFormat(next(bits, self.weight_bits))

    @property
    def own_bits(self) -> dict[str, int]:
        """The layers that have weight bits of their own."""
        return {name: bits for name, bits in self.layers if bits is not None}

    @property
    def float_layers(self) -> list[str]:
        """The names of the layers that stay float."""
        return [name for name, bits in self.layers if bits is None]


def as_layers(layers) -> tuple[tuple[str, int | None], ...]:
    """Return settings of single layers as sorted pairs of a name and its bits, which can be hashed and stored.

    Parameters
    ----------
    layers : mapping, or pairs, of a layer's name to 2 to 8 bits, or to None

    Raises
    ------
    TypeError, ValueError
        It is something else.

    Examples
    --------
    >>> as_layers({"fc2": None, "conv1": 8})
    (('conv1', 8), ('fc2', None))
    """
    try:
        found = dict(layers)
    except (TypeError, ValueError):
        raise TypeError(
            f"layers must be a mapping of layers' names to weight bits or None: got {layers!r}; give for example "
            "{'conv1': 8, 'fc2': None}"
        ) from None
    for name, bits in found.items():
        if not isinstance(name, str):
            raise TypeError(f"layers must have names for keys, such as 'conv1': got {name!r}")
        if bits is not None:
            found[name] = _check.whole_number(bits, f"layers[{name!r}]", 2, 8)
    return tuple(sorted(found.items()))


def check_names(model: nn.Module, config: PerLayer) -> None:
    """Refuse names that are not the model's, and bits for what has no weights.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> from qviz.pytorch import PTQConfig
    >>> check_names(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), PTQConfig(layers={"0": 4, "1": None}))
    """
    everything = {name for name, _ in model.named_modules()} - {""}
    # a PReLU has slopes, whose kernel sets the bits
    with_weights = [n for n, m in quantizable(model).items() if weight_of(m) is not None and type(m) is not nn.PReLU]
    for name, bits in config.layers:
        if name not in (everything if bits is None else with_weights):
            raise ValueError(
                f"layers must name layers of the model that have weights: got {name!r}; choose from "
                f"{', '.join(with_weights) or 'none, this model has no such layers'}"
            )


def set_own_bits(model: nn.Module, config: PerLayer) -> None:
    """Give each layer that has bits of its own the observers for them, in place."""
    for name in config.own_bits:
        model.get_submodule(name).qconfig = config.qconfig(name)


def keep_float(model: nn.Module, config: PerLayer) -> nn.Module:
    """Put torch's mark on what stays float, in place, and return the model.

    Examples
    --------
    >>> from qviz.pytorch import PTQConfig
    >>> keep_float(nn.Sequential(nn.Linear(2, 2)), PTQConfig(layers={"0": None}))[0].qconfig is None
    True
    """
    for name in config.float_layers:
        model.get_submodule(name).qconfig = None
    return model
