# %% [markdown]
# **Post-training quantization** (PTQ) rounds a network after training. **Quantization-aware training** (QAT) continues the training with the rounding included. This takes labels and time, so use it when a model has to run with so few bits that PTQ costs too much accuracy.

# %%
import tempfile
import numpy as np
from qviz import IntFormat, choose_qparams, fake_quantize, plots
from qviz.lessons import Prediction, answer_moves, check, record
from qviz.pytorch import engines, saved_model, digits_model, qat
from qviz.pytorch.labs import examples, stored_trainings, trained_codes
from qviz.pytorch.layer_comparison import agreement
from qviz.pytorch.conversion import convert
from qviz.pytorch.labs.qat_lab import QATLab
from qviz.widgets import QATExplorer, STEExplorer

# %% [markdown]
# ## How few bits are too few for PTQ?
#
# Our network gets 98.89 % of the digits right. **W4A8** means 4 bits for weights and 8 bits for activations. (Unlike in the explorer on [page](page:ptq_with_fbgemm), each channel of the weights has its own scale here.) These results, and those of most training runs below, are stored with qviz. Set `again` to `True` to repeat them.

# %%
again, bits = False, {"W8A8": (8, 8), "W4A8": (4, 8), "W4A4": (4, 4), "W3A4": (3, 4), "W2A4": (2, 4)}
lab = QATLab(() if again else stored_trainings.stored_trainings())
print(*(f"{name}: {lab(weight_bits=w, activation_bits=a).accuracies[0]:.2%} right" for name, (w, a) in bits.items()), sep="\n")

# %% [markdown]
# With 2 bits there are only four codes, -2 to 1, and the lowest is hardly ever used, because even the most negative weights barely reach it. So nearly every weight becomes minus one step, zero or one step, and the rounding errors are large.
#
# What if we continue training, and apply this rounding in every training step?

# %%
guess_learn = Prediction("We train at W2A4 for ten epochs, with rounding included. What percentage of the digits does the network get right afterwards?", {"about 60 %": 60, "about 80 %": 80, "about 96 %": 96})
guess_learn

# %% [markdown]
# ## Fake-quantize
#
# Each step of training changes a weight by far less than the distance between two levels, so the weights must stay real numbers, or the change would be rounded away. But each weight and each activation passes through a **fake-quantize** module, which quantizes and immediately dequantizes it. The result is always one of the levels, so plotted against the input, it is a staircase.
#
# Training also needs gradients. Suppose a weight starts at -0.8, and its rounded value, the output, should come as close as possible to a target of 0.7. Each step changes the weight by the learning rate times (target - output) times the slope of the staircase.

# %%
guess_slope = Prediction("With the true slope of the staircase, how far does the weight get in 60 steps?", ["to the target", "to the point where the output jumps", "nowhere"])
guess_slope

# %% [markdown]
# We measure the slope by shifting a few inputs a little, and then take the 60 steps:

# %%
from qviz.numerics.straight_through import descend
grid, x = choose_qparams(-1.0, 1.0, IntFormat(3), "symmetric"), np.array([-0.9, -0.2, 0.1, 0.3, 0.8])
slopes = (fake_quantize(x + 0.001, grid) - fake_quantize(x, grid)) / 0.001
print(f"{x} become {fake_quantize(x, grid).round(3)}, with the slopes {slopes}")
weights = descend(-0.8, 0.7, grid, lr=0.05, steps=60, slope="true derivative").weights
print(f"the weight starts at {weights[0]} and ends at {weights[-1]}")
guess_slope.reveal("nowhere" if np.ptp(weights) == 0 else "to the target", "The true slope is 0, so the weight never changes.")

# %% [markdown]
# The **straight-through estimator** uses a different slope. The forward pass still uses the staircase, but the backward pass pretends that nothing was rounded: the slope is taken as 1, except for values that were clipped, where it is 0. That is the slope of the **clipped identity**.
#
# Here is the same weight with this slope. Move **Steps** slowly: the weight changes a little in every step, but the output jumps only when the weight crosses an edge, halfway between two levels.

# %%
ste = STEExplorer()
ste

# %% [markdown]
# A weight that starts more than half a step beyond the last level is clipped, so its slope is 0 and it never moves. A target between two levels is never reached either: the output is always too high or too low, so the weight is pushed back and forth across the edge. The next cell shows both:

# %%
ste.reset(bits=2, weight=1.6, target=0.0)
print(ste.readout, end="\n\n")
ste.set(weight=0.4, target=0.4, lr=0.2)
print(ste.readout)
ste.reset()

# %% [markdown]
# ## The three steps
#
# **Step 1: add quantization to the network.** `prepare` adds a fake-quantize module for the input, for the weights of each layer, and for the output of each layer.
#
# **Step 2: train.** Epoch 0 is the result of PTQ. A **crossing** is a change in the code of a weight since the previous epoch.

# %%
model, config = digits_model.digits_cnn(), qat.QATConfig(weight_bits=2, activation_bits=4)
prepared = qat.prepare(model, config)
print(len(qat.fake_quantizes(prepared)), "fake-quantize modules, such as", *list(qat.fake_quantizes(prepared))[1:3])
run = qat.train_qat(model, config, progress=answer_moves)  # keeps the explorer above responsive during training
print(run)
guess_learn.reveal(100 * run.history[-1].accuracy, "The number of bits is the same as before, but the weights were trained with rounding included.")

# %% [markdown]
# During training, the learning rate gradually falls towards 0, and for the last epochs the ranges are **frozen** (as batch norm statistics would be): the observers no longer update them. Otherwise the levels would shift under weights that have just settled on them. Even running the network on new images would shift the levels of its input:

# %%
_, _, images, labels = digits_model.digits_tensors()
for name, network in (("not frozen", prepared.eval()), ("frozen", run.model)):
    network(images)
    before = float(network.quant.activation_post_process.scale)
    network(3 * images)
    after = float(network.quant.activation_post_process.scale)
    print(f"{name}: the scale of the input is {before:.4f}, and {after:.4f} after brighter images")

# %% [markdown]
# **Step 3: convert.** The fake-quantized network still computes with real numbers. `convert` turns it into an integer network, which runs on the engine's kernels. The table compares the two, layer by layer: how many weights and outputs differ, by how many steps, and how many outputs are out of range.

# %%
converted = convert(run.model)
print(agreement(run.model, converted, images))
print(f"converted: {digits_model.accuracy(converted, images, labels):.2%} right")

# %% [markdown]
# Nothing differs. (With W8A8, this is true on some older processors only if you set `QATConfig(reduce_range=True)`. [Page](page:when_it_goes_wrong) explains why.)
#
# ## How many codes change?

# %%
guess_share = Prediction("What share of the weights has a different code after training?", {"about 3 %": 3, "about 25 %": 25, "about 70 %": 70})
guess_share

# %%
for name, layer in run.snapshots[-1].items():
    print(f"{name}: {run.changed(name):.2%} of the codes changed; {(layer.codes == -2).mean():.2%} have the lowest code, -2")
guess_share.reveal(100 * run.changed(), "Most weights move too little to cross an edge.")

# %% [markdown]
# Are these few codes enough to bring the accuracy back? Training also changed the scales, the biases and the ranges of the activations. So we build two mixtures: one takes only the codes from the trained network, the other takes everything except the codes. As a control, we also train the float network for ten more epochs without rounding, and round it afterwards.

# %%
mixed = trained_codes.codes_alone(model, run), trained_codes.all_but_codes(run)
for name, network in zip(("new codes, everything else as before training", "old codes, everything else as after training"), mixed, strict=True):
    print(f"{name}: {digits_model.accuracy(network, images, labels):.1%} right")
control = stored_trainings.control(again)  # stored, too
print(f"ten more epochs in float, then rounded: {control.rounded_accuracy:.1%} right (float: {control.float_accuracy:.1%})")

# %% [markdown]
# **Notice:** changing one code in forty, and nothing else, recovers most of the accuracy. Everything else that training changed recovers almost nothing, and training without rounding does not help. So it is the rounding during training that helps, by changing a few important codes.
#
# Here are two weights of the last layer, each divided by its scale. Near the end, the left one keeps crossing the edge at 0.5, because neither level is quite right. The right one crosses it once.

# %%
for number, fc2 in enumerate(layers["fc2"] for layers in run.snapshots):
    steps = fc2.values / fc2.qparams.scale
    print(f"epoch {number:2}:", "   ".join(f"{steps[at]:.4f} has code {fc2.codes[at]}" for at in ((5, 26), (8, 50))))

# %% [markdown]
# ## PTQ and QAT compared
#
# Now we compare all five settings, with three seeds each. The seed decides the order of the images. These 15 training runs take two or three seconds each, so we load their stored results. The first line checks one of them against the training above.

# %%
learn = lab.train if again else lab
done = {name: [learn(weight_bits=w, activation_bits=a, seed=seed) for seed in (0, 1, 2)] for name, (w, a) in bits.items()}
same = done["W2A4"][0].accuracies.tolist() == [epoch.accuracy for epoch in run.history]
print("W2A4, seed 0: the same accuracy after each epoch as in the training above:", same)
for name, results in done.items():
    print(f"{name}: PTQ {results[0].accuracies[0]:.2%} | QAT, converted", *(f"{each.converted_accuracy:.2%}" for each in results))
found = {"PTQ": [r[0].accuracies[0] for r in done.values()], "QAT": [[each.converted_accuracy for each in r] for r in done.values()]}
plots.accuracy_by_bits(list(bits), found, results[0].float_accuracy, images=len(images))

# %% [markdown]
# At 8 bits, QAT gains nothing. The fewer bits there are, the more training helps.
#
# Now train a network yourself: choose other settings, and press **Train** (in code, `explorer.train()`). Try one scale per layer instead of one per channel, which lowers the accuracy. Then try three epochs with a learning rate of 0.02: with such large steps, the codes have not settled at the end.

# %%
explorer = QATExplorer(lab, seed=1)
explorer

# %%
two = lab(weight_bits=2, activation_bits=2, seed=1)
print(f"W2A2: PTQ {two.accuracies[0]:.2%}, QAT {two.accuracies[-1]:.2%}, converted {two.converted_accuracy:.2%}")

# %% [markdown]
# With only 2 bits for the activations as well, training helps a lot but does not recover everything.
#
# ## PyTorch's own conversion
#
# By default (`get_default_qat_qconfig`), PyTorch trains with a *fused* fake-quantize module, which observes and rounds in a single operation. We train with it for one epoch at W2A4, and then convert the network as PyTorch does.

# %%
guess_torch = Prediction("The fake-quantized network gets 77 % right. What does the integer network get?", {"77 %": 77, "65 %": 65, "below 50 %": 40})
guess_torch

# %%
configs = {b: qat.QATConfig(b, 4, epochs=1, fake_quantize="torch_fused") for b in (2, 8)}
fused = {2: qat.train_qat(model, configs[2], progress=answer_moves).model, 8: qat.prepare(model, configs[8])}
fake, by_torch, fixed = (digits_model.accuracy(n, images, labels) for n in (fused[2], convert(fused[2], fixes=()), convert(fused[2])))
print(f"fake {fake:.2%}  torch {by_torch:.2%}  fixed {fixed:.2%}")
for b, network in fused.items():
    network(images)  # with 8 bits, a look at the images is enough to set the scales
    fakes = [network.get_submodule(name).weight_fake_quant for name in run.snapshots[0]]
    ratios = np.concatenate([(fake.scale / fake.calculate_qparams()[0]).numpy() for fake in fakes])
    print(f"{b} bits: the scale in training is {ratios.min():.3f} to {ratios.max():.3f} times that of the conversion")
guess_torch.reveal(100 * by_torch, "It was trained with one set of levels, and converted to a different one.")

# %% [markdown]
# During training, the fused module uses the larger of `lo / qmin` and `hi / qmax` as the scale, where `lo` and `hi` are the smallest and largest weight. At conversion, its observer divides the largest absolute weight by `(qmax - qmin) / 2`. At 8 bits the two hardly differ, so few people notice. `qviz.pytorch.convert` keeps the scale from training, and so does PyTorch's own conversion since a change in August 2026 (see *Sources*). **Always measure the converted network, not just the fake-quantized one.**
#
# ## The example that everyone starts from
#
# This is how QAT is commonly shown. It runs without an error until you give the converted network an input:
#
# ```python
# model = SimpleModel()                    # one layer: self.fc = nn.Linear(10, 5)
# model.train()
# model.qconfig = torch.quantization.get_default_qat_qconfig('fbgemm')
# model_prepared = torch.quantization.prepare_qat(model)
# # Example training code here...
# model_quantized = torch.quantization.convert(model_prepared)
# torch.save(model_quantized.state_dict(), 'model_quantized_qat.pth')
# ```

# %%
x = examples.inputs(seed=1)
with engines.needed():
    written = examples.as_written_qat()
    print(*written.messages, *written.deprecated, sep="\n")
    print(examples.error_line(written.quantized, x))
    layer = written.quantized.fc
    print(f"scale {layer.scale:.4f}, zero point {layer.zero_point}, in train mode: {written.quantized.training}")

# %% [markdown]
# Three mistakes, and how to fix them:
#
# 1. *No kernel for a float input.* Add a `QuantStub` at the input, and a `DeQuantStub` at the output ([page](page:ptq_with_fbgemm)).
# 2. *Scale 1 and zero point 0.* As the first message says, no observer has run. Train between `prepare_qat` and `convert`.
# 3. *Train mode.* Until `convert`, every prediction changes the ranges, so freeze them. Also call `eval()`: here it changes only a flag, but batch norm and dropout compute something else in train mode (failure 3 on [page](page:when_it_goes_wrong) shows a network with batch norm that does not even run).
#
# ```python
# model = FixedModel()                                         # 1: SimpleModel with stubs, as in the PTQ example
# model.qconfig = quantization.get_default_qat_qconfig('fbgemm')
# model_prepared = prepare_qat(model.train())
# train(model_prepared)                                        # 2: the line that was missing
# model_prepared.apply(quantization.disable_observer).eval()   # 3
# model_quantized = convert(model_prepared)
# ```
#
# Watch the mistakes disappear one by one. Then we save the model with `saved_model.save`, because a float `SimpleModel` cannot load the example's state dict. The file contains codes, scales, zero points and the engine's name. Unlike a file written by `torch.save`, it cannot contain a program that runs when you load it.

# %%
steps = {"1. stubs": (False, False), "2. trained": (True, False), "3. frozen, eval()": (True, True)}
with engines.needed():
    for step, (train, freeze) in steps.items():
        fixed = examples.fixed_qat(train, freeze).quantized
        layer, error = fixed.fc, examples.error_line(fixed, x)
        print(f"{step:<17}  {error}; scale {layer.scale:.4f}, zero point {layer.zero_point}, in train mode: {fixed.training}")

# %%
truth = examples.targets(x)
with engines.needed(), tempfile.TemporaryDirectory() as folder:
    print(f"mean absolute error {(fixed(x) - truth).abs().mean():.3f}; mean absolute target {truth.abs().mean():.3f}")
    saved_model.save(fixed, f"{folder}/simple.safetensors")
    saved_model.save(converted, f"{folder}/digits.safetensors")
    simple, digits = saved_model.load(f"{folder}/simple.safetensors", examples.FixedModel(), x), saved_model.load(f"{folder}/digits.safetensors")
    print("bit for bit the same:", simple(x).equal(fixed(x)), digits(images).equal(converted(images)))

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_learn, guess_slope, guess_share, guess_torch)

# %% [markdown]
# ## In five lines
#
# 1. PTQ rounds a network after training. With few bits, that can cost too much accuracy.
# 2. QAT fake-quantizes each weight and each activation, and continues the training.
# 3. The straight-through estimator uses a slope of 1 for a staircase whose slope is 0.
# 4. The weights move slowly, and the few codes that change recover most of the accuracy.
# 5. Prepare, train, freeze, `eval()`, convert; then measure the converted network.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** A weight starts at 0.15. Its levels are the whole numbers, its target is 1, and the learning rate is 0.1. After how many steps does its output jump? Work it out by hand: each step changes the weight by the learning rate times (target - output).

# %%
steps_to_the_jump = None
### BEGIN SOLUTION
steps_to_the_jump = 4
### END SOLUTION

# %%
check("qat_with_fbgemm.1", steps_to_the_jump)

# %% [markdown]
# **2.** In the first explorer, with 3 bits and 60 steps, find a weight, a target and a learning rate for which the output jumps at least 40 times.

# %%
weight_target_rate = None  # three numbers, such as (0.1, 0.7, 0.05)
### BEGIN SOLUTION
weight_target_rate = (0.15, 0.15, 0.3)
### END SOLUTION

# %%
check("qat_with_fbgemm.2", weight_target_rate)

# %% [markdown]
# **3. Spot the bug.** This function returns the slope that the backward pass uses for the rounding of `x`. With this slope, weights drift further and further beyond the last level, although this no longer changes the output. Fix it: the slope must be 0 for values that are clipped, that is, for values more than half a step beyond the first or the last level.

# %%
def slope(x, scale, zero_point, qmin, qmax):
    return np.ones_like(x)
### BEGIN SOLUTION
def slope(x, scale, zero_point, qmin, qmax):
    codes = np.rint(x / scale) + zero_point
    return np.where((codes >= qmin) & (codes <= qmax), 1.0, 0.0)
### END SOLUTION

# %%
check("qat_with_fbgemm.3", slope)

# %% [markdown]
# **4.** Write one step of QAT yourself, for a linear layer with one output. `x` has one row for each example, `y` has one target for each example, and the weights `w` are floats. Forward: fake-quantize `w` (zero point 0), and compute `x @ w_hat`. The loss is half of the squared error, averaged over the rows, so its gradient with respect to `w_hat` is `x.T @ (output - y) / len(y)`. Backward: use the straight-through estimator. Then update `w` with the learning rate `lr`, and return it.

# %%
def qat_step(w, x, y, scale, qmin, qmax, lr):
    return None
### BEGIN SOLUTION
def qat_step(w, x, y, scale, qmin, qmax, lr):
    codes = np.rint(w / scale)
    w_hat = scale * np.clip(codes, qmin, qmax)
    gradient = x.T @ (x @ w_hat - y) / len(y)
    has_a_code = (codes >= qmin) & (codes <= qmax)
    return w - lr * gradient * has_a_code
### END SOLUTION

# %%
check("qat_with_fbgemm.4", qat_step)

# %% [markdown]
# ## Sources
#
# * B. Jacob et al., [*Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*](https://arxiv.org/abs/1712.05877), CVPR 2018: fake-quantize in training.
# * Y. Bengio, N. Léonard, A. Courville, [*Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation*](https://arxiv.org/abs/1308.3432), 2013: the straight-through estimator.
# * M. Nagel et al., [*Overcoming Oscillations in Quantization-Aware Training*](https://arxiv.org/abs/2203.11086), ICML 2022: weights that oscillate around an edge.
# * R. Krishnamoorthi, [*Quantizing deep convolutional networks for efficient inference: A whitepaper*](https://arxiv.org/abs/1806.08342), 2018: freezing batch norm and ranges.
# * PyTorch, pull requests [180990](https://github.com/pytorch/pytorch/pull/180990) and [194816](https://github.com/pytorch/pytorch/pull/194816): the two rules for a scale. Pull request 194816 (August 2026) makes the conversion use the scale from training. All earlier releases convert with a different scale.
