# %% [markdown]
# Quantization maps many possible values to few. In a neural network it turns **FP32** numbers (floating point, 32 bits) into small integers, such as **INT8** (8 bits). This page does it three times: to a photograph, to five numbers by hand, and to a trained network.

# %%
import numpy as np

import qviz
from qviz import data, networks, plots
from qviz.experiments.margins import answer_margins, right_under_noise
from qviz.lessons import Prediction, check, record
from qviz.widgets import PhotoExplorer, QuantizeExplorer

# %% [markdown]
# ## A photograph
#
# A grey photograph is an array of numbers from 0 (black) to 1 (white). Here each is stored in 32 bits.

# %%
photo = data.photograph()
photo.shape, photo.dtype, photo.nbytes

# %% [markdown]
# Do the eyes need 32 bits? With 3 bits, each number must become one of a few grey values.

# %%
guess_greys = Prediction("How many different grey values can there be with 3 bits?", {"3": 3, "8": 8, "24": 24})
guess_greys

# %% [markdown]
# Here is the photograph at 3 bits: smooth surfaces have turned into bands. Move **Bits** up to 8, and then slowly down. Where do you first see a difference?

# %%
photo_explorer = PhotoExplorer(bits=3)
photo_explorer

# %%
photo_explorer.reset()
print(photo_explorer.readout)

# %%
three_bits = qviz.fake_quantize(photo, qviz.calibrate(photo, fmt=qviz.IntFormat(3, signed=False)))
guess_greys.reveal(np.unique(three_bits).size, "b bits make 2 to the power of b codes.")

# %% [markdown]
# **Notice:** at 8 bits the picture *is* the same, in a quarter of the memory: the camera stored 256 greys to begin with. With 6 or 5 bits you have to look hard. The first few bits matter a lot, the last few hardly at all. That is why quantization works. (NumPy keeps each code in a whole byte. The size that the explorer gives for fewer than 8 bits is that of **packed** codes, stored without gaps.)

# %%
eight_bits = qviz.quantize(photo, qviz.calibrate(photo, fmt=qviz.UINT8))
print(f"{photo.nbytes:,} bytes as {photo.dtype}, {eight_bits.nbytes:,} bytes as {eight_bits.dtype}")

# %% [markdown]
# ## Five numbers, by hand
#
# Now the same without a picture. Take five real numbers and only 4 bits, which are the integers from -8 to 7.

# %%
x = np.array([-0.95, -0.42, 0.0, 0.37, 0.91])

# %% [markdown]
# Choose a step, so that the largest magnitude becomes 7. (The codes go one further downwards, to -8; that one stays unused here.) The step is called the **scale**.

# %%
scale = np.abs(x).max() / 7
print(f"scale = {scale:.6f}")

# %% [markdown]
# Divide by the scale and round. What remains are small integers, the **codes**. This is what gets stored.

# %%
q = np.round(x / scale).astype(np.int8)
print(q)

# %% [markdown]
# Multiply by the scale to come back. The result is near the original, but not the same: each number has moved to the nearest **level**.

# %%
x_hat = q * scale
print("before:", np.round(x, 3))
print("after: ", np.round(x_hat, 3))

# %% [markdown]
# In the picture, each arrow leads from a number to its level.

# %%
plots.number_line(x, qviz.calibrate(x, "min-max", qviz.INT4, "symmetric"))

# %% [markdown]
# What was lost is the **quantization error**. By rounding, no number can move further than half a step.

# %%
print(f"largest error {np.abs(x - x_hat).max():.4f}, half a step {scale / 2:.4f}")

# %% [markdown]
# That is nearly all of quantization: **divide, round, clip, store, multiply**. To *clip* is to give a number beyond the last level the last code; here none lies beyond. The rest of the course is about choosing the scale well, and about what the errors do.
#
# ## A tensor
#
# A layer of a network holds its **weights** in an array, a tensor. These are the 4,608 weights of the second layer of a small network that reads handwritten digits.

# %%
guess_error = Prediction("Take one bit away. How many times as large is the mean squared error then?", {"1.4 times": 1.4, "2 times": 2, "4 times": 4})
guess_error

# %% [markdown]
# Move **Bits** and read the **mean squared error**: the average of the squared errors of all weights.

# %%
tensor_explorer = QuantizeExplorer(data="conv2 weights", bits=6, scheme="symmetric")
tensor_explorer

# %%
errors = {}
for bits in range(8, 2, -1):
    tensor_explorer.reset(bits=bits)
    r = tensor_explorer.result
    errors[bits] = r.parts.total
    print(f"{bits} bits: error {errors[bits]:.2e}, SQNR {r.sqnr_db:5.2f} dB")
tensor_explorer.reset()

# %% [markdown]
# The **SQNR** (signal-to-quantization-noise ratio) says the same in decibels: 10 times the logarithm of the mean square of the values over the mean squared error. Higher is better.

# %%
guess_error.reveal(errors[6] / errors[7], "The step is twice as wide, so its square is four times as large: about 6 dB for each bit.")

# %% [markdown]
# **Notice** the picture on the right. Rounding errors of every size up to half a step are about equally frequent. At 2 bits that changes, because most weights are near zero and fall on the same level.
#
# ## A network
#
# The error of a weight matters only if the answers change. This network names 359 handwritten digits that it has never seen.

# %%
images, labels = data.digits().images, data.digits().labels
row = np.hstack(1 - np.pad(images[:12, 0], ((0, 0), (1, 1), (2, 2))))
print(f"{networks.cnn_accuracy():.2%} right with float32 weights")
plots.draw({"digits": (plots.ImagePanel("The first twelve"), row)}, size=(900, 130))

# %%
guess_bits = Prediction("Take bits away from every weight. At how many bits are fewer than 95 % right for the first time?", {"7 bits": 7, "5 bits": 5, "3 bits": 3, "2 bits": 2})
guess_bits

# %% [markdown]
# Now all four weight tensors are quantized, and the network reads the same digits again.

# %%
weights = networks.cnn_weights()
accuracy, rounded = {}, {}
for bits in range(8, 1, -1):
    rounded[bits] = small = dict(weights)
    for name in ("conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"):
        qparams = qviz.calibrate(weights[name], "min-max", qviz.IntFormat(bits), "symmetric")
        small[name] = qviz.fake_quantize(weights[name], qparams)
    accuracy[bits] = networks.cnn_accuracy(small)
    print(f"{bits} bits: {accuracy[bits]:7.2%} right")

# %%
guess_bits.reveal(max(bits for bits in accuracy if accuracy[bits] < 0.95), "Nothing happens at first, although the error grows with each bit. Then the accuracy falls off a cliff.")

# %% [markdown]
# Why does nothing happen for so long? The network gives each of the ten digits a score, a **logit**, and the largest one is its answer. The **margin** is how far the largest lies above the second largest. An answer changes only when the errors of the logits are larger than its margin.

# %%
test = data.digits().test
real = networks.cnn_forward(images[test])["logits"]
noise = {}
for bits in (4, 3, 2):
    logits = networks.cnn_forward(images[test], rounded[bits])["logits"]
    noise[f"{bits} bits"] = rms = np.sqrt(qviz.mse(real, logits))
    random = right_under_noise(real, labels[test], rms)
    print(f"{bits} bits: noise of the logits {rms:.1f}, {qviz.sqnr_db(real, logits):4.1f} dB; {accuracy[bits]:.1%} right", end="; ")
    print(f"random noise of that size: {random:.0%} right")
plots.margins(answer_margins(real), noise)

# %% [markdown]
# **Notice:** at 4 bits the noise is smaller than nearly every margin. At 3 bits it reaches the smaller ones, and these answers begin to change. At 2 bits it is as large as the logits themselves: the margins do not help any more. To test this explanation we added *random* noise of the same size to the float logits. With 4 and 3 bits it costs about as many answers. With 2 bits the real network does worse, because the error is no longer noise: hardly anything of the signal is left (about 0 dB).
#
# How far down you can go depends on the margins of the network, and on how well the scale is chosen. That is the next page.
#
# ## What can be quantized, and when
#
# * **Weights** are known once the network is trained. On this page we quantized only those.
# * **Activations**, the values that flow between layers, depend on the input. Their range must be estimated: [page](page:calibration).
# * **Biases** are few. They are usually kept in 32 bits.
#
# Quantizing a network after it was trained is called **post-training quantization** (PTQ). Letting it train with the rounding in place is called **quantization-aware training** (QAT). The first is quick; the second rescues accuracy at low bit-widths.

# %% [markdown]
# ## What you expected, and what was so

# %%
record(guess_greys, guess_error, guess_bits)

# %% [markdown]
# ## In five lines
#
# 1. Quantization maps many values to few levels, so that each needs fewer bits.
# 2. Divide by the scale, round, clip, store the integer; multiply to come back.
# 3. Rounding moves no value further than half a step.
# 4. Each bit less makes the squared error about four times as large: 6 dB.
# 5. An answer survives while the noise of the logits is smaller than its margin; then accuracy falls off a cliff.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** Quantize the five numbers `x` by hand, with 3 bits: the codes go from -4 to 3, and the largest magnitude becomes 3. Which codes do you get?

# %%
codes = None  # five whole numbers, such as [0, 1, 2, 3, -4]
### BEGIN SOLUTION
codes = [-3, -1, 0, 1, 3]  # the scale is 0.95 / 3 = 0.317
### END SOLUTION

# %%
check("what_is_quantization.1", codes)

# %% [markdown]
# **2.** In the explorer of the tensor choose the data *ReLU-like*, 8 bits and the scheme *symmetric*. ReLU leaves no value below 0. How many of the 256 levels are used?

# %%
levels_used = None
### BEGIN SOLUTION
levels_used = 128  # 0 to 127: the codes of negative values never come
### END SOLUTION

# %%
check("what_is_quantization.2", levels_used)

# %% [markdown]
# **3. Spot the bug.** This function should return int8 codes: the nearest level of each number, and the last code for what lies beyond the range. It does neither. Mend it.

# %%
def to_int8(x, scale):
    return (x / scale).astype(np.int8)
### BEGIN SOLUTION
def to_int8(x, scale):
    codes = np.rint(x / scale)  # a cast alone would cut off: 0.9 steps would become 0
    return np.clip(codes, -128, 127).astype(np.int8)  # a cast alone would wrap: 180 would become -76
### END SOLUTION

# %%
check("what_is_quantization.3", to_int8)

# %% [markdown]
# ## Sources
#
# * B. Jacob et al., [*Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*](https://arxiv.org/abs/1712.05877), CVPR 2018: scale, zero point, INT8 inference.
# * W. R. Bennett, [*Spectra of Quantized Signals*](https://doi.org/10.1002/j.1538-7305.1948.tb01340.x), Bell System Technical Journal, 1948: the error of a uniform quantizer, and 6 dB for each bit.
# * Photograph: Rachel Michetti, CC0. Digits: [Optical Recognition of Handwritten Digits](https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits), UCI.
