# %% [markdown]
# Three things are promised: a smaller model, faster answers, less power. Two things are paid: some accuracy, and a more complex way to the model. On this page nothing of that is taken on trust. You count it, measure it, or see where the figure comes from.

# %%
from qviz.experiments import measured_speed
from qviz.lessons import LocalResult, Prediction, check, record, sweep
from qviz.widgets import EnergyExplorer, SizeExplorer, SpeedExplorer

# %% [markdown]
# ## Size: count the bytes
#
# A weight in float32 takes 4 bytes. In int8 it takes one. So a network shrinks to a quarter, nearly: the scales, the zero points and the **biases** are still there.
#
# Each bar below is a layer. Move **Bits**, then choose a finer **One scale**. Watch the small layer, conv1.

# %%
sizes = SizeExplorer()
sizes

# %%
for granularity in ("per tensor", "per channel", "per 32 weights", "per 8 weights"):
    sizes.reset(bits=4, granularity=granularity)
    whole = sizes.result.whole
    print(f"{granularity:15} codes {whole.stored.codes:,}, scales {whole.stored.scales:6,} bytes: {whole.ratio:.2f} times smaller")
sizes.reset()

# %% [markdown]
# **Notice:** the fewer weights share a scale, the more bytes the scales take. A scale has 16 bits here. Groups of 32 weights add half a bit to each weight, and groups of 8 add two bits, half as much as the codes themselves.
#
# ## What a file really holds
#
# The explorer packs its codes: two codes of 4 bits share a byte. Now quantize the real network with torch, once to 8 bits and once to 4, and save both.

# %%
guess_file = Prediction("torch.save of the 4-bit network, against the 8-bit one. How large is the file?", {"half": 0.5, "the same": 1.0})
guess_file

# %%
from qviz.pytorch import digits_model, ptq, saved_model
from qviz.pytorch.size_and_latency import state_dict_bytes
images = digits_model.digits_tensors()[0]
print(f"float32: {state_dict_bytes(digits_model.digits_cnn()).file_bytes:,} bytes in torch's file")
size = {}
for bits in (8, 4, 2):
    network = ptq.quantize_model(digits_model.digits_cnn(), ptq.PTQConfig(weight_bits=bits), images)
    size[bits], packed = (found := state_dict_bytes(network)).file_bytes, saved_model.saved_bytes(network, packed=True)
    print(f"{bits} bits: {found.file_bytes:,} in torch's file, {found.codes:,} of them codes; {packed:,} packed")
guess_file.reveal(size[4] / size[8], "torch stores each code in a whole byte. Fewer bits save room only where codes are packed.")

# %% [markdown]
# `saved_model.save(network, "digits.safetensors", packed=True)` writes such a packed file, and `saved_model.load` builds the network from it again, bit for bit.
#
# Our network is small. Names, shapes and 8-byte scales are a large part of its file. In a network of a million weights they hardly count:

# %%
from qviz.pytorch.labs import speed
wide = speed.Stack((64, 1024, 1024, 10)).eval()
wide_int8 = speed.quantized(wide, images[:256].flatten(1))
for name, network in (("float32", wide), ("int8", wide_int8)):
    found = state_dict_bytes(network)
    print(f"{name:8} in memory {found.memory_bytes:9,}, on disk {found.file_bytes:9,} bytes")
print(f"{state_dict_bytes(wide).file_bytes / found.file_bytes:.2f} times smaller on disk")

# %% [markdown]
# ## Speed: measure it here
#
# You often read that integers are faster. Here is what we measured once, on one machine:

# %%
from qviz.plots import accuracy_by_bits, latency_bubbles, speed_ratios
print("Measured on:", measured_speed.MACHINE)
speed_ratios({f"{e.width} wide, {e.batch} at once": e.times_as_fast for e in measured_speed.EXAMPLE}, "How many times as fast is int8?")

# %% [markdown]
# And on your machine? Press *Measure speed*. It takes a second or two, and uses one thread. Each case is warmed up, then run 30 times. A bar shows the median, the short line its spread. These times are never stored: each machine has its own.
#
# On the right is the **roofline** of the case with the star. A machine can do only so many operations a second: the flat roof. And it can fetch only so many bytes: the slope, which only data in a cache can beat. **Arithmetic intensity**, the operations for each byte, says under which of the two a case stands. The short bar is a third limit: the time for calling the layers at all.

# %%
timing = SpeedExplorer(speed.SpeedLab())
timing

# %% [markdown]
# **Notice:** in some cases int8 loses, as in the picture of our machine. Narrow layers and single inputs have so little to compute that the calls take all the time; and int8 has more of them, to quantize the input and dequantize the output. Tick **Convert around every layer**, and measure again: it loses more often. Wide layers with many inputs win by far.
#
# What can be said without a clock is how much there is to do:

# %%
for width, batch in ((16, 1), (256, 1), (1024, 256)):
    timing.reset(width=width, batch=batch)
    real, integer = timing.result.real, timing.result.integer
    print(f"{width:4} wide, {batch:3} at once: {real.operations:13,} operations", end="; ")
    print(f"for each byte {real.intensity:5.1f} in float32, {integer.intensity:5.1f} in int8")
timing.reset()

# %% [markdown]
# ## Power: an estimate, and its source
#
# A battery pays for arithmetic, and for moving numbers. Mark Horowitz published what each costs in a chip of 45 nm, in 2014. In float32 a product takes 3.7 pJ and a sum 0.9 pJ; in int8 the product takes 0.2 pJ, and its sum in int32 0.1 pJ: 15 times less. Fetching 64 bits takes 10 pJ from a small cache, and 1,300 to 2,600 pJ from the main memory, **DRAM**.
#
# What follows is an *estimate* from those figures. It leaves out all that is the same for both, such as reading instructions. So the true saving is smaller.
#
# Below, move **Data live in** from DRAM to the caches, then take **Weight bits** down.

# %%
guess_power = Prediction("All data in DRAM: how many times less energy than float32 does int8 take in all?", {"4 times": 4, "8 times": 8, "15 times": 15})
guess_power

# %%
power = EnergyExplorer()
power

# %%
for place in ("nowhere", "8 KB cache", "1 MB cache", "DRAM"):
    power.reset(what="language model", place=place)
    real, saved = power.result.estimates["float32"], power.result.saved
    share = real.arithmetic_pj / real.total_pj
    print(f"{place:10}: float32 {real.total_pj / 1e6:8,.0f} \N{MICRO SIGN}J, {share:4.0%} of it arithmetic; int8 saves {saved:.1f} times")
power.reset()
guess_power.reveal(saved, "Nearly all energy goes into moving bytes, and int8 has a quarter of them. Only where nothing is moved is it 15 times.")

# %% [markdown]
# Some machines have a counter of energy, **RAPL**. Where it may be read, the next cell measures the wide network with it; where not, it says so.

# %%
from qviz.pytorch.labs.power import Counter
x = images[:256].flatten(1)
both = {"float32": lambda: wide(x), "int8": lambda: wide_int8(x)}
LocalResult("What does the wide network take, by a counter of energy?", lambda: Counter().compare(both, inputs=256))

# %% [markdown]
# ## Accuracy: what fewer bits cost
#
# **W3A4** means weights of 3 bits and activations of 4. The next cell rounds our network after training (PTQ), and trains it on with the rounding in it (QAT), for three epochs each and with three seeds.

# %%
from qviz.pytorch.labs.qat_lab import QATLab
lab = QATLab()
formats = [{"weight_bits": w, "activation_bits": a, "epochs": 3} for w, a in ((8, 8), (4, 4), (3, 4), (2, 4))]
seeds = [settings | {"seed": seed} for settings in formats for seed in (0, 1, 2)]
sweep(lambda settings: lab.train(**settings), seeds, workers=1, progress=True)
runs = [lab(**settings) for settings in seeds]
found = {"PTQ": [run.accuracies[0] for run in runs[::3]], "QAT": [run.accuracies[-1] for run in runs]}
accuracy_by_bits([run.config.name for run in runs[::3]], found, runs[0].float_accuracy, images=359)

# %% [markdown]
# The fewer the bits, the more rounding costs, and the more training gives back; [page](page:qat_with_fbgemm) says how. Each mark is one run, and the line goes through the middle one of three. The thin lines are 95 % intervals: 359 images cannot tell 97 % from 98 %, so the order of W4A4 and W3A4 means nothing here. PTQ at W2A4 is another matter.
#
# ## Which layer needs its bits?
#
# So far all layers had the same bits. Now each layer gets its own. Four layers with 2 to 8 bits or float32 are 4,096 networks. Their weights alone are rounded, with the ranges that have the least squared error (mse). The next cell measures them all on the training images: a **sweep**. It uses all cores, and shows how far it is. If you interrupt it, it keeps what is done; then the rest is measured without a bar, in a few seconds.
#
# A sweep gives the same numbers on any number of cores. It runs on joblib, so the same line also runs on a Dask cluster, after `dask.distributed.Client()` and inside `with joblib.parallel_config("dask"):`.

# %%
from functools import partial
from qviz.experiments.bit_allocation import alone, all_but, best_that_fits, take_bits
from qviz.experiments.mixed_precision import LAYERS, WIDTHS, every_network, joined, networks_of, place, size_bytes
from qviz.widgets import DecisionExplorer, ParetoExplorer
networks = partial(networks_of, images="training", method="mse")
done = sweep(networks, WIDTHS, progress=True)
training = joined([*done.results, *map(networks, WIDTHS[len(done.results):])])
print(done, "- the rest came after it:" if done.stopped else "-", training.right.size, "networks,", training.images, "images")

# %% [markdown]
# **Sensitivity:** quantize one layer alone, and leave the others in float32. The first layer is the smallest, and fc1 by far the largest.

# %%
guess_layer = Prediction("One layer alone has 2 bits. Which one takes the most digits with it?", ["conv1, the first", "conv2", "fc1, the largest", "fc2, the last"])
guess_layer

# %%
test = every_network("test", "mse")
for layer in LAYERS:
    right = " ".join(f"{n:4}" for n in alone(test.right, layer)[:4])
    rest = " ".join(f"{n:4}" for n in all_but(test.right, layer)[:4])
    decibels = " ".join(f"{db:5.1f}" for db in alone(test.sqnr_db, layer)[:4])
    print(f"2, 3, 4, 5 bits: {layer:5} alone {right} right, {decibels} dB; all but {layer:5} {rest} right")
worst = min(LAYERS, key=lambda layer: alone(test.right, layer)[0])
guess_layer.reveal(next(c for c in guess_layer.choices if c.startswith(worst)), "Neither the first layer nor the largest: measure it.")

# %% [markdown]
# Size and accuracy pull in two directions. Each dot below is a network with 2 to 8 bits in each layer. A network is on the **Pareto front** if no other is both smaller and better. What beats yours lies in the box.
#
# Move the four sliders, and get the star onto the front. Then choose another **Weight range**.
#
# **Time** is the third axis: press *Measure speed*. It is real for float32 and 8 bits only, for there are kernels for no others. Networks with fewer bits run on the kernel for 8, so they take as long as int8. Fewer bits save bytes here, not time.
#
# The same 359 test images choose the front and judge it. So it looks a little better than it is.

# %%
pareto = ParetoExplorer(speed.DigitsSpeed(), method="mse")
pareto

# %%
pareto.reset(conv1=6, fc2=6, score="SQNR")
print(pareto.readout)
pareto.reset()

# %%
from qviz.pytorch import measure
sample, _, x_test, y_test = digits_model.digits_tensors()
model = digits_model.digits_cnn()
configs = {"int8, per tensor": ptq.PTQConfig(per_channel=False), "int8, per channel": ptq.PTQConfig(), "dynamic": ptq.PTQConfig(dynamic=True)}
found = {name: measure.evaluate(model, ptq.quantize_model(model, c, sample), x_test, y_test, repeats=100) for name, c in configs.items()}
points = {name: (r.latency.median_ms, r.latency.spread_ms, r.accuracy, r.size_bytes) for name, r in found.items()}
r = found["dynamic"]
speeds = {"float32": (r.float_latency.median_ms, r.float_latency.spread_ms, r.float_accuracy, r.float_size_bytes)} | points
LocalResult("Which of these is fast, and which is right?", lambda: latency_bubbles(speeds))

# %% [markdown]
# The picture shows all three axes, for three ways to 8 bits. It is measured on *your* machine, 32 images at a time with one thread; the area of a bubble is the file on disk.
#
# Back to bytes. With **mixed precision** the sensitive layers get more bits. *Greedy*: start at 8 bits, and take one bit after the other where it hurts least for the bytes it saves. *Exact*: look at all networks that fit. Both choose on the training images. What counts is how far the answers move from those of the float network (Kullback-Leibler divergence, less is better). The test images judge.

# %%
guess_percent = Prediction("3 bits everywhere. One percent more bytes, put where they help most: how much of the divergence of the test images is left?", {"about 95 %": 0.95, "about 80 %": 0.8, "about 40 %": 0.4})
guess_percent

# %%
size, loss = size_bytes(), training.divergence
for bits in (4, 3):
    budget = size[place(bits)]
    rows = {"uniform": (bits,) * 4, "greedy": take_bits(loss, budget)[-1]}
    rows |= {"exact": best_that_fits(loss, budget), "exact, and 1 %": best_that_fits(loss, 1.01 * budget)}
    for name, mixed in rows.items():
        at = place(mixed)
        print(f"{name:14} {mixed}: {size[at]:6,} bytes, {test.right[at]} of 359 right", end=", ")
        print(f"divergence {test.divergence[at]:.4f}, {test.sqnr_db[at]:4.1f} dB")
guess_percent.reveal(test.divergence[at] / test.divergence[place(3)], "Small layers can be sensitive, and their bits cost next to nothing.")

# %% [markdown]
# **Notice:** in fewer bytes than 4 bits everywhere, *exact* has a smaller divergence and more signal left. (A few images of 359 are within chance, so look at the finer measures: the divergence uses all ten logits of every image.) One percent more bytes gain far more. At 3 bits they are needed: in the same bytes nothing better fits.
#
# *Greedy* is no match. With the bytes of 4 bits to spend it ends at a smaller network, which is worse than the uniform one: its last step took a bit of fc1, and it cannot go back. At 3 bits the measures disagree.
#
# A warning: what is best on the images that chose it need not be best on others. So choose on some images, and judge on others, as the cell above does.
#
# ## Complexity: three ways side by side
#
# **Dynamic** quantization needs one line. **Static** post-training quantization needs a sample. **Quantization-aware training** (QAT) needs labels and a training loop. The next cell runs all three on our network, in plain torch. It counts lines and steps in the code that ran, and the images that went through the network. Each step is one more place for a mistake; [page](page:when_it_goes_wrong) shows most of them. `print(ways.ways[2].code)` shows the code itself.

# %%
from qviz.pytorch.labs import pipelines
print(ways := pipelines.run_all(), ways.steps(), sep="\n\n")
LocalResult("How many seconds did each way take?", ways.times)

# %% [markdown]
# ## Which way shall I go?
#
# Eight ways, and what your answers say of each. A cross rules a way out. Of those that are left, the one with least against it stands in the frame. Below are the reasons, their sources, and the code. The bars are measured on *our* network: measure yours.

# %%
decision = DecisionExplorer(bits=3, inputs="labelled training set", retrain=True)
decision

# %% [markdown]
# ## What you expected, and what was so

# %%
record(guess_file, guess_power, guess_layer, guess_percent)

# %% [markdown]
# ## In five lines
#
# 1. Size can be counted: int8 codes take a quarter of the bytes; scales, biases and headers come on top, and fewer bits help only where codes are packed.
# 2. Speed must be measured: wide layers and many inputs gain, small layers and conversions lose.
# 3. Power follows the bytes moved more than the arithmetic.
# 4. Accuracy is often kept at 8 bits. Measure it, and spend the bits where the network is sensitive.
# 5. Complexity grows from dynamic to static to QAT. Take the simplest way that is accurate enough.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** In the first explorer choose the network *wide*. With 5 bits and a scale for each channel it has a certain size. For which entries of **One scale** is it *larger* with 4 bits?

# %%
larger = None  # names, such as ["per tensor", "per channel"]
### BEGIN SOLUTION
larger = ["per 8 weights"]
### END SOLUTION

# %%
check("benefits_and_trade_offs.1", larger)

# %% [markdown]
# **2.** In a millisecond a machine does 100 million operations, and moves 20 million bytes; a call takes 0.01 ms. One float32 layer has 1,000 inputs and 1,000 outputs. How many inputs at once does it take, at least, until arithmetic is in the way, and not memory? Count two operations for each weight and input; moved are weights, inputs and outputs, 4 bytes each.

# %%
inputs_at_once = None
### BEGIN SOLUTION
inputs_at_once = next(b for b in range(1, 100) if 2e6 * b / 100e6 > 4 * (1e6 + 2000 * b) / 20e6)
### END SOLUTION

# %%
check("benefits_and_trade_offs.2", inputs_at_once)

# %% [markdown]
# **3. Spot the bug.** "4-bit weights make our model 8 times smaller", says a report, and counts with this function. But each group of weights of one output has a scale of 16 bits, and a file holds whole bytes. Mend it; biases do not count.

# %%
def size_in_bytes(outputs, inputs, bits, group):
    return outputs * inputs * bits / 8
### BEGIN SOLUTION
def size_in_bytes(outputs, inputs, bits, group):
    codes = -(-outputs * inputs * bits // 8)
    return codes + 2 * outputs * -(-inputs // group)
### END SOLUTION

# %%
check("benefits_and_trade_offs.3", size_in_bytes)

# %% [markdown]
# ## Sources
#
# * M. Horowitz, [*Computing's energy problem (and what we can do about it)*](https://doi.org/10.1109/ISSCC.2014.6757323), ISSCC 2014, figure 1.1.9: all figures of energy, for 45 nm and 0.9 V.
# * S. Williams, A. Waterman, D. Patterson, [*Roofline: an insightful visual performance model for multicore architectures*](https://doi.org/10.1145/1498765.1498785), Communications of the ACM 52(4), 2009.
# * H. Touvron et al., [*LLaMA: Open and efficient foundation language models*](https://arxiv.org/abs/2302.13971), 2023: the width 4,096 of the layer called language model.
# * M. Lipp et al., [*PLATYPUS: Software-based power side-channel attacks on x86*](https://doi.org/10.1109/SP40001.2021.00063), IEEE S&P 2021: why RAPL may be read by few.
