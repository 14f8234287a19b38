# %% [markdown]
# A scale needs a range. A wide range has coarse steps: **rounding error**. A narrow range cuts values off: **clipping error**. **Calibration** finds the balance.

# %%
import numpy as np

import qviz
from qviz import networks
from qviz.lessons import Prediction, check, record
from qviz.numerics import CALIBRATORS, Entropy
from qviz.widgets import ArenaExplorer, CalibrationExplorer

# %% [markdown]
# ## Why there is a choice
#
# The weights of a network are known. Its **activations** are not: each new image brings others. So one runs a sample of images through the network, and an **observer** counts what it sees. A **calibrator** then decides which range to keep.
#
# These are 100,000 activations of the second layer of our network, on handwritten digits. Large ones are rare:

# %%
x = qviz.tensor("conv2 activations")
for limit in (2, 4, 6):
    print(f"{(x > limit).mean():7.3%} are larger than {limit}")
print(f"the largest is {x.max():.2f}")

# %% [markdown]
# ## Keep everything, or clip?
#
# The method **min-max** keeps everything it saw. Nothing is clipped, and all of the error is rounding.

# %%
guess_clip = Prediction("With 4 bits: clip the rarest values, so that the steps get finer. What is left of the error of min-max?", {"all of it": 1.0, "about 60 %": 0.6, "about 10 %": 0.1})
guess_clip

# %% [markdown]
# On the right is the error for every **threshold**, the largest value that is kept. Rounding rises with it, clipping falls. Their sum has a lowest point.
#
# Move **Bits**, and watch where the lowest point goes. Then choose other methods.

# %%
explorer = CalibrationExplorer(data="conv2 activations", bits=4, method="min-max")
explorer

# %%
explorer.reset()
keep_all = explorer.result.outcome.parts.total
explorer.method = "mse"
print(explorer.readout)

# %%
explorer.reset(method="mse")
guess_clip.reveal(explorer.result.outcome.parts.total / keep_all, "A few clipped values cost less than coarse steps for all the others.")

# %% [markdown]
# **Notice:** the fewer the bits, the narrower the best range, because each step is precious. (*Clipped* is what lies more than half a step beyond the last level. What lies less far beyond goes to that level, as it should.)

# %%
for bits in (8, 6, 4, 2):
    explorer.reset(method="mse", bits=bits)
    best = explorer.result.outcome
    print(f"{bits} bits: keep up to {best.threshold:.2f}, {best.parts.clipped_fraction:.2%} of the values are clipped")
explorer.reset()

# %% [markdown]
# ## Six methods
#
# * **Min-max** keeps all that was seen.
# * **Moving average** averages the minima and maxima of many batches. One wild batch counts little.
# * **Percentile** keeps, say, 99.99 % of the values.
# * **Entropy** keeps the range whose histogram changes least when it is squeezed into few levels. The measure is the Kullback-Leibler divergence.
# * **MSE** searches for the least mean squared error.
# * **ACIQ** needs no search. It assumes a bell shape, and has a formula for its best threshold.
#
# In the **arena** all six get the same tensor. On the left is the range that each keeps, on the right its error.

# %%
arena = ArenaExplorer(data="conv2 activations", bits=4)
arena

# %% [markdown]
# Now a few **outliers**: one value in a thousand is replaced by a much larger one. A broken sensor makes such values at random places. (Large language models have outliers too, but always in the same few channels, and they need them: a method that ignores those ruins the answers. They get a treatment of their own, such as that of Dettmers et al. in the sources below.)

# %%
guess_outliers = Prediction("One value in a thousand is now up to ten times the largest. How many times as large does the error of min-max get?", {"2 times": 2, "10 times": 10, "70 times": 70})
guess_outliers

# %% [markdown]
# Move **Outliers** in the arena, and watch the ranges.

# %%
arena.reset()
clean = arena.result.outcomes["min-max"].parts.total
arena.outliers = 0.1
wild = arena.result.outcomes["min-max"].parts.total
print(arena.readout)
arena.reset()

# %%
guess_outliers.reveal(wild / clean, "The range is ten times as wide, and so are the steps: a hundred times the squared error, if all values were spread evenly. But zeros stay exact, and a small value that becomes 0 costs no more than its own size.")

# %% [markdown]
# ## The network decides
#
# By mean squared error, **MSE** must win: it searches for just that. But suppose that the outliers were a fault of the *sample*, and will not come again. Which method lets the network work?

# %%
guess_network = Prediction("Three bits, calibrated on the sample with outliers, then run on clean images. Which method gets most digits right?", ["min-max", "mse", "entropy"])
guess_network

# %%
sample = qviz.tensor("conv2 activations", outliers=0.001)
accuracy = {}
for name in CALIBRATORS:
    qparams = qviz.calibrate(sample, name, qviz.IntFormat(3, signed=False), batches=50)
    accuracy[name] = networks.cnn_accuracy(change={"conv2": lambda a: qviz.fake_quantize(a, qparams)})
    print(f"{name:15} keeps up to {float(qparams.hi):5.2f}: {accuracy[name]:6.1%} right")

# %%
guess_network.reveal(max(guess_network.choices, key=accuracy.get), "MSE paid for outliers that never came. Entropy gave them up. A method is as good as the error that it counts.")

# %% [markdown]
# ## How much must be seen?
#
# The observer saw 50 batches of 2,000 values so far. One image gives 2,048 activations here, so a batch is a little less than *one image*, and 50 batches are 49 images. With fewer it misses the rare, large values. The error is always measured on all values.

# %%
guess_batches = Prediction("With 8 bits and min-max: one batch, less than an image, instead of 50. How many times as large is the error?", {"the same": 1, "2 times": 2, "12 times": 12})
guess_batches

# %% [markdown]
# Move **Batches seen** here, or in the arena.

# %%
few = CalibrationExplorer(data="conv2 activations", bits=8, batches=1)
few

# %%
few.reset()
one_batch = few.result.outcome.parts.total
few.batches = 50
all_batches = few.result.outcome.parts.total
few.reset()

# %%
guess_batches.reveal(one_batch / all_batches, "At 8 bits the steps are so fine that a few clipped values are most of the error.")

# %% [markdown]
# ## Where each method loses
#
# Each number is the error of a method, divided by the error of the best one on that tensor. A 1.0 is the winner; the largest number of a column shows where the method is worst.

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
# * **Min-max** fails where tails are heavy and bits are few.
# * **Moving average** fails at 8 bits: it clips the rare large values, and at 8 bits clipping is expensive.
# * **Percentile** fails where outliers are more frequent than the percentage it gives up.
# * **Entropy** loses on heavy tails at 8 bits, because it counts how many values are clipped, not how far away they are.
# * **MSE** wins this table by construction. It fails where squared error is the wrong question, as above.
# * **ACIQ** is close to the best where the values have the bell shape that its formula assumes. On heavy tails at 8 bits, and in the arena with outliers, it clips far too much.
#
# ## Two libraries, one name
#
# "Entropy calibration" is not one program. The outputs of a ReLU have a spike: more than half of them are exactly zero. ONNX Runtime's search keeps that spike in its histogram. NVIDIA's pytorch-quantization replaces its count by that of the next bin before it searches, and so does qviz. If the spike is the cause, then ONNX Runtime's search must work once it sees no zeros:

# %%
for name in ("conv2 activations", "fc1 activations"):
    values = qviz.tensor(name)
    least = qviz.mse(values, qviz.fake_quantize(values, qviz.calibrate(values, "mse", qviz.UINT8)))
    print(f"{name}: {(values == 0).mean():.0%} zeros")
    for variant, seen in (("onnxruntime", values), ("onnxruntime", values[values > 0]), ("nvidia", values)):
        qparams = qviz.calibrate(seen, Entropy(variant=variant), qviz.UINT8)
        error = qviz.mse(values, qviz.fake_quantize(values, qparams))
        of_all = "all values" if seen is values else "without zeros"
        print(f"  {variant:11} on {of_all:13} keeps up to {float(qparams.hi):5.2f}: {error / least:6.0f} times the least error")

# %% [markdown]
# **Notice:** the same name, a hundred or a thousand times the error, and nothing but the zeros was taken away. Before you trust a method's reputation, look at what your library computes under its name.
#
# There is no best method. Try two or three, and measure the network. Here it hardly suffers even from the hundredfold error, because few of the values are clipped:

# %%
methods = {"min-max": "min-max", "mse": "mse", "entropy": "entropy", "as ONNX Runtime": Entropy(variant="onnxruntime")}
for name, method in methods.items():
    qparams = qviz.calibrate(x, method, qviz.UINT8, batches=50)
    right = networks.cnn_accuracy(change={"conv2": lambda a: qviz.fake_quantize(a, qparams)})
    print(f"8 bits, {name:15} {right:.0%} right")

# %% [markdown]
# ## What you expected, and what was so

# %%
record(guess_clip, guess_outliers, guess_network, guess_batches)

# %% [markdown]
# ## In five lines
#
# 1. Activations must be watched on a sample, before a range can be chosen.
# 2. Wide ranges round coarsely, narrow ones clip; their sum has a lowest point.
# 3. The fewer the bits, the narrower the best range.
# 4. Outliers stretch the range of min-max, and every value pays.
# 5. The network's accuracy decides, not the error of a tensor.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** In the first explorer choose the method *percentile* at 4 bits. Which percentile comes nearest to the lowest point of the curve?

# %%
best_percentile = None
### BEGIN SOLUTION
best_percentile = 99.5
### END SOLUTION

# %%
check("calibration.1", best_percentile)

# %% [markdown]
# **2.** In the arena set **Outliers** to 1 %. The largest clean value is about 6.9. Which methods follow the outliers, and keep more than that? Look at the column *hi*.

# %%
followers = None  # names, such as ["min-max", "mse"]
### BEGIN SOLUTION
followers = ["min-max", "moving average", "percentile", "mse", "aciq"]
### END SOLUTION

# %%
check("calibration.2", followers)

# %% [markdown]
# **3. Spot the bug.** This calibrator keeps a percentile at both ends. For values that all lie between 5 and 6 it makes every later zero wrong. Mend it.

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
# **4.** Write a calibrator. `x` holds values from 0 up; the codes are unsigned with `bits` bits. Return the largest value to keep, so that the mean squared error is about the least.

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
# * H. Wu et al., [*Integer Quantization for Deep Learning Inference: Principles and Empirical Evaluation*](https://arxiv.org/abs/2004.09602), 2020: max, entropy and percentile compared.
# * NVIDIA, [*pytorch-quantization*](https://github.com/NVIDIA/TensorRT/tree/release/10.0/tools/pytorch-quantization), `calib/histogram.py`, and Microsoft, [*ONNX Runtime*](https://github.com/microsoft/onnxruntime), `quantization/calibrate.py`: two searches of the least divergence.
# * T. Dettmers et al., [*LLM.int8()*](https://arxiv.org/abs/2208.07339), NeurIPS 2022: outliers in a few channels of large language models.
