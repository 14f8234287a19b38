# %% [markdown]
# "Quantize the network" can mean three things. Each is a switch of its own.

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
# * **Weights** are multiplied with what comes in. They are known once training is over.
# * **Activations** are what one layer hands to the next. Each image brings others.
# * **Biases** are added, one for each output of a layer. They are known too.
#
# How many are there, in our network for the digits?

# %%
cnn = SwitchedCNN()
weights = networks.cnn_weights()
for kind in ("weight", "bias"):
    values = np.concatenate([array.ravel() for name, array in weights.items() if name.endswith(kind)])
    print(f"{kind:10} {len(values):7,} numbers, up to {abs(values).max():.2f}")
print(f"activation {cnn.outcome(Switches().with_on()).activation_bytes // 4:7,} numbers for each image")

# %% [markdown]
# ## One at a time

# %%
guess_part = Prediction("One part gets 3 bits, the rest stays float32. Which part costs the most right answers?", ["weights", "activations", "biases"])
guess_part

# %% [markdown]
# On the left, a bar shows the signal that is left in each layer. The marks show what each part does *alone*. On the right are all eight combinations of the switches. The star is at yours.
#
# All three start with 3 bits here. Move one slider at a time, up to 8 and down to 2.

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
guess_part.reveal(min(right[3], key=right[3].get), "They have one scale for a whole layer, the weights one for each channel. But look at 2 bits.")

# %% [markdown]
# **Notice:** with 2 bits the weights lose nearly everything. ([Page](page:what_is_quantization) lost more at 3 bits, too: it had one scale for all weights of a layer.) Choose the **Calibration** *mse*, and much of it comes back: as on [page](page:calibration), a narrower range is worth more than the largest value.
#
# The biases hardly matter. That is half of the truth: here they have a scale of their own.
#
# ## Weights need no data
#
# A weight is there to be looked at. Its scale comes from the weights alone, and no image is needed. This is **weight-only quantization**. It makes the file small; the arithmetic can stay float32. "In flight" are the activations of one image:

# %%
print("float32:", cnn.outcome(Switches().with_on()))
for bits in (8, 4):
    print(f"{bits} bits: ", cnn.outcome(Switches(weight_bits=bits).with_on("weights")))

# %% [markdown]
# ## Activations need a sample
#
# The range of an activation must be known before the image comes. So it is measured on a sample: **calibration**. A small sample misses the large values. So many images were seen:

# %%
seen = networks.training_activations()["conv2"]
test = cnn.activations(Switches().with_on())["conv2"]
for n in (1, 10, 100, len(seen)):
    hi = seen[:n].max()
    print(f"after {n:5}: keep up to {hi:.2f}; {np.mean(test > hi):.4%} of the test images' values lie above")
print("8 bits:", cnn.outcome(Switches().with_on("activations")))

# %% [markdown]
# **Notice:** quantized activations make the file no smaller: it even grows by a scale and a zero point for the output of each layer. What shrinks is the traffic between the layers.
#
# ## Together
#
# Now both at 3 bits. How do two errors add up? Few answers change, and among 359 images a difference of ten is within chance. The signal that is left in the logits is a finer measure, because every logit counts.

# %%
three, pair = Switches(weight_bits=3, activation_bits=3), ("weights", "activations")
most = cnn.outcome(Switches().with_on()).right
left = {parts: cnn.outcome(three.with_on(*parts)).sqnr_db for parts in (pair[:1], pair[1:], pair)}
print(f"signal left with the weights alone {left[pair[:1]]:.1f} dB, with the activations alone {left[pair[1:]]:.1f} dB")
guess_sum = Prediction("How much is left with both together?", {"1 dB": 1.0, "6 dB": 6.0, "8 dB": 8.0})
guess_sum

# %%
guess_sum.reveal(left[pair], "The power of the noise adds up. Neither decibels nor amplitudes do, because the two errors have little to do with each other.")

# %% [markdown]
# From the decibels of the two parts alone you can compute those of both:

# %%
print("bits  weights  activations  both expected  both measured  answers lost: alone, alone, both")
for bits in (8, 6, 4, 3):
    runs = [cnn.outcome(Switches(weight_bits=bits, activation_bits=bits).with_on(*parts)) for parts in left]
    w, a, wa = (run.sqnr_db for run in runs)
    expected = -10 * np.log10(10 ** (-w / 10) + 10 ** (-a / 10))
    print(f"{bits:4}{w:9.1f}{a:13.1f}{expected:15.1f}{wa:15.1f}", *(f"{most - run.right:9}" for run in runs))

# %% [markdown]
# **Notice:** the noise follows the sum to a fraction of a decibel. The answers do not have to: they depend on the margins of [page](page:what_is_quantization), and among 359 images a few answers more or fewer are chance.
#
# ## A bias joins a sum
#
# An integer layer multiplies codes and adds them up. One step of that sum is worth `scale_x * scale_w`: the scale of its input times the scale of its weights. A bias is to be added to this sum, so it must count *the same steps*, with zero point 0. Here is one bias of the last layer, and then how many bits the largest of each layer takes:

# %%
scale_x, scale_w = activation_qparams("fc1", Switches()).scale, weight_qparams("fc2", Switches()).scale[0, 0]
bias = float(weights["fc2.bias"][0])
print(f"scale_x * scale_w = {scale_x:.5f} * {scale_w:.6f} = {scale_x * scale_w:.7f}")
print(f"bias {bias:.5f} / {scale_x * scale_w:.7f} = {bias / (scale_x * scale_w):.2f} steps, code {int(quantize_bias(bias, scale_x * scale_w))}")
for layer in LAYERS:
    b, step = weights[f"{layer}.bias"], bias_scale(layer, Switches())
    print(f"{layer}: the largest code is {abs(quantize_bias(b, step)).max():6,}; that needs {bias_bits(b, step)} bits")

# %% [markdown]
# The steps are tiny, so a bias is many of them. 8 bits end at 127. A larger code is *clipped*: most of the bias is cut off.

# %%
without = {name: array * (not name.endswith("bias")) for name, array in weights.items()}
print(f"float32: {networks.cnn_accuracy():.1%} right; float32 with every bias set to 0: {networks.cnn_accuracy(without):.1%} right")

# %%
guess_int8 = Prediction("Weights and activations have 8 bits. The biases get 8 bits too, on the scale of the sum. Which share of the answers is right?", {"98.9 %, as with float biases": 0.989, "97.7 %, in between": 0.977, "96.4 %, as without biases": 0.964})
guess_int8

# %% [markdown]
# Now **Bias scale** is `scale_x * scale_w`. It starts with biases of 8 bits. Move **Bias bits** up to 32: more and more comes back, until at 16 bits nothing is lost any more.

# %%
bias_explorer = SwitchesExplorer(bias_bits=8)
bias_explorer

# %%
for bits in (32, 16, 14, 12, 10, 8):
    bias_explorer.reset(bias_bits=bits)
    print(f"{bits:2} bits:", bias_explorer.result.this)

# %%
bias_explorer.reset(bias_bits=8)
guess_int8.reveal(bias_explorer.result.this.accuracy, "127 steps of such a sum are next to nothing: clipped like that, a bias is as good as gone.")

# %% [markdown]
# Here is a riddle. Keep the 8-bit biases, and give weights and activations *fewer* bits.

# %%
guess_fewer = Prediction("Weights and activations go from 8 to 4 bits. What do 8-bit biases, alone, then cost?", {"nothing": 0, "as much as before": 8, "twice as much": 16})
guess_fewer

# %%
cost = {}
for bits in (8, 6, 4):
    bias_explorer.reset(weight_bits=bits, activation_bits=bits, bias_bits=8)
    cost[bits] = most - bias_explorer.result.combinations["biases",].right
    print(f"W{bits} A{bits}: 8-bit biases alone lose {cost[bits]} answers; all three together have {bias_explorer.result.this.right} right")
bias_explorer.reset()

# %%
guess_fewer.reveal(cost[4], "Coarse scales make a coarse step, and 127 coarse steps reach further. Biases are the one part that suffers when the others get MORE bits.")

# %% [markdown]
# ## Its own scale
#
# Why not give the biases a scale of their own, up to the largest of them? Then 8 bits are plenty. But the sum counts other steps: the layer would have to convert each bias before it can add it. 32 bits on the sum's own scale cost almost nothing:

# %%
for bits, scale in ((8, "scale_x * scale_w"), (8, "its own"), (32, "scale_x * scale_w")):
    print(f"int{bits:<2} on {scale:17}", cnn.outcome(Switches(bias_bits=bits, bias_scale=scale)))
print(f"int32 biases are {cnn.outcome(Switches()).bias_share:.1%} of the bytes stored")

# %% [markdown]
# ## A shift, not noise
#
# A rounded activation errs up here and down there. A wrong bias errs *the same way for every image*: it adds the same amount to each sum. So does a rounded weight, in part, because its input is never below zero.
#
# These are the errors of the ten outputs, each part alone: weights and activations with 4 bits, and the clipped 8-bit biases from above.

# %%
four, clipped = Switches(weight_bits=4, activation_bits=4), Switches(bias_bits=8)
parts = {"weights": four.with_on("weights"), "activations": four.with_on("activations"), "biases": clipped.with_on("biases")}
real = cnn.activations(Switches().with_on())["logits"]
for part, switches in parts.items():
    print(f"{part:12} {cnn.outcome(switches).layers[-1].shift:4.0%} of the squared error is the same for every image")
shifts({part: cnn.activations(switches)["logits"] - real for part, switches in parts.items()})

# %% [markdown]
# A bias's error is all shift where it is added. On its way through ReLU, which passes it on for some images and not for others, part of it becomes noise.
#
# A shift can be measured, and a bias can take it away. That is **bias correction**; exercise 4 builds it.
#
# ## What fbgemm does
#
# **fbgemm** is the library with which PyTorch multiplies integers on x86 processors; [page](page:ptq_with_fbgemm) puts the whole network through it. PyTorch calls such a library an **engine**, and its routine for a layer is a **kernel**. fbgemm gets the bias in *float32*: `scale_x` is known only when the input arrives, so the bias waits until then. The kernel divides it by `scale_x * scale_w`, and adds it to the sum.
#
# Often it is said that the kernel rounds it to int32 then. Ask it: the sum is 0, the bias a fraction of a step, and the output has four codes for each step.

# %%
from qviz.pytorch import engines
from qviz.pytorch.labs.kernel_bias import bias_in_kernel
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors

LocalResult("A bias of 0.25, 0.5 and 0.75 steps comes out as:", lambda: f"{[bias_in_kernel(n / 4) for n in (1, 2, 3)]} on {engines.preferred()}")

# %% [markdown]
# fbgemm does not round it at all: such fractions come out as they went in. (qnnpack, the engine of phones and Macs, does round.) And our simulation in NumPy, beside the network that `quantize_model` makes for the kernel:

# %%
train_x, _, test_x, test_y = digits_tensors()
converted = quantize_model(digits_cnn(), PTQConfig(samples=len(train_x)), train_x)
print(f"converted: {accuracy(converted, test_x, test_y):.1%} right, the bias is {converted.conv1.bias().dtype}")
print(f"ours, int32 biases: {cnn.outcome(Switches()).accuracy:.1%} right")

# %% [markdown]
# ## What you expected, and what was so

# %%
record(guess_part, guess_sum, guess_int8, guess_fewer)

# %% [markdown]
# ## In five lines
#
# 1. Weights need no data; activations need a sample; biases need the scales of both.
# 2. With min-max and a scale for each channel, activations cost most at 3 bits, weights at 2.
# 3. The noise of weights and activations adds up by power.
# 4. A bias counts steps of `scale_x * scale_w`. 8 bits of these are next to nothing, so it gets 32.
# 5. A wrong bias shifts every image alike, and int32 biases are a hundredth of the bytes.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** Only the weights are quantized, in the first explorer. What is the fewest number of bits with at least 350 of 359 right?

# %%
weight_bits = None
### BEGIN SOLUTION
weight_bits = 4
### END SOLUTION

# %%
check("weights_activations_biases.1", weight_bits)

# %% [markdown]
# **2.** Weights and activations have 8 bits, and the biases the scale of the sum. What is the fewest number of bits that clips no bias?

# %%
fewest = None
### BEGIN SOLUTION
fewest = max(bias_bits(networks.cnn_weights()[f"{layer}.bias"], bias_scale(layer, Switches())) for layer in LAYERS)
### END SOLUTION

# %%
check("weights_activations_biases.2", fewest)

# %% [markdown]
# **3. Spot the bug.** The network is wrong, though each bias is a whole number of steps. Of which steps? Mend it.

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
# **4.** Bias correction. A layer gives `x @ w.T + bias`. Its weights `w` were rounded to `w_hat`. The mean input is `mean_x`. Return the bias that takes the mean error of each output away.

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
# * B. Jacob et al., [*Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*](https://arxiv.org/abs/1712.05877), CVPR 2018, section 2.4: int32 biases, their scale, and why an error of a bias is a shift.
# * M. Nagel et al., [*Data-Free Quantization Through Weight Equalization and Bias Correction*](https://arxiv.org/abs/1906.04721), ICCV 2019: the shift that weights make, and its correction.
# * PyTorch: [issue 28952](https://github.com/pytorch/pytorch/issues/28952) asks why a converted bias has no scale; [pull request 26057](https://github.com/pytorch/pytorch/pull/26057) made it float, to be quantized when the input comes; [pull request 24789](https://github.com/pytorch/pytorch/pull/24789) says why.
