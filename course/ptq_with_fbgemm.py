# %% [markdown]
# **Post-training quantization**, PTQ, takes a network that is trained already, and a few of its inputs. It needs no labels and no further training. **fbgemm** is the library that multiplies the integers on x86 processors. PyTorch calls such a library an **engine**.

# %%
from tempfile import TemporaryDirectory
import numpy as np
import torch
from torch.ao import quantization
from qviz.lessons import Prediction, check, record
from qviz.plots import compare_accuracies
from qviz.pytorch import size_and_latency, engines, saved_model, digits_model, ptq, ptq_config, qat
from qviz.pytorch.labs import examples, own_ptq, ptq_lab
from qviz.pytorch.conversion import convert
from qviz.widgets import PTQExplorer

# %% [markdown]
# ## A whole network, in integers
#
# So far we rounded numbers and went on in floats. Now PyTorch replaces each of the four layers by one that computes in integers. The network reads handwritten digits, and 359 test images judge it.
#
# In the explorer below each move quantizes the network and runs it. **SQNR** is the signal that is left, in decibels: 6 dB more is half the error, and a quarter of the squared error. The ranges come from **Samples**, images of the training set. Make your guess, and then move **Weight bits** and **Activation bits** down. Where does it break? (**Reduce range** gives up one bit of the activations. Processors without VNNI, a certain instruction, need that; more on [page](page:when_it_goes_wrong).)

# %%
guess_easy = Prediction("In float32 the network gets 4 of 359 images wrong. With 8 bits for everything: how many?", {"about 5": 5, "about 20": 20, "about 100": 100})
guess_easy

# %%
lab = ptq_lab.PTQLab()
explorer = PTQExplorer(lab, weight_bits=8)
explorer

# %%
explorer.reset()
guess_easy.reveal(round(359 * (1 - explorer.result.accuracy)), "Eight bits are plenty for this network, even with the simplest ranges.")

# %% [markdown]
# **Notice** the size on disk. The integers are a quarter of the floats; scales, float32 biases and file headers come on top. Fewer bits do not make the file smaller: fbgemm keeps each weight in a whole byte, and 2 bits use only 4 of its 256 values.
#
# The figures of this page are the same on every machine: integer sums of 32 bits, rounded as fbgemm rounds them. Where your own kernel computes anything else, NumPy takes its place. That is so on x86 processors without VNNI, and on Macs with Apple silicon, where PyTorch has another engine, qnnpack. ([Page](page:start_here) shows what your machine has, [page](page:when_it_goes_wrong) what it does.)

# %%
for bits in (8, 4, 3, 2):
    right = []
    for move in ({"weight_bits": bits}, {"activation_bits": bits}, {"weight_bits": bits, "activation_bits": bits}):
        explorer.reset(**move)
        right.append(f"{explorer.result.accuracy:6.1%}")
    print(f"{bits} bits: weights alone {right[0]}, activations alone {right[1]}, both {right[2]}", end="; ")
    print(f"{explorer.result.size_bytes:,} bytes")
explorer.reset()

# %% [markdown]
# ## The three steps
#
# Often PTQ is told like this: convert the weights to int8, compute scale and zero point, apply them. But no weight can be converted before it has a scale. In an order that works it is:
#
# 1. *Compute scale and zero point* for each weight tensor, and for what each layer gives out.
# 2. *Convert the weights* from float32 to int8 with them.
# 3. *Apply* them: replace each layer by one that computes in integers.
#
# The scales of the weights need the weights alone. But activations must be *seen* before they have a scale, so PyTorch's calls are named *prepare, calibrate, convert*. `prepare` puts an **observer** behind each layer. To calibrate is to run the network on some images: after it, step 1 is possible, and `convert` does all three. (**Fused**: a convolution and its ReLU become one layer, so that nothing is rounded in between. `quiet` silences PyTorch's notes that this part of it is to move elsewhere.)

# %%
train_x, _, x, y = digits_model.digits_tensors()
model = digits_model.digits_cnn().fuse()
model.qconfig = quantization.get_default_qconfig("fbgemm")
with engines.quiet():
    prepared = quantization.prepare(model)
observer = prepared.conv1.activation_post_process
print(f"prepared:   {type(observer).__name__} saw {observer.min_val:.3f} to {observer.max_val:.3f}, that is nothing")
prepared(train_x[:256])
print(f"calibrated: {type(observer).__name__} saw {observer.min_val:.3f} to {observer.max_val:.3f}")

# %% [markdown]
# `convert` computes scales and zero points from what was seen, and replaces the layers. This is one of the 16 filters of `conv1`, in integers. Each integer times its scale is nearly the trained weight:

# %%
with engines.needed(), engines.using(), engines.quiet():
    quantized = quantization.convert(prepared)
    weight = quantized.conv1.weight()
    print(weight.int_repr()[0, 0].numpy())
    print(f"largest difference of a weight: {(weight.dequantize() - model.conv1[0].weight).abs().max():.4f}")
    print(f"output: scale {quantized.conv1.scale:.4f}, zero point {quantized.conv1.zero_point}; {digits_model.accuracy(quantized, x, y):.2%} right")

# %% [markdown]
# (The largest value seen, over 255 steps, would be half of this scale. But fbgemm's default has *reduce range* on: 127 steps. And its histogram observer keeps a little less than it saw.)
#
# ## The example that everybody starts from
#
# This is how it is commonly written, and it runs to the end:
#
# ```python
# model = SimpleModel()                    # one layer: self.fc = nn.Linear(10, 5)
# model.eval()
# model.qconfig = torch.quantization.get_default_qconfig('fbgemm')
# model_prepared = torch.quantization.prepare(model)
# model_quantized = torch.quantization.convert(model_prepared)
# torch.save(model_quantized.state_dict(), 'model_quantized.pth')
# ```

# %%
guess_written = Prediction("Which scale does the output of this layer get?", ["one that fits its outputs", "1.0", "none: an error"])
guess_written

# %%
with engines.needed():
    written = examples.as_written_ptq()
    print(*written.messages, *written.deprecated, sep="\n")

# %%
guess_written.reveal(str(written.quantized.fc.scale) if engines.supported() else np.nan, "Nothing was ever run between prepare and convert. PyTorch warns, and takes scale 1.0 and zero point 0.")

# %% [markdown]
# * **Never calibrated.** Scale 1.0 and zero point 0 round each output to a whole number, and all below zero to 0.
# * **Old names.** `torch.quantization` is `torch.ao.quantization` today, and that is deprecated too. Release 2.10 has passed, and it still runs; more on [page](page:moving_on). (Notes that say the same of single arguments and types are left out above.)
# * **No way in.** The layer wants integers, and a float input is refused. Nobody said where numbers become integers.
#
# Here is the refusal. Below it we make the integers by hand, and see what the missing calibration does:

# %%
row = examples.inputs(6)[5:]
with engines.needed():
    print(examples.error_line(written.quantized, row))
    codes = torch.quantize_per_tensor(row, 0.05, 128, torch.quint8)
    print("float:    ", written.model(row).detach().numpy().round(2))
    print("quantized:", written.quantized(codes).dequantize().numpy())

# %% [markdown]
# ## Mended, step by step
#
# One: a **QuantStub** where integers begin, and a **DeQuantStub** where they end. Until `convert` they do nothing.

# %% tags=["build-it"]
class Mended(examples.SimpleModel):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()

    def forward(self, x):
        return self.dequant(self.fc(self.quant(x)))

# %% [markdown]
# Two: train it. Three: calibrate. That is one line more:
#
# ```python
# model.qconfig = quantization.get_default_qconfig("fbgemm")
# prepared = quantization.prepare(model)
# prepared(inputs)                         # the line that was missing
# quantized = quantization.convert(prepared)
# ```
#
# `mended_ptq` does both with the network it is given. Yours comes to the same bits as that of the package, and its scale fits its outputs:

# %%
with engines.needed():
    mended, new = examples.mended_ptq(Mended), examples.inputs(seed=1)
    assert torch.equal(mended.quantized(new), examples.mended_ptq().quantized(new))
    print(f"scale {mended.quantized.fc.scale:.2f}, off by {(mended.quantized(new) - mended.model(new)).abs().mean():.3f} on average")

# %% [markdown]
# Four: save and load. The example saves a state dict, and no float `SimpleModel` can load it: it has the names of integer layers. The first line below shows the refusal. One that was prepared and converted in the same way can.
#
# With `weights_only=False`, loading a file can run code that somebody put into it. `torch.load(..., weights_only=True)`, the default since PyTorch 2.6, takes tensors and plain values alone. `saved_model.save` writes a safetensors file, which holds tensors and text and nothing that could run. `saved_model.load` builds the layers anew, and checks each number before it goes in.

# %%
with engines.needed(), engines.quiet(), TemporaryDirectory() as folder:
    torch.save(written.quantized.state_dict(), f"{folder}/model_quantized.pth")
    state = torch.load(f"{folder}/model_quantized.pth", weights_only=True)
    print(examples.error_line(examples.SimpleModel().load_state_dict, state))
    print(examples.as_written_ptq().quantized.load_state_dict(state))
    saved_model.save(mended.quantized, f"{folder}/mended.safetensors")
    loaded = saved_model.load(f"{folder}/mended.safetensors", Mended(), new)
    print("the same bits:", torch.equal(loaded(new), mended.quantized(new)))

# %% [markdown]
# ## Other ways through the same steps
#
# * **Eager**, as above: the network says with stubs where integers begin and end.
# * **FX** reads that off the network's graph, and needs no stubs.
# * **Dynamic**: only the weights of linear layers (and of recurrent ones) are converted beforehand. The range of each input is found when it comes, so nothing is calibrated. The other two are **static**.

# %%
ways = {"eager": ptq.PTQConfig(), "FX": ptq.PTQConfig(flow="fx"), "dynamic": ptq.PTQConfig(dynamic=True)}
made = {way: ptq.quantize_model(digits_model.digits_cnn(), config, train_x) for way, config in ways.items()}
for way, network in made.items():
    print(f"{way:8}{digits_model.accuracy(network, x, y):7.2%} right, {size_and_latency.size_bytes(network):,} bytes")
print("eager and FX give the same bits:", torch.equal(made["eager"](x), made["FX"](x)))

# %% [markdown]
# Dynamic leaves the convolutions in float32, so its file is larger. It pays where linear layers are nearly everything, as in language models.
#
# ## What each observer saw
#
# All saw the same 256 images at the output of `conv2`, and keep different ranges. The method chooses the ranges of the weights, too. The last three are PyTorch's own. The others are the calibrators of [page](page:calibration): `qviz.pytorch.observer.CalibratorObserver` makes an observer of any of them. Activations have 4 bits:

# %%
lab.vary("method", ptq_config.METHODS, activation_bits=4)

# %% [markdown]
# The outputs of `conv2` differ by 2 dB, the weights by more, and the answers lie within four images of each other. One image is 0.28 %: a few are chance. To tell the methods apart we need a harder case; it comes below.
#
# ## Symmetric, PyTorch's way
#
# For symmetric weights [page](page:scale_and_zero_point) divided the largest magnitude by `qmax`: 127 at 8 bits, 1 at 2 bits. PyTorch divides by `(qmax - qmin) / 2`: 127.5 and 1.5. The smallest rounded weight above 0 is one step, and so it is the scale:

# %%
for bits in (8, 4, 2):
    moves = (lab(weight_bits=bits, per_channel=False, method=method) for method in ("min-max", "torch min-max"))
    ours, theirs = (move.layer("fc1").weights for move in moves)
    steps = [np.unique(abs(weights.quantized))[1] for weights in (ours, theirs)]
    print(f"{bits} bits: scale {steps[0]:.5f} and {steps[1]:.5f}, {ours.sqnr_db:.1f} and {theirs.sqnr_db:.1f} dB")

# %% [markdown]
# PyTorch's steps are finer, and the largest positive weight is clipped by half a step. With few bits more signal is left. Neither is wrong, but a scale means nothing without its rule.
#
# ## A network that is hard to quantize
#
# Multiply a channel by 16, and divide by 16 where the next layer reads it: the network computes the same, since ReLU and pooling let a positive factor through. We do that to every channel, with factors from 1/16 to 16.

# %%
hard = digits_model.rescale_channels(digits_model.digits_cnn(), factor=16)
print(f"largest difference of an output: {(hard(x) - digits_model.digits_cnn()(x)).abs().max():.6f}")

# %%
guess_hard = Prediction("The same function. Now 8 bits, one scale per tensor, ranges by min-max, as at the top of the page. How many are right?", {"99 %": 0.99, "73 %": 0.73, "19 %": 0.19})
guess_hard

# %%
explorer.reset(network="channels rescaled", weight_bits=8, activation_bits=8)
print(explorer.readout)
steps = {"float32": explorer.result.float_accuracy, "per tensor, min-max": explorer.result.accuracy}
explorer.reset()
guess_hard.reveal(steps["per tensor, min-max"], "One scale serves channels of very different size. Of the smallest, all weights become 0.")

# %% [markdown]
# A scale for each channel of the weights helps. Will more calibration images help as well?

# %%
guess_samples = Prediction("One scale per channel, ranges by min-max. From 1 calibration image to 1,000: what happens?", ["more are right", "no change", "fewer are right"])
guess_samples

# %%
print(varied := lab.vary("samples", (1, 32, 256, 1000), network="channels rescaled"))
fewer = varied.accuracies[1000] < varied.accuracies[1]
guess_samples.reveal("fewer are right" if fewer else "more are right", "The more images, the larger the largest value, and the coarser the steps.")

# %% [markdown]
# ## The staircase
#
# ([The page on calibration](page:calibration) showed the other side: one batch there was less than an image, and missed values that are common.)
#
# Now the methods again, each with a scale per channel. Last comes **quantization-aware training**, QAT, which has [a page of its own](page:qat_with_fbgemm): six epochs in which the network feels its own rounding.

# %%
print(varied := lab.vary("method", ptq_config.METHODS, network="channels rescaled"))
best = max(ptq_config.METHODS, key=varied.accuracies.get)
print(f"{best} for the weights alone, min-max for the rest: {lab('channels rescaled', weight_method=best).accuracy:.1%} right")

# %%
steps |= {f"per channel, {method}": varied.accuracies[method] for method in ("min-max", best)}
with engines.threads(1):
    run = qat.train_qat(hard, qat.QATConfig(8, 8, epochs=6, lr=5e-4))
steps["per channel, QAT"] = digits_model.accuracy(convert(run.model), x, y)
compare_accuracies(steps, "The same function, always in 8 bits")

# %% [markdown]
# **Notice:** all have the same bits to spend. What differs is where the ranges lie, and whether the weights could move. In the table the best method has *less* signal left in the weights than others, because it clips many of them. Yet these clipped weights bring more than half of its gain, as the line below the table shows. The large channels, which it clips, hold most of the squared error, while the small channels, which get finer steps of the activations, may decide the digit. (We chose the method by its test images, which flatters it a little. In a real project, set aside separate images for that choice.)
#
# Each of these steps gives back a part, and none gives back everything. None of them removes the cause, either: a rescaling made the channels different, and the function stayed the same. So a rescaling can also make them alike again, before anything is rounded. That is **cross-layer equalization** (Nagel et al., in the sources below). It needs no data and no training, and one scale per tensor is then enough. If the channels of your network differ much, try it first: the next [page](page:hard_to_quantize) does.
#
# ## What you expected

# %%
record(guess_easy, guess_written, guess_hard, guess_samples)

# %% [markdown]
# ## In five lines
#
# 1. PyTorch's PTQ is three calls: prepare, calibrate, convert. Weights are known; activations must be seen.
# 2. Stubs say where integers begin and end. Without calibration every output has scale 1.0.
# 3. The engine keeps a byte for each code: fewer bits lose accuracy, and save no space.
# 4. Ranges decide what is lost. One scale for channels of different size loses most.
# 5. Scales per channel, a fitting calibrator and QAT each give a part back; equalization removes the cause.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** One scale for each output channel of the weights: how many scales does our network keep, in its four layers? (`print(digits_model.digits_cnn())` shows them.)

# %%
scales = None
### BEGIN SOLUTION
scales = sum(len(values) for name, values in digits_model.digits_cnn().state_dict().items() if name.endswith("weight"))
### END SOLUTION

# %%
check("ptq_with_fbgemm.1", scales)

# %% [markdown]
# **2.** Write PyTorch's symmetric scale. `x` is an array of weights, and the codes are signed, with `bits` bits.

# %%
def pytorch_scale(x, bits):
    return None
### BEGIN SOLUTION
def pytorch_scale(x, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return np.abs(x).max() / ((qmax - qmin) / 2)
### END SOLUTION

# %%
check("ptq_with_fbgemm.2", pytorch_scale)

# %% [markdown]
# **3. Spot the bug.** This function rescales the channels between two linear layers with a ReLU in between, `relu(x @ w1.T + b1) @ w2.T`. Channel `i` gets the factor `s[i]`. It was to leave what the two compute, and does not. Mend it.

# %%
def rescale(w1, b1, w2, s):
    return w1 * s[:, None], b1, w2 / s
### BEGIN SOLUTION
def rescale(w1, b1, w2, s):
    return w1 * s[:, None], b1 * s, w2 / s
### END SOLUTION

# %%
check("ptq_with_fbgemm.3", rescale)

# %% [markdown]
# **4.** Write *prepare, calibrate, convert* yourself. `quantize_network` gets a trained network, already fused and with stubs in it, and some images. It should return the network in integers. The calls are those of *The three steps* above. Two things are as you may find them in a real project: the network arrives in train mode, and the brightest images come last. `own_ptq.judge` runs your function and compares its network with the one that `ptq.quantize_model` makes.

# %%
def quantize_network(model, images):
    return None
### BEGIN SOLUTION
def quantize_network(model, images):
    model.eval().qconfig = quantization.get_default_qconfig("fbgemm")
    prepared = quantization.prepare(model)
    for batch in images.split(32):
        prepared(batch)
    return quantization.convert(prepared)
### END SOLUTION
own = own_ptq.judge(quantize_network)
print(own)

# %%
check("ptq_with_fbgemm.4", own)

# %% [markdown]
# ## Sources
#
# * R. Krishnamoorthi, [*Quantizing deep convolutional networks for efficient inference: A whitepaper*](https://arxiv.org/abs/1806.08342), 2018: per tensor, per channel and QAT compared.
# * D. Khudia et al., [*FBGEMM: Enabling High-Performance Low-Precision Deep Learning Inference*](https://arxiv.org/abs/2101.05615), 2021: the engine.
# * M. Nagel et al., [*Data-Free Quantization Through Weight Equalization and Bias Correction*](https://arxiv.org/abs/1906.04721), ICCV 2019: the rescaling of channels, there used to make a network easier.
# * PyTorch, [Quantization](https://docs.pytorch.org/docs/stable/quantization.html): eager and FX, static and dynamic.
