# %% [markdown]
# These are the failures that people post in forums, again and again. Here each is made on purpose. You read what torch says, guess the cause, and mend the cell.

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
# Work is done on a **workbench**: an error ends the steps there, but it does not stop the page. Below it, the verdict says what torch said, and whether your repair works.
#
# ## 1. A float input has no kernel
#
# One layer, calibrated and converted. Torch does all steps without a word. Then the model gets its first input:

# %%
with failures.workbench() as bench:
    model = nn.Sequential(nn.Linear(10, 5)).eval()
    model.qconfig = get_default_qconfig(bench.engine)
    prepared = prepare(model)
    prepared(failures.numbers())
    bench.model = convert(prepared)
failures.check_repair("missing-stub", bench)

# %% [markdown]
# **Cause.** The layer now multiplies integers, and nothing makes the input integers. `'CPU' backend` in the message means: a tensor of real numbers came in.
#
# **Cure.** Two **stubs** mark where integers begin and end: `QuantStub()` before the layer, `DeQuantStub()` behind it. `convert` turns them into the real steps. *Mend the cell above: put both into the list of layers. Run it again. What if you forget the second one?*
#
# ## 2. Scale 1 and zero point 0
#
# The network of the course, with stubs. `prepare` puts observers in. What is missing?

# %%
guess_default = Prediction("No image was shown to the observers. How many of the digits does the integer network name right?", {"10 %, as by chance": 0.10, "about half": 0.5, "about 85 %": 0.85})
guess_default

# %%
with failures.workbench() as bench:
    prepared = prepare(failures.digits_network())
    bench.model = convert(prepared)
failures.check_repair("uncalibrated", bench)

# %%
guess_default.reveal(failures.right(bench.model), "Each activation is rounded to a whole number. It is bad, yet not bad enough to be noticed at once: that is what makes it dangerous.")

# %% [markdown]
# **Cause.** No data went through, so each observer fell back to scale 1 and zero point 0. Torch warns, and goes on.
#
# **Cure.** Show typical inputs: a line `prepared(failures.images())` before `convert`. *Mend it. Then try `100 * failures.images()`: the warning is gone, and the network?*
#
# ## 3. Converted as training left it
#
# This network is as a training loop leaves it. It has **batch norms**, layers that even out the channels behind a convolution.

# %%
with failures.workbench() as bench:
    model = failures.after_training()
    prepared = prepare(model.fuse())
    prepared(failures.images())
    bench.model = convert(prepared)
failures.check_repair("train-mode", bench)

# %% [markdown]
# **Cause.** The model is in train mode. There `fuse` keeps the batch norm, so that it can be trained further. `convert` does not know this joined layer and leaves it in float: integers meet real numbers.
#
# **Cure.** `model.eval()`, before the first step. *Mend it. Does it help to call it at the end, on `bench.model`?*
#
# ## 4. A batch norm on its own
#
# The same network in eval mode, calibrated. Torch says nothing at all.

# %%
guess_norm = Prediction("Nothing was fused. Where is most of the accuracy lost?", ["in the weights of the convolution", "between convolution and batch norm", "in the last layer"])
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
# In this network the channels of a convolution differ widely in size, and the batch norm hides that. Fused, its numbers go into the weights, which have a scale for each channel.
#
# **Cure.** `model.fuse()` before `prepare`. *Mend it.*
#
# ## 5. Signed and unsigned the wrong way round
#
# A **qconfig** says which observer watches what. Each observer has a dtype.

# %%
qconfig = QConfig(
    activation=MinMaxObserver.with_args(dtype=torch.qint8),
    weight=MinMaxObserver.with_args(dtype=torch.quint8),
)
failures.check_repair("wrong-dtype", qconfig)

# %% [markdown]
# **Cause.** The kernels multiply unsigned activations (`quint8`) by signed weights (`qint8`), and nothing else.
#
# **Cure.** Exchange the two. *Mend the weights first, and read the next message: `convert` does not look at activations, so that fault shows only when the model runs.*
#
# The input has a dtype, too: NumPy makes float64, and `QuantStub` takes float32 alone. `failures.case("double-input")` has the cure.
#
# ## 6. Another engine is set
#
# An **engine** is the library that computes. It is a setting of the whole process. Two networks were converted for the preferred engine of this machine. In one of them a ReLU also clips at 6 (a **ReLU6**). Now another engine is set while they run:

# %%
engine = "qnnpack"
failures.check_repair("engine", engine)

# %% [markdown]
# **Cause.** Converted weights bring their kernel along, so the second network does not mind. But clipping asks which engine is set *now*. That of qnnpack reads such a tensor in another order, and mixes up the channels.
#
# **Cure.** Set one engine at the start of a program, and keep it. *Mend it: choose the engine that both were made for; the verdict names it.*
#
# The message that people post most about engines comes from machines that have none: `Didn't find engine for operation quantized::linear_prepack NoQEngine`. *Choose `"none"` to see how this version words it.*
#
# ## 7. Symmetric, and the zero point is 128
#
# Symmetric means that zero gets the code 0. So people wonder about this observer:

# %%
guess_codes = Prediction("Symmetric, unsigned codes, values after a ReLU (never negative). How many of the 256 codes are used?", {"all 256": 256, "half, 128": 128, "only 1": 1})
guess_codes

# %%
observer = MinMaxObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric)
failures.check_repair("symmetric", observer)

# %%
guess_codes.reveal(failures.codes_used(observer), "Unsigned codes have no negative half. So torch puts zero in the middle, at 128, and everything below stays empty: one bit is lost.")

# %% [markdown]
# **Cure.** Affine for activations: leave `qscheme` out, or write `torch.per_tensor_affine`. Symmetric is for weights, which are signed. *Mend it.*
#
# ## 8. A percentile that keeps nearly nothing
#
# Somebody wants to give up the rarest 0.01 % of the values, and writes:

# %%
calibrator = Percentile(0.01)
failures.check_repair("percentile", calibrator)

# %% [markdown]
# **Cause.** The number is the percentage to *keep*. More than half of the values after this ReLU are exactly 0. So the middle 0.01 % reach from 0 to 0, and all others are clipped. A library had this very mix-up in its own code (onnxruntime issue 10846).
#
# **Cure.** Keep 99.9 % or more, and look at the range before you trust it. *Mend it. From which percentage on is the verdict satisfied?*
#
# ## 9. Slower than before
#
# Nothing is wrong with the answers. But the model is *slower*. These times are taken on your machine, now:

# %%
LocalResult("A tiny layer, one input at a time: int8 against float.", failures.race)

# %%
layer = nn.Linear(10, 5)
failures.check_repair("slower", layer)

# %% [markdown]
# **Cause.** Making integers, and real numbers again, costs a fixed time for the calls and a little for each value. The sums grow faster than that. A tiny layer never earns it back.
#
# **Cure.** Quantize where there is much to compute. *Make the layer wider until int8 wins. Where is the turning point on your machine?*
#
# ## 10. The sum that does not fit
#
# The last failure is the quietest. No message, and the same file gives other answers on another computer. In 2020 somebody found two products that an older processor adds wrongly (pytorch issue 44939):

# %%
guess_sum = Prediction("211 * 71 + 171 * 107 = 33,278. The processor adds the two in 16 bits, signed. What comes out?", {"33,278": 33278, "32,767": 32767, "-32,258": -32258})
guess_sum

# %%
explorer = SaturationExplorer()
explorer

# %%
explorer.reset()
guess_sum.reveal(explorer.result.kept, "16 bits end at 32,767. Ordinary addition would wrap around to -32,258; this instruction stops at the end instead: it saturates.")

# %% [markdown]
# Move the codes. Large activations with large weights of one sign lose most. Processors with **VNNI** add in 32 bits at once and lose nothing: choose *32 bits*.
#
# The cure for the others is **reduce_range**: activations get 7 bits, so that two products always fit. It costs some rounding:

# %%
explorer.reset()
print(explorer.readout.splitlines()[2])
explorer.reduce_range = True
print(explorer.readout.splitlines()[2])
explorer.reset()

# %% [markdown]
# On the right is a whole layer of random numbers. Its codes are *even*: all are equally likely. With 8 bits the sums in 16 bits are far off; with 7 bits both ways agree. And when large codes are rare, as in most trained networks?

# %%
for spread in ("even", "bell-shaped"):
    explorer.reset(spread=spread)
    print(explorer.readout.splitlines()[3])
explorer.reset()

# %% [markdown]
# **Notice:** where large codes are rare, two of them seldom fall into one pair. So many networks run well on old processors, until one does not.
#
# The explorer *emulates* the addition. Here is the real kernel: on your processor as it is, and once more in a process of its own that is told to do without VNNI. If the emulation is right, each sum of that process equals the emulated one.

# %%
from qviz.pytorch.labs import saturation
LocalResult("What does this processor do?", saturation.report)

# %% [markdown]
# torch's default for fbgemm has `reduce_range` on. If you write your own qconfig, it is yours to remember: `MinMaxObserver.with_args(dtype=torch.quint8, reduce_range=True)`.

# %% [markdown]
# ## What you expected, and what was so

# %%
record(guess_default, guess_norm, guess_codes, guess_sum)

# %% [markdown]
# ## In five lines
#
# 1. `'CPU' backend` in a message: real numbers reached an integer kernel. `'QuantizedCPU' backend`: integers reached something that has no kernel for them. Look at stubs and modes.
# 2. Scale 1 and zero point 0 mean that nothing was calibrated.
# 3. No message does not mean that all is well: compare the accuracy with the float network, and look at the ranges.
# 4. Activations are unsigned and affine, weights signed and symmetric; one engine from start to end.
# 5. Two products of 8 bits may not fit 16: use `reduce_range`, or a processor with VNNI.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** "Weights of 7 bits in place of activations of 7 bits cannot help: 255 is too large." Is that so? Set both activations to 255 and both weights to one number. What is the largest that still fits 16 bits?

# %%
largest_weight = None
### BEGIN SOLUTION
largest_weight = 64
### END SOLUTION

# %%
check("when_it_goes_wrong.1", largest_weight)

# %% [markdown]
# **2.** One more from the gallery. A **skip connection** adds the input of a layer to its output. `Residual(...)` takes what adds the two. Read what torch says, and mend it. `print(failures.case("skip-connection"))` has a cure.

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
# **3. Spot the bug.** Somebody makes `reduce_range` by hand: codes from 0 to 127 for values from 0 to `hi`. The sums fit now, and the network is worse than before. Mend it.

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
# **4.** Write the kernel. `x` and `w` are rows of an even number of codes. Multiply them, add neighbours (0 and 1, 2 and 3, ...) with saturation to 16 bits, and add up these sums exactly.

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
# * Where people met these: `failures.case("missing-stub")` lists cause, cure and links; `list(failures.FAILURES)` has all names.
# * [pytorch issue 44939](https://github.com/pytorch/pytorch/issues/44939): D. Balchev finds the sum that saturates.
# * Intel, [*64 and IA-32 Architectures Software Developer's Manual*](https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html): PMADDUBSW, the instruction that adds pairs in 16 bits.
# * ONNX Runtime, [*Quantize ONNX models*](https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html): its `reduce_range` gives weights 7 bits, in place of activations.
# * [onnxruntime issue 10846](https://github.com/microsoft/onnxruntime/issues/10846): the percentage to keep, and the percentage to drop.
# * PyTorch, *Quantization: frequently asked questions*, [discuss.pytorch.org](https://discuss.pytorch.org/t/quantization-frequently-asked-questions/161251).
