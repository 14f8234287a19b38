# %% [markdown]
# This page reproduces ten problems that users of PyTorch often report. For each one, read torch's message, if there is one, work out the cause and fix the cell. Then you will recognize the problem in your own model.

# %%
import numpy as np
from qviz.lessons import LocalResult, Prediction, answer_moves, check, record
from qviz.numerics import Percentile
from qviz.pytorch import failures
from qviz.widgets import SaturationExplorer

import torch
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, MinMaxObserver, QConfig, QuantStub, convert, get_default_qconfig, prepare

# %% [markdown]
# The code runs inside a **workbench**: if a step fails, the page continues. Below the cell you see torch's message and whether your fix works.
#
# ## 1. No kernel for a float input
#
# Torch calibrates and converts this layer without complaint, but the first input causes an error:

# %%
with failures.workbench() as bench:
    model = nn.Sequential(nn.Linear(10, 5)).eval()
    model.qconfig = get_default_qconfig(bench.engine)
    prepared = prepare(model)
    prepared(failures.numbers())
    bench.model = convert(prepared)
failures.check_repair("missing-stub", bench)

# %% [markdown]
# **Cause.** The converted layer expects integers, but nothing quantizes its input. `'CPU' backend` means that it received floating-point numbers.
#
# **Fix.** Two **stubs** mark the quantized part: `QuantStub()` before it, `DeQuantStub()` after it. `convert` replaces them with layers that quantize and dequantize. *Add both to the list of layers and run the cell again. What happens without the second one?*
#
# ## 2. Scale 1 and zero point 0
#
# Here `convert` runs immediately after `prepare` has inserted its observers:

# %%
guess_default = Prediction("The observers have not seen any images. What is the accuracy of the converted network?", {"about 10 %, no better than guessing": 0.10, "about 50 %": 0.5, "about 85 %": 0.85})
guess_default

# %%
with failures.workbench() as bench:
    prepared = prepare(failures.digits_network())
    bench.model = convert(prepared)
failures.check_repair("uncalibrated", bench)

# %%
guess_default.reveal(failures.right(bench.model), "With scale 1, each activation is rounded to a whole number. The accuracy drops, but not far enough for you to notice immediately, and that makes the mistake dangerous.")

# %% [markdown]
# **Cause.** The observers have not seen any data, so each returns the default scale and zero point.
#
# **Fix.** Run typical inputs through the model: add `prepared(failures.images())` before `convert`. *Then try `100 * failures.images()`. The warning is gone, but how accurate is the network?*
#
# ## 3. Converted in train mode
#
# This network comes straight from a training loop. Its **batch norms** normalize the channels after each convolution.

# %%
with failures.workbench() as bench:
    model = failures.after_training()
    prepared = prepare(model.fuse())
    prepared(failures.images())
    bench.model = convert(prepared)
failures.check_repair("train-mode", bench)

# %% [markdown]
# **Cause.** In train mode, `fuse` keeps the batch norm trainable. `convert` leaves this combined layer in floating point, so it receives integers although it expects floats.
#
# **Fix.** Call `model.eval()` before `fuse`. *Does it also help at the end, on `bench.model`?*
#
# ## 4. Low accuracy and no message
#
# Now the network is in eval mode and calibrated, but its accuracy drops:

# %%
guess_norm = Prediction("Where is most of the accuracy lost?", ["in the weights of the convolution", "between convolution and batch norm", "in the last layer"])
guess_norm

# %%
with failures.workbench() as bench:
    model = failures.with_batch_norm()
    prepared = prepare(model)
    prepared(failures.images())
    bench.model = convert(prepared)
failures.check_repair("low-accuracy", bench)

# %%
guess_norm.reveal("between convolution and batch norm", failures.case("low-accuracy").cause)

# %% [markdown]
# **Cause.** Nothing was fused, so each convolution's output is rounded before the batch norm. There, its channels differ widely, but share a single scale. Fusing multiplies the batch norm's factors into the weights, which have a scale per channel.
#
# **Fix.** Call `model.fuse()` before `prepare`. *Compare the accuracy.*
#
# ## 5. Signed and unsigned types are swapped
#
# A **qconfig** specifies the observers for activations and for weights. Each observer has a dtype.

# %%
qconfig = QConfig(
    activation=MinMaxObserver.with_args(dtype=torch.qint8),
    weight=MinMaxObserver.with_args(dtype=torch.quint8),
)
failures.check_repair("wrong-dtype", qconfig)

# %% [markdown]
# **Cause.** The kernels need unsigned activations (`quint8`) and signed weights (`qint8`).
#
# **Fix.** Swap the dtypes. *Fix the weights first, and read the next message: the mistake in the activations appears only when the model runs.*
#
# ## 6. A different engine is set
#
# The **engine** is the library that computes quantized layers, and it is set for the whole process. Two networks were converted for the same engine, and one of them uses a **ReLU6**, which also clips values above 6. Then a different engine is set:

# %%
engine = "qnnpack"
failures.check_repair("engine", engine)

# %% [markdown]
# **Cause.** The kernel for the weights is chosen during conversion, so the network without a ReLU6 is not affected. But the kernel for the clipping depends on the engine that is set *now*, and qnnpack's kernel assumes a different memory layout, so the channels get mixed up.
#
# **Fix.** Set the engine once, at the start of the program. *Choose the engine that the output names. Then choose `"none"` to see the message that you would get without any engine (`NoQEngine`).*
#
# ## 7. The symmetric scheme for activations
#
# On [page](page:scale_and_zero_point), the symmetric scheme used signed codes and zero point 0. Here its codes are unsigned:

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
# **Cause.** The codes below 128 represent negative values. After a ReLU there are none, so half of the codes are wasted, which is the same as losing one bit.
#
# **Fix.** Use the affine scheme for activations: omit `qscheme`, or write `torch.per_tensor_affine`.
#
# ## 8. A percentile that clips too much
#
# You want to clip the largest 0.01 % of the values, and write:

# %%
calibrator = Percentile(0.01)
failures.check_repair("percentile", calibrator)

# %% [markdown]
# **Cause.** The argument is the percentage of values to *keep*. More than half of these values are exactly 0, so keeping 0.01 % gives a range from 0 to 0.
#
# **Fix.** Keep 99.9 % of the values or more, and check the range. *What is the smallest percentage the check accepts?*
#
# ## 9. Slower than before
#
# Here the results are correct, but int8 is *slower* than float32:

# %%
LocalResult("A tiny layer, one input at a time: int8 against float.", failures.race)

# %%
from qviz.numerics.saturation import pair_sums
layer = nn.Linear(10, 5)
failures.check_repair("slower", layer)

# %% [markdown]
# **Cause.** Quantizing the input and dequantizing the output take time. In a tiny layer, integer arithmetic saves less than that.
#
# **Fix.** Quantize only layers with a lot of computation. *Make the layer wider. At which width is int8 faster on your machine?*
#
# ## 10. Different answers on a different computer
#
# The last problem is the hardest to notice: there is no message, and it occurs only on some computers. In 2020, a user reported this sum:

# %%
guess_sum = Prediction("The correct sum is 211 * 71 + 171 * 107 = 33,278. The processor adds the two products as signed 16-bit numbers. What does it return?", {"33,278": 33278, "32,767": 32767, "-32,258": -32258})
guess_sum

# %%
guess_sum.reveal(int(pair_sums([211, 171], [71, 107])[0]), "The largest signed number with 16 bits is 32,767. An ordinary addition would wrap around to -32,258, but this instruction saturates: it returns the largest number.")

# %%
explorer = SaturationExplorer()
explorer

# %% [markdown]
# Change the codes. The error is largest if all four are large and both weights have the same sign. Then choose *32 bits*: processors with **VNNI** add in 32 bits, so nothing is lost.
#
# For x86 processors without VNNI, the fix is **reduce_range**: with only 7 bits for activations, the sum of two products always fits. The price is a larger rounding error:

# %%
explorer.reset()
print(explorer.readout.splitlines()[2])
explorer.reduce_range = True
print(explorer.readout.splitlines()[2])
explorer.reset()

# %% [markdown]
# The plot on the right shows the error for a layer with random codes. With *uniform*, all codes are equally likely. What if large codes are rare, as with *bell-shaped*?

# %%
for spread in ("uniform", "bell-shaped"):
    explorer.reset(spread=spread)
    print(explorer.readout.splitlines()[3])
explorer.reset()

# %% [markdown]
# **Notice:** if large codes are rare, two of them seldom occur in the same pair. So a network can work well on an old processor for a long time before this error appears.
#
# The explorer only *emulates* this addition. The next cell compares it with the real kernel on your processor, as it is and with VNNI switched off:

# %%
from qviz.pytorch.labs import saturation
LocalResult("How does your processor add the products?", lambda: saturation.report(waiting=answer_moves))

# %% [markdown]
# Torch's default qconfig for fbgemm uses `reduce_range`. If you write your own, set it: `MinMaxObserver.with_args(dtype=torch.quint8, reduce_range=True)`.
#
# ## Your guesses and the results

# %%
record(guess_default, guess_norm, guess_zero, guess_sum)

# %% [markdown]
# ## In five lines
#
# 1. `'CPU' backend`: an integer kernel received floats. Check the stubs. If a float layer received integers, check the mode.
# 2. Scale 1 and zero point 0 usually mean that the model was not calibrated.
# 3. A model can be wrong without any message. Compare its accuracy with the float network's.
# 4. Use unsigned, affine activations and signed, symmetric weights, and set the engine once.
# 5. The sum of two products of 8-bit codes may not fit into 16 bits. Use `reduce_range`, or a processor with VNNI.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** Could you use 7 bits for the weights instead of the activations? In the explorer, set both activations to 255 and both weights to the same number. What is the largest weight for which the sum still fits into 16 bits?

# %%
largest_weight = None
### BEGIN SOLUTION
largest_weight = 64
### END SOLUTION

# %%
check("when_it_goes_wrong.1", largest_weight)

# %% [markdown]
# **2.** Here is one more problem. A **skip connection** adds the input of a layer to its output. The argument of `Residual(...)` is the function or module that does the addition. Read the message from torch and fix the cell. If you need help, `print(failures.case("skip-connection"))` shows a solution.

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
# **4.** Write the kernel yourself. `x` and `w` are arrays of codes with the same length, which is even. Multiply them element by element, add neighbouring products (0 and 1, 2 and 3, ...) with saturation to 16 bits, and then add up these sums exactly.

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
# * Reports by users: `list(failures.FAILURES)` gives the names of all the cases. `print(failures.case("double-input"))` shows the cause, the fix and links for one that is not on this page: NumPy uses float64 by default, but `QuantStub` accepts only float32.
# * [pytorch issue 44939](https://github.com/pytorch/pytorch/issues/44939): D. Balchev reports the sum that saturates.
# * Intel, [*64 and IA-32 Architectures Software Developer's Manual*](https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html): PMADDUBSW, the instruction that adds pairs of products in 16 bits.
# * ONNX Runtime, [*Quantize ONNX models*](https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html): its `reduce_range` uses 7 bits for the weights instead of the activations.
# * [onnxruntime issue 10846](https://github.com/microsoft/onnxruntime/issues/10846): ONNX Runtime itself once confused the percentage to keep with the percentage to clip.
# * PyTorch, *Quantization: frequently asked questions*, [discuss.pytorch.org](https://discuss.pytorch.org/t/quantization-frequently-asked-questions/161251).
