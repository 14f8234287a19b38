# %% [markdown]
# Two numbers determine how quantization maps real numbers to integers. The **scale** is the distance between neighbouring levels. The **zero point** is the integer that represents 0.0. On this page you derive both, and find out how many values should share one scale.

# %%
import numpy as np

import qviz
from qviz.lessons import Prediction, check, record
from qviz.widgets import GranularityExplorer, MappingExplorer

# %% [markdown]
# ## Derive the scale and the zero point
#
# We want to store real numbers between -1 and 3 as **unsigned** 8-bit integers, so the codes go from 0 to 255. The number -1 gets the lowest code, and 3 the highest.

# %%
guess_zero = Prediction("Which code will represent 0.0?", {"0": 0, "64": 64, "128": 128})
guess_zero

# %% [markdown]
# **Scale.** There are 255 steps between 256 codes, so we divide the range into 255 equal steps.

# %%
lo, hi, qmin, qmax = -1.0, 3.0, 0, 255
scale = (hi - lo) / (qmax - qmin)
print(f"scale = {scale:.6f}")

# %% [markdown]
# **Zero point.** It takes `-lo / scale` steps to get from `lo` up to 0.0, so the code of 0.0 lies that many steps above the lowest code. We round it, because a code is an integer.

# %%
zero_point = qmin - round(lo / scale)

# %%
guess_zero.reveal(zero_point, "0.0 lies a quarter of the way from -1 to 3, so its code lies a quarter of the way from 0 to 255.")

# %% [markdown]
# **Quantize and dequantize.** With these two numbers, you can compute the code $q$ of any number $x$, and the level $\hat{x}$ of any code:
#
# $$q = \mathrm{clip}\!\left(\mathrm{round}\!\left(\frac{x}{\text{scale}}\right) + \text{zero point},\; q_\min,\; q_\max\right) \qquad\qquad \hat{x} = \text{scale}\,(q - \text{zero point})$$
#
# Here `clip` limits the codes to the range from $q_\min$ to $q_\max$. qviz computes the same scale and zero point:

# %%
qparams = qviz.choose_qparams(lo, hi, qviz.UINT8)
print(f"scale = {float(qparams.scale):.6f}, zero point = {int(qparams.zero_point)}")

# %% [markdown]
# ## Explore the mapping
#
# The staircase shows the output for each input.
#
# * Move **x**. When does the output change? What happens outside the range?
# * Move **lo** and **hi**, and watch the scale and the zero point.
# * Choose the scheme **symmetric**.
#
# Because the zero point is rounded, the last level may lie slightly below or above **hi**. Here it lies at 2.857 instead of 3. A value up to half a step beyond the last level is rounded to it. Values further out are *clipped* (the hatched area).

# %%
mapping = MappingExplorer(lo=-1.0, hi=3.0, bits=3, x=3.6, fit=True)
mapping

# %% [markdown]
# ## Zero must be exact
#
# Zeros are very common in neural networks. Images are padded with zeros, and **ReLU**, which sets negative values to 0, produces many more.

# %%
activations = qviz.tensor("conv2 activations")
print(f"{np.mean(activations == 0):.0%} of these activations are exactly 0")

# %% [markdown]
# If no code represented 0.0 exactly, all of these zeros would have the same error, and such errors do not cancel in a sum. Therefore the range is always extended to include 0. If you ask for 2 to 6, you get 0 to 6:

# %%
widened = qviz.choose_qparams(2.0, 6.0, qviz.UINT8)
print(f"from {float(widened.lo):.1f} to {float(widened.hi):.1f}; 0.0 becomes {float(qviz.fake_quantize(0.0, widened))}")


# %% [markdown]
# ## Build it
#
# Here is the first formula in Python. `np.rint` rounds to the nearest integer, and halfway cases to the even one.

# %% tags=["build-it"]
def quantize(x, scale, zero_point, qmin, qmax):
    q = np.rint(x / scale) + zero_point
    return np.clip(q, qmin, qmax).astype(np.uint8)


# %% [markdown]
# Does it give the same codes as qviz, inside the range and outside?

# %%
x = qviz.tensor("Gaussian").astype(np.float64) * 2
mine = quantize(x, float(qparams.scale), int(qparams.zero_point), 0, 255)
assert np.array_equal(mine, qviz.quantize(x, qparams))
print(f"{mine.size:,} codes, all equal; the first five: {mine[:5]}")

# %% [markdown]
# ## Affine or symmetric?
#
# The scheme that you have just derived is called **affine**. The **symmetric** scheme uses signed codes and the range from $-m$ to $m$, where $m$ is the largest absolute value. Its zero point is 0 and need not be subtracted from the codes, which makes later arithmetic cheaper. (With 8 bits, the lowest code is -128. It represents a level one step below $-m$.)
#
# The disadvantage becomes clear when the values are not centred on zero. After a ReLU, for example, no value is negative.

# %%
guess_scheme = Prediction("You quantize values after a ReLU with the symmetric scheme. How large is the mean squared error, compared with the affine scheme?", {"the same": 1, "2 times as large": 2, "4 times as large": 4, "16 times as large": 16})
guess_scheme

# %%
affine = qviz.calibrate(activations, "min-max", qviz.UINT8, "affine")
symmetric = qviz.calibrate(activations, "min-max", qviz.INT8, "symmetric")
for name, p in {"affine": affine, "symmetric": symmetric}.items():
    print(f"{name:10} {p.fmt!s:6} from {float(p.lo):6.3f} to {float(p.hi):.3f}, error {qviz.error_parts(activations, p).total:.2e}")

# %%
guess_scheme.reveal(qviz.error_parts(activations, symmetric).total / qviz.error_parts(activations, affine).total, "Half of the codes represent negative values, which do not occur. That is the same as having one bit less.")

# %% [markdown]
# Therefore the usual choice is **symmetric for weights**, which lie on both sides of zero, and **affine for activations**.
#
# ## How many values share a scale?
#
# The weights of a layer belong to different output **channels**. A single scale must be large enough for the channel with the largest weights, and is then too coarse for the others. There are three common choices:
#
# * **Per tensor:** one scale for all the weights of the layer.
# * **Per channel:** one scale for each output channel.
# * **Per group:** one scale for each group of, say, 16 consecutive weights.

# %%
guess_channel = Prediction("The weights of conv2 are quantized to 4 bits. By how much does the SQNR rise if each channel gets a scale of its own?", {"less than 1 dB": 0.5, "about 4 dB": 4, "about 20 dB": 20})
guess_channel

# %% [markdown]
# Change the setting **One scale** from *per tensor* to *per channel*, and see how well the ranges fit each channel.

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
guess_channel.reveal(granularity.result.sqnr_db - per_tensor, "How much you gain depends on how much the channels differ. The cost is one additional number per channel.")

# %% [markdown]
# Two 4-bit codes are **packed** into one byte, and each scale takes 16 bits. Would the memory for the scales be better spent on more bits per code? In the largest layer, *fc1*, we compare two ways to use the same number of bits per weight, scales included: one scale per group, or one scale per channel and more bits per code. (Between whole numbers of bits per code, the SQNR is interpolated.)

# %%
channels = [granularity.reset(data="fc1 weights", granularity="per channel", bits=b) or granularity.result for b in range(4, 9)]
costs, decibels = [r.bits_per_weight for r in channels], [r.sqnr_db for r in channels]
print(f"per channel:   {costs[0]:.2f} bits per weight, {decibels[0]:.2f} dB")
for size in (128, 64, 32, 16, 8):
    granularity.reset(data="fc1 weights", granularity="per group", group_size=size)
    r = granularity.result
    same = np.interp(r.bits_per_weight, costs, decibels)
    print(f"groups of {size:3}: {r.bits_per_weight:.2f} bits per weight, {r.sqnr_db:.2f} dB; per channel with as many bits: {same:.2f} dB")
granularity.reset()

# %% [markdown]
# **Notice:** groups of 32 to 128 weights are worth their cost: their SQNR is 0.6 to 1 dB higher. Most 4-bit formats for language models use such groups. Smaller groups are not worth it, because their scales take one bit per weight or more.
#
# In some networks, the channels differ much more than here. To see what a single scale does then, choose *conv2 weights, channels rescaled* in the explorer. If a channel has 0 dB, all its weights have become 0, so the errors are as large as the weights.

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_zero, guess_scheme, guess_channel)

# %% [markdown]
# ## In five lines
#
# 1. The scale is the range divided by the number of steps, and the zero point is the code of 0.0.
# 2. Because zeros are so common, the range always includes 0.0, and 0.0 is represented exactly.
# 3. The affine scheme suits values that are mostly positive. The symmetric scheme makes the arithmetic cheaper.
# 4. A scale per channel costs almost nothing, and helps most when the channels differ a lot.
# 5. With 16-bit scales, groups of 32 to 128 weights are worth their cost; smaller ones are not.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** In the explorer in the section *Explore the mapping*, find a range for which 0.0 gets the code 3, with 3 bits and the scheme *affine*.

# %%
lo_and_hi = None  # two numbers, such as (-1.0, 3.0)
### BEGIN SOLUTION
lo_and_hi = (-3.0, 4.0)  # 7 steps of 1.0, and three of them below 0
### END SOLUTION

# %%
check("scale_and_zero_point.1", lo_and_hi)

# %% [markdown]
# **2.** Derive the scale and the zero point for the range from -2 to 2, with 4 bits, unsigned codes and the *affine* scheme. Do this with pencil and paper first. Three decimals are enough.

# %%
scale_and_zero_point = None  # two numbers
### BEGIN SOLUTION
scale_and_zero_point = (4 / 15, 8)  # 2 / scale = 7.5, rounded to the even neighbour
### END SOLUTION

# %%
check("scale_and_zero_point.2", scale_and_zero_point)

# %% [markdown]
# **3. Spot the bug.** This function should compute the symmetric scale for int8. For some arrays `x`, it returns a scale that is too small, so that values are clipped although none should be. Fix it.

# %%
def symmetric_scale(x):
    return abs(x.max()) / 127
### BEGIN SOLUTION
def symmetric_scale(x):
    return np.abs(x).max() / 127  # the value farthest from 0 may be negative
### END SOLUTION

# %%
check("scale_and_zero_point.3", symmetric_scale)

# %% [markdown]
# **4. Spot the bug.** This function should turn codes back into real numbers. `q` and `zero_point` are of type uint8, and some of the results are far too large. Fix it.

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
# **5.** Write your own `choose_qparams`. It should return the scale and the zero point for any range, including ranges that lie entirely above or below 0.

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
# * R. Krishnamoorthi, [*Quantizing deep convolutional networks for efficient inference: A whitepaper*](https://arxiv.org/abs/1806.08342), 2018: per channel compared with per tensor, and symmetric weights.
# * M. Nagel et al., [*A White Paper on Neural Network Quantization*](https://arxiv.org/abs/2106.08295), 2021: why the symmetric scheme is cheaper, sections 2.2 and 2.4.
