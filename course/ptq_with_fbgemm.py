# %% [markdown]
# **Post-training quantization** (PTQ) needs only a trained network and a few inputs: no labels, and no further training. On this page you do it with **fbgemm**, PyTorch's library of fast integer layers for x86 processors. PyTorch calls such a library an **engine**.

# %%
from tempfile import TemporaryDirectory
import numpy as np
from qviz.lessons import Prediction, answer_moves, check, record
from qviz.plots import compare_accuracies
from qviz.pytorch import size_and_latency, engines, saved_model, digits_model, ptq, ptq_config, qat
from qviz.pytorch.labs import examples, own_ptq, ptq_lab
from qviz.pytorch.conversion import convert
from qviz.widgets import PTQExplorer
import torch
from torch.ao import quantization

# %% [markdown]
# ## A whole network, in integers
#
# So far we have rounded numbers and then computed with floats. Now PyTorch replaces each of the four layers of our network with one that computes with integers. In the explorer below, every change quantizes the network again and tests it on 359 images. The ranges of the activations are taken from 256 training images. First answer the question. Then set **Samples** (under **More**) to 1, and lower **Weight bits** and **Activation bits** (*W8A8* means 8 bits for each). Where does the network break?
#
# On some processors, PyTorch gives different results. There, this page computes our network with NumPy, so that everyone sees the same numbers. [Page](page:when_it_goes_wrong) shows what PyTorch computes on yours, and explains **Reduce range**.

# %%
guess_image = Prediction("In float32, the network reads 355 of the 359 digits correctly. All weights and activations get 8 bits, and the ranges are taken from a single image. How many does it read correctly now?", {"about 355": 355, "about 300": 300, "about 200": 200})
guess_image

# %%
lab = ptq_lab.PTQLab()
explorer = PTQExplorer(lab, weight_bits=8)
explorer

# %%
print(varied := lab.vary("samples", (1, 256), layer="fc2", per_channel=False))

# %%
guess_image.reveal(round(359 * varied.accuracies[1]), "With one image, about a third of the logits (the outputs of fc2) are clipped, and their SQNR falls sharply. But most of the clipped logits are very negative, so the digit with the largest logit, which is the answer, hardly ever changes.")

# %% [markdown]
# ## The three steps
#
# PTQ is often described like this: convert the weights to INT8, compute scale and zero point, apply them. But without a scale you cannot convert a weight, so the order has to be:
#
# 1. *Compute scale and zero point* for each weight tensor and for the output of each layer.
# 2. *Convert the weights* from float32 to int8.
# 3. *Apply* the scales: replace each layer with one that computes with integers.
#
# The scales of the weights depend only on the weights, but activations have to be observed first. So in PyTorch, the steps are *prepare, calibrate, convert*. `prepare` puts an **observer** after each layer, calibrating means running the network on some images, and `convert` then does all three steps. (In a **fused** network, a convolution and its ReLU form one layer, with no rounding in between.)

# %%
train_x, _, x, y = digits_model.digits_tensors()
model = digits_model.digits_cnn().fuse()
model.qconfig = quantization.get_default_qconfig("fbgemm")
with engines.quiet():
    prepared = quantization.prepare(model)
observer = prepared.conv1.activation_post_process
print(f"prepared:   {type(observer).__name__} saw {observer.min_val:.3f} to {observer.max_val:.3f}, that is, nothing")
prepared(train_x[:256])
print(f"calibrated: {type(observer).__name__} saw {observer.min_val:.3f} to {observer.max_val:.3f}")

# %% [markdown]
# Here is one of the 16 filters of `conv1` after `convert`. Each integer times its scale is close to the trained weight. (The output scale is about twice that in the explorer, because PyTorch's default for fbgemm is *reduce range*: activations of only 7 bits.)

# %%
with engines.needed(), engines.using(), engines.quiet():
    quantized = quantization.convert(prepared)
    weight = quantized.conv1.weight()
    print(weight.int_repr()[0, 0].numpy())
    print(f"largest change of a weight: {(weight.dequantize() - model.conv1[0].weight).abs().max():.4f}")
    print(f"output: scale {quantized.conv1.scale:.4f}, zero point {quantized.conv1.zero_point}; {digits_model.accuracy(quantized, x, y):.2%} right")

# %% [markdown]
# ## The example that everyone starts from
#
# PTQ is often written like this:
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
guess_written = Prediction("Which scale does the output of this layer get?", ["one that fits its outputs", "1.0", "none, because there is an error"])
guess_written

# %%
with engines.needed():
    written = examples.as_written_ptq()
    print(*written.messages, *written.deprecated, sep="\n")

# %%
guess_written.reveal(str(written.quantized.fc.scale) if engines.supported() else np.nan, "Nothing was run between prepare and convert, so PyTorch prints a warning and uses scale 1.0 and zero point 0.")

# %% [markdown]
# This example has three faults:
#
# * **Never calibrated.** With scale 1.0 and zero point 0, each output is rounded to a whole number, and negative outputs become 0, because the codes are unsigned.
# * **Old names.** `torch.quantization` is now called `torch.ao.quantization`, which is deprecated too but still runs; see [page](page:moving_on).
# * **No conversion of the input.** The layer expects integers and refuses a float input.
#
# The next cell shows this error. Then it converts an input by hand, to show what the missing calibration does to the outputs:

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
# First, put a **QuantStub** where the integers begin and a **DeQuantStub** where they end. They pass values on unchanged until you call `convert`.

# %% tags=["build-it"]
class Fixed(examples.SimpleModel):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()

    def forward(self, x):
        return self.dequant(self.fc(self.quant(x)))

# %% [markdown]
# Second, train the network, because its weights are random. Third, calibrate it: between `prepare` and `convert`, add the missing line, `model_prepared(inputs)`. `fixed_ptq` does both. With your network, it gives exactly the same outputs as with qviz's, and the scale now fits them:

# %%
with engines.needed():
    fixed, new = examples.fixed_ptq(Fixed), examples.inputs(seed=1)
    assert torch.equal(fixed.quantized(new), examples.fixed_ptq().quantized(new))
    print(f"scale {fixed.quantized.fc.scale:.2f}, off by {(fixed.quantized(new) - fixed.model(new)).abs().mean():.3f} on average")

# %% [markdown]
# Fourth, save and load it. The state dict of the example belongs to integer layers, so a float `SimpleModel` cannot load it. A model that was prepared and converted in the same way can.
#
# With `weights_only=False`, `torch.load` can run code that someone has put into the file, so keep the default, which has been `True` since PyTorch 2.6. `saved_model.save` writes a safetensors file, which cannot contain code at all.

# %%
with engines.needed(), engines.quiet(), TemporaryDirectory() as folder:
    torch.save(written.quantized.state_dict(), f"{folder}/model_quantized.pth")
    state = torch.load(f"{folder}/model_quantized.pth", weights_only=True)
    print(examples.error_line(examples.SimpleModel().load_state_dict, state))
    print(examples.as_written_ptq().quantized.load_state_dict(state))
    saved_model.save(fixed.quantized, f"{folder}/fixed.safetensors")
    loaded = saved_model.load(f"{folder}/fixed.safetensors", Fixed(), new)
    print("identical outputs:", torch.equal(loaded(new), fixed.quantized(new)))

# %% [markdown]
# ## Three ways to do it
#
# * **Eager**, as above: stubs in the network mark where the integers begin and end.
# * **FX** finds these places in the network's graph, and needs no stubs.
# * **Dynamic**: only the weights of linear (and recurrent) layers are converted beforehand. The range of each input is computed when it arrives, so there is no calibration. The other two are **static**.

# %%
ways = {"eager": ptq.PTQConfig(), "FX": ptq.PTQConfig(flow="fx"), "dynamic": ptq.PTQConfig(dynamic=True)}
made = {way: ptq.quantize_model(digits_model.digits_cnn(), config, train_x) for way, config in ways.items()}
for way, network in made.items():
    print(f"{way:8}{digits_model.accuracy(network, x, y):7.2%} right, {size_and_latency.size_bytes(network):,} bytes")
print("eager and FX give identical outputs:", torch.equal(made["eager"](x), made["FX"](x)))

# %% [markdown]
# Dynamic quantization leaves the convolutions in float32, so its file is larger. It suits networks with nearly all their weights in linear layers, such as language models.
#
# ## A network that is hard to quantize
#
# If one layer multiplies a channel by 16 and the next divides it by 16, the network computes the same function, because a positive factor passes unchanged through ReLU and pooling. We do this to every channel, with factors from 1/16 to 16:

# %%
hard = digits_model.rescale_channels(digits_model.digits_cnn(), factor=16)
print(f"largest difference between the outputs: {(hard(x) - digits_model.digits_cnn()(x)).abs().max():.6f}")

# %%
guess_hard = Prediction("You quantize this network to 8 bits, with one scale per tensor and min-max ranges. What is its accuracy?", {"73 %": 0.73, "46 %": 0.46, "19 %": 0.19})
guess_hard

# %%
explorer.reset(network="channels rescaled", weight_bits=8, activation_bits=8)
print(explorer.readout)
steps = {"float32": explorer.result.float_accuracy, "per tensor, min-max": explorer.result.accuracy}
explorer.reset()
guess_hard.reveal(steps["per tensor, min-max"], "Channels with very different values share one scale. In those with the "
    "smallest values, all weights are rounded to 0, and most activations lose their precision, too.")

# %% [markdown]
# It helps to give each channel of the weights its own scale. Do more images help as well?

# %%
guess_samples = Prediction("Each channel of the weights has its own scale, and the ranges are min-max. You take 1,000 calibration images instead of one. What happens to the accuracy?", ["it rises", "it stays the same", "it falls"])
guess_samples

# %%
print(varied := lab.vary("samples", (1, 32, 256, 1000), network="channels rescaled"))
fewer = varied.accuracies[1000] < varied.accuracies[1]
guess_samples.reveal("it falls" if fewer else "it rises", "More images widen the range. Here, coarse steps do more harm than clipped values.")

# %% [markdown]
# ## Recovering the accuracy
#
# Now we try all the calibration methods of [page](page:calibration), and three of PyTorch's own observers, each with a scale per channel. The last bar of the picture below shows **quantization-aware training** (QAT): two more epochs of training with simulated rounding ([page](page:qat_with_fbgemm)).

# %%
print(varied := lab.vary("method", ptq_config.METHODS, network="channels rescaled"))
best = max(ptq_config.METHODS, key=varied.accuracies.get)

# %%
steps |= {f"per channel, {method}": varied.accuracies[method] for method in ("min-max", best)}
with engines.threads(1):
    run = qat.train_qat(hard, qat.QATConfig(8, 8, epochs=2, lr=5e-4), progress=answer_moves)
steps["per channel, QAT"] = digits_model.accuracy(convert(run.model), x, y)
compare_accuracies(steps, "The same function, in float32 and in 8 bits")

# %% [markdown]
# **Notice:** all but the first of these networks use 8 bits. They differ only in their scales, and in whether the weights were trained further. (We chose the best method on the test images, so it looks slightly better than it is. In a real project, use separate images.)
#
# Each of these steps recovers part of the lost accuracy, but the channels still have very different sizes. [Page](page:hard_to_quantize) shows what you can do about that.

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_image, guess_written, guess_hard, guess_samples)

# %% [markdown]
# ## In five lines
#
# 1. PTQ in PyTorch takes three steps: prepare, calibrate, convert.
# 2. Activations have to be observed. Without calibration, every output has scale 1.0.
# 3. Stubs mark where the integers begin and end. FX needs none.
# 4. The accuracy drops most if channels of very different sizes share one scale.
# 5. Scales per channel, a suitable calibrator, and QAT each recover part of the lost accuracy.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** If each output channel of the weights has its own scale, how many scales do the four layers of our network have in total? (`print(digits_model.digits_cnn())` shows the layers.)

# %%
scales = None
### BEGIN SOLUTION
scales = sum(len(values) for name, values in digits_model.digits_cnn().state_dict().items() if name.endswith("weight"))
### END SOLUTION

# %%
check("ptq_with_fbgemm.1", scales)

# %% [markdown]
# **2.** On [page](page:scale_and_zero_point), the symmetric scale was the largest absolute value divided by `qmax`. PyTorch divides by `(qmax - qmin) / 2` instead, so its steps are finer, but if the largest absolute value belongs to a positive weight, that weight is half a step too large for the last code. Implement PyTorch's rule. `x` is an array of weights, and the codes are signed, with `bits` bits.

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
# **3. Spot the bug.** This function rescales the channels of a ReLU between two linear layers, `relu(x @ w1.T + b1) @ w2.T`. Channel `i` gets the factor `s[i]`. The output of the two layers should stay the same, but it does not. Fix it.

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
# **4.** Write *prepare, calibrate, convert* yourself, as in the section *The three steps*. `quantize_network` receives some images and a trained network that is already fused and has stubs. It should return the quantized network. As can happen in a real project, the network arrives in train mode, and the brightest images come last. `own_ptq.judge` runs your function and compares its network with the one that `ptq.quantize_model` makes.

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
# * M. Nagel et al., [*Data-Free Quantization Through Weight Equalization and Bias Correction*](https://arxiv.org/abs/1906.04721), ICCV 2019: the rescaling of channels, used there to make a network easier to quantize.
# * PyTorch, [Quantization](https://docs.pytorch.org/docs/stable/quantization.html): eager and FX, static and dynamic.
