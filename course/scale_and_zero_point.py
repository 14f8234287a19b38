# %% [markdown]
# Two numbers decide it. The **scale** is the distance between neighbouring levels. The **zero point** is the integer that stands for 0.0. On this page you derive both, test the formula against 100,000 numbers, and see how many values should share one scale.

# %%
import numpy as np

import qviz
from qviz.lessons import Prediction, check, record
from qviz.widgets import GranularityExplorer, MappingExplorer

# %% [markdown]
# ## Derive them
#
# We want to store real numbers from -1 to 3 in **unsigned** 8-bit integers, the codes 0 to 255. The lowest number gets the lowest code, the highest gets the highest.

# %%
guess_zero = Prediction("Which code will stand for 0.0?", {"0": 0, "64": 64, "128": 128})
guess_zero

# %% [markdown]
# **Scale.** 256 codes have 255 steps between them. They share the range.

# %%
lo, hi = -1.0, 3.0
qmin, qmax = 0, 255
scale = (hi - lo) / (qmax - qmin)
print(f"scale = {scale:.6f}")

# %% [markdown]
# **Zero point.** From `lo` up to 0.0 there are `-lo / scale` steps. Count that many codes up from the lowest, and round, because a code is a whole number.

# %%
zero_point = qmin - round(lo / scale)

# %%
guess_zero.reveal(zero_point, "Zero lies a quarter of the way up the range, so its code lies a quarter of the way up the codes.")

# %% [markdown]
# **There and back.** Now any number has its code, and any code its number:
#
# $$q = \mathrm{clip}\!\left(\mathrm{round}\!\left(\frac{x}{\text{scale}}\right) + \text{zero point},\; q_\min,\; q_\max\right) \qquad\qquad \hat{x} = \text{scale}\,(q - \text{zero point})$$
#
# `clip` cuts off what lies outside the range. qviz computes the same two numbers:

# %%
qparams = qviz.choose_qparams(lo, hi, qviz.UINT8)
print(f"scale = {float(qparams.scale):.6f}, zero point = {int(qparams.zero_point)}")

# %% [markdown]
# ## Move the map
#
# The staircase shows which output each input gets. Try this:
#
# * Move **x** along. When does its output change? What happens beyond the range?
# * Move **lo** and **hi**. Watch the scale and the zero point.
# * Choose the scheme **symmetric**.
#
# The zero point is rounded, which moves the whole grid by up to half a step. So the last level may lie a little below or above **hi**: with 3 bits, at 2.857 instead of 3. The grey range ends at that last level. A value up to half a step beyond it still rounds to it, as it should; only what lies further out is *clipped*, and there the hatching begins.

# %%
mapping = MappingExplorer(lo=-1.0, hi=3.0, bits=3, x=1.2, fit=True)
mapping

# %%
mapping.reset(x=4.0)
print(mapping.readout)
mapping.reset()

# %% [markdown]
# ## Zero must be exact
#
# Networks are full of zeros. Images are padded with zeros. **ReLU**, the function that turns negative values into 0, makes many more.

# %%
activations = qviz.tensor("conv2 activations")
print(f"{np.mean(activations == 0):.0%} of these activations are exactly 0")

# %% [markdown]
# If 0.0 had no code of its own, every one of them would get an error, and all in the same direction. (Some formats for weights alone store the minimum of each group instead of a zero point, and have no exact 0.0. Weights can do without, because no padding or ReLU fills them with zeros.) So the range is widened until it includes 0. Ask for the range from 2 to 6, and you get 0 to 6:

# %%
widened = qviz.choose_qparams(2.0, 6.0, qviz.UINT8)
print(f"from {float(widened.lo):.1f} to {float(widened.hi):.1f}; 0.0 becomes {float(qviz.fake_quantize(0.0, widened))}")


# %% [markdown]
# ## Build it
#
# Here is the formula as Python. `np.rint` rounds to the nearest whole number, and halves to the even one.

# %% tags=["build-it"]
def quantize(x, scale, zero_point, qmin, qmax):
    q = np.rint(x / scale) + zero_point
    return np.clip(q, qmin, qmax).astype(np.uint8)


def dequantize(q, scale, zero_point):
    return scale * (q.astype(np.int32) - zero_point)


# %% [markdown]
# Is it right? It must give the same codes as qviz for 100,000 numbers, in range and out of it.

# %%
x = qviz.tensor("Gaussian").astype(np.float64) * 2
mine = quantize(x, float(qparams.scale), int(qparams.zero_point), 0, 255)
assert np.array_equal(mine, qviz.quantize(x, qparams))
print(f"{mine.size:,} codes, all equal; the first five: {mine[:5]}")

# %% [markdown]
# **A trap:** `dequantize` turns the codes into wide integers *before* it subtracts. An unsigned 8-bit integer has no numbers below 0. Without the cast, codes below the zero point wrap around:

# %%
code = np.array([60], np.uint8)
print("with the cast:   ", code.astype(np.int32) - 64)
print("without the cast:", code - np.uint8(64))

# %% [markdown]
# ## Affine or symmetric?
#
# The **affine** scheme is what you have just derived. The **symmetric** scheme takes the range from -m to m, where m is the largest magnitude. Then the zero point is 0, and drops out of all later arithmetic. That makes computing cheaper. (The lowest code, -128, has no partner. Its level lies one step beyond -m.)
#
# It has a price where the values are lopsided. After ReLU none is negative.

# %%
guess_scheme = Prediction("Symmetric in place of affine, on values after ReLU: how many times as large is the mean squared error?", {"the same": 1, "2 times": 2, "4 times": 4, "16 times": 16})
guess_scheme

# %%
affine = qviz.calibrate(activations, "min-max", qviz.UINT8, "affine")
symmetric = qviz.calibrate(activations, "min-max", qviz.INT8, "symmetric")
for name, p in {"affine": affine, "symmetric": symmetric}.items():
    print(f"{name:10} {p.fmt!s:6} from {float(p.lo):6.3f} to {float(p.hi):.3f}, error {qviz.error_parts(activations, p).total:.2e}")

# %%
guess_scheme.reveal(qviz.error_parts(activations, symmetric).total / qviz.error_parts(activations, affine).total, "Half of the codes stand for negative values that never come. It is as if one bit were missing.")

# %% [markdown]
# So the custom is: **symmetric for weights**, which lie around zero on both sides, and **affine for activations**.
#
# ## How many values share a scale?
#
# The rows of a weight tensor, its **channels**, can differ much in size. One scale for all must fit the largest, and is too coarse for the small ones.
#
# * **Per tensor:** one scale for all.
# * **Per channel:** one for each output channel.
# * **Per group:** one for each run of, say, 16 values.

# %%
guess_channel = Prediction("The weights of conv2, 4 bits: by how much does the SQNR rise with a scale for each channel in place of one for all?", {"less than 1 dB": 0.5, "about 4 dB": 4, "about 20 dB": 20})
guess_channel

# %% [markdown]
# Change **One scale**, and watch how closely the ranges fit the values of each channel.

# %%
granularity = GranularityExplorer(bits=4)
granularity

# %%
granularity.reset()
per_tensor = granularity.result.sqnr_db
granularity.granularity = "per channel"
print(granularity.readout)

# %%
granularity.reset(granularity="per channel")
guess_channel.reveal(granularity.result.sqnr_db - per_tensor, "The gain depends on how much the channels differ. It costs one more number for each channel.")

# %% [markdown]
# **Notice** the bill in the readout. Two codes of 4 bits are **packed** into one byte, and each scale takes 16 bits, as is usual in formats for weights. 32 scales are little next to thousands of weights, but small groups have many more. Is it worth it? You could spend the same bits on wider codes instead. So here are groups on the largest layer, *fc1*, next to a scale per channel with as many bits a weight (interpolated between 4, 5, 6 ... bits):

# %%
channels = [granularity.reset(data="fc1 weights", granularity="per channel", bits=b) or granularity.result for b in range(4, 9)]
costs, decibels = [r.bits_per_weight for r in channels], [r.sqnr_db for r in channels]
print(f"per channel:   {costs[0]:.2f} bits a weight, {decibels[0]:.2f} dB")
for size in (128, 64, 32, 16, 8):
    granularity.reset(data="fc1 weights", granularity="per group", group_size=size)
    r = granularity.result
    same = np.interp(r.bits_per_weight, costs, decibels)
    print(f"groups of {size:3}: {r.bits_per_weight:.2f} bits a weight, {r.sqnr_db:.2f} dB; per channel for the same bits {same:.2f} dB")

# %% [markdown]
# **Notice:** groups of 32 to 128 weights win: they have 0.6 to 1 dB more signal than the same bits spent on wider codes, and stay within 4.5 bits a weight. Groups of 16 or fewer lose, because their scales cost a whole bit or more. That is why most 4-bit formats for language models use groups of 32 to 128.
#
# In some networks the channels of a layer differ much more than here. Then one scale for all ruins the small ones. Here the channels of conv2 were multiplied by different factors. (0 dB: all of that channel has become 0.)

# %%
for choice in ("per tensor", "per channel"):
    granularity.reset(data="conv2 weights, channels rescaled", granularity=choice)
    print(f"{choice:12} SQNR {granularity.result.sqnr_db:5.2f} dB, the worst channel {granularity.result.channels_db.min():6.2f} dB")

# %% [markdown]
# Here a group must divide the row. (Some libraries let the last group of a row be shorter, or pad it.) If it does not, the explorer keeps its last picture and says what to do:

# %%
granularity.reset(granularity="per group", group_size=128)
print(granularity.readout)
granularity.reset()

# %% [markdown]
# ## What you expected, and what was so

# %%
record(guess_zero, guess_scheme, guess_channel)

# %% [markdown]
# ## In five lines
#
# 1. The scale is the range divided by the number of steps; the zero point is the code of 0.0.
# 2. Where padding and ReLU make zeros, 0.0 must be exact, so the range is widened to include it.
# 3. Affine fits lopsided values, symmetric makes arithmetic cheaper.
# 4. A scale for each channel costs almost nothing, and gains most where channels differ.
# 5. With scales of 16 bits, groups of 32 to 128 weights gain more than they cost; smaller groups do not.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** In the explorer of the map find a range for which 0.0 gets the code 3, at 3 bits and the scheme *affine*.

# %%
lo_and_hi = None  # two numbers, such as (-1.0, 3.0)
### BEGIN SOLUTION
lo_and_hi = (-3.0, 4.0)  # 7 steps of 1.0, and three of them below 0
### END SOLUTION

# %%
check("scale_and_zero_point.1", lo_and_hi)

# %% [markdown]
# **2.** Derive scale and zero point for the range from -2 to 2 at 4 bits, unsigned, *affine*. Use paper first; three decimals are enough.

# %%
scale_and_zero_point = None  # two numbers
### BEGIN SOLUTION
scale_and_zero_point = (4 / 15, 8)  # 2 / scale = 7.5, rounded to the even neighbour
### END SOLUTION

# %%
check("scale_and_zero_point.2", scale_and_zero_point)

# %% [markdown]
# **3. Spot the bug.** Somebody wrote the symmetric scale of int8 like this. For some `x` it clips what it should keep. Mend it.

# %%
def symmetric_scale(x):
    return abs(x.max()) / 127
### BEGIN SOLUTION
def symmetric_scale(x):
    return np.abs(x).max() / 127  # the largest magnitude may be negative
### END SOLUTION

# %%
check("scale_and_zero_point.3", symmetric_scale)

# %% [markdown]
# **4. Spot the bug.** `q` and `zero_point` are of type uint8. Some numbers come back far too large. Mend it.

# %%
def to_real(q, scale, zero_point):
    return scale * (q - zero_point)
### BEGIN SOLUTION
def to_real(q, scale, zero_point):
    return scale * (q.astype(np.int32) - np.int32(zero_point))
### END SOLUTION

# %%
check("scale_and_zero_point.4", to_real)

# %% [markdown]
# **5.** Write your own `choose_qparams`. It returns scale and zero point for any range, also for one that lies wholly above or below 0.

# %%
def my_qparams(lo, hi, qmin, qmax):
    return None
### BEGIN SOLUTION
def my_qparams(lo, hi, qmin, qmax):
    lo, hi = min(lo, 0.0), max(hi, 0.0)  # 0.0 must be exact
    scale = (hi - lo) / (qmax - qmin)
    return scale, qmin - round(lo / scale)
### END SOLUTION

# %%
check("scale_and_zero_point.5", my_qparams)

# %% [markdown]
# ## Sources
#
# * B. Jacob et al., [*Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*](https://arxiv.org/abs/1712.05877), CVPR 2018, section 2.1: the affine scheme.
# * R. Krishnamoorthi, [*Quantizing deep convolutional networks for efficient inference: A whitepaper*](https://arxiv.org/abs/1806.08342), 2018: per channel against per tensor, symmetric for weights.
# * M. Nagel et al., [*A White Paper on Neural Network Quantization*](https://arxiv.org/abs/2106.08295), 2021: why the symmetric scheme is cheaper, section 2.2.
