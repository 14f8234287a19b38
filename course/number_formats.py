# %% [markdown]
# Models are offered today under names such as `Q4_K_M`, `NF4`, `FP8` or `NVFP4`. So far, this course had one kind of number format: integers, with equal steps between the levels. This page takes the other kinds apart, and compares all of them on the same weights and the same network. You need that whenever you choose a file, a library or a chip.

# %%
import numpy as np

import qviz
from qviz.experiments.number_formats import difference_db, measure_format
from qviz.lessons import Prediction, check, record
from qviz.numerics.codecs import CODECS, FP4_E2M1, FP8_E4M3, FP8_E5M2, MX
from qviz.widgets import FloatBitsExplorer, FormatNameExplorer, NumberFormatsExplorer

# %% [markdown]
# ## The bits of a float
#
# A floating-point number has three fields. One bit is the sign. The **exponent** chooses a power of two. The **mantissa** says how far the number lies on the way to the next power of two. **FP8** comes in two kinds, and the name says how the bits are shared out: E4M3 has 4 bits of exponent and 3 of mantissa.
#
# Flip the bits. Set the four bits of the exponent to 0: the leading 1 is gone, and the number is **subnormal**. Then set all bits but the sign: that code is **NaN**, "not a number". E4M3 has no infinity. Choose E5M2, and find it.

# %%
FloatBitsExplorer()

# %% [markdown]
# **Notice:** from each power of two to the next there are 8 steps. Small numbers have small steps, so the error stays about the same *share* of the number. Integers do the opposite: their step is the same everywhere.

# %%
guess_range = Prediction("E4M3 goes up to 448. E5M2 has one bit of exponent more, and one of mantissa less. How many times as far does it go?", {"2 times": 2, "16 times": 16, "128 times": 128})
guess_range

# %%
for fmt in (FP8_E4M3, FP8_E5M2):
    print(f"{fmt.name}: up to {fmt.max:g}, {2**fmt.mantissa_bits} steps from one power of two to the next")

# %%
guess_range.reveal(FP8_E5M2.max / FP8_E4M3.max, "One bit of exponent more doubles the number of powers of two, and costs half of the steps between them. E4M3 is for weights and activations; gradients, whose sizes differ more, get E5M2.")

# %% [markdown]
# ## Blocks share a scale
#
# With 4 bits (E2M1) only 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives are left. So neighbouring weights share a scale, and small groups of them, called **blocks**, have small errors. But scales have to be stored as well, and a fair comparison counts their bits:
#
# * **MXFP4**: 32 weights in E2M1 share a power of two of 8 bits. That is 4 + 8/32 = 4.25 bits per weight.
# * **NVFP4**: 16 weights in E2M1 share a scale in E4M3: 4.5 bits.
# * **NF4**: 64 weights share a float32: 4.5 bits. Its 16 levels are no floats. They come from the bell curve, so that each is used about equally often.
# * `Q4_K`, from the **GGUF** files of llama.cpp: integers in blocks of 32, each with a scale and a minimum of 6 bits, and two float16 for 8 blocks: 4.5 bits.
#
# Move **Format** through all of them. At the top are the levels of one block. On the right, each format has a mark for its bits and its error.

# %%
explorer = NumberFormatsExplorer(format="NVFP4")
explorer

# %%
for name in ("int4", "MXFP4", "NVFP4", "NF4", "Q4_0", "Q4_K"):
    explorer.format = name
    print(explorer.readout.splitlines()[0].partition(" as ")[2], "|", explorer.readout.splitlines()[1])
explorer.reset()

# %% [markdown]
# **Notice:** most of what is gained over plain int4 comes from the blocks. Put **Values per scale** on *whole tensor*, and look again.
#
# ## Is NF4 better than integers?
#
# Weights look like a bell curve, and NF4 is made for that. Its rival is affine int4: 16 equal steps, from the smallest weight of a block to the largest. A report from 2026 says that in small blocks NF4 loses (bitsandbytes 2086, see the sources). These are the weights of `fc1`:

# %%
guess_nf4 = Prediction("Blocks of 32 weights. Which has the smaller error?", ["NF4", "affine int4", "they differ by less than 0.2 dB"])
guess_nf4

# %%
fc1, winner = qviz.tensor("fc1 weights"), {}
print("block    affine int4 against NF4       symmetric int4 against NF4")
for block in (32, 64, 128, 256):
    nf4, affine, symmetric = (CODECS[name].fake_quantize(fc1, block) for name in ("NF4", "uint4", "int4"))
    gain, low, high = winner[block] = difference_db(fc1, nf4, affine, block)
    print(f"{block:5}{gain:8.2f} dB ({low:5.2f} to {high:5.2f}){difference_db(fc1, nf4, symmetric, block)[0]:14.2f} dB")

# %%
guess_nf4.reveal("affine int4" if winner[32][1] > 0.2 else "NF4" if winner[32][2] < -0.2 else "they differ by less than 0.2 dB", "In so small a block, the smallest and the largest weight are seldom equally far from zero. Affine int4 uses that, NF4 cannot.")

# %% [markdown]
# Is that the reason? The last column tests it: the same equal steps without a zero point lose in blocks of every size. So it is not the steps that win, it is the range that fits both ends. (The zero point costs 4/32 of a bit.) In large blocks a few outliers set the ends, and the levels of NF4 lie where the weights are.
#
# The brackets are 95 % intervals, from blocks drawn again (bootstrap). At 64 nobody wins, and in the report the order changes at the same size.
#
# ## Which power of two?
#
# The scale of an MX format is a power of two, so it hardly ever fits. The specification rounds it down (`floor`), and weights from 6 to 8 times the scale are clipped to 6. Another rule, `rceil`, takes the smallest power of two that clips nothing.

# %%
guess_rule = Prediction("MXFP4 on the weights of fc1. What does the error do when nothing is clipped any more?", ["it becomes smaller", "it changes by less than 0.1 dB", "it becomes larger"])
guess_rule

# %%
found = {}
for element in (FP4_E2M1, FP8_E4M3):
    for name in ("fc1 weights", "uniform"):
        x = qviz.tensor(name, n=32_768)
        down, up = (MX(element, rule=rule).fake_quantize(x) for rule in ("floor", "rceil"))
        gain, low, high = found[element.name, name] = difference_db(x, down, up, 32)
        print(f"{element.name}, {name:12} rceil against floor {gain:5.2f} dB ({low:5.2f} to {high:5.2f})")

# %%
low, high = found["E2M1", "fc1 weights"][1:]
guess_rule.reveal("it becomes larger" if high < -0.1 else "it becomes smaller" if low > 0.1 else "it changes by less than 0.1 dB", "Clipping spoils a few weights a little. A scale twice as large makes the steps coarser for all 32.")

# %% [markdown]
# But look at the other lines. E4M3 has so many powers of two that a larger scale costs it nothing, so there clipping is all loss. And where all values are about equally large ("uniform"), many are clipped. That is why people disagree: on one language model, the rule of the specification was the worst of three (trinity 694, see the sources). Try them on your own data: **Scale of MX formats** is behind **More**.
#
# ## The whole network
#
# Now all weights of the digits network go into a format. How sure is such a result? Number the channels of a layer in another order: the network computes the same, but different weights share a scale.

# %%
guess_order = Prediction("The network in NVFP4, with its channels in six different orders. How far apart are the best and the worst SQNR of the logits?", {"0.1 dB": 0.1, "0.5 dB": 0.5, "4 dB": 4})
guess_order

# %%
found = {}
for name, block in (("int4", 64), ("MXFP4", None), ("NVFP4", None), ("NF4", None), ("Q4_0", None), ("Q4_K", None)):
    found[name] = measure_format(name, block)
    print(f"{name:6}", found[name])

# %%
guess_order.reveal(found["NVFP4"].sqnr_db.max() - found["NVFP4"].sqnr_db.min(), "A layer with few weights has few blocks, and luck decides how well they fit. One measurement of one network is no ranking.")

# %% [markdown]
# **Notice:** every format here gets about as many digits right, so the right answers tell us nothing. By the logits, `Q4_0` and `Q4_K` are ahead of the rest, by more than the orders differ. Between NF4, NVFP4 and int4 the ranges overlap. And int4 in blocks of 64, whose weights have a larger error than those of NF4, is not behind it: the error of weights is no error of answers.
#
# ## Take a name apart
#
# Type any name, and press Enter. Try `Q4_K_M`: it is no format. It is a mixture, with more bits for the tensors that are most sensitive.

# %%
FormatNameExplorer()

# %% [markdown]
# A format also has to be fast where your model runs: only a chip that multiplies it, or a kernel that unpacks it quickly, makes it so. [](page:benefits_and_trade_offs) measures that for integers.
#
# ## What you expected

# %%
record(guess_range, guess_nf4, guess_rule, guess_order)

# %% [markdown]
# ## In five lines
#
# 1. Exponent bits buy range, mantissa bits buy precision.
# 2. With few bits, small blocks with a scale of their own matter more than the kind of level.
# 3. Count the bits of scales before you compare two formats.
# 4. Which format or rule wins depends on the size of the block and on the data.
# 5. One network in one order is one sample. Compare logits, and state how far chance goes.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** `Q4_K` stores 256 weights as codes of 4 bits, in 8 groups of 32. Each group has a scale and a minimum of 6 bits each. Two float16 multiply all the scales and all the minima. How many bits per weight is that?

# %%
bits_per_weight = None
### BEGIN SOLUTION
bits_per_weight = (256 * 4 + 8 * (6 + 6) + 2 * 16) / 256  # 144 bytes for 256 weights
### END SOLUTION

# %%
check("number_formats.1", bits_per_weight)

# %% [markdown]
# **2.** Write E4M3. `x` is a float32 array. Return the code, 0 to 255, of the nearest value: the sign is bit 7, then come 4 bits of exponent with a bias of 7, and 3 bits of mantissa. Where two values are equally near, take the even code. What lies beyond 448 becomes 448.

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
# **3. Spot the bug.** This function should return the scale of a block in MXFP4 by the rule of the specification: the largest power of two with which the largest value reaches at least 4. The scale is a power of two, and yet the error is far too large. Fix it.

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
# * trinity, [*say which scale convention the MXFP4 figure uses*, pull request 694](https://github.com/gHashTag/trinity/pull/694), 2026: three rules, perplexities 22.50, 21.94 and, by the specification, 23.54.
