# %% [markdown]
# [Page](page:ptq_with_fbgemm) made a network that is hard to quantize: the same function, but in 8 bits most answers are gone. Real networks can be like that. In MobileNets some channels are many times larger than others in the same layer; in large language models a few inputs of a layer are about a hundred times larger than the rest. If you have to ship such a network, you can train it again ([page](page:qat_with_fbgemm)). Before you do, try what is cheaper: everything on this page works on a finished network, and nothing here needs a label.

# %%
import numpy as np
from qviz import calibrate, fake_quantize, networks, sqnr_db
from qviz.experiments import hard_to_quantize as hard
from qviz.lessons import LocalResult, Prediction, check, record
from qviz.methods import adaptive_round, equalize_pair, gptq, random_hadamard, rotate_inputs, scale_inputs, smoothing_factors
from qviz.numerics import PerChannel
from qviz.widgets import HardToQuantizeExplorer

# %% [markdown]
# ## The same function with unequal channels
#
# Each channel before a ReLU was multiplied by a power of two from 1/16 to 16, and the next layer divides by it. The network computes the same numbers. But now one scale per tensor has to serve channels of very different size:

# %%
for name, w in (("as trained", networks.cnn_weights()), ("channels rescaled", networks.rescaled_weights())):
    sizes = abs(w["conv2.weight"]).max(axis=(1, 2, 3))
    print(f"{name:18}{networks.cnn_accuracy(w):.1%} right; largest channel of conv2 : smallest = {sizes.max() / sizes.min():.1f}")

# %% [markdown]
# In 8 bits (W8A8), with one scale per tensor and min-max ranges:

# %%
print(hard.measure(hard.Remedies()))

# %% [markdown]
# In brackets stands a 95 % interval, because 359 images tell an accuracy only to a few points. Two measures are finer: the SQNR of the **logits**, the ten outputs, and the **divergence**, how far the predicted probabilities have moved.
#
# Here are three remedies that need no training:
#
# * *Scales per channel*: each output channel of the weights gets a scale of its own.
# * *Better ranges*: for weights and activations, the ones with the smallest squared error.
# * **Cross-layer equalization**: undo the rescaling, without knowing the factors.

# %%
guess_first = Prediction("Each remedy alone, on the rescaled network in 8 bits. Which one brings back the most right answers?", ["scales per channel", "better ranges", "equalization"])
guess_first

# %%
alone = {name: hard.measure(hard.Remedies(**{field: True})) for field, name in list(hard.NAMES.items())[:3]}
for name, outcome in alone.items():
    print(f"{name:20}", outcome)

# %%
guess_first.reveal(max(alone, key=lambda name: alone[name].accuracy), "Scales per channel repair the layer that makes a channel. The activations, and the weights that read it in the next layer, still share a scale with all other channels.")

# %%
print("scales per channel, float32 activations:", hard.measure(hard.Remedies(per_channel=True), float_activations=True))

# %% [markdown]
# The line above tests that explanation. With activations in float32 more answers come back, but not all: the rest is lost in the weights that read the channels.
#
# ## Equalization
#
# ReLU lets a positive factor through. So you can divide a channel by $s$ where it is made and multiply by $s$ where it is read, and the network computes the same. Which $s$? If the channel reaches up to $r_1$ in the first layer and up to $r_2$ in the second, then $s = \sqrt{r_1 / r_2}$ makes it reach $\sqrt{r_1 r_2}$ in both. That takes four lines:

# %% tags=["build-it"]
def equalized(w1, b1, w2):
    r1, r2 = abs(w1).max(axis=1), abs(w2).max(axis=0)
    s = np.sqrt(r1 / r2)
    return w1 / s[:, None], b1 / s, w2 * s

# %%
w = networks.rescaled_weights()
pair = w["fc1.weight"], w["fc1.bias"], w["fc2.weight"]
assert all(np.allclose(mine, theirs) for mine, theirs in zip(equalized(*pair), equalize_pair(*pair), strict=True))
for name, weight in (("before", pair[0]), ("after", equalized(*pair)[0])):
    sizes = abs(weight).max(axis=1)
    print(f"{name:7} largest channel of fc1 : smallest = {sizes.max() / sizes.min():.1f}")

# %% [markdown]
# This needed no image, no label and no time, and the network still has one scale per tensor, which every kernel can run. `qviz.methods.equalize` goes over all pairs of layers until nothing changes any more.
#
# ## Fewer bits
#
# At 8 bits we are done, so let us go down to 2 bits. In this explorer each remedy comes on top of those above it. The bars on the right show how much signal is left of each layer's weights and of its outputs.
#
# Switch the remedies off and on, one after the other. At 2 bits, which one can you do without? And at 4?

# %%
explorer = HardToQuantizeExplorer()
explorer

# %% [markdown]
# ## Bias correction
#
# The next remedy changes no weight at all. Take the network with the three remedies from above, at 2 bits:

# %%
explorer.reset(bias_corrected=False, rounding="to nearest")
before = explorer.result.this
print(before)

# %%
guess_bias = Prediction("Now only the biases change: 122 numbers, next to 38,160 weights. How many digits are right?", {"79 %, as before": 0.79, "86 %": 0.86, "96 %": 0.96})
guess_bias

# %%
explorer.reset(rounding="to nearest")
after = explorer.result.this
print(after)

# %%
guess_bias.reveal(after.accuracy, "Rounded weights shift the mean of each output, in every image. A bias can take that shift away.")

# %% [markdown]
# **Bias correction** runs some inputs through both networks, and subtracts the mean error of each output from its bias. The inputs need no labels. Is the gain more than chance? To find out, we draw the 359 images again 10,000 times, and count for both networks on the same images:

# %%
print("{} more right, 95 % interval {} to {}".format(*hard.difference(before.right, after.right)))

# %% [markdown]
# ## Rounding that looks at the inputs
#
# So far each weight went to its nearest level. That is best for each weight alone. But an output is a sum of many products, and errors in a sum can cancel.
#
# * **Adaptive rounding** (AdaRound) learns for each weight whether to round it down or up.
# * **GPTQ** rounds the weights of one input after the other. After each, the weights that are not rounded yet move a little to make up for the error.
#
# Both need some inputs of the layer. We try GPTQ on the largest layer alone: `fc1` of the network as trained, in 2 bits, with one scale per channel and min-max ranges.

# %%
weights, inputs = networks.cnn_weights(), networks.training_activations()["pool"].reshape(-1, 512).astype(float)
fc1 = weights["fc1.weight"]
levels = calibrate(fc1, "min-max", "int2", "symmetric", PerChannel(0))
nearest, ours = fake_quantize(fc1, levels), gptq(fc1, inputs, levels)
for name, rounded in (("to nearest", nearest), ("GPTQ", ours)):
    right = hard.named_right(weights | {"fc1.weight": rounded}).sum()
    print(f"{name:11}{right} of 359 right, outputs of fc1 {sqnr_db(inputs @ fc1.T, inputs @ rounded.T):.1f} dB")

# %%
guess_weights = Prediction("The outputs are much closer to the original ones. What about the weights themselves?", ["closer than by nearest", "equally close", "farther away"])
guess_weights

# %%
print(f"SQNR of the weights: to nearest {sqnr_db(fc1, nearest):.1f} dB, GPTQ {sqnr_db(fc1, ours):.1f} dB")
farther = sqnr_db(fc1, ours) < sqnr_db(fc1, nearest)

# %%
guess_weights.reveal("farther away" if farther else "closer than by nearest", "Nothing is closer to a weight than its nearest level. GPTQ gives that up for outputs in which the errors cancel.")

# %% [markdown]
# Below 0 dB the error of the weights is larger than the weights. Why are the answers right all the same? Our explanation: the inputs have much in common, because neighbouring pixels are bright together. An error that cancels for all such inputs costs nothing.
#
# We can test that. Take away what the inputs have in common, and see whether the gain goes too. Each value keeps its size and gets a random sign:

# %%
scrambled = inputs * np.random.default_rng(0).choice([-1, 1], inputs.shape)
for name, x in (("real inputs", inputs), ("random signs", scrambled)):
    left = [sqnr_db(x @ fc1.T, x @ rounded.T) for rounded in (nearest, ours)]
    print(f"{name:13} outputs of fc1: to nearest {left[0]:4.1f} dB, GPTQ {left[1]:4.1f} dB")

# %% [markdown]
# The gain is gone, and more: for inputs unlike those that it saw, GPTQ is worse than rounding to nearest. So calibrate with inputs like the ones that the network will meet.
#
# Is GPTQ the cheapest way, though? Ranges with the smallest squared error ("mse") need no inputs at all:

# %%
print("fc1 in 2 bits         right   weights dB   outputs dB")
for ranges in ("min-max", "mse"):
    levels = calibrate(fc1, ranges, "int2", "symmetric", PerChannel(0))
    made = {"to nearest": fake_quantize(fc1, levels), "GPTQ": gptq(fc1, inputs, levels)}
    for name, rounded in (made | {"adaptive": adaptive_round(fc1, inputs, levels)}).items():
        right = hard.named_right(weights | {"fc1.weight": rounded}).sum()
        decibels = sqnr_db(fc1, rounded), sqnr_db(inputs @ fc1.T, inputs @ rounded.T)
        print(f"{ranges:9}{name:13}{right:5}{decibels[0]:13.1f}{decibels[1]:13.1f}")

# %% [markdown]
# **Notice:** better ranges alone bring nearly all answers back, for free. A difference of three images among 359 is chance; that of the outputs in decibels is not.
#
# ## What each remedy needs, and what it gives
#
# Here is the whole ladder at 4 bits. From equalization on, the right answers no longer tell the steps apart, while the logits go on gaining:

# %%
explorer.reset(weight_bits=4)
print(explorer.readout)

# %%
LocalResult("How many seconds does each remedy take, for the whole network?", hard.seconds)

# %% [markdown]
# ## Outliers in the inputs
#
# In large language models the inputs are the hard part. We plant such **outliers**: four inputs of `fc1` are multiplied by 64, and their weights divided by 64, so the outputs stay the same. Then W8A8 with one scale for all inputs:

# %%
(x, v), y = hard.planted_outliers(), inputs @ fc1.T
s, r = smoothing_factors(v, abs(x).max(axis=0)), random_hadamard(512)

# %%
cases = {"as trained": (inputs, fc1), "outliers": (x, v)}
cases |= {"SmoothQuant": (x / s, scale_inputs(v, s)), "Hadamard rotation": (x @ r, rotate_inputs(v, r))}
for name, (values, weight) in cases.items():
    values_hat = fake_quantize(values, calibrate(values, "min-max", "int8", "symmetric"))
    weight_hat = fake_quantize(weight, calibrate(weight, "min-max", "int8", "symmetric", PerChannel(0)))
    print(f"{name:18} outputs {sqnr_db(y, values_hat @ weight_hat.T):.1f} dB")

# %% [markdown]
# **SmoothQuant** divides each input by a factor and multiplies its weights by it. That is equalization again, with measured inputs instead of the layer before. **AWQ** does so for the weights alone, so that those that meet large inputs are rounded more finely. A **Hadamard rotation** mixes all inputs, so that none stands out, and needs no data. All three are in `qviz.methods`.
#
# ## What you expected

# %%
record(guess_first, guess_bias, guess_weights)

# %% [markdown]
# ## In five lines
#
# 1. Try the cheap remedies first. Equalization needs neither data nor training, and repaired a broken network.
# 2. A positive factor passes through ReLU. Equalization, SmoothQuant and AWQ all use that.
# 3. Bias correction removes the mean error of each output. It needs inputs, but no labels.
# 4. AdaRound and GPTQ make the error of the outputs small, and that of the weights larger.
# 5. Right answers saturate. Compare methods by a finer measure, and state the uncertainty.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** The rescaled network, with weights of 3 bits. Which remedies are enough to keep 20 dB of the logits? Give a list with as few as you can, named as in the explorer; for the last row write `"adaptive rounding"` or `"GPTQ"`.

# %%
enough = None
### BEGIN SOLUTION
enough = ["equalization", "GPTQ"]
### END SOLUTION

# %%
check("hard_to_quantize.1", enough)

# %% [markdown]
# **2.** Two layers compute `relu(x @ w1.T + b1) @ w2.T`. The first will get 8 bits and the second 4, so the second should have the smaller ranges. Rescale the channels so that each one reaches 4 times as far in `w1` as in `w2`, and the layers compute what they did. Return `w1`, `b1` and `w2`.

# %%
def share(w1, b1, w2):
    return w1, b1, w2
### BEGIN SOLUTION
def share(w1, b1, w2):
    s = np.sqrt(abs(w1).max(axis=1) / abs(w2).max(axis=0)) / 2
    return w1 / s[:, None], b1 / s, w2 * s
### END SOLUTION

# %%
check("hard_to_quantize.2", share)

# %% [markdown]
# **3. Spot the bug.** This is the loop of GPTQ. Each row of `w` belongs to an output, each column to an input, and the levels are `step` apart. Row `j` of the triangular matrix `u` says how the columns after `j` have to move if column `j` is off by `u[j, j]`. The loop runs, but it gives exactly what rounding to nearest gives. Fix it.

# %%
def gptq_loop(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        w[:, j] = step * np.rint(w[:, j] / step)
        error = (w[:, j] - step * np.rint(w[:, j] / step)) / u[j, j]
        w[:, j + 1 :] -= np.outer(error, u[j, j + 1 :])
    return w
### BEGIN SOLUTION
def gptq_loop(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        rounded = step * np.rint(w[:, j] / step)
        error = (w[:, j] - rounded) / u[j, j]
        w[:, j + 1 :] -= np.outer(error, u[j, j + 1 :])
        w[:, j] = rounded
    return w
### END SOLUTION

# %%
check("hard_to_quantize.3", gptq_loop)

# %% [markdown]
# ## Sources
#
# * M. Nagel et al., [*Data-Free Quantization Through Weight Equalization and Bias Correction*](https://arxiv.org/abs/1906.04721), ICCV 2019: both methods, on MobileNets whose channels differ widely (figure 2).
# * M. Nagel et al., [*Up or Down? Adaptive Rounding for Post-Training Quantization*](https://arxiv.org/abs/2004.10568), ICML 2020: AdaRound.
# * E. Frantar et al., [*GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers*](https://arxiv.org/abs/2210.17323), ICLR 2023.
# * G. Xiao et al., [*SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models*](https://arxiv.org/abs/2211.10438), ICML 2023: outliers about a hundred times as large as other inputs.
# * J. Lin et al., [*AWQ: Activation-aware Weight Quantization for On-Device LLM Compression and Acceleration*](https://arxiv.org/abs/2306.00978), MLSys 2024.
# * S. Ashkboos et al., [*QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs*](https://arxiv.org/abs/2404.00456), NeurIPS 2024: the rotation.
