"""Number formats behind one interface of four methods, in NumPy alone.

* protocol: the interface, and `fake_quantize` for arrays of any shape
* affine: the integer formats of `qviz.numerics`
* floating_point: FP16, BF16, FP8, FP6, FP4, and any other split of 3 to 16 bits
* scaled: a table of values times one scale per group; quantized scales
* block: the Microscaling formats and NVFP4
* codebook: any table, NF4, k-means
* gguf, k_quants: the blocks of llama.cpp's files, including their bytes
* low_bits: powers of two, ternary, binary
* registry: CODECS by name
* comparison: one array in every format
* names: the meaning of the names of formats and schemes

A codec works on rows, one for each group of values that share parameters:

    params = codec.choose_params(groups)     # (n_groups, n) values
    codes = codec.encode(groups, params)     # integers
    values = codec.decode(codes, params)     # float32
    codec.bits_per_value(shape, granularity) # including all scales and tables

Unusual input:

=====================  =====================================================================================
x is                   result
=====================  =====================================================================================
empty                  fake_quantize: empty. bits_per_value, groups without values: ValueError
all zero               exact zeros, in every format
NaN                    ValueError with their number and the position of the first. `encode` and `decode` of a
                       FloatFormat keep NaN if the format has one
infinite               as NaN. `encode` with chosen parameters: the nearest end of the range; in a FloatFormat
                       infinity, or the largest value if it saturates
subnormal              as any other, or zero if the scale would underflow in float32
1e38                   as any other; a level beyond the largest float32 is infinite
1e300                  ValueError: it does not fit float32, to which float64 is converted first
a shorter last group   a group like the others, with its own parameters. GGUF stores it as a whole block
a table out of order   ValueError with the position
=====================  =====================================================================================
"""

from .affine import Affine
from .block import MX, NVFP4, RULES, NVParams
from .codebook import KMeans, Table, nf4, normal_float
from .comparison import Measured, compare_formats
from .floating_point import (
    BF16,
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E4M3_IEEE,
    FP8_E5M2,
    FP16,
    FloatFields,
    FloatFormat,
)
from .gguf import BlockParams, GGUFBlock
from .k_quants import KParams, KQuant
from .low_bits import Binary, Ternary, power_of_two
from .names import explain_name
from .protocol import Codec
from .registry import CODECS, FAMILIES, as_codec, family_of
from .scaled import Centered, Scaled

__all__ = [
    "BF16", "CODECS", "FAMILIES", "FP4_E2M1", "FP6_E2M3", "FP6_E3M2", "FP8_E4M3", "FP8_E4M3_IEEE", "FP8_E5M2", "FP16",
    "MX", "NVFP4", "RULES", "Affine", "Binary", "BlockParams", "Centered", "Codec", "FloatFields", "FloatFormat",
    "GGUFBlock", "KMeans", "KParams", "KQuant", "Measured", "NVParams", "Scaled", "Table", "Ternary", "as_codec",
    "compare_formats", "explain_name", "family_of", "nf4", "normal_float", "power_of_two",
]  # fmt: skip
