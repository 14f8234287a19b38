"""All formats by name, with the common alternative names."""

import re

from ..formats import IntFormat
from .affine import Affine
from .block import MX, NVFP4
from .codebook import KMeans, nf4
from .floating_point import BF16, FP4_E2M1, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2, FP16
from .gguf import GGUFBlock
from .k_quants import KQuant
from .low_bits import Binary, Ternary, power_of_two
from .protocol import Codec
from .scaled import Scaled

_FLOATS = {
    "FP8 E4M3": FP8_E4M3, "FP8 E5M2": FP8_E5M2, "FP6 E3M2": FP6_E3M2, "FP6 E2M3": FP6_E2M3, "FP4 E2M1": FP4_E2M1,
}  # fmt: skip

# In the order of FAMILIES, which is also that of the lists in explorers.
CODECS: dict[str, Codec] = {
    "FP16": FP16,
    "BF16": BF16,
    **{name: Scaled(element, name) for name, element in _FLOATS.items()},
    **{name: MX(_FLOATS[name[2:]], name) for name in ("MXFP8 E4M3", "MXFP8 E5M2", "MXFP6 E3M2", "MXFP6 E2M3")},
    "MXFP4": MX(FP4_E2M1, "MXFP4"),
    "NVFP4": NVFP4(),
    **{f"int{bits}": Affine(IntFormat(bits)) for bits in (8, 6, 4, 3, 2)},
    **{f"uint{bits}": Affine(IntFormat(bits, signed=False), "affine") for bits in (8, 6, 4, 3, 2)},
    "NF4": nf4(),
    "NF4 double": nf4(double=True),
    **{f"k-means {bits} bit": KMeans(bits) for bits in (4, 3, 2)},
    **{name: GGUFBlock(name) for name in ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0")},
    **{name: KQuant(name) for name in ("Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K")},
    "power of two 4 bit": power_of_two(4),
    "ternary": Ternary(),
    "binary": Binary(),
}

# The families of a legend, each with the prefixes of its names.
FAMILIES = {
    "floats": ("FP", "BF"),
    "blocks of floats": ("MX", "NV"),
    "integers": ("int", "uint"),
    "tables": ("NF4", "k-means"),
    "llama.cpp": ("Q",),
    "fewest bits": ("power", "ternary", "binary"),
}


def family_of(name: str) -> str:
    """Return the family, a key of FAMILIES, of a name in CODECS.

    Examples
    --------
    >>> family_of("NVFP4"), family_of("Q4_K")
    ('blocks of floats', 'llama.cpp')
    """
    return next(family for family, beginnings in FAMILIES.items() if name.startswith(beginnings))


_ALSO = {
    "float16": "FP16", "half": "FP16", "bfloat16": "BF16", "e4m3": "FP8 E4M3", "fp8": "FP8 E4M3", "e5m2": "FP8 E5M2",
    "e3m2": "FP6 E3M2", "e2m3": "FP6 E2M3", "e2m1": "FP4 E2M1", "fp4": "FP4 E2M1", "mxfp8": "MXFP8 E4M3",
    "mxfp6": "MXFP6 E2M3", "mxfp4e2m1": "MXFP4", "kmeans": "k-means 4 bit", "powersoftwo": "power of two 4 bit",
    "poweroftwo": "power of two 4 bit", "nf4dq": "NF4 double",
}  # fmt: skip


def as_codec(codec, name: str = "codec") -> Codec:
    """Return the codec given by an instance or a name.

    Case, spaces, hyphens and underscores in names are ignored.

    Raises
    ------
    ValueError
        No format has this name.
    TypeError
        `codec` is neither a codec nor a name.

    Examples
    --------
    >>> as_codec("nvfp4").name, as_codec("fp8_e4m3").name, as_codec("int4").bits
    ('NVFP4', 'FP8 E4M3', 4)
    """
    if isinstance(codec, Codec):
        return codec
    if not isinstance(codec, str):
        raise TypeError(f"{name} must be a codec or the name of one, such as 'NVFP4' or 'int4': got {codec!r}")
    known = {plain_name(key): key for key in CODECS} | _ALSO
    asked = plain_name(codec)
    if asked not in known:
        near = [known[key] for key in known if asked[:2] and key.startswith(asked[:2])]
        raise ValueError(f"{name} must be one of {', '.join(dict.fromkeys(near or CODECS))}: got {codec!r}")
    return CODECS[known[asked]]


def plain_name(text: str) -> str:
    """Return a name without the differences that `as_codec` ignores."""
    return re.sub(r"[\s_-]", "", text).lower()
