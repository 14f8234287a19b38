# %% [markdown]
# Quantization promises smaller models, faster answers and lower power consumption. The price is some accuracy and a more complex workflow. Here you count, measure or estimate each of them.

# %% [markdown]
# ## Size: count the bytes
#
# With int8, weights take a quarter of the bytes of float32, but scales, zero points and **biases** have to be stored as well.
#
# Each bar is one layer. Change **Bits**, and then choose smaller groups under **One scale**. What happens to conv1, the smallest layer?

# %%
from qviz.experiments import measured_speed
from qviz.lessons import LocalResult, Prediction, check, record, sweep
from qviz.widgets import EnergyExplorer, SizeExplorer, SpeedExplorer

sizes = SizeExplorer()
sizes

# %%
for granularity in ("per tensor", "per channel", "per 32 weights", "per 8 weights"):
    sizes.reset(bits=4, granularity=granularity)
    whole = sizes.result.whole
    print(f"{granularity:15} codes {whole.stored.codes:,}, scales {whole.stored.scales:6,} bytes: {whole.ratio:.2f} times smaller")
sizes.reset()
from qviz.pytorch import digits_model, ptq, saved_model
from qviz.pytorch.size_and_latency import state_dict_bytes

# %% [markdown]
# **Notice:** the fewer weights share a scale, the more the scales cost. In groups of 8 weights, a 16-bit scale takes two bits per weight, half as much as the 4-bit codes.
#
# ## The size of a file
#
# Now we save the network with torch, quantized to 8, 4 and 2 bits.

# %%
guess_file = Prediction("You save the 4-bit and the 8-bit network with torch.save. How large is the 4-bit file, compared with the 8-bit file?", {"half the size": 0.5, "three quarters of the size": 0.75, "the same size": 1.0})
guess_file

# %%
images = digits_model.digits_tensors()[0]
print(f"float32: {state_dict_bytes(digits_model.digits_cnn()).file_bytes:,} bytes in torch's file")
size = {}
for bits in (8, 4, 2):
    network = ptq.quantize_model(digits_model.digits_cnn(), ptq.PTQConfig(weight_bits=bits), images)
    size[bits], packed = (found := state_dict_bytes(network)).file_bytes, saved_model.saved_bytes(network, packed=True)
    print(f"{bits} bits: {found.file_bytes:,} in torch's file, {found.codes:,} of them codes; {packed:,} packed")
guess_file.reveal(size[4] / size[8], "torch stores each code in a whole byte. Fewer bits make the file smaller only if the codes are packed.")

# %% [markdown]
# The explorer above assumes packed codes, such as two 4-bit codes per byte. `saved_model.save(network, "digits.safetensors", packed=True)` writes such a file, and `saved_model.load` restores exactly the same network.
#
# In our small network, names, shapes and 8-byte scales take up much of the file. With a million weights, they hardly matter:

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
# Integer arithmetic is often said to be faster. Here is what we measured on one machine:

# %%
from qviz.plots import accuracy_by_bits, latency_bubbles, speed_ratios
print("Measured on:", measured_speed.MACHINE)
speed_ratios({f"{e.width} wide, batch {e.batch}": e.times_as_fast for e in measured_speed.EXAMPLE}, "How much faster is int8?")

# %% [markdown]
# Press *Measure speed* to measure your own processor. Each bar compares the medians of 30 runs with one thread.
#
# After you have measured, the **roofline** on the right shows two limits for the case marked with a star: how many operations the processor can perform (horizontal) and how many bytes the memory can deliver (sloping) per second. The **arithmetic intensity**, the number of operations per byte, determines which one applies. The short lines mark a third limit: the time that PyTorch needs to call the layers.

# %%
timing = SpeedExplorer(speed.SpeedLab())
timing

# %% [markdown]
# **Notice:** with narrow layers, int8 is slower, even in large batches. With single inputs, it is faster only if the layers are wide. In these slow cases, the calls take most of the time, and int8 needs more of them, to quantize the input and dequantize the output. Tick **Convert around every layer** and measure again to see what they cost. With wide layers and large batches, int8 is several times as fast.
#
# You can compute the operations and bytes without measuring:

# %%
for width, batch in ((16, 1), (256, 1), (1024, 256)):
    timing.reset(width=width, batch=batch)
    real, integer = timing.result.real, timing.result.integer
    print(f"{width:4} wide, batch {batch:3}: {real.operations:13,} operations", end="; ")
    print(f"per byte {real.intensity:5.1f} in float32, {integer.intensity:5.1f} in int8")
timing.reset()
power = EnergyExplorer()

# %% [markdown]
# ## Energy: an estimate and its source
#
# Arithmetic and moving data both consume energy. According to Mark Horowitz (2014, for a 45 nm chip), a multiplication and an addition take 3.7 + 0.9 picojoules (pJ) in float32, and 0.2 + 0.1 pJ with int8 products and int32 sums. Reading 64 bits takes 10 pJ from a small cache (8 kilobytes), and 1,300 to 2,600 pJ from main memory (**DRAM**).
#
# Our *estimate* uses these figures. It leaves out what is the same for float32 and int8, such as reading instructions, so the true saving is smaller.

# %%
guess_power = Prediction("Suppose that a layer of a language model could read all its data from the small cache. By what factor would int8 reduce the total energy, compared with float32?", {"about 4 times": 4, "about 6 times": 6, "about 15 times": 15})
guess_power

# %%
saved = {}
for place in ("nowhere", "8 KB cache", "1 MB cache", "DRAM"):
    power.reset(what="language model", place=place)
    real, saved[place] = power.result.estimates["float32"], power.result.saved
    name, share = "no data moved" if place == "nowhere" else place, real.arithmetic_pj / real.total_pj
    print(f"{name:13}: float32 {real.total_pj / 1e6:6,.0f} \N{MICRO SIGN}J, {share:4.0%} of it arithmetic", end="; ")
    print(f"int8 needs {saved[place]:.1f} times less")
power.reset()
guess_power.reveal(saved["8 KB cache"], "Arithmetic takes half of the energy in float32, and int8 saves more there than in moving data.")

# %%
power

# %% [markdown]
# How does the saving change if you choose a cache under **Data live in**, or fewer **Weight bits**?
#
# Some processors have an energy counter, **RAPL**. If yours can be read, the next cell uses it:

# %%
from qviz.pytorch.labs.power import Counter
x = images[:256].flatten(1)
both = {"float32": lambda: wide(x), "int8": lambda: wide_int8(x)}
LocalResult("How much energy does the wide network need, according to the energy counter?", lambda: Counter().compare(both, inputs=256))

# %% [markdown]
# ## Accuracy: the cost of fewer bits
#
# **W3A4** means 3 bits for weights and 4 for activations. Here we compare rounding after training (PTQ) with ten more epochs of simulated rounding (QAT, three seeds), using the stored runs of [page](page:qat_with_fbgemm):

# %%
from qviz.pytorch.labs.qat_lab import QATLab
from qviz.pytorch.labs.stored_trainings import stored_trainings
lab = QATLab(stored_trainings())
formats = [{"weight_bits": w, "activation_bits": a} for w, a in ((8, 8), (4, 4), (3, 4), (2, 4))]
runs = [lab(**settings, seed=seed) for settings in formats for seed in (0, 1, 2)]
found = {"PTQ": [run.accuracies[0] for run in runs[::3]], "QAT": [run.accuracies[-1] for run in runs]}
accuracy_by_bits([run.config.name for run in runs[::3]], found, runs[0].float_accuracy, images=359)

# %% [markdown]
# The thin lines are 95 % confidence intervals. With 359 images, they reach one to three points to each side (five for PTQ at W2A4), so you cannot say with certainty that W4A4 is better than W3A4. But the drop with PTQ at W2A4 is far too large to be due to chance, and QAT recovers most of it.
#
# ## Which layers need more bits?
#
# If each of the four layers has 2 to 8 bits or stays in float32, there are 4,096 different networks. Only weights are quantized, with the ranges that have the smallest mean squared error (mse). The results are stored with qviz. To check them, the next cell measures an eighth of the networks again, those with 2 bits in *conv1*, on the first 360 training images. (Set `again` to `True` to measure all the networks on all the training images.) Such a **sweep** can use all your cores, and keeps its results if you interrupt it.

# %%
from functools import partial
from qviz.experiments.bit_allocation import alone, best_that_fits, take_bits
from qviz.experiments.mixed_precision import LAYERS, WIDTHS, compared, every_network, networks_of, place, size_bytes
from qviz.widgets import DecisionExplorer, ParetoExplorer
again, training = False, every_network("training", "mse")
some = dict(images="training" if again else "calibration", method="mse")
done = sweep(partial(networks_of, **some), WIDTHS if again else WIDTHS[:1], workers=None if again else 1, progress=True)
stored = every_network(**some)
print(f"{done}, {stored.images} images: {compared(done.results, stored)}")

# %% [markdown]
# The **sensitivity** of a layer is the loss of accuracy when only this layer is quantized and the others stay in float32.

# %%
guess_layer = Prediction("Only one layer is quantized, to 2 bits. For which layer is the loss of accuracy largest?", ["conv1, the first", "conv2", "fc1, the largest", "fc2, the last"])
guess_layer

# %%
test = every_network("test", "mse")
print("digits right, only this layer quantized:", *(f"{bits:2} bits" for bits in WIDTHS[:4]))
for layer in LAYERS:
    print(f"{layer:40}", *(f"{right:7}" for right in alone(test.right, layer)[:4]))
worst = min(LAYERS, key=lambda layer: alone(test.right, layer)[0])

# %%
guess_layer.reveal(next(c for c in guess_layer.choices if c.startswith(worst)), "fc2 computes the logits directly. With 2 bits, its errors raise the logit of 0 and lower that of 6 for nearly all images, so almost no 6 is recognized. If you subtract the mean shift of each logit, most of these digits are right again.")

# %% [markdown]
# Each dot is a network with 2 to 8 bits per layer, and the star is yours. We use the SQNR of the logits, because the accuracy on 359 images is too coarse. A network is on the **Pareto front** if no other network is both smaller and better. The networks in the shaded box are smaller and better than yours.
#
# Move the four sliders until the star lies on the front. Then press *Measure speed*. There are kernels only for float32 and 8 bits, so fewer bits make our network smaller, but not faster.

# %%
pareto = ParetoExplorer(speed.DigitsSpeed(), method="mse", score="SQNR")
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
found = {name: measure.evaluate(model, ptq.quantize_model(model, c, sample), x_test, y_test, repeats=30) for name, c in configs.items()}
points = {name: (r.latency.median_ms, r.latency.spread_ms, r.accuracy, r.size_bytes) for name, r in found.items()}
r = found["dynamic"]
speeds = {"float32": (r.float_latency.median_ms, r.float_latency.spread_ms, r.float_accuracy, r.float_size_bytes)} | points
LocalResult("Which of these networks is fast, and which is accurate?", lambda: latency_bubbles(speeds))

# %% [markdown]
# The picture above compares three 8-bit networks with float32 on *your* machine. The area of a bubble shows the size of the file. Is the smallest network also the fastest?
#
# With **mixed precision**, sensitive layers get more bits. The *greedy* method starts with 8 bits everywhere, and keeps removing one bit where the loss grows least per byte saved, until the network is small enough. The *exact* method compares all networks that are small enough. The loss is the Kullback-Leibler divergence from the float network on the training images. The chosen networks are then evaluated on the test images.

# %%
guess_percent = Prediction("You start from 3 bits everywhere and may use one percent more bytes, in the layers where they help most. How large is the divergence on the test images, compared with 3 bits everywhere?", {"about 95 %": 0.95, "about 80 %": 0.8, "about 40 %": 0.4})
guess_percent

# %%
size, loss = size_bytes(), training.divergence
for bits in (4, 3):
    budget = size[place(bits)]
    rows = {"uniform": (bits,) * 4, "greedy": take_bits(loss, budget)[-1]}
    rows |= {"exact": best_that_fits(loss, budget), "exact + 1 %": best_that_fits(loss, 1.01 * budget)}
    for name, mixed in rows.items():
        at = place(mixed)
        print(f"{name:14} {mixed}: {size[at]:6,} bytes, {test.right[at]} of 359 right", end=", ")
        print(f"divergence {test.divergence[at]:.4f}, {test.sqnr_db[at]:4.1f} dB")
guess_percent.reveal(test.divergence[at] / test.divergence[place(3)], "Small layers can be sensitive, and giving them more bits costs few bytes.")

# %% [markdown]
# **Notice:** *exact* finds a network that is smaller and better than 4 bits everywhere. (Compare the divergence or the SQNR, because a difference of a few images can be due to chance.) At 3 bits, no network of at most this size has a smaller loss on the training images, so *exact* improves only if it may use more bytes. One percent is enough.
#
# *Greedy* does worse at 4 bits: its last step removed a bit from fc1, the largest layer, though it had to save only 196 bytes more, and it cannot undo a step.
#
# The best network on one set of images may not be the best on another (at 3 bits, *greedy*'s network has a smaller divergence on the test images than that of *exact*), so choose and evaluate with different images. (The front above uses the same ones for both, so it looks slightly too good.)
#
# ## Complexity: three methods compared
#
# **Dynamic** quantization needs one line of code. **Static** quantization also needs a calibration sample, and **quantization-aware training** (QAT) needs labels and a training loop. The next cell applies all three. Each step is another opportunity to make a mistake, as you saw on [page](page:when_it_goes_wrong). `print(ways.ways[2].code)` prints the code for QAT.

# %%
from qviz.pytorch.labs import pipelines
print(ways := pipelines.run_all(), ways.steps(), sep="\n\n")
LocalResult("How many seconds did each method take?", ways.times)

# %% [markdown]
# ## Which method should you choose?
#
# Answer the questions, and the explorer compares eight methods. A cross marks a method that your answers rule out, and the frame marks the remaining one with the fewest disadvantages. (16-bit floats are chosen only if everything else is ruled out, and a tie goes to the method with the least effort.) The bars show *our* network, so measure yours before you decide.

# %%
decision = DecisionExplorer(bits=3, inputs="labelled training set", retrain=True)
decision

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_file, guess_power, guess_layer, guess_percent)

# %% [markdown]
# ## In five lines
#
# 1. Size can be computed: a quarter of the bytes with int8, plus scales, biases, and the names and shapes in the file. Fewer bits help only if the codes are packed.
# 2. Speed has to be measured. Wide layers with large batches become faster, but small layers can become slower.
# 3. Energy depends more on the bytes moved than on the arithmetic.
# 4. With 8 bits, our network shows no significant loss of accuracy. With fewer, give the sensitive layers more bits than the others.
# 5. Complexity increases from dynamic to static quantization to QAT. Choose the simplest method that is accurate enough.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** In the first explorer, choose the network *wide*, and find its size with 5 bits and one scale per channel. Now reduce it to 4 bits. For which settings of **One scale** is the 4-bit network *larger* than the 5-bit network was?

# %%
larger = None  # names, such as ["per tensor", "per channel"]
### BEGIN SOLUTION
larger = ["per 8 weights"]
### END SOLUTION

# %%
check("benefits_and_trade_offs.1", larger)

# %% [markdown]
# **2.** In one millisecond, a machine can perform 100 million operations and move 20 million bytes. A call takes 0.01 ms. A float32 layer has 1,000 inputs and 1,000 outputs. What is the smallest batch size for which the arithmetic takes longer than moving the data? Count two operations per weight for each example in the batch. The weights, inputs and outputs are moved once, with 4 bytes each.

# %%
inputs_at_once = None
### BEGIN SOLUTION
inputs_at_once = next(b for b in range(1, 100) if 2e6 * b / 100e6 > 4 * (1e6 + 2000 * b) / 20e6)
### END SOLUTION

# %%
check("benefits_and_trade_offs.2", inputs_at_once)

# %% [markdown]
# **3. Spot the bug.** A report claims that 4-bit weights make a model 8 times smaller, and computes the size with this function. But the weights of each output are divided into groups, each group has a 16-bit scale, and the size of a file is a whole number of bytes. Fix the function. You can ignore the biases.

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
# * M. Horowitz, [*Computing's energy problem (and what we can do about it)*](https://doi.org/10.1109/ISSCC.2014.6757323), ISSCC 2014, figure 1.1.9: all the energy figures, for 45 nm and 0.9 V.
# * S. Williams, A. Waterman, D. Patterson, [*Roofline: an insightful visual performance model for multicore architectures*](https://doi.org/10.1145/1498765.1498785), Communications of the ACM 52(4), 2009.
# * H. Touvron et al., [*LLaMA: Open and efficient foundation language models*](https://arxiv.org/abs/2302.13971), 2023: the width of 4,096 for the layer called *language model*.
# * M. Lipp et al., [*PLATYPUS: Software-based power side-channel attacks on x86*](https://doi.org/10.1109/SP40001.2021.00063), IEEE S&P 2021: why most users cannot read RAPL.
