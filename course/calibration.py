# %% [markdown]
# To compute a scale, you need a range. If the range is wide, the steps are coarse and the **rounding error** is large. If it is narrow, large values are cut off, which causes a **clipping error**. **Calibration** means choosing the range. A good range balances the two errors. A bad choice can ruin the accuracy of a network.

# %%
import numpy as np

import qviz
from qviz import networks
from qviz.lessons import Prediction, check, record
from qviz.numerics import CALIBRATORS, Entropy
from qviz.widgets import ArenaExplorer, CalibrationExplorer

# %% [markdown]
# ## Activations have to be observed
#
# The weights of a network are known in advance. Its **activations** are not, because they are different for each image. So you run a sample of images through the network, and an **observer** records a histogram of the activations. A **calibrator** then decides which range to keep.
#
# Here are 100,000 activations from the second layer of our network. Large values are rare:

# %%
x = qviz.tensor("conv2 activations")
for limit in (2, 4, 6):
    print(f"{(x > limit).mean():7.3%} are larger than {limit}")
print(f"the largest is {x.max():.2f}")

# %% [markdown]
# ## Keep everything, or clip?
#
# The method **min-max** keeps the whole range of the observed values. No value is clipped, so all of the error is rounding error.

# %%
guess_clip = Prediction("With 4 bits, you choose the range with the smallest mean squared error, even if it clips some values. How large is the error, compared with min-max?", {"equally large": 1.0, "60 % as large": 0.6, "10 % as large": 0.1})
guess_clip

# %%
errors = {}
for method in ("min-max", "mse"):
    qparams = qviz.calibrate(x, method, qviz.UINT4)
    errors[method] = qviz.mse(x, qviz.fake_quantize(x, qparams))
    print(f"{method:7} keeps values up to {float(qparams.hi):.2f}: mean squared error {errors[method]:.2e}")

# %%
guess_clip.reveal(errors["mse"] / errors["min-max"], "Clipping a few values costs less than using coarse steps for all the others.")

# %% [markdown]
# The largest value that is kept is called the **threshold**. On the right, you see the error for every possible threshold. As the threshold increases, the rounding error increases and the clipping error decreases, so their sum has a minimum (the circle). Move **Bits** and watch the minimum move. Then choose other methods.

# %%
explorer = CalibrationExplorer(data="conv2 activations", bits=4, method="min-max")
explorer

# %% [markdown]
# **Notice:** the fewer bits you have, the narrower the best range becomes, because with few levels the rounding error is the larger problem.
#
# ## Six methods
#
# * **Min-max** keeps the whole range, as above.
# * **Moving average** averages the minima and maxima of many batches, so a single unusual batch has little effect.
# * **Percentile** keeps a fixed percentage of the values, for example 99.99 %.
# * **Entropy** chooses the range for which the histogram of the quantized values is most similar to the original one, as measured by the **Kullback-Leibler divergence**.
# * **MSE** searches for the range with the smallest mean squared error.
# * **ACIQ** assumes that the values have a bell-shaped distribution, and computes the best threshold for it from a formula.
#
# This explorer, the **arena**, applies all six methods to the same tensor.

# %%
arena = ArenaExplorer(data="conv2 activations", bits=4)
arena

# %% [markdown]
# Now we add **outliers**: one value in a thousand is replaced by a much larger one, as might happen with a faulty sensor. (The outliers in large language models are different: they always occur in the same few channels and are essential for the output, so they must not be clipped. See Dettmers et al. under *Sources*.)

# %%
guess_outliers = Prediction("One value in a thousand is now an outlier, up to ten times as large as the previous maximum. By what factor does the error of min-max grow?", {"2 times": 2, "10 times": 10, "70 times": 70})
guess_outliers

# %% [markdown]
# Move **Outliers** in the arena, and watch how the ranges change.

# %%
arena.reset()
clean = arena.result.outcomes["min-max"].parts.total
arena.outliers = 0.1
wild = arena.result.outcomes["min-max"].parts.total
print(arena.readout)
arena.reset()

# %%
guess_outliers.reveal(wild / clean, "The range becomes ten times as wide, and so do the steps. If the values were spread evenly, this would make the squared error 100 times as large. But most values are smaller than half a new step. They are rounded to 0, and then the error is no larger than the value itself.")

# %% [markdown]
# ## Which method is best for the network?
#
# So far we have compared the errors of a single tensor, but in the end you want an accurate network. Suppose that the outliers occur only in the *calibration sample* and never again.

# %%
guess_network = Prediction("The activations of conv2 get 3 bits, and their range is calibrated on the sample with outliers. Then you test the network on normal images. Which of these methods gives the highest accuracy?", ["min-max", "mse", "entropy"])
guess_network

# %%
sample = qviz.tensor("conv2 activations", outliers=0.001)
accuracy = {}
for name in CALIBRATORS:
    qparams = qviz.calibrate(sample, name, qviz.IntFormat(3, signed=False), batches=50)
    accuracy[name] = networks.cnn_accuracy(change={"conv2": lambda a: qviz.fake_quantize(a, qparams)})
    print(f"{name:15} keeps values up to {float(qparams.hi):5.2f}: {accuracy[name]:6.1%} right")

# %%
guess_network.reveal(max(guess_network.choices, key=accuracy.get), "MSE widened the range for outliers that do not occur in the test images, while entropy ignored them. A small error on the calibration sample does not guarantee high accuracy.")

# %% [markdown]
# ## How large must the sample be?
#
# So far, the observer has seen 50 batches of 2,000 values. Each image produces 2,048 activations in this layer, so one batch contains slightly less than the activations of *one image*. If the observer sees fewer batches, it misses some of the rare large values. The error is always measured on all 100,000 values.

# %%
guess_batches = Prediction("With 8 bits and min-max, the observer sees only one batch. How large is the error, compared with 50 batches?", {"the same": 1, "2 times as large": 2, "12 times as large": 12})
guess_batches

# %%
one_batch, all_batches = (qviz.calibrate(seen, "min-max", qviz.UINT8) for seen in (x[:2_000], x))
ratio = qviz.mse(x, qviz.fake_quantize(x, one_batch)) / qviz.mse(x, qviz.fake_quantize(x, all_batches))

# %%
guess_batches.reveal(ratio, "With 8 bits, the steps are so fine that most of the error comes from the few values that are clipped.")

# %% [markdown]
# Change **Batches seen**, and watch the range and the error.

# %%
few = CalibrationExplorer(data="conv2 activations", bits=8, batches=1)
few

# %% [markdown]
# ## When does each method perform badly?
#
# The table shows the error of each method, divided by the smallest error in its row.

# %%
print(" " * 26 + "".join(f"{name:>15}" for name in CALIBRATORS))
activations = [(8, "conv2 activations"), (8, "fc1 activations"), (8, "heavy-tailed")]
cases = [*activations, (4, "fc1 weights"), (4, "heavy-tailed"), (4, "uniform")]
for bits, name in cases:
    arena.reset(data=name, bits=bits)
    errors = {method: outcome.parts.total for method, outcome in arena.result.outcomes.items()}
    ratios = (error / min(errors.values()) for error in errors.values())
    print(f"{bits} bits, {name:18}" + "".join(f"{ratio:15.1f}" for ratio in ratios))
arena.reset()

# %% [markdown]
# * **Min-max** performs badly with few bits on values with heavy tails (extreme values are rare, but much more common than in a Gaussian), because a few extreme values make all steps coarse.
# * **Moving average** performs badly at 8 bits, because it clips the rare large values, and with such fine steps clipping is worse than rounding.
# * **Percentile** keeps most of the outliers if there are more of them than it may clip, as in the arena.
# * **Entropy** performs badly on heavy tails at 8 bits, because the divergence counts how many values are clipped, but not how far they lie outside the range.
# * **MSE** is always best here, because it minimizes the error that the table shows. As you saw, this need not be best for the network.
# * **ACIQ** suits the weights of fc1, which are distributed nearly as its formula assumes. On heavy tails at 8 bits, and with the outliers in the arena, it clips so much that its mean squared error is several times the smallest.
#
# No method is best in all cases, so try two or three and measure your network's accuracy.
#
# ## Entropy: one name, two algorithms
#
# In our network, more than half of the outputs of a ReLU are exactly zero. ONNX Runtime's entropy calibration keeps this spike of zeros in the histogram. NVIDIA's pytorch-quantization and (by default) qviz first reduce it to the height of the neighbouring bar:

# %%
for name in ("conv2 activations", "fc1 activations"):
    values = qviz.tensor(name)
    least = qviz.mse(values, qviz.fake_quantize(values, qviz.calibrate(values, "mse", qviz.UINT8)))
    for variant, seen in (("onnxruntime", values), ("onnxruntime", values[values > 0]), ("nvidia", values)):
        qparams = qviz.calibrate(seen, Entropy(variant=variant), qviz.UINT8)
        error = qviz.mse(values, qviz.fake_quantize(values, qparams))
        print(f"{name}, {variant:11} on {seen.size:6} values: {error / least:6.0f} times the smallest error")

# %% [markdown]
# **Notice:** without the zeros (rows 2 and 5), ONNX Runtime's error falls from 184 to 3 and from 1,058 to 1 times the smallest error, so the spike caused nearly all of it. Before you rely on a method, check what your library computes.
#
# ## Your guesses and the results

# %%
record(guess_clip, guess_outliers, guess_network, guess_batches)

# %% [markdown]
# ## In five lines
#
# 1. The range of activations is chosen by observing them on a sample of inputs.
# 2. Wide ranges increase the rounding error, and narrow ranges increase the clipping error. The sum of the two has a minimum.
# 3. The fewer the bits, the narrower the best range.
# 4. A few outliers widen the range of min-max, which makes the rounding error of all the other values larger.
# 5. Judge a method by the accuracy of the network, not by the error of one tensor.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** In the first explorer, choose the method *percentile* and 4 bits. Which percentile comes closest to the minimum of the curve?

# %%
best_percentile = None
### BEGIN SOLUTION
best_percentile = 99.5
### END SOLUTION

# %%
check("calibration.1", best_percentile)

# %% [markdown]
# **2.** In the arena, set **Outliers** to 1 %. Without outliers, the largest value is about 6.9. Which methods extend the range beyond it? Look at the column *hi*.

# %%
followers = None  # names, such as ["min-max", "mse"]
### BEGIN SOLUTION
followers = ["min-max", "moving average", "percentile", "mse", "aciq"]
### END SOLUTION

# %%
check("calibration.2", followers)

# %% [markdown]
# **3. Spot the bug.** This calibrator uses a percentile at both ends of the range. If all the values lie between 5 and 6, the resulting range cannot represent zero. Fix it.

# %%
def percentile_range(x, percentile):
    return np.percentile(x, 100 - percentile), np.percentile(x, percentile)
### BEGIN SOLUTION
def percentile_range(x, percentile):
    lo, hi = np.percentile(x, 100 - percentile), np.percentile(x, percentile)
    return min(lo, 0.0), max(hi, 0.0)
### END SOLUTION

# %%
check("calibration.3", percentile_range)

# %% [markdown]
# **4.** Write a calibrator. None of the values in `x` is negative, and the codes are unsigned with `bits` bits. Return a threshold for which the mean squared error is close to its minimum.

# %%
def my_threshold(x, bits):
    return None
### BEGIN SOLUTION
def my_threshold(x, bits):
    candidates = x.max() * np.linspace(0.05, 1, 96)
    errors = []
    for hi in candidates:
        scale = hi / (2**bits - 1)
        x_hat = np.clip(np.rint(x / scale), 0, 2**bits - 1) * scale
        errors.append(np.mean((x - x_hat) ** 2))
    return candidates[np.argmin(errors)]
### END SOLUTION

# %%
check("calibration.4", my_threshold)

# %% [markdown]
# ## Sources
#
# * S. Migacz, [*8-bit Inference with TensorRT*](https://on-demand.gputechconf.com/gtc/2017/presentation/s7310-8-bit-inference-with-tensorrt.pdf), GTC 2017: calibration by entropy.
# * R. Banner et al., [*Post training 4-bit quantization of convolutional networks for rapid-deployment*](https://arxiv.org/abs/1810.05723), NeurIPS 2019: ACIQ, and the split into rounding and clipping.
# * H. Wu et al., [*Integer Quantization for Deep Learning Inference: Principles and Empirical Evaluation*](https://arxiv.org/abs/2004.09602), 2020: a comparison of max, entropy and percentile.
# * NVIDIA, [*pytorch-quantization*](https://github.com/NVIDIA/TensorRT/tree/release/10.0/tools/pytorch-quantization), `calib/histogram.py`, and Microsoft, [*ONNX Runtime*](https://github.com/microsoft/onnxruntime), `quantization/calibrate.py`: two implementations of the search for the smallest divergence.
# * T. Dettmers et al., [*LLM.int8()*](https://arxiv.org/abs/2208.07339), NeurIPS 2022: outliers in a few channels of large language models.
