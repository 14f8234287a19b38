# %% [markdown]
# You know how to quantize the digits network with `prepare` and `convert`. Here we quantize the same network with the library that replaces them, and test every claim by measuring. Are the answers the same? Are the integers the same? Which layers really multiply integers?

# %%
import numpy as np

from qviz.lessons import LocalResult, Prediction, after_the_course, check, guesses_over_the_course, record
from qviz.pytorch import ptq
from qviz.pytorch.labs import capstone
from qviz.pytorch.measure import evaluate
from qviz.pytorch.migration import migration_table, migration_lab, torchao_env
from qviz.pytorch.migration.migration_lab import MigrationLab
from qviz.pytorch.migration.backends import BACKENDS
from qviz.pytorch.migration.stored_results import stored_results

# %% [markdown]
# ## What is going away
#
# Nearly all of PyTorch's old quantization functions print a warning when you call them. Most of the other pages suppress it. Here it is:

# %%
print(migration_lab.deprecation_notice())

# %% [markdown]
# This course uses PyTorch 2.13, and the old code still runs. The documentation of 2.13 still announces its removal "in 2.10 if there are no blockers", or else in a later release. The types `quint8` and `qint8` are deprecated too. So old code works today, but a later release will break it.
#
# The replacement is a separate library, **torchao**. Two parts of it matter here:
#
# * The function `quantize_` changes the weights of a model in place. It is made mainly for language models.
# * **PT2E** exports the network as a graph and quantizes this graph. It is made for weights *and* activations, as in our network.
#
# Some features need a C++ compiler or a **GPU**, but no cell on this page does. The next cell shows which of these your machine has. If torchao is missing, the output tells you how to install it.

# %%
LocalResult("Which of these does your machine have?", torchao_env.describe)

# %% [markdown]
# ## The old method, once more
#
# This is the calibrated network from [page](page:ptq_with_fbgemm), with PyTorch's own min-max observers. `MigrationLab` builds it, runs it on the 359 test images, and records for each layer whether PyTorch really multiplies integers.

# %%
again = False  # True repeats what is stored, in the second part of the page
lab = MigrationLab(None if again else stored_results())
print(BACKENDS["torch.ao static"].code, "\n")
print(lab.table(["float", "torch.ao static"]))

# %% [markdown]
# All four layers multiply integers. The new methods should give the same 359 answers.
#
# ## First part: `quantize_`
#
# `quantize_` needs a single call, without stubs, observers or data.

# %%
print(BACKENDS["quantize_ int8 weights"].code)

# %%
guess_layers = Prediction("With its default settings, how many of our four layers does quantize_ quantize?", {"all 4": 4, "only 2": 2, "none": 0})
guess_layers

# %%
int8 = lab.measure("quantize_ int8 weights")
print(int8)
print("quantized:", ", ".join(int8.layers))

# %%
guess_layers.reveal(len(int8.layers) or float("nan"), "Only the two linear layers are quantized. The two convolutions stay in float32, and there is no warning.")

# %% [markdown]
# **Notice** the end of the first line: no layer multiplies integers. The weights are integers on disk, but each of them is converted back to a float before it is used. This is **weight-only quantization**. It saves memory, but it does not make the arithmetic cheaper.
#
# Are the integers the same as with the old method?

# %%
print(lab.compare_weights("quantize_ int8 weights"))

# %% [markdown]
# They are all the same, because the rule is the same: scale = max|w| / 127.5. With this scale, qviz differs in a handful of weights that are so close to halfway between two codes that float32 and float64 round them differently. Its own rule divides by 127, which changes many codes by one step.
#
# ## Integers in the arithmetic
#
# Two more configurations also quantize the inputs. **Dynamic** quantization determines the range of each input when it arrives. **Static** quantization uses ranges that were measured in advance.

# %%
dynamic = ["torch.ao dynamic", "quantize_ dynamic"]
print(lab.table([*dynamic, "quantize_ static"]))

# %% [markdown]
# Now the two linear layers multiply integers, as with the old dynamic method. But `quantize_` has no calibration step: for *static* quantization, you put an observer before each layer by hand and pass its scale to `quantize_`.
#
# Are the two dynamic methods the same? To find out, we run 32 images one at a time, and then all of them in one batch.

# %%
guess_batch = Prediction("With the old dynamic method, how many of the 32 images get different logits in the batch than alone?", {"none": 0, "about half": 16, "all 32": 32})
guess_batch

# %%
for name in dynamic:
    print(f"{name:18} {lab.batch_sensitivity(name):2.0f} of 32 images")

# %%
guess_batch.reveal(lab.batch_sensitivity("torch.ao dynamic"), "The old method uses one range for the whole batch, so an answer depends on the other images in the batch. The new method determines a range for each image.")

# %% [markdown]
# ## Fewer bits
#
# With `quantize_`, weights can have 1 to 8 bits. As on [page](page:benefits_and_trade_offs), fewer bits do not make the file smaller by themselves: this configuration gives each 4-bit code a byte of its own.

# %%
int4 = lab.measure("quantize_ int4 weights")
print(BACKENDS["quantize_ int4 weights"].code, "\n")
print(int8)
print(int4)

# %% [markdown]
# The file is almost as large as before, and some answers have changed, so this configuration is useful only for experiments. torchao packs two codes into a byte in its formats for GPUs, and in a prototype for CPUs. But the prototype needs layers whose number of outputs is a multiple of 16, and our last layer has 10.
#
# ## Second part: PT2E
#
# For our network, PT2E replaces `prepare` and `convert`. (The warning at the top of the page recommends `quantize_` to users of eager mode, but by default, `quantize_` does not change convolutions.) There are four steps: export the graph, prepare it with a quantizer, run data through it, and **convert** it. Some of these steps take a few seconds, so the results from here on are stored with qviz. Set `again` to `True` in the cell that makes the lab, and run the page once more to repeat them on your machine.

# %%
print(BACKENDS["PT2E histogram"].code)

# %% [markdown]
# You do not have to add stubs or fuse anything, because the graph shows the quantizer which operations follow each other.

# %%
guess_size = Prediction("You save the converted graph. How large is the file, compared with that of the float network?", {"a quarter": 0.25, "the same": 1.0, "a quarter larger": 1.25})
guess_size

# %%
print(lab.table(["float", "PT2E", "PT2E without floats"]))

# %%
guess_size.reveal(lab.measure("PT2E").size_bytes / lab.measure("float").size_bytes, "The file contains the codes, but also the float weights, which are no longer used. To delete them before you save, call pt2e.without_float_weights(quantized), from qviz.pytorch.migration.")

# %% [markdown]
# The quantizer for x86 uses histogram observers. To compare the integers with those of the old method, the lab also runs PT2E with the old min-max observers.

# %%
guess_codes = Prediction("PT2E now uses the same observers and images as the old method. We quantize all 3,590 logits of both networks with the old scale. How many codes differ?", {"none": 0, "about 100": 100, "about 1,000": 1000})
guess_codes

# %%
same_observers, histogram = lab.different_codes("PT2E"), lab.different_codes("PT2E histogram")
print(f"different codes among 3,590 logits: {same_observers} with the same observers, {histogram} with histograms")
print(lab.table(["PT2E", "PT2E histogram"]))

# %%
guess_codes.reveal(same_observers, "PT2E reproduces the old network bit for bit. Histogram observers change about a quarter of the codes, but none of the answers.")

# %% [markdown]
# ## What really runs
#
# Look at the table again: *integers in 0 of 4 layers*. These are the operations that ran, in order:

# %%
print(lab.steps("PT2E"))

# %% [markdown]
# The graph quantizes each activation and immediately converts it back to floats. The products are computed in floating point, from values rounded to the levels. This is a **reference model**: it runs on every machine, and defines what integer kernels have to compute.
#
# ## Real integer kernels
#
# The step from the reference model to integer arithmetic is called **lowering**. There are two ways to do it. `torch.compile` generates C++ code, so it needs a compiler. `lower_pt2e_quantized_to_x86` uses the ready-made kernels of oneDNN, Intel's library, and needs no compiler:

# %%
print(lab.measure("PT2E lowered"))
print(f"different codes among 3,590 logits: {lab.different_codes('PT2E lowered')}")
print(lab.steps("PT2E lowered"))

# %% [markdown]
# All four layers compute with integers again, and the answers are the same. A few logits differ by one step, because values almost exactly halfway between two codes were rounded the other way.
#
# There are three catches. The lowered network accepts only one batch size. It cannot be saved, so save the reference model and lower it after loading. And PyTorch 2.13 inserts a `view` after the second convolution, which the kernel's memory layout does not allow; qviz replaces it with a `reshape`.
#
# ## Old call, new call
#
# Each line compares both calls on the digits, and shows how many results are the same.

# %%
print(migration_table.table(lab, again))

# %% [markdown]
# Three lines do not match completely:
#
# * `quantize_dynamic`: the new method uses a range for each image, as you saw above.
# * `torch.quantize_per_tensor` adds the zero point before it rounds, whereas `quantize_affine` rounds first. To show the difference, this line uses a grid that produces ties: the step is an eighth of the largest pixel value, and the zero point is odd. Pixels at 1/16, 3/16, ... of the largest value lie exactly halfway between two codes, and the two calls choose different ones.
# * `lower_pt2e_quantized_to_x86`: oneDNN rounds some values the other way.

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_layers, guess_batch, guess_size, guess_codes)

# %% [markdown]
# ## In five lines
#
# 1. `torch.ao.quantization` still runs, but it will be removed. torchao replaces it.
# 2. By default, `quantize_` changes only linear layers, so check which layers multiply integers.
# 3. PT2E replaces `prepare` and `convert`. With the same observers, it gives the same integers.
# 4. Its converted graph is a reference model in floating point. Lowering it gives you integer kernels.
# 5. A network that is called quantized may still be large on disk and compute in floating point. Count its bytes and its integer products.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** Write torchao's rule for the scale of symmetric weights with `bits` bits. It is the largest absolute weight, divided by half of the distance between the lowest and the highest code.

# %%
def torchao_scale(w, bits):
    return None
### BEGIN SOLUTION
def torchao_scale(w, bits):
    return np.abs(w).max() / ((2**bits - 1) / 2)
### END SOLUTION

# %%
check("moving_on.1", torchao_scale)

# %% [markdown]
# **2.** The weights of *fc1* are 64 x 512, with 4 bits each. How many bytes do their codes take in the file that torchao saved above, and how many would they take if two codes shared a byte?

# %%
fc1_bytes = None  # a pair, such as (100, 50)
### BEGIN SOLUTION
fc1_bytes = (64 * 512, 64 * 512 // 2)
### END SOLUTION

# %%
check("moving_on.2", fc1_bytes)

# %% [markdown]
# **3. Spot the bug.** This function should count the layers that multiply integers, given the names of the operations that ran. For the converted graph above, it counts many, although no layer there multiplies integers. Fix it. The operations that multiply integers are `qconv_pointwise`, `qlinear_pointwise` and, in the dynamic network from `quantize_`, `_int_mm`.

# %%
def integer_layers(operations):
    return sum("quantize_per_tensor" in name for name in operations)
### BEGIN SOLUTION
def integer_layers(operations):
    return sum(name in ("qconv_pointwise", "qlinear_pointwise", "_int_mm") for name in operations)
### END SOLUTION

# %%
check("moving_on.3", integer_layers)

# %% [markdown]
# **4.** With `IntxWeightOnlyConfig`, you can tell `quantize_` to quantize convolutions too. It then uses one scale for each combination of an output channel and a position in the 3 x 3 filter. The weights of *conv2* are 32 x 16 x 3 x 3. How many scales is that, and how many would there be with one per channel?

# %%
conv2_scales = None  # a pair
### BEGIN SOLUTION
conv2_scales = (32 * 3 * 3, 32)
### END SOLUTION

# %%
check("moving_on.4", conv2_scales)

# %% [markdown]
# **5. The last exercise: a report on a model.** Quantize one network in two ways. W8A8 has 8 bits for weights and activations. W4A8 has 4 bits for the weights, with one scale per channel, and 8 bits for the activations. Then report the size, the accuracy and the speed of both. Which of them failed (lost more than two points of accuracy), and why? Which one would you ship? For the speed, also state the batch size, the machine and the engine. `capstone.example()` returns a small trained network that you have not seen yet. If you have a model of your own, use that instead: you need a float network with stubs, inputs for the calibration, and test inputs with their labels.
#
# 1. `ptq.quantize_model(model, ptq.PTQConfig(...), calibration_x)` quantizes a network, and `evaluate(model, quantized, x, y, repeats=30)` measures it. Store what it returns in `measured["W8A8"]` and `measured["W4A8"]`, and print it.
# 2. Fill in the report. The sizes are in bytes on disk, and `times_as_fast` is the time of the float network divided by the time of the quantized one.
# 3. `why` is a sentence or two. Name the layer whose quantization costs the most accuracy, and give the figure that shows it.
#
# The check compares the figures, but only a person can judge the reasons. Give each line 0, 1 or 2 points:
#
# | | 0 points | 1 point | 2 points |
# |---|---|---|---|
# | *fair* | calibrated on the test data | separate data, one run | separate data, and says how much may be due to chance |
# | *size* | repeats "4 bits are an eighth" | measured | explains the difference in size between W4A8 and W8A8 |
# | *speed* | claimed | measured | states the batch size, the machine and the engine |
# | *why* | "fewer bits" | names the weakest layer with its figure | changes one thing (scales, bits of one layer, calibrator) and shows the effect |
# | *advice* | none | recommends one of the two | says what to ship, and what would change that decision |

# %%
model, calibration_x, x, y = capstone.example()  # or your own four
measured, size_bytes, accuracy, times_as_fast = {}, {}, {}, {}  # by name: "W8A8", "W4A8"; sizes and accuracies also for "float"
failed, why = None, None  # a list of names, and a sentence or two
### BEGIN SOLUTION
for name, bits in {"W8A8": 8, "W4A8": 4}.items():
    quantized = ptq.quantize_model(model, ptq.PTQConfig(weight_bits=bits), calibration_x)
    measured[name] = evaluate(model, quantized, x, y, repeats=30)
    print(name, measured[name])
    size_bytes |= {"float": measured[name].float_size_bytes, name: measured[name].size_bytes}
    accuracy |= {"float": measured[name].float_accuracy, name: measured[name].accuracy}
    times_as_fast[name] = measured[name].float_latency.median_ms / measured[name].latency.median_ms
failed = [name for name in measured if accuracy["float"] - accuracy[name] > 0.02]
weakest = min(measured["W4A8"].layers[1:], key=lambda layer: layer.weights.sqnr_db)
why = f"With 4 bits the weights of {weakest.name} keep only {weakest.weights.sqnr_db:.1f} dB, the fewest of all layers."
### END SOLUTION
report = dict(measured=measured, size_bytes=size_bytes, accuracy=accuracy, times_as_fast=times_as_fast, failed=failed, why=why)

# %%
check("moving_on.5", report)

# %% [markdown]
# **What have you learned in this course?** Here are nine questions about the same ideas as on the first page, with different numbers. For each wrong answer, you will see which page to read again.

# %%
after_the_course()

# %% [markdown]
# **How did your guesses change?** The next cell shows your guesses on every page that you have read, and your answers to both sets of nine questions. (Score the questions above first, and then run the cell.)

# %%
guesses_over_the_course()

# %% [markdown]
# ## Sources
#
# * PyTorch documentation, [*Quantization*](https://docs.pytorch.org/docs/2.13/quantization.html), version 2.13: the plan for each of the old flows, and when they will be deleted.
# * pytorch/ao, issue 2259, [*torch.ao.quantization deprecation tracker*](https://github.com/pytorch/ao/issues/2259).
# * pytorch/pytorch, issue 184982, [*deprecation of derived quantized dtypes (quint8, qint8, qint32)*](https://github.com/pytorch/pytorch/issues/184982).
# * torchao documentation, [*PT2E Quantization*](https://docs.pytorch.org/ao/stable/pt2e_quantization/index.html): the steps, and the two ways to lower.
# * [torchao](https://github.com/pytorch/ao) 0.18, source of `Int8Tensor` and `IntxUnpackedToInt8Tensor`: the rules for scales.
