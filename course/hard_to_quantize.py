# %% [markdown]
# On [page](page:ptq_with_fbgemm) you met a network that gives mostly wrong answers when it is quantized to 8 bits. Real networks have this problem, too: in MobileNets, some channels have much larger values than others, and in large language models, a few inputs of a layer are about a hundred times as large as the rest. You can train such a network further ([page](page:qat_with_fbgemm)), but first try the methods on this page, which need neither training nor labels.

# %%
import numpy as np
from qviz import calibrate, fake_quantize, networks, sqnr_db
from qviz.experiments import hard_to_quantize as hard
from qviz.lessons import LocalResult, Prediction, answer_moves, check, record
from qviz.methods import adaptive_round, equalize_pair, gptq, random_hadamard, rotate_inputs, scale_inputs, smoothing_factors
from qviz.numerics import PerChannel
from qviz.widgets import HardToQuantizeExplorer

# %% [markdown]
# ## The same function with unequal channels
#
# In this network, each channel before a ReLU was multiplied by a power of two between 1/16 and 16, and the weights applied to it in the next layer were divided by the same number. The outputs stay the same, but channels of very different sizes now share a scale:

# %%
for name, w in (("as trained", networks.cnn_weights()), ("channels rescaled", networks.rescaled_weights())):
    sizes = abs(w["conv2.weight"]).max(axis=(1, 2, 3))
    print(f"{name:18}{networks.cnn_accuracy(w):.1%} right; largest / smallest channel of conv2: {sizes.max() / sizes.min():.1f}")

# %% [markdown]
# Now we quantize this network with 8 bits for weights and activations (W8A8), one scale per tensor and min-max ranges. (The accuracies differ slightly from [page](page:ptq_with_fbgemm), where the ranges come from fewer images.)

# %%
print(hard.measure(hard.Remedies()))

# %% [markdown]
# The range in brackets is a 95 % confidence interval. Two other measures are finer, because they also register changes that leave the answer the same: the SQNR of the **logits** (the ten outputs), and the **divergence** between the probabilities that the float network and the quantized network predict.
#
# Here are three remedies:
#
# * *Scales per channel*: each output channel of the weights gets its own scale.
# * *Better ranges*: weights and activations get the ranges with the smallest mean squared error.
# * *Equalization*: each channel is rescaled, so that its largest absolute weight is the same in the two layers that share it.

# %%
guess_first = Prediction("You apply one remedy at a time to the rescaled network, with 8 bits. Which one gives the highest accuracy?", ["scales per channel", "better ranges", "equalization"])
guess_first

# %%
alone = {name: hard.measure(hard.Remedies(**{field: True})) for field, name in list(hard.NAMES.items())[:3]}
for name, outcome in alone.items():
    print(f"{name:20}", outcome)

# %%
guess_first.reveal(max(alone, key=lambda name: alone[name].accuracy), "A scale per channel helps only the weights that produce a channel. The activations of the channel, and the weights applied to it in the next layer, still share a scale with all the other channels. Equalization gives all the channels similar values, so it helps all three.")

# %%
print("scales per channel, float32 activations:", hard.measure(hard.Remedies(per_channel=True), float_activations=True))

# %% [markdown]
# This tests the explanation: with float32 activations, more answers are right, but not all. The remaining loss must come from the weights applied to the channels.
#
# ## Equalization
#
# If you multiply the input of a ReLU by a positive factor, its output is multiplied by the same factor. So you can divide the weights and the bias that produce a channel by $s$ and multiply the weights applied to it by $s$, without changing the output of the network. Let $r_1$ be the largest absolute weight that produces the channel, and $r_2$ the largest applied to it. **Cross-layer equalization** uses $s = \sqrt{r_1 / r_2}$, so both become $\sqrt{r_1 r_2}$:

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
    print(f"{name:7} largest / smallest channel of fc1: {sizes.max() / sizes.min():.1f}")

# %% [markdown]
# Afterwards, one scale per tensor is enough, and every kernel supports that. `qviz.methods.equalize` rescales all pairs of neighbouring layers in turn until nothing changes.
#
# ## Fewer bits
#
# At 8 bits, the problem is solved. Now we quantize the weights to only 2 bits, and apply all three remedies:

# %%
three = {"per_channel": True, "better_ranges": True, "equalized": True}
before = hard.measure(hard.Remedies(weight_bits=2, **three))
print(before)

# %% [markdown]
# The next remedy, **bias correction**, does not change any weights. It runs some inputs through the float network and the quantized one, and subtracts the mean error of each output from its bias.

# %%
guess_bias = Prediction("Only the 122 biases change, and none of the 38,160 weights. How accurate is the network now?", {"79 %, as before": 0.79, "86 %": 0.86, "96 %": 0.96})
guess_bias

# %%
after = hard.measure(hard.Remedies(weight_bits=2, **three, bias_corrected=True))
print(after)

# %%
guess_bias.reveal(after.accuracy, "Rounding the weights shifts the mean of each output, and changing the bias removes this shift.")

# %% [markdown]
# Could this be due to chance? We resample the 359 images 10,000 times (this is called the *bootstrap*), and compare the two networks on each sample:

# %%
print("{} more right, 95 % interval {} to {}".format(*hard.difference(before.right, after.right)))

# %% [markdown]
# In this explorer, each remedy is added to those above it. (The next section explains the last one, *better rounding*.) Switch them off, one at a time. Which one can you do without at 2 bits? And at 4 bits?

# %%
explorer = HardToQuantizeExplorer()
explorer

# %% [markdown]
# ## Rounding that depends on the inputs
#
# Except in the last row of the explorer, we have rounded each weight to its nearest level. But the output of a layer is a sum, and the errors in a sum can cancel. Two methods make use of this, and both need some inputs of the layer:
#
# * **Adaptive rounding** (AdaRound) learns for each weight whether to round it up or down.
# * **GPTQ** rounds the weights one column at a time, that is, all the weights of one input feature. After each step, it adjusts the remaining weights to compensate for the error.
#
# Now we return to the network as it was trained, and apply GPTQ to its largest layer, `fc1`, with 2 bits, one scale per channel and min-max ranges. The other layers stay in float32.

# %%
weights, inputs = networks.cnn_weights(), networks.training_activations()["pool"].reshape(-1, 512).astype(float)
fc1 = weights["fc1.weight"]
levels = calibrate(fc1, "min-max", "int2", "symmetric", PerChannel(0))
nearest, ours = fake_quantize(fc1, levels), gptq(fc1, inputs, levels)
for name, rounded in (("to nearest", nearest), ("GPTQ", ours)):
    right = hard.named_right(weights | {"fc1.weight": rounded}).sum()
    print(f"{name:11}{right} of 359 right, outputs of fc1 {sqnr_db(inputs @ fc1.T, inputs @ rounded.T):.1f} dB")

# %%
guess_weights = Prediction("With GPTQ, the outputs of the layer are much closer to those of the float network. How close are the layer's weights to the original ones?", ["closer than with rounding to nearest", "equally close", "farther away"])
guess_weights

# %%
print(f"SQNR of the weights: to nearest {sqnr_db(fc1, nearest):.1f} dB, GPTQ {sqnr_db(fc1, ours):.1f} dB")
farther = sqnr_db(fc1, ours) < sqnr_db(fc1, nearest)

# %%
guess_weights.reveal("farther away" if farther else "closer than with rounding to nearest", "No level is closer to a weight than its nearest level. GPTQ accepts larger errors in the weights, because they partly cancel in the outputs.")

# %% [markdown]
# A negative SQNR means that the error is larger than the weights themselves. Why are the answers still right? Perhaps because the inputs are correlated: if two inputs usually have similar values, the errors of their weights can cancel.
#
# In that case, GPTQ should lose its advantage when we remove the correlations by giving each input value a random sign:

# %%
scrambled = inputs * np.random.default_rng(0).choice([-1, 1], inputs.shape)
for name, x in (("real inputs", inputs), ("random signs", scrambled)):
    left = [sqnr_db(x @ fc1.T, x @ rounded.T) for rounded in (nearest, ours)]
    print(f"{name:13} outputs of fc1: to nearest {left[0]:4.1f} dB, GPTQ {left[1]:4.1f} dB")

# %% [markdown]
# The advantage has disappeared. For inputs this different, GPTQ is even worse than rounding to nearest. So calibrate with inputs like those that the network will process later.
#
# Is there a simpler solution? Ranges with the smallest squared error ("mse") need no inputs. We try both kinds of ranges with all three kinds of rounding:

# %%
print("fc1 in 2 bits         right   weights dB   outputs dB")
for ranges in ("min-max", "mse"):
    levels = calibrate(fc1, ranges, "int2", "symmetric", PerChannel(0))
    made = {"to nearest": fake_quantize(fc1, levels), "GPTQ": gptq(fc1, inputs, levels)}
    for name, rounded in (made | {"adaptive": adaptive_round(fc1, inputs, levels)}).items():
        answer_moves()  # those of the explorer above
        right = hard.named_right(weights | {"fc1.weight": rounded}).sum()
        decibels = sqnr_db(fc1, rounded), sqnr_db(inputs @ fc1.T, inputs @ rounded.T)
        print(f"{ranges:9}{name:13}{right:5}{decibels[0]:13.1f}{decibels[1]:13.1f}")

# %% [markdown]
# **Notice:** better ranges alone recover nearly all of the lost accuracy. A difference of three images out of 359 can be due to chance, but the SQNR of the outputs shows that GPTQ and adaptive rounding are still better.
#
# ## What each remedy needs, and how much it helps
#
# At 4 bits, the accuracies from equalization onwards differ by only three images, which can be due to chance, but the SQNR of the logits shows that each remedy still helps:

# %%
explorer.reset(weight_bits=4)
print(explorer.readout)
explorer.reset()

# %%
LocalResult("How many seconds does each remedy take for the whole network?", hard.seconds)

# %% [markdown]
# ## Outliers in the inputs
#
# In large language models, the activations are hard to quantize, because they contain **outliers**. To imitate this, we multiply four inputs of `fc1` by 64 and divide the weights applied to them by 64, so that the outputs stay the same. Then we quantize weights and inputs to 8 bits, with one scale for all the inputs, and try two remedies. **SmoothQuant** divides each input by a factor and multiplies the weights applied to it by the same factor. A **Hadamard rotation** needs no data: it mixes all the inputs, so that the outliers are spread over all of them.

# %%
(x, v), y = hard.planted_outliers(), inputs @ fc1.T
s, r = smoothing_factors(v, abs(x).max(axis=0)), random_hadamard(512)
plain = smoothing_factors(fc1, abs(inputs).max(axis=0))

# %%
cases = {"as trained": (inputs, fc1), "outliers": (x, v)}
cases |= {"SmoothQuant": (x / s, scale_inputs(v, s)), "Hadamard rotation": (x @ r, rotate_inputs(v, r))}
cases["as trained, SmoothQuant"] = inputs / plain, scale_inputs(fc1, plain)
for name, (values, weight) in cases.items():
    values_hat = fake_quantize(values, calibrate(values, "min-max", "int8", "symmetric"))
    weight_hat = fake_quantize(weight, calibrate(weight, "min-max", "int8", "symmetric", PerChannel(0)))
    print(f"{name:24}outputs {sqnr_db(y, values_hat @ weight_hat.T):.1f} dB")

# %% [markdown]
# **Notice:** SmoothQuant does better than the network as trained, because it also evens out the original inputs (last line). It is equalization again, but the factors come from measured inputs instead of the previous layer's weights. **AWQ** uses such factors when only the weights are quantized, so that the weights for large inputs are rounded more finely. After the rotation, every input contains a part of the outliers, so the steps are still wider than without them.
#
# ## Your guesses and the results

# %%
record(guess_first, guess_bias, guess_weights)

# %% [markdown]
# ## In five lines
#
# 1. Try the cheap remedies first. Equalization needs neither data nor training, and it restored the accuracy of our network at 8 bits.
# 2. Equalization, SmoothQuant and AWQ rescale channels in two places, and the factors cancel.
# 3. Bias correction removes the mean error of each output. It needs some inputs, but no labels.
# 4. AdaRound and GPTQ reduce the error of the outputs, although they increase the error of the weights.
# 5. When the accuracies are too similar to tell methods apart, use a finer measure such as the SQNR of the logits, and state the uncertainty.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** Take the rescaled network with 3-bit weights. With which remedies is the SQNR of the logits at least 20 dB? Give a list with as few remedies as possible, and use the names in the explorer. For the row *better rounding*, write `"adaptive rounding"` or `"GPTQ"`.

# %%
enough = None
### BEGIN SOLUTION
enough = ["equalization", "GPTQ"]
### END SOLUTION

# %%
check("hard_to_quantize.1", enough)

# %% [markdown]
# **2.** Two layers compute `relu(x @ w1.T + b1) @ w2.T`. The first layer will have 8 bits and the second 4. With 4 bits there are fewer levels, so the same range means wider steps. Therefore the second layer should have the smaller ranges. Rescale the channels such that the largest absolute weight of each channel is 4 times as large in `w1` as in `w2`, without changing the output. Return `w1`, `b1` and `w2`.

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
# **3. Spot the bug.** This is the main loop of GPTQ. Each row of `w` belongs to an output and each column to an input, and the distance between two levels is `step`. If rounding lowers column `j` by `u[j, j]`, you compensate by subtracting row `j` of the triangular matrix `u` from the columns after `j`. The loop runs without an error message, but the result is the same as with rounding to nearest. Fix it.

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
# * M. Nagel et al., [*Data-Free Quantization Through Weight Equalization and Bias Correction*](https://arxiv.org/abs/1906.04721), ICCV 2019: both methods, and an example of a MobileNet whose channels differ widely (figure 2).
# * M. Nagel et al., [*Up or Down? Adaptive Rounding for Post-Training Quantization*](https://arxiv.org/abs/2004.10568), ICML 2020: AdaRound.
# * E. Frantar et al., [*GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers*](https://arxiv.org/abs/2210.17323), ICLR 2023.
# * G. Xiao et al., [*SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models*](https://arxiv.org/abs/2211.10438), ICML 2023: outliers about a hundred times as large as other inputs.
# * J. Lin et al., [*AWQ: Activation-aware Weight Quantization for On-Device LLM Compression and Acceleration*](https://arxiv.org/abs/2306.00978), MLSys 2024.
# * S. Ashkboos et al., [*QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs*](https://arxiv.org/abs/2404.00456), NeurIPS 2024: the rotation.
