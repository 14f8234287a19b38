# %% [markdown]
# A network contains three kinds of numbers, and you can quantize each kind separately. On this page you find out how many bits each kind needs, and why. This helps you decide where to save bits in your own model.

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
# * **Weights** are multiplied by the inputs of a layer. They are known once the network has been trained.
# * **Activations** are the values that one layer passes on to the next. They are different for each image.
# * **Biases** are added to the outputs of a layer, one for each output channel. They are known in advance, too.
#
# How many of each kind are there in our network?

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
guess_part = Prediction("One of the three parts is quantized to 3 bits, and the other two stay in float32. With which part does the network lose the most correct answers?", ["weights", "activations", "biases"])
guess_part

# %% [markdown]
# The bars on the left show the SQNR of each layer's output. The markers show the SQNR if only one of the three parts is quantized. The plot on the right compares all eight combinations, and the star marks the one that you have chosen.
#
# At first, all three parts have 3 bits. Move one slider at a time, up to 8 bits and down to 2.

# %%
explorer = SwitchesExplorer(bias_scale="its own", weight_bits=3, activation_bits=3, bias_bits=3)
explorer

# %%
right = {}
print("right of 359:       weights  activations       biases")
for bits in (8, 5, 4, 3, 2):
    explorer.reset(weight_bits=bits, activation_bits=bits, bias_bits=bits)
    right[bits] = {part: explorer.result.combinations[part,].right for part in ("weights", "activations", "biases")}
    print(f"{bits} bits, alone" + "".join(f"{n:13}" for n in right[bits].values()))
explorer.reset()

# %%
guess_part.reveal(min(right[3], key=right[3].get), "All the activations of a layer share one scale, whereas the weights have a scale for each channel. At 2 bits, however, the weights lose more.")

# %% [markdown]
# **Notice:** with 2 bits for the weights, the network loses nearly all of its correct answers. (On [page](page:what_is_quantization), where all the weights of a layer shared one scale, it lost more at 3 bits as well.) If you choose the **Calibration** *mse*, much of the accuracy comes back. As on [page](page:calibration), a narrower range is better with few bits, even though it clips the largest values.
#
# The bits of the biases hardly matter here, because the biases have a scale of their own. You will see below that this is not how integer layers store them.
#
# ## Weights can be quantized without data
#
# You can compute the scales of the weights from the weights alone, without any images. If only the weights are quantized, this is called **weight-only quantization**. It makes the file smaller, while the arithmetic can stay in float32. In the output below, "in flight" is the size of the activations of one image:

# %%
print("float32:", cnn.outcome(Switches().with_on()))
for bits in (8, 4):
    print(f"{bits} bits: ", cnn.outcome(Switches(weight_bits=bits).with_on("weights")))

# %% [markdown]
# ## Activations need a calibration sample
#
# The range of the activations has to be chosen before the network sees a new image, so it is measured on a sample (**calibration**). A small sample is likely to miss the largest values. The next cell shows the range after 1, 10, 100 and all 1,438 training images:

# %%
seen = networks.training_activations()["conv2"]
test = cnn.activations(Switches().with_on())["conv2"]
for n in (1, 10, 100, len(seen)):
    hi = seen[:n].max()
    print(f"sample size {n:5}: largest value {hi:.2f}; {np.mean(test > hi):.4%} of the values in the test images are larger")
print("8 bits:", cnn.outcome(Switches().with_on("activations")))

# %% [markdown]
# **Notice:** quantizing the activations does not make the file smaller. It even grows a little, because a scale and a zero point are stored for the output of each layer. However, less data has to be passed from layer to layer.
#
# ## Weights and activations together
#
# Now we quantize both to 3 bits. How do the two errors combine? Counting correct answers is too coarse to tell, because with 359 images a difference of ten can be due to chance. The SQNR of the logits is a finer measure, because every logit contributes to it.

# %%
three, pair = Switches(weight_bits=3, activation_bits=3), ("weights", "activations")
most = cnn.outcome(Switches().with_on()).right
left = {parts: cnn.outcome(three.with_on(*parts)).sqnr_db for parts in (pair[:1], pair[1:], pair)}
print(f"SQNR of the logits: weights alone {left[pair[:1]]:.1f} dB, activations alone {left[pair[1:]]:.1f} dB")
guess_sum = Prediction("What is the SQNR of the logits when both are quantized?", {"1 dB": 1.0, "6 dB": 6.0, "8 dB": 8.0})
guess_sum

# %%
guess_sum.reveal(left[pair], "The two errors are almost uncorrelated, so their mean squares add up.")

# %% [markdown]
# So you can predict the SQNR for both from the SQNR of each part alone. The next cell tests this for other numbers of bits:

# %%
print("bits  weights  activations  both predicted  both measured  answers lost: weights, activations, both")
for bits in (8, 6, 4, 3):
    runs = [cnn.outcome(Switches(weight_bits=bits, activation_bits=bits).with_on(*parts)) for parts in left]
    w, a, wa = (run.sqnr_db for run in runs)
    expected = -10 * np.log10(10 ** (-w / 10) + 10 ** (-a / 10))
    print(f"{bits:4}{w:9.1f}{a:13.1f}{expected:16.1f}{wa:15.1f}", *(f"{most - run.right:10}" for run in runs))

# %% [markdown]
# **Notice:** the prediction is accurate to a few tenths of a decibel. The numbers of lost answers do not add up in this way. They depend on the margins that you met on [page](page:what_is_quantization), and with 359 images, differences of a few answers can be due to chance.
#
# ## A bias joins a sum
#
# An integer layer multiplies the codes of inputs and weights and adds up the products. One unit of this sum represents `scale_x * scale_w`, the scale of the input times the scale of the weights. The bias is added to this sum, so it has to be quantized with *the same scale*, and with zero point 0. The next cell quantizes one bias of the last layer, and then shows how many bits the largest bias of each layer needs:

# %%
scale_x, scale_w = activation_qparams("fc1", Switches()).scale, weight_qparams("fc2", Switches()).scale[0, 0]
bias = float(weights["fc2.bias"][0])
print(f"scale_x * scale_w = {scale_x:.5f} * {scale_w:.6f} = {scale_x * scale_w:.7f}")
print(f"bias {bias:.5f} / {scale_x * scale_w:.7f} = {bias / (scale_x * scale_w):.2f} steps, code {int(quantize_bias(bias, scale_x * scale_w))}")
for layer in LAYERS:
    b, step = weights[f"{layer}.bias"], bias_scale(layer, Switches())
    print(f"{layer}: the largest code is {abs(quantize_bias(b, step)).max():6,}; that needs {bias_bits(b, step)} bits")

# %% [markdown]
# This scale is very small, so the codes of the biases are large. The largest code with 8 bits is 127, and larger codes are *clipped* to it. To see how much the biases matter, we first set all of them to 0:

# %%
without = {name: array * (not name.endswith("bias")) for name, array in weights.items()}
print(f"float32: {networks.cnn_accuracy():.1%} right; float32 with all biases set to 0: {networks.cnn_accuracy(without):.1%} right")

# %%
guess_int8 = Prediction("Weights and activations have 8 bits. The biases get 8 bits as well, with the scale of the sum. How accurate is the network?", {"98.9 %, as with float biases": 0.989, "97.7 %, in between": 0.977, "96.4 %, as without biases": 0.964})
guess_int8

# %% [markdown]
# In this explorer, the **Bias scale** is `scale_x * scale_w`, and the biases start with 8 bits. Move **Bias bits** up to 32. The accuracy increases, and from 16 bits on nothing is lost.

# %%
bias_explorer = SwitchesExplorer(bias_bits=8)
bias_explorer

# %%
for bits in (32, 16, 14, 12, 10, 8):
    bias_explorer.reset(bias_bits=bits)
    print(f"{bits:2} bits:", bias_explorer.result.this)

# %%
bias_explorer.reset(bias_bits=8)
guess_int8.reveal(bias_explorer.result.this.accuracy, "127 times such a small scale is close to 0, so a bias that is clipped to 127 has almost no effect.")

# %% [markdown]
# Now keep the biases at 8 bits, and give the weights and activations *fewer* bits.

# %%
guess_fewer = Prediction("You reduce the weights and activations from 8 to 4 bits, which changes the scale of the sum. How many answers do the 8-bit biases alone cost now?", {"nothing": 0, "as much as before": 8, "twice as much": 16})
guess_fewer

# %%
cost = {}
for bits in (8, 6, 4):
    bias_explorer.reset(weight_bits=bits, activation_bits=bits, bias_bits=8)
    cost[bits] = most - bias_explorer.result.combinations["biases",].right
    print(f"W{bits} A{bits}: 8-bit biases alone lose {cost[bits]} answers; with all three quantized {bias_explorer.result.this.right} are right")
bias_explorer.reset()

# %%
guess_fewer.reveal(cost[4], "With fewer bits, scale_x and scale_w are larger, so their product is larger too, and the code 127 represents a larger bias. So 8-bit biases cause larger errors when weights and activations get more bits.")

# %% [markdown]
# ## Why not give the biases their own scale?
#
# If you choose a scale that fits the largest bias, 8 bits are enough. But then the bias and the sum have different scales, so the layer has to convert each bias before it can add it. 32-bit biases with the scale of the sum avoid this conversion, and they need little memory:

# %%
for bits, scale in ((8, "scale_x * scale_w"), (8, "its own"), (32, "scale_x * scale_w")):
    print(f"int{bits:<2} on {scale:17}", cnn.outcome(Switches(bias_bits=bits, bias_scale=scale)))
print(f"int32 biases are {cnn.outcome(Switches()).bias_share:.1%} of the bytes stored")

# %% [markdown]
# ## Bias errors shift the outputs
#
# The rounding error of an activation is sometimes positive and sometimes negative. The error of a bias is *the same for every image*, because the bias adds the same amount to each sum. The error of a weight has such a constant part as well, because the inputs of the layer are never negative.
#
# The next picture shows the errors of the ten outputs if only one part is quantized: the weights to 4 bits, the activations to 4 bits, or the biases to 8 bits with the scale of the sum, as above.

# %%
four, clipped = Switches(weight_bits=4, activation_bits=4), Switches(bias_bits=8)
parts = {"weights": four.with_on("weights"), "activations": four.with_on("activations"), "biases": clipped.with_on("biases")}
real = cnn.activations(Switches().with_on())["logits"]
for part, switches in parts.items():
    print(f"{part:12} {cnn.outcome(switches).layers[-1].shift:4.0%} of the squared error is the same for every image")
shifts({part: cnn.activations(switches)["logits"] - real for part, switches in parts.items()})

# %% [markdown]
# In the layer where the bias is added, its error is a pure shift. A ReLU in a later layer passes it on for some images and not for others, so at the outputs of the network, part of the error differs from image to image.
#
# You can measure such a shift and subtract it from the bias. This is called **bias correction**, and you write it in exercise 4.
#
# ## What fbgemm does
#
# **fbgemm** is the library that PyTorch uses for integer layers on x86 processors. You use it for the whole network on [page](page:ptq_with_fbgemm). PyTorch calls such a library an **engine**, and the routine that computes a layer a **kernel**. fbgemm stores the bias in *float32*, because it knows `scale_x` only when the input arrives. Then the kernel divides the bias by `scale_x * scale_w` and adds it to the sum.
#
# It is often said that the kernel rounds the result to int32 at this point. We can test this with a layer in which the sum is 0, the bias is a fraction of one unit of the sum, and the output scale is a quarter of that unit:

# %%
from qviz.pytorch import engines
from qviz.pytorch.labs.kernel_bias import bias_in_kernel
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors

LocalResult("Outputs for a bias of 0.25, 0.5 and 0.75 units:", lambda: f"{[bias_in_kernel(n / 4) for n in (1, 2, 3)]} on {engines.preferred()}")

# %% [markdown]
# fbgemm gives the same three numbers, so it does not round the bias. (qnnpack, the engine for phones and Macs, does round it.) Finally, we compare our simulation in NumPy, which uses int32 biases, with the network that `quantize_model` produces for fbgemm:

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
# 1. Weights can be quantized without data, activations need a sample, and biases need the scales of both.
# 2. With min-max and a scale per channel, our network loses most through its activations at 3 bits, and through its weights at 2 bits.
# 3. The mean squared errors caused by weights and by activations add up.
# 4. A bias has the scale `scale_x * scale_w`. With this scale, 8 bits are far too few, so biases get 32 bits.
# 5. The error of a bias shifts the output for every image in the same way. int32 biases take about one percent of the memory.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** In the first explorer, quantize only the weights. What is the smallest number of bits for which at least 350 of the 359 answers are right?

# %%
weight_bits = None
### BEGIN SOLUTION
weight_bits = 4
### END SOLUTION

# %%
check("weights_activations_biases.1", weight_bits)

# %% [markdown]
# **2.** Weights and activations have 8 bits, and the biases have the scale of the sum. What is the smallest number of bits for which no bias is clipped?

# %%
fewest = None
### BEGIN SOLUTION
fewest = max(bias_bits(networks.cnn_weights()[f"{layer}.bias"], bias_scale(layer, Switches())) for layer in LAYERS)
### END SOLUTION

# %%
check("weights_activations_biases.2", fewest)

# %% [markdown]
# **3. Spot the bug.** This function quantizes the biases, but the network that uses it gives wrong answers. Which scale should it use? Fix it.

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
# **4.** Write the bias correction. A layer computes `x @ w.T + bias`. Its weights `w` were rounded to `w_hat`, and the mean of its inputs is `mean_x`. Return a bias with which the mean error of each output is 0.

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
# * PyTorch: [issue 28952](https://github.com/pytorch/pytorch/issues/28952) asks why a converted bias has no scale, [pull request 26057](https://github.com/pytorch/pytorch/pull/26057) stores it in float until the input arrives, and [pull request 24789](https://github.com/pytorch/pytorch/pull/24789) explains why.
