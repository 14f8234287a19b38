# %% [markdown]
# If you download a model today, its name often ends in `Q4_K_M`, `NF4`, `FP8` or `NVFP4`. So far we have used only one kind of number format: integers, whose levels are equally spaced. This page explains the other kinds and compares them on the same weights and network, so that you can choose a file, a library or a chip.

# %%
import numpy as np

import qviz
from qviz.experiments.number_formats import difference_db, measure_format, measure_format_on_mlps
from qviz.lessons import Prediction, check, record
from qviz.numerics.codecs import CODECS, FP4_E2M1, FP8_E4M3, FP8_E5M2, MX
from qviz.widgets import FloatBitsExplorer, FormatNameExplorer, NumberFormatsExplorer

# %% [markdown]
# ## The bits of a float
#
# A floating-point number has three fields. One bit is the sign. The **exponent** chooses a power of two: 2 is raised to the number in these bits minus a constant called the *bias* (7 in E4M3; it has nothing to do with the biases of a layer). The **mantissa** says where the number lies between this power of two and the next. The names of the two kinds of **FP8** tell you how the bits are divided: E4M3 has 4 exponent bits and 3 mantissa bits.
#
# Flip the bits. Normally, the mantissa is preceded by a leading 1, which is not stored. If you set the four exponent bits to 0, this 1 becomes a 0, and the number is called **subnormal**. If all the bits except the sign are 1, the code means **NaN**, "not a number".

# %%
FloatBitsExplorer()

# %% [markdown]
# **Notice:** apart from the subnormal numbers, there are 8 steps from each power of two to the next. Small numbers have small steps, so the largest error is about the same *percentage* everywhere. With integers, the step is the same everywhere.

# %%
guess_range = Prediction("E4M3 goes up to 448. E5M2 has one more exponent bit and one fewer mantissa bit. How many times as large is its largest number?", {"2 times": 2, "16 times": 16, "128 times": 128})
guess_range

# %%
for fmt in (FP8_E4M3, FP8_E5M2):
    print(f"{fmt.name}: up to {fmt.max:g}, {2**fmt.mantissa_bits} steps from one power of two to the next")

# %%
guess_range.reveal(FP8_E5M2.max / FP8_E4M3.max, "With one more exponent bit, the largest power of two is 2^15 instead of 2^8, which is 128 times as large. The price is that there are only half as many steps between two powers of two. E4M3 is meant for weights and activations, and E5M2 for gradients, whose sizes differ more.")

# %% [markdown]
# E4M3 has no infinity, but E5M2 has one. Can you find it in the explorer above?
#
# ## Blocks share a scale
#
# With 4 bits (E2M1), only 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives are left. To fit these levels, weights need a scale. The fewer weights share a scale, the better it fits, so modern formats divide the weights into small groups, called **blocks**. But scales take bits too, and a fair comparison counts them:
#
# * **MXFP4**: 32 weights in E2M1 share an 8-bit power of two. That makes 4 + 8/32 = 4.25 bits per weight.
# * **NVFP4**: 16 weights in E2M1 share a scale in E4M3: 4.5 bits.
# * **NF4**: 64 weights share a float32 scale: 4.5 bits. The 16 levels are based on the quantiles of a bell curve, so they are closest together near zero, where most of the weights are.
# * `Q4_K`, in the **GGUF** files of llama.cpp (a program that runs language models on ordinary computers): 4-bit integers in small blocks, each with a scale and a minimum: 4.5 bits.
#
# Step through all of them with **Format**. The line at the top shows the levels of one block. At the lower right, each mark shows the bits and the error of a format.

# %%
explorer = NumberFormatsExplorer(format="NVFP4")
explorer

# %%
for name in ("int4", "MXFP4", "NVFP4", "NF4", "Q4_0"):
    explorer.reset(format=name)
    m = explorer.result.measured
    print(f"{name:6} {m.groups.shape[1]:6,} weights share a scale, {m.bits_per_value:.2f} bits per weight, SQNR {m.sqnr_db:4.1f} dB")
explorer.reset()

# %% [markdown]
# **Notice:** half a bit per weight for scales gains about 10 dB. Is this due to the blocks, or to the levels? Set **Values per scale** to *whole tensor*, and look at all the formats again. At 4.0 bits, only k-means, whose levels are fitted to the weights, is still above 15 dB. So most of the gain is due to the blocks. (The formats of llama.cpp always keep their blocks.)
#
# ## Is NF4 better than integers?
#
# The histogram of trained weights looks like a bell curve, and NF4 was designed for this shape. Its rival is affine int4, which has 16 equally spaced levels from the smallest weight of a block to the largest. Opinions differ on which is better, so we compare them on the weights of `fc1`:

# %%
guess_nf4 = Prediction("With blocks of 32 weights, which has the smaller error?", ["NF4", "affine int4", "they differ by less than 0.2 dB"])
guess_nf4

# %%
fc1, winner = qviz.tensor("fc1 weights"), {}
print("block   SQNR of affine int4 minus NF4     symmetric int4 minus NF4")
for block in (32, 64, 128, 256):
    nf4, affine, symmetric = (CODECS[name].fake_quantize(fc1, block) for name in ("NF4", "uint4", "int4"))
    gain, low, high = winner[block] = difference_db(fc1, nf4, affine, block)
    print(f"{block:5}{gain:8.2f} dB ({low:5.2f} to {high:5.2f}){difference_db(fc1, nf4, symmetric, block)[0]:20.2f} dB")

# %%
guess_nf4.reveal("affine int4" if winner[32][1] > 0.2 else "NF4" if winner[32][2] < -0.2 else "they differ by less than 0.2 dB", "In such a small block, the smallest and the largest weight are rarely equally far from zero. Affine int4 makes use of that, but NF4 cannot.")

# %% [markdown]
# Is that really the reason? The last column tests it: equally spaced levels without a zero point are worse than NF4 for every block size. So what helps is not the spacing, but a range that fits both ends of the block. (The zero point costs 4/32 of a bit per weight.) In large blocks, a few large weights determine the ends, so it is better to have more levels where most of the weights are.
#
# The brackets show 95 % intervals, obtained by resampling the blocks (bootstrap). With blocks of 64, the difference may be due to chance. In a report on three language models, the order changes at the same block size (issue 2086 of bitsandbytes, see the sources).
#
# ## Which power of two?
#
# The scale of an MX format is a power of two, so it hardly ever fits exactly. The specification rounds the largest weight of the block down to a power of two (`floor`), and divides it by the largest power of two in the format, which is 4 for E2M1. So in MXFP4, weights between 6 and 8 times the scale are clipped to 6 times the scale. Another rule, `rceil`, takes the smallest power of two that clips no weight.

# %%
guess_rule = Prediction("You quantize the weights of fc1 to MXFP4. What happens to the error if nothing is clipped any more?", ["it becomes smaller", "it changes by less than 0.1 dB", "it becomes larger"])
guess_rule

# %%
found = {}
for element in (FP4_E2M1, FP8_E4M3):
    for name in ("fc1 weights", "uniform"):
        x = qviz.tensor(name, n=32_768)
        down, up = (MX(element, rule=rule).fake_quantize(x) for rule in ("floor", "rceil"))
        gain, low, high = found[element.name, name] = difference_db(x, down, up, 32)
        print(f"{element.name}, {name:12} SQNR with rceil minus floor: {gain:5.2f} dB ({low:5.2f} to {high:5.2f})")

# %%
guess_rule.reveal("it becomes larger" if found["E2M1", "fc1 weights"][2] < -0.1 else "it becomes smaller" if found["E2M1", "fc1 weights"][1] > 0.1 else "it changes by less than 0.1 dB", "Clipping moves only the largest weights of a block. A scale twice as large makes the steps coarser for all 32.")

# %% [markdown]
# But look at the other lines. E4M3 has 8 steps between powers of two whatever the scale is, so a larger scale does no harm there, but clipping does. And if large values are common ("uniform"), many of them are clipped. So the answer depends on the data: on one language model, the rule of the specification was the worst of three (pull request 694 of trinity, see the sources). To try the rules in the explorer, open **More** and change **Scale of MX formats**.
#
# ## The whole network
#
# Now we convert all the weights of the digits network to one format and measure the SQNR of the logits. How reliable is the result? To find out, we put the channels of each layer into different orders. The network computes the same function, but different weights share a scale.

# %%
guess_order = Prediction("You store the network in NVFP4, with its channels in six different orders. How far apart are the best and the worst SQNR of the logits?", {"about 0.1 dB": 0.1, "about 0.5 dB": 0.5, "about 3 dB": 3})
guess_order

# %%
blocks = {"int4": 64, "MXFP4": None, "NVFP4": None, "NF4": None, "Q4_0": None, "Q4_K": None}
found = {name: measure_format(name, block) for name, block in blocks.items()}
for name, outcome in found.items():
    print(f"{name:6}", outcome)

# %%
guess_order.reveal(found["NVFP4"].sqnr_db.max() - found["NVFP4"].sqnr_db.min(), "A layer with few weights has few blocks, and how well they fit is a matter of luck. One measurement on one network is not enough to rank formats.")

# %% [markdown]
# **Notice:** the accuracy is about the same with every format, so it cannot tell them apart. The logits can: for every channel order, `Q4_0` and `Q4_K` are ahead of MXFP4, NVFP4 and NF4. And int4, here in blocks of 64, is no worse than NF4, although the error of its weights is 2 dB larger. A smaller error in the weights does not guarantee better answers.
#
# ## Other networks
#
# But this is still one network, trained once. So we repeat the comparison with eight smaller networks, trained on the same digits from different random seeds. They have three linear layers and no convolutions.

# %%
guess_others = Prediction("In how many of these eight networks is the SQNR of the logits with int4 at least as high as with NF4?", {"none": 0, "about half": 4, "all 8": 8})
guess_others

# %%
gains, nf4 = {}, measure_format_on_mlps("NF4").sqnr_db
for name in ("int4", "MXFP4", "NVFP4", "Q4_0", "Q4_K"):
    outcome = measure_format_on_mlps(name, blocks[name])
    gain = gains[name] = outcome.sqnr_db - nf4
    right, gained = f"{outcome.right.min()} to {outcome.right.max()} right", f"{gain.mean():4.1f} dB ({gain.min():4.1f} to {gain.max():4.1f})"
    print(f"{name:5} {outcome.bits_per_weight:.2f} bits, {right}, SQNR minus NF4's {gained}, higher in {(gain > 0).sum()} of 8")

# %%
guess_others.reveal((gains["int4"] >= 0).sum(), "That int4 did so well was a property of one network. Six channel orders could not show this, because they are all the same network.")

# %% [markdown]
# **Notice:** the lead of `Q4_0` does not carry over either, because it beats NF4 in only three of the eight networks. `Q4_K` is ahead in all of them. So before you choose a format, test it on your own model.
#
# ## Take a name apart
#
# Type a name and press Enter. Try `Q4_K_M`: it is not a single format but a mixture, in which the most sensitive tensors get more bits.

# %%
FormatNameExplorer()

# %% [markdown]
# None of this tells you how fast a format is. That depends on whether your chip can compute with it directly and, if not, on how quickly your library can unpack it. [](page:benefits_and_trade_offs) measures the speed of integers.
#
# ## Your guesses and the results

# %%
record(guess_range, guess_nf4, guess_rule, guess_order, guess_others)

# %% [markdown]
# ## In five lines
#
# 1. The exponent bits of a float determine its range, and the mantissa bits its precision.
# 2. With few bits, weights share a scale in small blocks, so that a large weight makes the steps coarser only for its neighbours.
# 3. Scales take bits too. Count them when you compare two formats.
# 4. Which format or rule is best depends on the block size and on the data.
# 5. A result on one network may be due to chance. Compare the logits, and repeat the comparison on other networks.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** `Q4_K` stores 256 weights as 4-bit codes, in 8 groups of 32. Each group has a scale and a minimum, with 6 bits each. All the scales are multiplied by one float16 number, and all the minima by another. That makes 4.5 bits per weight. How many bits per weight would it be with 16 groups of 16?

# %%
bits_per_weight = None
### BEGIN SOLUTION
bits_per_weight = (256 * 4 + 16 * (6 + 6) + 2 * 16) / 256  # 156 bytes for 256 weights
### END SOLUTION

# %%
check("number_formats.1", bits_per_weight)

# %% [markdown]
# **2.** Write the encoder for E4M3. `x` is a float32 array. For each number, return the code (0 to 255) of the nearest value. Bit 7 is the sign, followed by 4 exponent bits (with a bias of 7) and 3 mantissa bits. If two values are equally close, choose the one with the even code. Numbers above 448 become 448, and those below -448 become -448.

# %%
def encode_e4m3(x):
    return None
### BEGIN SOLUTION
def encode_e4m3(x):
    size = np.minimum(np.abs(x.astype(np.float64)), 448)
    exponent = np.floor(np.log2(np.maximum(size, 2.0**-6)))  # subnormal numbers have the steps of 2^-6
    steps = np.rint(size / 2.0 ** (exponent - 3))  # 8 to 16, and below 8 where the number is subnormal
    return ((exponent + 6) * 8 + steps + 128 * (x < 0)).astype(np.uint8)
### END SOLUTION

# %%
check("number_formats.2", encode_e4m3)

# %% [markdown]
# **3. Spot the bug.** This function should return the scale of a block in MXFP4 according to the specification: the largest power of two for which the largest absolute value is at least 4 times the scale. It does return a power of two, but the error is far too large. Fix it.

# %%
def mxfp4_scale(block):
    return 2.0 ** np.floor(np.log2(np.abs(block).max()))
### BEGIN SOLUTION
def mxfp4_scale(block):
    return 2.0 ** (np.floor(np.log2(np.abs(block).max())) - 2)  # the largest level, 6, is 1.5 x 2^2
### END SOLUTION

# %%
check("number_formats.3", mxfp4_scale)

# %% [markdown]
# ## Sources
#
# * P. Micikevicius et al., [*FP8 Formats for Deep Learning*](https://arxiv.org/abs/2209.05433), 2022: E4M3 and E5M2, and what each is for.
# * Open Compute Project, [*OCP Microscaling Formats (MX) Specification, version 1.0*](https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf), 2023: MXFP4, and the rule for its scale.
# * T. Dettmers et al., [*QLoRA: Efficient Finetuning of Quantized LLMs*](https://arxiv.org/abs/2305.14314), NeurIPS 2023: NF4.
# * NVIDIA, [*Introducing NVFP4 for Efficient and Accurate Low-Precision Inference*](https://developer.nvidia.com/blog/introducing-nvfp4-for-efficient-and-accurate-low-precision-inference/), 2025.
# * llama.cpp, [*k-quants*, pull request 1684](https://github.com/ggml-org/llama.cpp/pull/1684), 2023: `Q4_K`, and mixtures such as `Q4_K_M`.
# * bitsandbytes, [*NF4 reconstruction is worse than affine int4 below blocksize 64*, issue 2086](https://github.com/bitsandbytes-foundation/bitsandbytes/issues/2086), 2026: measured on three language models.
# * trinity, [*say which scale convention the MXFP4 figure uses*, pull request 694](https://github.com/gHashTag/trinity/pull/694), 2026: three rules, perplexities 22.50, 21.94 and, with the rule of the specification, 23.54.
