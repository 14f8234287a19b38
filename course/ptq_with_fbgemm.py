# %% [markdown]
# **Post-training quantization** (PTQ) takes a network that is already trained, and a few of its inputs. It needs no labels and no further training. **fbgemm** is the library that multiplies integers on x86 processors; PyTorch calls such a library an **engine**.

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
# So far we have rounded numbers and then computed with floats. Now PyTorch replaces each of the four layers with one that computes in integers. The network reads handwritten digits, and we test it on 359 images.
#
# In the explorer below, every change quantizes the network again and runs it. **SQNR** compares the signal with the error, in decibels: 6 dB more means half the error, or a quarter of the squared error. **Samples** is the number of training images that the ranges are taken from. Make your guess, and then lower **Weight bits** and **Activation bits**. Where does the network break? (**Reduce range** gives up one bit of the activations. Processors without the VNNI instructions need this; [page](page:when_it_goes_wrong) explains why.)

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
# **Notice** the size on disk. The integers take a quarter of the space of the floats; scales, float32 biases and file headers are added to that. Fewer bits do not make the file smaller: fbgemm keeps each weight in a whole byte, and with 2 bits only 4 of its 256 values are used.
#
# The figures on this page are the same on every machine: the sums are 32-bit integers, rounded as fbgemm rounds them. Where the kernel of your machine computes something else, NumPy does the work instead. This happens on x86 processors without VNNI, and on Macs with Apple silicon, where PyTorch uses a different engine, qnnpack. ([Page](page:start_here) shows what your machine has, and [page](page:when_it_goes_wrong) what it computes.)

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
# PTQ is often explained like this: convert the weights to int8, compute scale and zero point, apply them. But no weight can be converted before it has a scale. Here is an order that works:
#
# 1. *Compute scale and zero point* for each weight tensor, and for the output of each layer.
# 2. *Convert the weights* from float32 to int8 with them.
# 3. *Apply* them: replace each layer with one that computes in integers.
#
# The scale of a weight tensor depends on the weights alone. But activations must be *seen* before they can have a scale, so in PyTorch the steps are *prepare, calibrate, convert*. `prepare` puts an **observer** behind each layer. Calibrating means running the network on some images. After that, step 1 is possible, and `convert` does all three. (**Fused** means that a convolution and its ReLU have become one layer, so that nothing is rounded between them. `quiet` suppresses PyTorch's warnings that this module will be removed.)

# %%
train_x, _, x, y = digits_model.digits_tensors()
model = digits_model.digits_cnn().fuse()
model.qconfig = quantization.get_default_qconfig("fbgemm")
with engines.quiet():
    prepared = quantization.prepare(model)
observer = prepared.conv1.activation_post_process
print(f"prepared:   {type(observer).__name__} saw {observer.min_val:.3f} to {observer.max_val:.3f}, which is nothing")
prepared(train_x[:256])
print(f"calibrated: {type(observer).__name__} saw {observer.min_val:.3f} to {observer.max_val:.3f}")

# %% [markdown]
# `convert` computes scales and zero points from what the observers saw, and replaces the layers. Here is one of the 16 filters of `conv1`, in integers. Each integer, multiplied by its scale, is close to the trained weight:

# %%
with engines.needed(), engines.using(), engines.quiet():
    quantized = quantization.convert(prepared)
    weight = quantized.conv1.weight()
    print(weight.int_repr()[0, 0].numpy())
    print(f"largest difference of a weight: {(weight.dequantize() - model.conv1[0].weight).abs().max():.4f}")
    print(f"output: scale {quantized.conv1.scale:.4f}, zero point {quantized.conv1.zero_point}; {digits_model.accuracy(quantized, x, y):.2%} right")

# %% [markdown]
# (Dividing the largest value seen by 255 steps would give half of this scale. But by default, *reduce range* is on for fbgemm, which leaves 127 steps. Its histogram observer also keeps slightly less than the range that it saw.)
#
# ## The example that everyone starts from
#
# This is how PTQ is commonly written. It runs without an error:
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
guess_written.reveal(str(written.quantized.fc.scale) if engines.supported() else np.nan, "Nothing was run between prepare and convert. PyTorch prints a warning, and uses scale 1.0 and zero point 0.")

# %% [markdown]
# * **Never calibrated.** With scale 1.0 and zero point 0, each output is rounded to a whole number, and everything below zero becomes 0.
# * **Old names.** `torch.quantization` is now called `torch.ao.quantization`, and that is deprecated too. It was to be removed in release 2.10, but it still runs; see [page](page:moving_on). (Similar warnings about single arguments and types are not shown above.)
# * **No way in.** The layer expects integers and refuses a float input, because nothing in the network says where numbers become integers.
#
# Here is the error. Below it, we make the integers by hand and see what the missing calibration does:

# %%
row = examples.inputs(6)[5:]
with engines.needed():
    print(examples.error_line(written.quantized, row))
    codes = torch.quantize_per_tensor(row, 0.05, 128, torch.quint8)
    print("float:    ", written.model(row).detach().numpy().round(2))
    print("quantized:", written.quantized(codes).dequantize().numpy())

# %% [markdown]
# ## Fixed, step by step
#
# First, put a **QuantStub** where the integers begin, and a **DeQuantStub** where they end. Until `convert`, they do nothing.

# %% tags=["build-it"]
class Mended(examples.SimpleModel):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()

    def forward(self, x):
        return self.dequant(self.fc(self.quant(x)))

# %% [markdown]
# Second, train the network. Third, calibrate it, which takes one more line:
#
# ```python
# model.qconfig = quantization.get_default_qconfig("fbgemm")
# prepared = quantization.prepare(model)
# prepared(inputs)                         # the line that was missing
# quantized = quantization.convert(prepared)
# ```
#
# `mended_ptq` does both with the network it is given. Your network gives the same bits as the one in the package, and its scale fits its outputs:

# %%
with engines.needed():
    mended, new = examples.mended_ptq(Mended), examples.inputs(seed=1)
    assert torch.equal(mended.quantized(new), examples.mended_ptq().quantized(new))
    print(f"scale {mended.quantized.fc.scale:.2f}, off by {(mended.quantized(new) - mended.model(new)).abs().mean():.3f} on average")

# %% [markdown]
# Fourth, save and load it. The example saves a state dict that no float `SimpleModel` can load, because its names are those of integer layers; the first line below shows the error. A model that was prepared and converted in the same way can load it.
#
# With `weights_only=False`, loading a file can run code that someone put into it. `torch.load(..., weights_only=True)`, the default since PyTorch 2.6, accepts only tensors and plain values. `saved_model.save` writes a safetensors file, which holds only tensors and text, so nothing in it can run. `saved_model.load` rebuilds the layers, and checks every number before using it.

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
# ## Three ways to do it
#
# * **Eager**, as above: stubs in the network say where the integers begin and end.
# * **FX** finds this in the graph of the network, and needs no stubs.
# * **Dynamic**: only the weights of linear layers (and of recurrent ones) are converted beforehand. The range of each input is computed when it arrives, so there is nothing to calibrate. The other two are **static**.

# %%
ways = {"eager": ptq.PTQConfig(), "FX": ptq.PTQConfig(flow="fx"), "dynamic": ptq.PTQConfig(dynamic=True)}
made = {way: ptq.quantize_model(digits_model.digits_cnn(), config, train_x) for way, config in ways.items()}
for way, network in made.items():
    print(f"{way:8}{digits_model.accuracy(network, x, y):7.2%} right, {size_and_latency.size_bytes(network):,} bytes")
print("eager and FX give the same bits:", torch.equal(made["eager"](x), made["FX"](x)))

# %% [markdown]
# Dynamic quantization leaves the convolutions in float32, so its file is larger. It is useful where almost all weights are in linear layers, as in language models.
#
# ## What each observer saw
#
# All observers saw the same 256 images at the output of `conv2`, and yet they keep different ranges. The method also chooses the ranges of the weights. The last three are PyTorch's own; the others are the calibrators from [page](page:calibration), which `qviz.pytorch.observer.CalibratorObserver` turns into observers. Here, activations have 4 bits:

# %%
lab.vary("method", ptq_config.METHODS, activation_bits=4)

# %% [markdown]
# The outputs of `conv2` differ by 2 dB and the weights by more, but the number of right answers differs by no more than four images. One image is 0.28 %, so a difference of a few images may be chance. To tell the methods apart we need a harder case, which comes below.
#
# ## Symmetric scales in PyTorch
#
# For symmetric weights, [page](page:scale_and_zero_point) divided the largest magnitude by `qmax`: 127 at 8 bits, 1 at 2 bits. PyTorch divides by `(qmax - qmin) / 2`: 127.5 and 1.5. The smallest rounded weight above 0 is one step, so it shows us the scale:

# %%
for bits in (8, 4, 2):
    moves = (lab(weight_bits=bits, per_channel=False, method=method) for method in ("min-max", "torch min-max"))
    ours, theirs = (move.layer("fc1").weights for move in moves)
    steps = [np.unique(abs(weights.quantized))[1] for weights in (ours, theirs)]
    print(f"{bits} bits: scale {steps[0]:.5f} and {steps[1]:.5f}, {ours.sqnr_db:.1f} and {theirs.sqnr_db:.1f} dB")

# %% [markdown]
# PyTorch's steps are finer, and the largest positive weight is clipped by half a step. With few bits, this keeps more of the signal. Neither rule is wrong, but you have to know by which one a scale was computed.
#
# ## A network that is hard to quantize
#
# Multiply a channel by 16, and divide by 16 where the next layer reads it. The network still computes the same function, because a positive factor passes unchanged through ReLU and pooling. We do this to every channel, with factors from 1/16 to 16.

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
guess_hard.reveal(steps["per tensor, min-max"], "One scale serves channels of very different sizes. In the smallest ones, all weights become 0.")

# %% [markdown]
# A scale for each channel of the weights helps. Will more calibration images help as well?

# %%
guess_samples = Prediction("One scale per channel, ranges by min-max. From 1 calibration image to 1,000: what happens?", ["more are right", "no change", "fewer are right"])
guess_samples

# %%
print(varied := lab.vary("samples", (1, 32, 256, 1000), network="channels rescaled"))
fewer = varied.accuracies[1000] < varied.accuracies[1]
guess_samples.reveal("fewer are right" if fewer else "more are right", "With more images, the largest value grows, and the steps become coarser.")

# %% [markdown]
# ## The staircase
#
# ([The page on calibration](page:calibration) showed the opposite problem: one batch there held less than one image, and missed values that are common.)
#
# Now we try all the methods again, each with a scale per channel. The last bar is **quantization-aware training**, QAT, which has [a page of its own](page:qat_with_fbgemm): six epochs of training with the rounding included.

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
# **Notice:** all of them use the same number of bits. They differ in where the ranges lie, and in whether the weights could change. In the table, the best method keeps *less* signal in the weights than others do, because it clips many of them. Yet the clipped weights account for more than half of its gain, as the line below the table shows. Most of the squared error is in the large channels, which it clips; the small channels, which get finer activation steps, may decide the digit. (We chose the method by its result on the test images, so it looks slightly better here than it is. In a real project, set aside separate images for that choice.)
#
# Each of these steps recovers part of the loss, and none recovers all of it. None of them removes the cause, either. A rescaling made the channels different without changing the function, so a rescaling can also make them equal again before anything is rounded. That is **cross-layer equalization** (Nagel et al., in the sources below). It needs no data and no training, and afterwards one scale per tensor is enough. If the channels of your network differ a lot, try it first, as the next [page](page:hard_to_quantize) does.
#
# ## What you expected

# %%
record(guess_easy, guess_written, guess_hard, guess_samples)

# %% [markdown]
# ## In five lines
#
# 1. PTQ in PyTorch takes three steps: prepare, calibrate, convert. The weights are known, but activations must be seen.
# 2. Stubs say where integers begin and end. Without calibration every output has scale 1.0.
# 3. The engine uses a whole byte for each code, so fewer bits cost accuracy and save no space.
# 4. The ranges decide how much is lost. One scale for channels of very different sizes loses the most.
# 5. Scales per channel, a suitable calibrator and QAT each recover part of the loss; equalization removes the cause.

# %% [markdown]
# ## Exercises
#
# Each check answers at once, and a wrong answer gets a hint. You can leave an exercise empty.

# %% [markdown]
# **1.** With one scale for each output channel of the weights, how many scales does our network have in its four layers? (`print(digits_model.digits_cnn())` shows them.)

# %%
scales = None
### BEGIN SOLUTION
scales = sum(len(values) for name, values in digits_model.digits_cnn().state_dict().items() if name.endswith("weight"))
### END SOLUTION

# %%
check("ptq_with_fbgemm.1", scales)

# %% [markdown]
# **2.** Write PyTorch's rule for a symmetric scale. `x` is an array of weights, and the codes are signed, with `bits` bits.

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
# **3. Spot the bug.** This function rescales the channels between two linear layers with a ReLU in between, `relu(x @ w1.T + b1) @ w2.T`. Channel `i` gets the factor `s[i]`. It should not change what the two layers compute, but it does. Fix it.

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
    observed = quantization.prepare(model)
    for batch in images.split(32):
        observed(batch)
    return quantization.convert(observed)
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
