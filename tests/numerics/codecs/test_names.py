"""Names taken apart; the numbers in the answers are those of the formats."""

import re

import pytest

from qviz.numerics.codecs import CODECS, FP8_E4M3
from qviz.numerics.codecs.names import _STORED, EXAMPLES, explain_name, known_codec


def pieces(text):
    return [part.text for part in explain_name(text).parts]


@pytest.mark.parametrize(
    ("text", "parts", "codec", "bits"),
    [
        ("W4A16 g128", ["W4", "A16", "g128"], None, 4 + 16 / 128),
        ("w4a16_g128 sym", ["w4", "a16", "g128", "sym"], None, 4.125),
        ("W8A8KV4", ["W8", "A8", "KV4"], None, None),
        ("int4 g32", ["int4", "g32"], None, 4.5),
        ("Q4_K_M", ["Q4_K_M"], None, None),  # depends on the network's tensors
        ("q6_k", ["q6_k"], "Q6_K", 6.5625),
        ("Q4_0", ["Q4_0"], "Q4_0", 4.5),
        ("IQ4_XS", ["IQ4_XS"], None, 4.25),
        ("IQ3_M", ["IQ3_M"], None, None),  # a mixture
        ("NVFP4", ["NVFP4"], "NVFP4", 4.5),
        ("MXFP4", ["MXFP4"], "MXFP4", 4.25),
        ("E4M3", ["E4M3"], "FP8 E4M3", 8),
        ("fp8_e5m2", ["fp8", "e5m2"], "FP8 E5M2", 8),
        ("E8M0", ["E8M0"], None, None),
        ("BF16", ["BF16"], "BF16", 16),
        ("float16", ["float16"], "FP16", 16),
        ("NF4 double quant", ["NF4", "double quant"], "NF4 double", 4.127),
        ("Qwen3-8B-GPTQ-Int4", ["Qwen3", "8B", "GPTQ", "Int4"], "int4", 4),
        ("1.58-bit", ["1.58-bit"], "ternary", 1.6),
    ],
)
def test_names(text, parts, codec, bits):
    found = explain_name(text)
    assert [part.text for part in found.parts] == parts
    assert found.codec == codec
    assert found.bits_per_value is bits is None or found.bits_per_value == pytest.approx(bits, abs=1e-3)


def test_bits_of_files_are_those_of_the_gguf_package():
    gguf = pytest.importorskip("gguf")
    for name, bits in _STORED.items():
        values, stored = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
        assert explain_name(name).bits_per_value == bits == 8 * stored / values


def test_what_is_not_known_is_said():
    assert next(part.meaning for part in explain_name("Qwen3 int4").parts) == "not known"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("E4M3", f"largest value {FP8_E4M3.max:g}, no infinity, one NaN"),
        ("E5M2", "largest value 57344, infinity and NaN"),
        ("E2M1", "largest value 6, neither infinity nor NaN"),
        ("int3", "-4 to 3, times a scale"),
        ("uint4", "0 to 15, times a scale, with a zero point"),
        ("Q4_K_M", "half of the tensors attn_v and ffn_down in Q6_K, the others in Q4_K"),
        ("Q5_K_S", "the small mixture, nearly all tensors in Q5_K"),
        ("Q2_K", "every 16 have a scale in 4 bits, 2.625 bits per weight in all"),
        ("W4A16", ", and only the weights are quantized"),
        ("g-1", "one scale for each whole row"),
    ],
)
def test_meanings(text, words):
    assert words in str(explain_name(text))


def test_every_format_has_a_meaning_and_is_found_again():
    for name in CODECS:
        if not name.startswith(("k-means", "power of two")):
            assert known_codec(name) == name
            explanation = explain_name(name)
            assert all(part.meaning != "not known" for part in explanation.parts), name
    assert all(explain_name(text).parts for text in EXAMPLES)


@pytest.mark.parametrize("text", ["", "   ", "hello", "g0", "Q"])
def test_no_piece_is_known(text):
    with pytest.raises(
        ValueError, match=re.escape(f"text must be a name such as W4A16 g128, Q4_K_M, NVFP4, E4M3, int4: got {text!r}")
    ):
        explain_name(text)


def test_it_must_be_text():
    with pytest.raises(TypeError, match="text must be the name of a format, such as 'Q4_K_M': got 4"):
        explain_name(4)
