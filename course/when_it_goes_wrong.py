# %% [markdown]
# This page shows ten problems that users of PyTorch often report in forums. Each one is produced on purpose. You read the message from torch, if there is one, find out the cause, and fix the cell. Then you will recognize the problem when it occurs in your own model.

# %%
import numpy as np
import torch
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, MinMaxObserver, QConfig, QuantStub, convert, get_default_qconfig, prepare

from qviz.lessons import LocalResult, Prediction, check, record
from qviz.numerics import Percentile
from qviz.pytorch import failures
from qviz.widgets import SaturationExplorer

# %% [markdown]
# The code runs inside a **workbench**: if an error occurs, the remaining steps are skipped, but the page continues. The output below the cell shows the message from torch and whether your fix works.
#
# ## 1. A float input has no kernel
#
# This model has a single layer, which is calibrated and converted. Torch carries out all these steps without a message. The error occurs when the model receives its first input:

# %%
with failures.workbench() as bench:
    model = nn.Sequential(nn.Linear(10, 5)).eval()
    model.qconfig = get_default_qconfig(bench.engine)
    prepared = prepare(model)
    prepared(failures.numbers())
    bench.model = convert(prepared)
failures.check_repair("missing-stub", bench)

# %% [markdown]
# **Cause.** The layer now expects integers, but the input is not quantized. The words `'CPU' backend` in the message mean that the layer received a tensor of floating-point numbers.
#
# **Fix.** Two **stubs** mark where the quantized part of a model begins and ends: `QuantStub()` before the layer and `DeQuantStub()` after it. `convert` replaces them with layers that quantize and dequantize. *Fix the cell above: add both stubs to the list of layers and run the cell again. What happens if you forget the second one?*
#
# ## 2. Scale 1 and zero point 0
#
# This is our network with stubs. `prepare` inserts observers, and `convert` follows immediately. One step is missing.

# %%
guess_default = Prediction("The observers have not seen any images. What is the accuracy of the converted network?", {"about 10 %, as by guessing": 0.10, "about 50 %": 0.5, "about 85 %": 0.85})
guess_default

# %%
with failures.workbench() as bench:
    prepared = prepare(failures.digits_network())
    bench.model = convert(prepared)
failures.check_repair("uncalibrated", bench)

# %%
guess_default.reveal(failures.right(bench.model), "Each activation is rounded to an integer. The accuracy drops, but not so far that you would notice it immediately, and this makes the mistake dangerous.")

# %% [markdown]
# **Cause.** The observers have not seen any data, so each of them uses the default scale 1 and zero point 0. Torch prints a warning and continues.
#
# **Fix.** Run typical inputs through the model: add the line `prepared(failures.images())` before `convert`. *Fix the cell. Then try `100 * failures.images()`. There is no warning any more, but how accurate is the network?*
#
# ## 3. Converted in train mode
#
# This network is in the state in which a training loop leaves it. It contains **batch norms**, which are layers that normalize the channels after a convolution.

# %%
with failures.workbench() as bench:
    model = failures.after_training()
    prepared = prepare(model.fuse())
    prepared(failures.images())
    bench.model = convert(prepared)
failures.check_repair("train-mode", bench)

# %% [markdown]
# **Cause.** The model is in train mode. In this mode, `fuse` keeps the batch norm so that it can be trained further. `convert` does not support the combined layer and leaves it in floating point, so this layer receives integers although it expects floats.
#
# **Fix.** Call `model.eval()` before the first step. *Fix the cell. Does it also help to call it at the end, on `bench.model`?*
#
# ## 4. Low accuracy and no message
#
# Here the same network is in eval mode and calibrated. Torch prints no message, but the accuracy drops.

# %%
guess_norm = Prediction("Where is most of the accuracy lost?", ["in the weights of the convolution", "between convolution and batch norm", "in the last layer"])
guess_norm

# %%
with failures.workbench() as bench:
    model = failures.with_batch_norm()
    prepared = prepare(model)
    prepared(failures.images())
    bench.model = convert(prepared)
failures.check_repair("unfused-batch-norm", bench)

# %%
guess_norm.reveal("between convolution and batch norm", failures.case("unfused-batch-norm").cause)

# %% [markdown]
# **Cause.** Nothing was fused, so the output of each convolution is rounded with a single scale before the batch norm. In this network, the outputs of a convolution differ widely from channel to channel, and the batch norm compensates for that. If you fuse the two layers, the factors of the batch norm are multiplied into the weights, which have a scale for each channel.
#
# **Fix.** Call `model.fuse()` before `prepare`. *Fix the cell and compare the accuracy.*
#
# ## 5. Signed and unsigned types are swapped
#
# A **qconfig** specifies which observers are used for activations and for weights. Each observer has a dtype.

# %%
qconfig = QConfig(
    activation=MinMaxObserver.with_args(dtype=torch.qint8),
    weight=MinMaxObserver.with_args(dtype=torch.quint8),
)
failures.check_repair("wrong-dtype", qconfig)

# %% [markdown]
# **Cause.** The kernels support only unsigned activations (`quint8`) together with signed weights (`qint8`).
#
# **Fix.** Swap the two dtypes. *Fix the weights first, and read the next message. `convert` does not check the dtype of the activations, so the second mistake shows up only when the model runs.*
#
# The dtype of the input matters as well: NumPy uses float64 by default, and `QuantStub` accepts only float32. `failures.case("double-input")` shows the fix.
#
# ## 6. A different engine is set
#
# The **engine** is the library that computes the quantized layers, and it is set for the whole process. Two networks were converted for the preferred engine of this machine. One of them uses a **ReLU6**, which is a ReLU that also clips values above 6. Then a different engine is set while they run:

# %%
engine = "qnnpack"
failures.check_repair("engine", engine)

# %% [markdown]
# **Cause.** The kernel for the weights is chosen when a layer is converted, so the network without a ReLU6 is not affected. The kernel for the clipping, however, is chosen by the engine that is set *now*. The one of qnnpack assumes a different memory layout for this tensor, so the channels get mixed up.
#
# **Fix.** Set the engine once, at the start of the program. *Fix the cell by choosing the engine for which both networks were converted. Its name is in the output.*
#
# The error message about engines that is reported most often comes from machines without any engine: `Didn't find engine for operation quantized::linear_prepack NoQEngine`. *Choose `"none"` to see the message in this version of torch.*
#
# ## 7. The symmetric scheme for activations
#
# On [page](page:scale_and_zero_point), the zero point of the symmetric scheme was 0, and the codes were signed. This observer is symmetric as well, but its codes are unsigned:

# %%
guess_zero = Prediction("The scheme is symmetric and the codes go from 0 to 255. Which code does torch use for 0.0?", {"0": 0, "127": 127, "128": 128})
guess_zero

# %%
observer = MinMaxObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric)
failures.check_repair("symmetric", observer)

# %%
symmetric = MinMaxObserver(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric)
symmetric(torch.tensor([0.0, 3.0]))
guess_zero.reveal(int(symmetric.calculate_qparams()[1]), "torch places 0.0 in the middle of the unsigned codes.")

# %% [markdown]
# **Cause.** With the zero point 128, the codes below 128 represent negative values. After a ReLU there are none, so half of the codes are wasted, which is the same as losing one bit.
#
# **Fix.** Use the affine scheme for activations: omit `qscheme`, or write `torch.per_tensor_affine`. The symmetric scheme is meant for weights. *Fix the cell.*
#
# ## 8. A percentile that clips too much
#
# You want to clip the largest 0.01 % of the values, and write:

# %%
calibrator = Percentile(0.01)
failures.check_repair("percentile", calibrator)

# %% [markdown]
# **Cause.** The argument is the percentage of values to *keep*. More than half of the values after this ReLU are exactly 0, so the range that keeps 0.01 % of them goes from 0 to 0, and all the other values are clipped. ONNX Runtime once confused the two in its own code (onnxruntime issue 10846).
#
# **Fix.** Keep 99.9 % of the values or more, and check the resulting range. *Fix the cell. What is the smallest percentage that is accepted?*
#
# ## 9. Slower than before
#
# Here the results are correct, but the quantized model is *slower* than the float model. The next cell measures the times on your machine:

# %%
LocalResult("A tiny layer, one input at a time: int8 against float.", failures.race)

# %%
layer = nn.Linear(10, 5)
failures.check_repair("slower", layer)

# %% [markdown]
# **Cause.** Quantizing the input and dequantizing the output take a fixed time for the calls plus a short time per value. The time for the products grows faster with the size of the layer. In a tiny layer, integer arithmetic saves less time than these conversions cost.
#
# **Fix.** Quantize layers in which there is a lot to compute. *Make the layer wider until int8 is faster. At which width does this happen on your machine?*
#
# ## 10. The sum that does not fit
#
# The last problem is the hardest to notice. There is no message, but the same model gives different answers on a different computer. In 2020, a user found two products whose sum is wrong on older processors (pytorch issue 44939):

# %%
guess_sum = Prediction("The correct sum is 211 * 71 + 171 * 107 = 33,278. The processor adds the two products in 16 bits, signed. Which result does it give?", {"33,278": 33278, "32,767": 32767, "-32,258": -32258})
guess_sum

# %%
explorer = SaturationExplorer()
explorer

# %%
explorer.reset()
guess_sum.reveal(explorer.result.kept, "The largest signed number with 16 bits is 32,767. An ordinary addition would wrap around to -32,258, but this instruction saturates: it returns the largest number.")

# %% [markdown]
# Change the codes. The error is largest if both activations are large and both weights are large and have the same sign. Processors with **VNNI** add the products directly in 32 bits, so nothing is lost. Choose *32 bits* to see this.
#
# For processors without VNNI, the fix is **reduce_range**: activations have only 7 bits, so that the sum of two products always fits. In return, the rounding error becomes larger:

# %%
explorer.reset()
print(explorer.readout.splitlines()[2])
explorer.reduce_range = True
print(explorer.readout.splitlines()[2])
explorer.reset()

# %% [markdown]
# The plot on the right shows the error for a whole layer of random numbers. With the setting *even*, all codes are equally likely. With 8 bits, adding in 16 bits causes a large error, and with 7 bits it makes no difference. What happens if large codes are rare, as in the *bell-shaped* setting?

# %%
for spread in ("even", "bell-shaped"):
    explorer.reset(spread=spread)
    print(explorer.readout.splitlines()[3])
explorer.reset()

# %% [markdown]
# **Notice:** if large codes are rare, two of them seldom occur in the same pair, and adding in 16 bits makes no visible difference. So a network can work well on an old processor for a long time before this error shows up.
#
# The explorer only *emulates* this addition. The next cell runs the real kernel on your processor, first as usual and then in a separate process that does not use VNNI. If the emulation is correct, each sum in that process equals the emulated one.

# %%
from qviz.pytorch.labs import saturation
LocalResult("How does your processor add the products?", saturation.report)

# %% [markdown]
# In torch's default qconfig for fbgemm, `reduce_range` is switched on. If you write your own qconfig, you have to set it yourself: `MinMaxObserver.with_args(dtype=torch.quint8, reduce_range=True)`.

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_default, guess_norm, guess_zero, guess_sum)

# %% [markdown]
# ## In five lines
#
# 1. If a message mentions the `'CPU' backend`, an integer kernel received floating-point numbers. If it mentions the `'QuantizedCPU' backend`, an operation without an integer kernel received integers. Check the stubs and the mode.
# 2. Scale 1 and zero point 0 usually mean that the model was not calibrated.
# 3. A model can be wrong without any message. Compare its accuracy with that of the float network, and check the ranges.
# 4. Use unsigned, affine activations and signed, symmetric weights, and set the engine once.
# 5. The sum of two products of 8-bit codes may not fit into 16 bits. Use `reduce_range`, or a processor with VNNI.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** Could you use 7 bits for the weights instead of the activations? Set both activations to 255 and both weights to the same number. What is the largest weight for which the sum still fits into 16 bits?

# %%
largest_weight = None
### BEGIN SOLUTION
largest_weight = 64
### END SOLUTION

# %%
check("when_it_goes_wrong.1", largest_weight)

# %% [markdown]
# **2.** Here is one more problem. A **skip connection** adds the input of a layer to its output. The argument of `Residual(...)` is the function or module that adds the two. Read the message from torch and fix the cell. If you need help, `print(failures.case("skip-connection"))` shows a solution.

# %%
with failures.workbench() as bench:
    model = failures.Residual(torch.add)
    ### BEGIN SOLUTION
    model = failures.Residual(FloatFunctional())
    ### END SOLUTION
    prepared = prepare(model)
    prepared(failures.numbers())
    bench.model = convert(prepared)
skip = failures.check_repair("skip-connection", bench)
print(skip)

# %%
check("when_it_goes_wrong.2", skip)

# %% [markdown]
# **3. Spot the bug.** This function implements `reduce_range` for values from 0 to `hi`, with codes from 0 to 127. The sums now fit, but the network is less accurate than before. Fix it.

# %%
def reduced(x, hi):
    scale = hi / 255
    return np.clip(np.rint(x / scale), 0, 127), scale
### BEGIN SOLUTION
def reduced(x, hi):
    scale = hi / 127
    return np.clip(np.rint(x / scale), 0, 127), scale
### END SOLUTION

# %%
check("when_it_goes_wrong.3", reduced)

# %% [markdown]
# **4.** Write the kernel yourself. `x` and `w` are rows with an even number of codes. Multiply them element by element, add neighbouring products (0 and 1, 2 and 3, ...) with saturation to 16 bits, and add up these sums exactly.

# %%
def my_dot(x, w):
    return None
### BEGIN SOLUTION
def my_dot(x, w):
    pairs = (np.asarray(x, int) * np.asarray(w, int)).reshape(-1, 2).sum(axis=1)
    return np.clip(pairs, -32768, 32767).sum()
### END SOLUTION

# %%
check("when_it_goes_wrong.4", my_dot)

# %% [markdown]
# ## Sources
#
# * Reports by users: `failures.case("missing-stub")` shows the cause, the fix and links for the first problem, and `list(failures.FAILURES)` gives the names of all of them.
# * [pytorch issue 44939](https://github.com/pytorch/pytorch/issues/44939): D. Balchev reports the sum that saturates.
# * Intel, [*64 and IA-32 Architectures Software Developer's Manual*](https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html): PMADDUBSW, the instruction that adds pairs of products in 16 bits.
# * ONNX Runtime, [*Quantize ONNX models*](https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html): its `reduce_range` uses 7 bits for the weights instead of the activations.
# * [onnxruntime issue 10846](https://github.com/microsoft/onnxruntime/issues/10846): the percentage to keep is confused with the percentage to clip.
# * PyTorch, *Quantization: frequently asked questions*, [discuss.pytorch.org](https://discuss.pytorch.org/t/quantization-frequently-asked-questions/161251).
