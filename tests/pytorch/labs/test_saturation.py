"""The real kernel against the emulation, on this processor and with AVX2 alone; what is said where there is none."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import engines
from qviz.pytorch.kernel_sums import kernel_sums
from qviz.pytorch.labs import saturation

fbgemm = pytest.mark.skipif("fbgemm" not in engines.supported(), reason="this build of torch has no fbgemm")

CONVOLUTION = """
import json, numpy as np, torch
from qviz.numerics.saturation import dot
from qviz.pytorch import engines
rng, step, found = np.random.default_rng(0), 4096.0, []
for channels in (1, 3, 16):
    x = rng.integers(0, 256, (2, channels, 8, 8), dtype=np.uint8)
    w = rng.integers(-128, 128, (4, channels, 3, 3), dtype=np.int8)
    with engines.using("fbgemm"), engines.quiet():
        packed = torch.ops.quantized.conv2d_prepack(
            torch._make_per_tensor_quantized_tensor(torch.tensor(w), 1.0, 0), None, [1, 1], [1, 1], [1, 1], 1)
        q = torch._make_per_tensor_quantized_tensor(torch.tensor(x), 1.0, 0)
        got = torch.ops.quantized.conv2d(q.contiguous(memory_format=torch.channels_last), packed, step, 128).int_repr()
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.stack([padded[:, :, i:i + 8, j:j + 8] for i in range(3) for j in range(3)])
    rows = windows.transpose(1, 3, 4, 0, 2).reshape(-1, 9 * channels)
    columns = w.transpose(0, 2, 3, 1).reshape(4, -1)
    for saturate in (True, False):
        codes = np.clip(np.rint(dot(rows, columns, saturate) / step) + 128, 0, 255)
        found.append(float((codes.reshape(2, 8, 8, 4).transpose(0, 3, 1, 2) == got.numpy()).mean()))
print(json.dumps(found))
"""


@fbgemm
def test_on_this_processor_sums_are_exact_or_those_of_the_emulation():
    mine = saturation.measure()
    same, other = (mine.exact, mine.emulated) if engines.has_vnni() else (mine.emulated, mine.exact)
    assert same == mine.reduced_exact == mine.compared
    assert mine.issue == (33_278 if engines.has_vnni() else 32_767)
    assert other < mine.compared / 10  # the comparison can fail


@fbgemm
def test_with_avx2_alone_every_sum_is_that_of_the_emulation():
    other = saturation.without_vnni()
    assert other.emulated == other.compared == sum(n * m for n, _, m in saturation.SHAPES)
    assert other.issue == 32_767
    assert other.exact < other.compared / 10
    assert other.reduced_exact == other.compared  # 7 bits fit
    assert 0.9 < other.accuracy < 1 and 0.97 < other.reduced_accuracy < 1
    assert saturation.without_vnni() is other  # asked once


@fbgemm
def test_a_convolution_with_avx2_alone_pairs_neighbouring_channels():
    env = {**os.environ, "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2"}
    done = subprocess.run([sys.executable, "-c", CONVOLUTION], env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found[::2] == [1, 1, 1]
    assert max(found[1::2]) < 0.95


@fbgemm
def test_it_is_told():
    lines = saturation.report().splitlines()
    assert lines[0].startswith("Your processor ")
    assert "With AVX2 alone, the same kernel returns 32,767" in lines[1]
    assert len(lines) == 4


def test_without_fbgemm_the_emulation_is_left(monkeypatch):
    monkeypatch.setattr(engines, "supported", lambda: ("qnnpack",))
    saturation.without_vnni.cache_clear()
    try:
        assert saturation.without_vnni() is None
    finally:
        saturation.without_vnni.cache_clear()
    assert saturation.report().startswith("There is no fbgemm on this machine, so the page shows only the emulation")
    with pytest.raises(ValueError, match="engine must be one that this build of torch supports"):
        kernel_sums(np.zeros((1, 2), np.uint8), np.zeros((1, 2), np.int8))


@fbgemm
def test_nothing_is_left_changed():
    before = torch.backends.quantized.engine, torch.get_num_threads(), dict(os.environ)
    saturation.report()
    assert (torch.backends.quantized.engine, torch.get_num_threads(), dict(os.environ)) == before
