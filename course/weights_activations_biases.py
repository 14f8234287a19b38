# %% [markdown]
# A network contains three kinds of numbers, and you can quantize each kind separately. How many bits does each kind need, and why? The answer tells you where to save bits in your own model.

# %%
import numpy as np

from qviz import networks
from qviz.experiments import SwitchedCNN, Switches
from qviz.experiments.ablation import activation_qparams, bias_scale, weight_qparams
from qviz.lessons import LocalResult, Prediction, check, record
from qviz.numerics import bias_bits, quantize_bias
from qviz.networks.topology import LAYERS
from qviz.plots import shifts
from qviz.widgets import SwitchesExplorer

# %% [markdown]
# ## Three kinds of numbers
#
# * **Weights** multiply the inputs of a layer. They are fixed once the network has been trained.
# * **Activations** are the values that one layer passes on to the next. They differ from image to image.
# * **Biases** are added to the outputs of a layer, one for each output channel. They are fixed as well.

# %%
cnn = SwitchedCNN()
weights = networks.cnn_weights()
for kind in ("weight", "bias"):
    values = np.concatenate([array.ravel() for name, array in weights.items() if name.endswith(kind)])
    print(f"{kind:10} {len(values):7,} numbers, up to {abs(values).max():.2f}")
print(f"activation {cnn.outcome(Switches().with_on()).activation_bytes // 4:7,} numbers for each image")

# %% [markdown]
# ## Quantize one part at a time

# %%
guess_part = Prediction("You quantize one of the three parts to 3 bits, and leave the other two in float32. Which one lowers the accuracy most?", ["weights", "activations", "biases"])
guess_part

# %%
right = {}
print("right out of 359:   weights  activations       biases")
for bits in (8, 5, 4, 3, 2):
    switches = Switches(weight_bits=bits, activation_bits=bits, bias_bits=bits, bias_scale="its own")
    right[bits] = {part: cnn.outcome(switches.with_on(part)).right for part in ("weights", "activations", "biases")}
    print(f"{bits} bits, alone" + "".join(f"{n:13}" for n in right[bits].values()))

# %%
guess_part.reveal(min(right[3], key=right[3].get), "All the activations of a layer share one scale, whereas each channel of the weights has its own. At 2 bits, however, quantizing the weights lowers the accuracy more.")

# %% [markdown]
# All three sliders start at 3 bits. Move one at a time, up to 8 bits and down to 2. The star on the right marks your setting. (*cosine* is the cosine of the angle between the outputs and those of the float network: 1 means the same direction.)

# %%
explorer = SwitchesExplorer(bias_scale="its own", weight_bits=3, activation_bits=3, bias_bits=3)
explorer

# %% [markdown]
# **Notice:** with 2-bit weights, the network loses most of its correct answers. Open **More** and set **Calibration** to *mse*, and many of them come back: as on [page](page:calibration), a narrower range is better with few bits, even though it clips the largest values.
#
# The biases need few bits here because they have a scale of their own. Integer layers store them differently, as you will see below.
#
# ## Weights can be quantized without data
#
# You can compute the scales of the weights without any images. Quantizing only the weights is called **weight-only quantization**. It makes the file smaller, while the arithmetic can stay in float32. (Below, "in flight" is the size of the activations of one image, in bytes.)

# %%
print("float32:", cnn.outcome(Switches().with_on()))
for bits in (8, 4):
    print(f"{bits} bits: ", cnn.outcome(Switches(weight_bits=bits).with_on("weights")))

# %% [markdown]
# ## Activations need a calibration sample
#
# Usually, the range of the activations is chosen before the network sees a new image, so you measure it on a sample (**calibration**). A small sample is likely to miss the largest values. Here are the activations of `conv2`:

# %%
seen = networks.training_activations()["conv2"]
test = cnn.activations(Switches().with_on())["conv2"]
for n in (1, 10, 100, len(seen)):
    hi = seen[:n].max()
    print(f"sample size {n:5}: largest value {hi:.2f}; {np.mean(test > hi):.4%} of the test activations are larger")
print("8 bits:", cnn.outcome(Switches().with_on("activations")))

# %% [markdown]
# **Notice:** quantizing the activations does not make the file smaller. It even grows a little, because a scale and a zero point are stored for the output of each layer. But there is less data to pass from layer to layer.
#
# ## Weights and activations together
#
# Now we quantize both to 4 bits. How do the two errors combine? The number of correct answers is too coarse a measure: with 359 images, a difference of a few answers can be due to chance. Instead, we use the SQNR of the logits, because it also registers errors that are too small to change an answer.

# %%
four, pair = Switches(weight_bits=4, activation_bits=4), ("weights", "activations")
most = cnn.outcome(Switches().with_on()).right
left = {parts: cnn.outcome(four.with_on(*parts)).sqnr_db for parts in (pair[:1], pair[1:], pair)}
print(f"SQNR of the logits: weights alone {left[pair[:1]]:.1f} dB, activations alone {left[pair[1:]]:.1f} dB")
guess_sum = Prediction("What is the SQNR of the logits when both are quantized?", {"8 dB": 8.0, "14 dB": 14.0, "17 dB": 17.0})
guess_sum

# %%
guess_sum.reveal(left[pair], "The two errors are almost uncorrelated, so their mean squares add up.")

# %% [markdown]
# If so, you can calculate the SQNR of both together from the SQNR of each part. Does this work with other numbers of bits, too?

# %%
print("bits  weights  activations  both predicted  both measured  answers lost: weights, activations, both")
for bits in (8, 6, 4, 3):
    runs = [cnn.outcome(Switches(weight_bits=bits, activation_bits=bits).with_on(*parts)) for parts in left]
    w, a, wa = (run.sqnr_db for run in runs)
    expected = -10 * np.log10(10 ** (-w / 10) + 10 ** (-a / 10))
    print(f"{bits:4}{w:9.1f}{a:13.1f}{expected:16.1f}{wa:15.1f}", *(f"{most - run.right:10}" for run in runs))

# %% [markdown]
# **Notice:** the predictions are accurate to a few tenths of a decibel. The lost answers do not add up in this way, because they depend on the margins that you met on [page](page:what_is_quantization).
#
# ## The bias has the scale of the sum
#
# An integer layer multiplies the codes of its inputs by the codes of its weights, and adds up the products. One unit of this sum represents `scale_x * scale_w`, the product of their scales. The bias is added to the sum, so it needs *the same scale*, and zero point 0. The next cell quantizes one bias, and shows how many bits the largest bias of each layer needs:

# %%
scale_x, scale_w = activation_qparams("fc1", Switches()).scale, weight_qparams("fc2", Switches()).scale[0, 0]
bias = float(weights["fc2.bias"][0])
print(f"scale_x * scale_w = {scale_x:.5f} * {scale_w:.6f} = {scale_x * scale_w:.7f}")
print(f"bias {bias:.5f} / {scale_x * scale_w:.7f} = {bias / (scale_x * scale_w):.2f} steps, code {int(quantize_bias(bias, scale_x * scale_w))}")
for layer in LAYERS:
    b, step = weights[f"{layer}.bias"], bias_scale(layer, Switches())
    print(f"{layer}: the largest code is {abs(quantize_bias(b, step)).max():6,}; that needs {bias_bits(b, step)} bits")

# %% [markdown]
# This scale is very small, so the codes of the biases are large. With 8 bits, codes above 127 are *clipped* to 127. To see how much the biases matter, we first set all of them to 0:

# %%
without = {name: array * (not name.endswith("bias")) for name, array in weights.items()}
print(f"float32: {networks.cnn_accuracy():.1%} right; float32 with all biases set to 0: {networks.cnn_accuracy(without):.1%} right")

# %%
guess_int8 = Prediction("Weights and activations have 8 bits. The biases get 8 bits as well, with the scale of the sum. How accurate is the network?", {"98.9 %, as with float biases": 0.989, "97.7 %, in between": 0.977, "96.4 %, as without biases": 0.964})
guess_int8

# %%
for bits in (32, 16, 14, 12, 10, 8):
    outcome = cnn.outcome(Switches(bias_bits=bits))
    print(f"{bits:2} bits:", outcome)

# %%
guess_int8.reveal(outcome.accuracy, "127 times such a small scale is close to 0, so a bias that is clipped to 127 has almost no effect.")

# %% [markdown]
# In this explorer, the **Bias scale** is `scale_x * scale_w`, and the biases start with 8 bits. Move **Bias bits** up to 32, and watch the accuracy.

# %%
bias_explorer = SwitchesExplorer(bias_bits=8)
bias_explorer

# %% [markdown]
# Do 8-bit biases also do as much harm if the scale of the sum comes from weights and activations with *fewer* bits?

# %%
guess_fewer = Prediction("You take the scale of the sum for 4-bit instead of 8-bit weights and activations. With this scale, you quantize the biases to 8 bits, and leave the weights and activations themselves in float32. How many correct answers do you lose?", {"none": 0, "8, as many as with the scale for 8 bits": 8, "16, twice as many": 16})
guess_fewer

# %%
cost = {}
for bits in (8, 6, 4):
    all_three = Switches(weight_bits=bits, activation_bits=bits, bias_bits=8)
    cost[bits] = most - cnn.outcome(all_three.with_on("biases")).right
    print(f"scale for {bits} bits: 8-bit biases alone cost {cost[bits]} answers; with all three quantized, {cnn.outcome(all_three).right} are right")

# %%
guess_fewer.reveal(cost[4], "With fewer bits, scale_x and scale_w are larger, so their product is larger too, and the code 127 represents a larger bias. Conversely, the more bits the weights and activations have, the larger the errors of 8-bit biases.")

# %% [markdown]
# ## Why not give the biases their own scale?
#
# With a scale that fits the largest bias, 8 bits are enough. But then each bias has to be converted before it is added to the sum. 32-bit biases with the scale of the sum need no conversion and take little memory:

# %%
for bits, scale in ((8, "scale_x * scale_w"), (8, "its own"), (32, "scale_x * scale_w")):
    print(f"int{bits:<2} scale: {scale:17}", cnn.outcome(Switches(bias_bits=bits, bias_scale=scale)))
print(f"int32 biases make up {cnn.outcome(Switches()).bias_share:.1%} of the bytes stored")

# %% [markdown]
# ## Bias errors shift the outputs
#
# The rounding error of an activation is sometimes positive and sometimes negative. The error of a bias is *the same for every image*. The error of a weight also shifts the outputs: the inputs of the layer are never negative, so the effect does not average out.
#
# In the picture, one part at a time is quantized: the weights or the activations to 4 bits, or the biases to 8 bits with the scale of the sum.

# %%
four, clipped = Switches(weight_bits=4, activation_bits=4), Switches(bias_bits=8)
parts = {"weights": four.with_on("weights"), "activations": four.with_on("activations"), "biases": clipped.with_on("biases")}
real = cnn.activations(Switches().with_on())["logits"]
for part, switches in parts.items():
    print(f"{part:12} {cnn.outcome(switches).layers[-1].shift:4.0%} of the squared error is the same for every image")
shifts({part: cnn.activations(switches)["logits"] - real for part, switches in parts.items()})

# %% [markdown]
# (For the biases, this share is less than 100 %, because a later ReLU passes the shift on for only some of the images.) You can measure such a shift and subtract it from the bias. This is called **bias correction** (see the last exercise).
#
# ## What fbgemm does
#
# **fbgemm** is a library for integer layers on x86 processors. PyTorch calls such a library an **engine**. The routine that computes a layer is called a **kernel**. fbgemm's kernels get the bias in *float32*, because in PyTorch each quantized tensor carries its own scale, so a layer learns `scale_x` only from its input. They divide the bias by `scale_x * scale_w` and add it to the sum. Do they round it first? In this test, the sum is 0, and the output scale is a quarter of a unit, so that fractions are visible:

# %%
from qviz.pytorch import engines
from qviz.pytorch.labs.kernel_bias import bias_in_kernel
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors

LocalResult("Outputs for a bias of 0.25, 0.5 and 0.75 units:", lambda: f"{[bias_in_kernel(n / 4) for n in (1, 2, 3)]} on {engines.preferred()}")

# %% [markdown]
# fbgemm returns 0.25, 0.5 and 0.75, so it does not round the bias. (qnnpack, the engine for phones and Macs, does.) Our simulation, with int32 biases, is as accurate as the fbgemm network that PyTorch produces (qviz's `quantize_model` calls PyTorch for this):

# %%
train_x, _, test_x, test_y = digits_tensors()
converted = quantize_model(digits_cnn(), PTQConfig(samples=len(train_x)), train_x)
print(f"converted: {accuracy(converted, test_x, test_y):.1%} right, the bias is {converted.conv1.bias().dtype}")
print(f"ours, int32 biases: {cnn.outcome(Switches()).accuracy:.1%} right")

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_part, guess_sum, guess_int8, guess_fewer)

# %% [markdown]
# ## In five lines
#
# 1. Weights can be quantized without data, activations usually need a sample, and biases need the scales of both.
# 2. With min-max ranges and a scale per channel, our network is most sensitive to quantized activations at 3 bits, and to quantized weights at 2 bits.
# 3. The mean squared errors caused by weights and by activations add up.
# 4. A bias has the scale `scale_x * scale_w`. With 8-bit weights and activations, 8 bits are far too few for this scale, so biases get 32 bits, which take about one percent of the memory.
# 5. The error of a bias is the same for every image. Most of the error that it causes in the outputs is therefore a constant shift.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** In the first explorer, quantize only the activations, and set **Calibration** to *mse*. What is the smallest number of bits for which at least 340 of the 359 answers are right?

# %%
activation_bits = None
### BEGIN SOLUTION
activation_bits = 3
### END SOLUTION

# %%
check("weights_activations_biases.1", activation_bits)

# %% [markdown]
# **2.** Weights and activations have 6 bits, and the biases have the scale of the sum. What is the smallest number of bits for which no bias is clipped?

# %%
fewest = None
### BEGIN SOLUTION
six = Switches(weight_bits=6, activation_bits=6)
fewest = max(bias_bits(networks.cnn_weights()[f"{layer}.bias"], bias_scale(layer, six)) for layer in LAYERS)
### END SOLUTION

# %%
check("weights_activations_biases.2", fewest)

# %% [markdown]
# **3. Spot the bug.** This function quantizes the biases, but the network that uses it gives wrong answers. Which scale should the function use? Fix it.

# %%
def bias_codes(bias, scale_x, scale_w):
    return np.rint(bias / scale_w).astype(np.int32)
### BEGIN SOLUTION
def bias_codes(bias, scale_x, scale_w):
    return np.rint(bias / (scale_x * scale_w)).astype(np.int32)
### END SOLUTION

# %%
check("weights_activations_biases.3", bias_codes)

# %% [markdown]
# **4.** Write the bias correction. A layer computes `x @ w.T + bias`. Its weights `w` were rounded to `w_hat`, and the mean of its inputs is `mean_x`. Return a new bias such that the mean error of each output is 0.

# %%
def corrected(bias, w, w_hat, mean_x):
    return bias
### BEGIN SOLUTION
def corrected(bias, w, w_hat, mean_x):
    return bias - (w_hat - w) @ mean_x
### END SOLUTION

# %%
check("weights_activations_biases.4", corrected)

# %% [markdown]
# ## Sources
#
# * B. Jacob et al., [*Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*](https://arxiv.org/abs/1712.05877), CVPR 2018, section 2.4: int32 biases, their scale, and why the error of a bias is a shift.
# * M. Nagel et al., [*Data-Free Quantization Through Weight Equalization and Bias Correction*](https://arxiv.org/abs/1906.04721), ICCV 2019: the shift caused by quantized weights, and its correction.
# * PyTorch: [issue 28952](https://github.com/pytorch/pytorch/issues/28952) asks why a converted bias has no scale, [pull request 26057](https://github.com/pytorch/pytorch/pull/26057) keeps the bias in float until the input arrives, and [pull request 24789](https://github.com/pytorch/pytorch/pull/24789) explains why.
