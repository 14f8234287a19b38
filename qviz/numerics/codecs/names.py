"""The meaning of the names of formats and schemes, such as `W4A16 g128`, `Q4_K_M`, `NVFP4` and `E4M3`.

A name is parsed from left to right; each rule matches a piece and returns its meaning. Numbers, such as the largest
value of E4M3, come from the formats.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .floating_point import FP4_E2M1, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2, FloatFormat
from .registry import CODECS, as_codec

EXAMPLES = ("W4A16 g128", "Q4_K_M", "NVFP4", "E4M3", "int4")
_SHAPE = (4096, 4096)  # of the matrix for which bits per value are reported
# Bits per weight, including scales, of formats without a codec here, from the block sizes in llama.cpp.
_STORED = {
    "IQ1_S": 1.5625, "IQ1_M": 1.75, "IQ2_XXS": 2.0625, "IQ2_XS": 2.3125, "IQ2_S": 2.5625, "IQ3_XXS": 3.0625,
    "IQ3_S": 3.4375, "IQ4_XS": 4.25, "IQ4_NL": 4.5, "TQ1_0": 1.6875, "TQ2_0": 2.0625,
}  # fmt: skip


@dataclass(frozen=True)
class NamePart:
    """A piece of a name and its meaning.

    Attributes
    ----------
    text : str
        As written.
    meaning : str
    """

    text: str
    meaning: str


@dataclass(frozen=True)
class Explanation:
    """The explanation of a name.

    Attributes
    ----------
    name : str
    parts : tuple of NamePart
    codec : str or None
        The format's name in CODECS, if it has one.
    bits_per_value : float or None
        Of a matrix of 4096 x 4096 weights, including scales, if the name determines it. With a group size, scales are
        assumed to be float16.
    code_bits : float or None
        Bits of a code, without scales.
    """

    name: str
    parts: tuple[NamePart, ...]
    codec: str | None = None
    bits_per_value: float | None = None
    code_bits: float | None = None

    def __str__(self) -> str:
        lines = [f"{part.text}: {part.meaning}" for part in self.parts]
        if self.bits_per_value is not None:
            lines.append(f"bits per weight, including scales: {self.bits_per_value:.4g}")
        return "\n".join(lines)


def explain_name(text) -> Explanation:
    """Explain the name of a number format or a quantization scheme, piece by piece.

    Parameters
    ----------
    text : str
        Case, spaces, hyphens and underscores between the pieces are ignored.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        No piece of it is known.
    TypeError
        `text` is not a str.

    Examples
    --------
    >>> print(explain_name("W4A16 g128"))
    W4: weights in 4 bits
    A16: activations in 16 bits: they stay float16 or bfloat16, and only the weights are quantized
    g128: one scale for every 128 neighbouring weights of a row
    bits per weight, including scales: 4.125
    >>> explain_name("Q4_K_M").bits_per_value is None  # it depends on the share of each kind of tensor
    True
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be the name of a format, such as 'Q4_K_M': got {text!r}")
    parts, facts = _read(text)
    if not any(meaning for _, meaning in parts):
        raise ValueError(f"text must be a name such as {', '.join(EXAMPLES)}: got {text!r}, no piece of which is known")
    parts = tuple(NamePart(piece, meaning or "not known") for piece, meaning in parts)
    codec = facts.get("codec")
    if codec == "NF4" and "double" in facts:
        codec = "NF4 double"
    bits = CODECS[codec].bits_per_value(_SHAPE) if codec else facts.get("stored")
    code_bits = CODECS[codec].bits if codec else facts.get("weights")
    if "weights" in facts and "group" in facts:
        codec, bits, code_bits = None, facts["weights"] + 16 / facts["group"], facts["weights"]
    return Explanation(text.strip(), parts, codec, bits, code_bits)


def _read(text: str) -> tuple[list[tuple[str, str]], dict]:
    """Return the pieces with their meanings, "" if unknown, and facts about the whole name."""
    parts, facts, rest = [], {}, text.strip()
    while rest := re.sub(r"^[\s,+/_-]+", "", rest):
        for pattern, meaning_of in _RULES:
            ends = "" if meaning_of in (_weights, _activations) else "(?![a-z])"  # W4A16 is two pieces
            if match := re.match(rf"(?:{pattern}){ends}", rest, re.IGNORECASE):
                meaning, found = meaning_of(*(g and g.upper() for g in match.groups()))
                parts.append((match.group(), meaning))
                facts |= found
                break
        else:
            match = re.match(r"[^\s,+/_-]+", rest)
            parts.append((match.group(), ""))
        rest = rest[match.end() :]
    return parts, facts


def _k_quant(bits: str, mix: str | None) -> tuple[str, dict]:
    name = f"Q{bits}_K"
    if name not in CODECS:
        return "a k-quant of llama.cpp (blocks of blocks), but none that is used in files", {}
    codec = CODECS[name]
    scales = 256 // codec.layout.sub_blocks
    what = f"{bits} bits in a GGUF file of llama.cpp; K: blocks of 256 values, in which every {scales} have a scale in "
    what += f"{codec.layout.scale_bits} bits, {codec.bits_per_value(_SHAPE):.4g} bits per weight in all"
    if mix is None:
        return what, {"codec": name}
    return f"{what}; {mix}: {_mixture(name, mix)}", {}


def _mixture(name: str, mix: str) -> str:
    """Return the meaning of the last letter of a file's name (llama.cpp, pull request 1684)."""
    known = {
        ("Q3_K", "M"): "attn_v, attn_output and ffn_down in Q4_K, the other tensors in Q3_K",
        ("Q3_K", "L"): "attn_v, attn_output and ffn_down in Q5_K, the other tensors in Q3_K",
        ("Q4_K", "M"): "half of the tensors attn_v and ffn_down in Q6_K, the others in Q4_K",
        ("Q5_K", "M"): "half of the tensors attn_v and ffn_down in Q6_K, the others in Q5_K",
    }
    size = {"XS": "extra small", "S": "small", "M": "medium", "L": "large", "XL": "extra large"}[mix]
    usual = f"nearly all tensors in {name}" if mix in ("S", "XS") else f"some tensors in more bits than {name}"
    return f"the {size} mixture, {known.get((name, mix), usual)}"


def _block(bits: str, kind: str) -> tuple[str, dict]:
    name = f"Q{bits}_{kind}"
    minimum = "a float16 scale and a float16 minimum" if kind == "1" else "a float16 scale"
    what = f"{bits} bits in a GGUF file of llama.cpp; every 32 values have {minimum}"
    return what, {"codec": name} if name in CODECS else {}


def _importance(bits: str, size: str) -> tuple[str, dict]:
    table = (
        "the levels are a table of 16" if size == "NL" or bits == "4" else "several values share a code from a table"
    )
    what = f"about {bits} bits in a GGUF file of llama.cpp, made with an importance matrix: {table}"
    stored = _STORED.get(f"IQ{bits}_{size}")
    return (what, {"stored": stored}) if stored else (f"{what}; a mixture of several of them", {})


def _ternary_file(bits: str) -> tuple[str, dict]:
    stored = _STORED.get(f"TQ{bits}_0")
    return "ternary weights -1, 0, 1 in a GGUF file of llama.cpp, blocks of 256 values", {"stored": stored}


def _split(exponent: str, mantissa: str, variant: str | None) -> tuple[str, dict]:
    e, m = int(exponent), int(mantissa)
    if (e, m) == (8, 0):
        return "8 bits of exponent and nothing else: a power of two, the scale of MX formats", {}
    known = {(4, 3): FP8_E4M3, (5, 2): FP8_E5M2, (3, 2): FP6_E3M2, (2, 3): FP6_E2M3, (2, 1): FP4_E2M1}
    what = f"a float: sign, {e} bit{'s' * (e > 1)} of exponent, {m} of mantissa"
    if variant == "FNUZ":
        return f"{what}; no infinity, one NaN, no negative zero (the variant of some AMD GPUs)", {}
    if not (1 <= e <= 8 and m <= 15 - e and e + m >= 2):
        return what, {}
    fmt = known.get((e, m)) or FloatFormat(e, m, "ieee" if e == 8 or (e > 1 and m) else "finite")
    special = {"ieee": "infinity and NaN", "fn": "no infinity, one NaN", "finite": "neither infinity nor NaN"}
    what += f", {fmt.bits} bits; largest value {fmt.max:g}, {special[fmt.variant]}"
    name = next((n for n, c in CODECS.items() if getattr(c, "element", c) == fmt.saturating() and "MX" not in n), None)
    return what, {"codec": name} if name and name != "NVFP4" else {}


def _float(brain: str | None, bits: str) -> tuple[str, dict]:
    known = {
        ("B", "16"): ("bfloat16: the upper half of a float32, 8 bits of exponent and 7 of mantissa", "BF16"),
        ("", "16"): ("float16: 5 bits of exponent and 10 of mantissa, up to 65504", "FP16"),
        ("", "32"): ("float32, in which networks are usually trained", None),
        ("", "64"): ("float64", None),
        ("", "8"): ("8-bit float, usually E4M3 (E5M2 for gradients), with a scale", "FP8 E4M3"),
        ("", "6"): ("6-bit float, E3M2 or E2M3, with a scale", "FP6 E3M2"),
        ("", "4"): ("4-bit float E2M1, with a scale: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives", "FP4 E2M1"),
    }
    what, codec = known.get((brain or "", bits), (f"a float of {bits} bits", None))
    return what, {"codec": codec} if codec else {}


def _mx(bits: str) -> tuple[str, dict]:
    elements = {"8": ("E4M3 or E5M2", "MXFP8 E4M3"), "6": ("E3M2 or E2M3", "MXFP6 E2M3"), "4": ("E2M1", "MXFP4")}
    element, codec = elements.get(bits, (f"{bits} bits", None))
    what = f"a Microscaling format: floats in {element}, and for every 32 of them an 8-bit power of two as the scale"
    return what, {"codec": codec} if codec else {}


def _integer(unsigned: str | None, bits: str) -> tuple[str, dict]:
    n = int(bits)
    low, high = (0, 2**n - 1) if unsigned else (-(2 ** (n - 1)), 2 ** (n - 1) - 1)
    name = f"{'u' if unsigned else ''}int{n}"
    what = f"integers of {n} bits, {low} to {high}, times a scale" + (", with a zero point" if unsigned else "")
    return what, {"weights": n} | ({"codec": name} if name in CODECS else {})


def _weights(bits: str) -> tuple[str, dict]:
    return f"weights in {bits} bits", {"weights": int(bits)}


def _activations(bits: str) -> tuple[str, dict]:
    if int(bits) >= 16:
        return f"activations in {bits} bits: they stay float16 or bfloat16, and only the weights are quantized", {}
    return f"activations in {bits} bits: products are computed in that format as well", {}


def _group(size: str) -> tuple[str, dict]:
    if size == "-1":
        return "one scale for each whole row", {}
    if int(size) == 0:
        return "", {}
    return f"one scale for every {size} neighbouring weights of a row", {"group": int(size)}


def _says(meaning: str, codec: str | None = None) -> Callable:
    return lambda *_: (meaning, {"codec": codec} if codec else {})


_RULES: tuple[tuple[str, Callable], ...] = (
    (r"Q(\d)_K(?:_(XS|S|M|L|XL))?", _k_quant),
    (r"Q(\d)_([01])", _block),
    (r"IQ(\d)_(XXS|XS|S|M|NL)", _importance),
    (r"TQ(\d)_0", _ternary_file),
    (
        r"NVFP4",
        _says(
            "NVIDIA's 4-bit floats E2M1: a scale in E4M3 for every 16 values, and one in float32 for the tensor",
            "NVFP4",
        ),
    ),
    (r"MX_?FP(\d)(?=\b|_|-|$)", _mx),
    (
        r"NF4",
        _says("4-bit NormalFloat: 16 levels at the quantiles of a Gaussian, a scale for every 64 values", "NF4"),
    ),
    (r"E(\d)M(\d{1,2})(FNUZ|FN)?", _split),
    (r"(B)?(?:FP|F|float)_?(\d{1,2})(?!\d)", _float),
    (r"(U)?INT_?([2-8]|16)(?!\d)", _integer),
    (r"W(\d{1,2})(?=A\d|KV|\W|_|$)", _weights),
    (r"A(\d{1,2})(?=KV|C\d|\W|_|$)", _activations),
    (r"(?:KV|C)(\d{1,2})", lambda bits: (f"keys and values of the attention are cached in {bits} bits", {})),
    (r"(?:group_?size|group|gs|g)[_=]?(-1|\d{1,6})", _group),
    (r"(\d)[ -]?bits?", lambda bits: (f"codes of {bits} bits", {"weights": int(bits)})),
    (r"GPTQ", _says("a method: columns are rounded in turn, and the later ones compensate for the error")),
    (r"AWQ", _says("a method: input channels with large activations are scaled up before rounding")),
    (r"SmoothQuant", _says("a method: part of the range of the activations is moved into the weights")),
    (r"AutoRound", _says("a method that learns whether to round up or down")),
    (r"HQQ", _says("a method: scale and zero point are fitted to the weights alone, without data")),
    (r"imat(?:rix)?", _says("made with an importance matrix, measured on text, which says whose errors count more")),
    (r"ternary|b1\.58|1\.58[ -]?bit", _says("weights -1, 0 or 1 times a scale: log2(3) = 1.58 bits", "ternary")),
    (r"binary|1[ -]?bit", _says("the sign times a scale", "binary")),
    (r"asym(?:metric)?", _says("with a zero point, so that the range need not be centred at zero")),
    (r"sym(?:metric)?", _says("without a zero point")),
    (r"dynamic", _says("the scales of activations are computed for each input")),
    (r"static", _says("the scales of activations are fixed in advance, on calibration data")),
    (r"(?:double|DQ)(?:[ _-]?quant(?:ization)?)?", lambda: ("the scales are quantized as well", {"double": True})),
    (r"GGUF", _says("a file of llama.cpp")),
)


def known_codec(text: str) -> str | None:
    """Return the key of CODECS that a name refers to, or None.

    Examples
    --------
    >>> known_codec("e4m3"), known_codec("W4A16")
    ('FP8 E4M3', None)
    """
    try:
        return next(name for name, codec in CODECS.items() if codec is as_codec(text))
    except ValueError:
        return explain_name(text).codec
