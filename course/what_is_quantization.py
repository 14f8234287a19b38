# %% [markdown]
# Quantization maps a large set of possible values to a small one. In a neural network, it replaces **FP32** numbers (floating point, 32 bits) with small integers, such as **INT8** (8 bits). On this page you quantize a photograph, five numbers, and the weights of a trained network, and see how few bits are enough.

# %%
import numpy as np

import qviz
from qviz import data, networks, plots
from qviz.experiments.margins import answer_margins, right_under_noise
from qviz.lessons import Prediction, check, record
from qviz.widgets import MisreadExplorer, PhotoExplorer, QuantizeExplorer

# %% [markdown]
# ## A photograph
#
# A black-and-white photograph is an array of numbers from 0 (black) to 1 (white). Here, each number is stored in 32 bits, which can represent more than four billion different values.

# %%
photo = data.photograph()
photo.shape, photo.dtype, photo.nbytes

# %%
guess_greys = Prediction("How many different grey values occur in this photograph?", {"256": 256, "about 20,000": 20_000, "98,304, one for each pixel": 98_304})
guess_greys

# %%
guess_greys.reveal(np.unique(photo).size, "The camera stored 8 bits per pixel, and 8 bits can distinguish 256 values.")

# %% [markdown]
# So 8 bits are enough for this photograph. Here it is at 3 bits. Move **Bits** up to 8, and then slowly down. When do you first see a difference?

# %%
photo_explorer = PhotoExplorer(bits=3)
photo_explorer

# %% [markdown]
# **Notice:** $b$ bits can represent $2^b$ different values, so 3 bits leave 8 grey values, and smooth shading turns into bands. At 8 bits, the picture is the same as the original and needs a quarter of the memory. With 6 or 5 bits, you have to look closely to see a difference.
#
# ## Five numbers, step by step
#
# Now we quantize five real numbers to 4 bits, that is, to integers from -8 to 7. First choose a step size, called the **scale**, such that the largest absolute value becomes 7.

# %%
x = np.array([-0.95, -0.42, 0.0, 0.37, 0.91])
scale = np.abs(x).max() / 7
print(f"scale = {scale:.6f}")

# %% [markdown]
# Then divide by the scale and round. The results are small integers, called **codes**. Only these and the scale are stored.

# %%
q = np.round(x / scale).astype(np.int8)
print(q)

# %% [markdown]
# To get real numbers back, multiply the codes by the scale. The results are not quite the original numbers: each has been replaced by the nearest multiple of the scale, called its **level**.

# %%
x_hat = q * scale
print("before:", np.round(x, 3))
print("after: ", np.round(x_hat, 3))
plots.number_line(x, qviz.calibrate(x, "min-max", qviz.INT4, "symmetric"))

# %% [markdown]
# The difference between a number and its level is the **quantization error**. Rounding changes a number by at most half a step.

# %%
print(f"largest error {np.abs(x - x_hat).max():.4f}, half a step {scale / 2:.4f}")

# %% [markdown]
# These are the main steps of quantization: **divide, round, clip, store, multiply**. *Clipping* means that a number more than half a step beyond the first or last level gets that level's code. None of our five numbers had to be clipped.
#
# ## A tensor
#
# Each layer of a network stores its **weights** in an array, also called a tensor. Next we quantize the 4,608 weights in the second layer of a small network that recognizes handwritten digits.

# %%
guess_error = Prediction("If you remove one bit, by what factor does the mean squared error (the average of the squared errors) grow?", {"1.4 times": 1.4, "2 times": 2, "4 times": 4})
guess_error

# %% [markdown]
# Move **Bits** and watch the **mean squared error**.

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

# %%
guess_error.reveal(errors[6] / errors[7], "The steps become about twice as large, so the squared errors become about four times as large.")

# %% [markdown]
# The **SQNR** (signal-to-quantization-noise ratio) is the mean of the squared values divided by the mean squared error, in decibels (dB): $10 \log_{10}$ of this ratio. Higher is better. Each bit is worth about 6 dB.
#
# **Notice** the histogram of the errors on the right: errors of every size up to half a step are about equally frequent, because the weights are spread over many steps.
#
# ## A network
#
# Errors in the weights matter only if they change the network's answers. We test the network on 359 handwritten digits that were not used in training.

# %%
images, labels = data.digits().images, data.digits().labels
row = np.hstack(1 - np.pad(images[:12, 0], ((0, 0), (1, 1), (2, 2))))
print(f"{networks.cnn_accuracy():.2%} right with float32 weights")
plots.draw({"digits": (plots.ImagePanel("The first twelve"), row)}, size=(900, 130))

# %%
guess_bits = Prediction("You reduce the number of bits of all weights step by step. At how many bits does the accuracy first fall below 95 %?", {"7 bits": 7, "5 bits": 5, "3 bits": 3, "2 bits": 2})
guess_bits

# %%
# Quantize all four weight tensors, and test the network on the same digits again.
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
guess_bits.reveal(max(bits for bits in accuracy if accuracy[bits] < 0.95), "Down to 4 bits the accuracy hardly changes, although the error grows with every bit that is removed. At 3 bits the accuracy drops, and at 2 bits the network does no better than guessing.")

# %% [markdown]
# Why does the accuracy hardly change down to 4 bits? The network computes a score, called a **logit**, for each of the ten digits, and its answer is the digit with the largest logit. The gap between the largest and the second largest logit is called the **margin**. The answer can change only if the errors of the logits are large enough to close this gap.
#
# Move **Bits** up to 8, and then down, one bit at a time. On the left, digits turn red when the network misreads them. On the right, you see the logit of the correct digit minus the largest other logit, for all 359 images. Where this difference is below 0, the answer is wrong.

# %%
network_explorer = MisreadExplorer(bits=3)
network_explorer

# %% [markdown]
# If only the size of the logit errors matters, then adding *random* noise of the same size to the logits of the float network should lower the accuracy about as much as quantization does:

# %%
test = data.digits().test
real = networks.cnn_forward(images[test])["logits"]
noise = {}
for bits in (4, 3, 2):
    logits = networks.cnn_forward(images[test], rounded[bits])["logits"]
    noise[f"{bits} bits"] = rms = np.sqrt(qviz.mse(real, logits))
    random = right_under_noise(real, labels[test], rms)
    print(f"{bits} bits: errors of the logits {rms:.1f}, {qviz.sqnr_db(real, logits):4.1f} dB; {accuracy[bits]:.1%} right", end="; ")
    print(f"random noise of that size: {random:.0%} right")
plots.margins(answer_margins(real), noise)

# %% [markdown]
# **Notice:** at 4 bits, the errors of the logits are smaller than almost all of the margins. At 3 bits, they are larger than some of the margins. In both cases, random noise does about as much harm as quantization. At 2 bits, quantization does much more harm, so there the size of the errors alone does not explain the loss.
#
# How many bits you need therefore depends on the margins of the network, and on the scale, the topic of the next page.
#
# ## What can be quantized, and when
#
# * **Weights** are known once the network has been trained. In the network on this page, we quantized only these.
# * **Activations**, the values that flow between layers, depend on the input, so their range has to be estimated (see [page](page:calibration)).
# * **Biases**, the numbers that a layer adds to its outputs, usually have 32 bits, which costs little because there are few of them.
#
# **Post-training quantization** (PTQ) quantizes a network after it has been trained. **Quantization-aware training** (QAT) simulates the rounding during training, so that the network can adapt to it. PTQ is quick. QAT takes longer, but it can recover much of the accuracy that is lost with few bits.

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_greys, guess_error, guess_bits)

# %% [markdown]
# ## In five lines
#
# 1. Quantization maps many values to few levels, so that each value needs fewer bits.
# 2. To quantize, divide by the scale, round, and clip. To dequantize, multiply by the scale.
# 3. Rounding changes a value by at most half a step.
# 4. Each bit that you remove makes the mean squared error about four times as large (6 dB).
# 5. An answer does not change as long as the errors of the logits are small compared with its margin. With too few bits, the accuracy drops sharply.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** Quantize the five numbers `x` to 3 bits with pencil and paper. The codes go from -4 to 3, and the largest absolute value becomes 3. Which codes do you get?

# %%
codes = None  # five whole numbers, such as [0, 1, 2, 3, -4]
### BEGIN SOLUTION
codes = [-3, -1, 0, 1, 3]  # the scale is 0.95 / 3 = 0.317
### END SOLUTION

# %%
check("what_is_quantization.1", codes)

# %% [markdown]
# **2.** In the explorer in the section *A tensor*, choose the data *ReLU-like*, 8 bits and the scheme *symmetric*. These values are never negative, because ReLU is a function that sets negative values to 0. How many of the 256 levels are used?

# %%
levels_used = None
### BEGIN SOLUTION
levels_used = 128  # 0 to 127: the codes of negative values never occur
### END SOLUTION

# %%
check("what_is_quantization.2", levels_used)

# %% [markdown]
# **3. Spot the bug.** This function should return int8 codes: the code of the nearest level for each number, and the first or last code for numbers outside the range. It does neither. Fix it.

# %%
def to_int8(x, scale):
    return (x / scale).astype(np.int8)
### BEGIN SOLUTION
def to_int8(x, scale):
    codes = np.rint(x / scale)  # a cast alone would truncate: 0.9 would become 0
    return np.clip(codes, -128, 127).astype(np.int8)  # a cast alone would wrap: 180 would become -76
### END SOLUTION

# %%
check("what_is_quantization.3", to_int8)

# %% [markdown]
# ## Sources
#
# * B. Jacob et al., [*Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*](https://arxiv.org/abs/1712.05877), CVPR 2018: scale, zero point, and inference with INT8.
# * W. R. Bennett, [*Spectra of Quantized Signals*](https://doi.org/10.1002/j.1538-7305.1948.tb01340.x), Bell System Technical Journal, 1948: the error of a uniform quantizer, and 6 dB for each bit.
# * Photograph: Rachel Michetti, CC0. Digits: [Optical Recognition of Handwritten Digits](https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits), UCI.
