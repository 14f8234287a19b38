# %% [markdown]
# So far, the integer arithmetic has been hidden inside PyTorch's kernels: you have seen the quantized values, but not how a processor computes with the codes. On this page you follow one value from the pixels to the answer of the network, and you can change every integer on the way. Afterwards, you will be able to check what a kernel or a chip does with your own model.

# %%
import numpy as np

from qviz import data, networks
from qviz.lessons import LocalResult, Prediction, check, record
from qviz.numerics import requantize_float
from qviz.numerics.integer_layer import ROUNDINGS
from qviz.pytorch.numpy_twin import side_by_side
from qviz.pytorch.digits_model import digits_tensors
from qviz.pytorch.ptq import PTQConfig
from qviz.widgets import IntegerWalkExplorer

# %% [markdown]
# ## The scales can be factored out
#
# A code $q$ represents the real number $s\,(q - z)$. If you substitute this into a sum of products, you can factor out both scales:
#
# $$\sum x\,w \;=\; s_x s_w \sum (q_x - z_x)(q_w - z_w)$$
#
# The remaining sum contains only integers. The next cell loads our network with 8-bit codes and prints the first test image as the network receives it:

# %%
net, digits = networks.integer_cnn(), data.digits()
images, labels = digits.images[digits.test], digits.labels[digits.test]
codes = net.run(images)
print(codes["input"][0, 0])

# %% [markdown]
# The first layer processes 3 x 3 pixels at a time. Here are the pixels of the window centred on row 1 and column 3 (counted from 0), and the weights of output channel 7:

# %%
layer = net.layers["conv1"]
q_x = codes["input"][0, 0, 0:3, 2:5].ravel().astype(np.int32)
q_w = layer.q_w[7].ravel().astype(np.int32)
print("pixels  ", q_x)
print("weights ", q_w)
print("products", q_x * q_w)
print("sum     ", (q_x * q_w).sum())

# %% [markdown]
# ## Follow the sum step by step
#
# In the explorer, each step of the line adds one of these products. The activation in product 4 (counted from 1) has been lowered by 150; the dashed line shows the sum without this change.
#
# Select a product with **Pick product**, and change it with **Activation +/-** and **Weight +/-**. The last lines of the text show the effect on the rest of the network.

# %%
explorer = IntegerWalkExplorer(channel=7, place=11, pick=4)
explorer.activation = -150
explorer

# %%
explorer.reset(activation=10)
print(explorer.readout.splitlines()[1])
print("the sum changes by", explorer.result.now.total - explorer.result.before.total)
explorer.reset()

# %% [markdown]
# ## How large can a sum get?
#
# Each product fits into 16 bits, but the sum may need more.

# %%
guess_bits = Prediction("The layer fc1 adds 512 products. In each, a code between 0 and 255 is multiplied by a code between -128 and 127. How many bits, including the sign, does the largest possible sum need?", {"17": 17, "25": 25, "33": 33})
guess_bits

# %%
most = 512 * 255 * 128
print(f"largest absolute value {most:,}: {most.bit_length()} bits and a sign")
guess_bits.reveal(most.bit_length() + 1, "A product needs 16 bits, and the sum nine more, because 512 is 2 to the power of 9. An int32 is enough.")

# %% [markdown]
# ## The cost of zero points
#
# In the example above, both zero points are 0, because the pixels start at 0 and the weights are symmetric. In general, the sum has **four terms**:
#
# $$\sum q_x q_w \;-\; z_x \sum q_w \;-\; z_w \sum q_x \;+\; n\, z_x z_w$$
#
# * The first term is the sum of products that kernels are optimized for.
# * The second and fourth terms do not depend on the input, so they can be computed in advance.
# * The third term has to be computed for each input. It vanishes if $z_w = 0$, which is why many kernels require **symmetric weights**.
#
# To see the third term, we use the same network with affine weights. (The second and fourth terms are 0 here: the inputs of conv2 come from a ReLU, so $z_x = 0$.)

# %%
affine = networks.integer_cnn(per_channel=False, scheme="affine")
terms = affine.layers["conv2"].accumulate(codes["conv1"][:1])
print("zero points of the weights:", [int(layer.w.zero_point) for layer in affine.layers.values()])
for name in ("products", "weight_sums", "input_sums", "zero_points", "total"):
    print(f"{name:12} {np.broadcast_to(getattr(terms, name), terms.total.shape)[0, 6, 1, 3]:8}")

# %%
guess_forgotten = Prediction("A kernel ignores the zero points of the weights in these four layers. How many of the 359 digits does the network recognize correctly?", {"355, as before": 355, "about 285": 285, "36, no better than guessing": 36})
guess_forgotten

# %% [markdown]
# Change **Zero point z_w** and **Zero point z_x** in the explorer above, and watch the bars.

# %%
explorer.reset(w_zero=5)
print("\n".join(explorer.readout.splitlines()[2:4]))
explorer.reset()

# %%
right = (affine.without_weight_zero_points().predict(images) == labels).sum()
print(f"with zero points {(affine.predict(images) == labels).sum()} of {labels.size} right, without {right}")
guess_forgotten.reveal(int(right), "The error is the zero point times the sum of the input codes. This sum is large, because no input is negative.")

# %% [markdown]
# ## The bias is added to the sum
#
# If you divide the bias by $s_x s_w$, it has the same units as the integer sum. Then you can round it to an int32 and add it:

# %%
print(f"bias of channel 7: {layer.bias[7]:.6f}, which is {layer.bias_steps[7]:.2f} units, rounded to {layer.bias_int32[7]}")
print(f"one unit of the sum is {layer.scale[7]:.8f}")

# %% [markdown]
# Many kernels for phones do this. fbgemm adds the bias without rounding it ([page](page:weights_activations_biases)).
#
# ## Back to 8 bits
#
# The next layer expects an 8-bit code. Multiplying the sum by $s_x s_w$ gives the real result, and dividing this by $s_y$ gives the number of output steps. So the sum is multiplied by $M = s_x s_w / s_y$ and rounded, $z_y$ is added, and the result is clipped. Here, $s_y$ and $z_y$ are the scale and zero point of the output. This is called **requantization**. fbgemm multiplies by $M$ in float32. A chip without floating-point arithmetic represents $M$ by an int32 (the *mantissa*) and a bit shift, as the library gemmlowp does:

# %%
m, total = layer.fixed_multiplier, int((q_x * q_w).sum()) + int(layer.bias_int32[7])
mantissa, shift = int(m.mantissa[7]), -int(m.exponent[7])
print(f"{layer.multiplier[7]:.10f} = {mantissa} / 2**31 / 2**{shift}")
high = (total * mantissa + 2**30) >> 31
print(f"{total} * {mantissa} / 2**31, rounded: {high}")
print(f"{high} / 2**{shift}, rounded: {np.sign(high) * ((abs(high) + 2 ** (shift - 1)) >> shift)}")
print(f"in float: {total * float(layer.multiplier[7]):.4f}; in the network: {codes['conv1'][0, 7, 1, 3]}")

# %% [markdown]
# This rounds twice instead of once, and the bias has already been rounded, too. (In the second division, gemmlowp rounds halves away from zero, hence `np.sign`.) To see these steps in the explorer, choose *gemmlowp* for **Arithmetic**, and change the integers with **Mantissa +/-** and **Shift +/-**. Does the additional rounding change the results?

# %%
guess_ways = Prediction("Over all the test images, the layer conv2 computes 735,232 codes. How many of them change if the bias is rounded and the multiplier is represented by an int32 and a shift?", {"none": 0, "about 300": 300, "about 30,000": 30_000})
guess_ways

# %%
for way in ROUNDINGS:
    difference = net.layers["conv2"].run(codes["conv1"], way).astype(int) - codes["conv2"]
    print(f"{way:10} {(difference != 0).sum():4} of {difference.size:,} codes differ; largest difference {np.abs(difference).max()}")

# %%
guess_ways.reveal(int((difference != 0).sum()), "Only values very close to the midpoint between two codes are rounded differently, and the codes then differ by 1.")

# %% [markdown]
# ## The ReLU needs no extra step
#
# Unsigned codes cannot be negative, so the kernel has to clip the result at 0 anyway. If $z_y = 0$, this clipping is exactly a ReLU. Lower the **Bias**, and watch the marker move into the hatched area. With **z_y +/-** you shift the whole curve, and the ReLU then clips at $z_y$.

# %%
explorer.reset(bias=-100_000)
print(explorer.readout.splitlines()[-6])
explorer.reset()
print(f"{(codes['conv2'] == 0).mean():.1%} of the codes of conv2 are 0")

# %% [markdown]
# If the output scale is far too small, fbgemm gives an unexpected result: a float of $2^{31}$ or more does not fit into an int32, so the processor returns the *smallest* int32, which is then clipped to 0. (Below, both numbers are multiplied by 2. Only the second result reaches this limit.)

# %%
print(requantize_float(np.array([2**30 - 64, 2**30]), 2.0))

# %% [markdown]
# ## From pixels to the answer
#
# Each output of conv2 is computed from 144 codes. We follow one of the outputs that use the code 123, which we computed above. This output is the largest value in its pooling window, so it becomes one of the 512 inputs of fc1. Then we follow an output of fc1, one of the 64 inputs of the logit "5". No code is converted back to a real number on the way.

# %%
path = [("conv1", 7, 4), ("conv2", 6, 68), ("fc1", 3, 98), ("fc2", 5, 4)]
for name, channel, pick in path:
    explorer.reset(layer=name, channel=channel, pick=pick)
    product, code = explorer.readout.splitlines()[1], explorer.result.code
    print(f"{name}: {product.split(' = ', 1)[1]}, one of {explorer.result.now.q_x.size} products; output code {code}")
explorer.reset()

# %% [markdown]
# If you change a code, the change is passed on from layer to layer. Test image 310 is a 5 that looks almost like an 8. We change one pixel from 239 to 0, but only when we compute one of the 1,024 outputs of conv1:

# %%
explorer.reset(image=310, channel=11, place=41, pick=3, activation=-255)
print("\n".join([explorer.readout.splitlines()[1], *explorer.readout.splitlines()[-6:]]))
explorer.reset()

# %%
logits = net.logits(images[:1])[0]
floats = networks.cnn_forward(images[:1])["logits"][0]
print("codes   ", codes["logits"][0])
print("integers", np.round(logits, 1), "answer:", logits.argmax())
print("floats  ", np.round(floats, 1), "answer:", floats.argmax())

# %% [markdown]
# ## Compare NumPy with fbgemm
#
# Finally, we run the whole network on all 359 images twice: with fbgemm, which is compiled and uses special processor instructions, and with NumPy, which uses the integers of the same converted model. (Activations have 7 bits here, a setting called *reduce range*. [](page:when_it_goes_wrong) explains why.)

# %%
guess_equal = Prediction("fbgemm and NumPy each compute more than a million codes. How many of these codes differ?", {"none": 0, "a few hundred": 300, "one in a hundred": 15_000})
guess_equal

# %%
both = side_by_side(digits_tensors()[2], PTQConfig(reduce_range=True))
print(both)
LocalResult("The same comparison with 8-bit activations.", lambda: side_by_side(digits_tensors()[2]))

# %%
differ = sum(int((mine != both.theirs.get(name, mine)).sum()) for name, mine in both.mine.items())
named = both.theirs.get("logits", both.mine["logits"]).argmax(1)
print(f"{sum(mine.size for mine in both.mine.values()):,} codes, {differ} differ; {(named == labels).sum()} of {labels.size} answers right")
print("the same answer as fbgemm, by the arithmetic used in NumPy:")
for way in ROUNDINGS:
    print(f"{way:10} {(both.net.predict(images, way) == named).sum()} of {labels.size} digits")
guess_equal.reveal(differ, "Sums of integers are exact, and qviz adds the bias and multiplies by M in the same order as fbgemm.")

# %% [markdown]
# The order matters, because each of these steps rounds its result. (Rounding the bias first changes a few codes.) But no answer of our network changes, not even with the arithmetic of gemmlowp. Since gemmlowp needs no floating point between the pixels and the logits, it also runs on a processor that computes only with integers.
#
# With 8-bit activations, the result depends on your processor. A processor without the VNNI instructions first adds the products in pairs, in only 16 bits, where large sums do not fit. [Page](page:when_it_goes_wrong) shows what happens then.

# %% [markdown]
# ## Your guesses and the results

# %%
record(guess_bits, guess_forgotten, guess_ways, guess_equal)

# %% [markdown]
# ## In five lines
#
# 1. The scales can be factored out of the sum, so that only integers are multiplied and added, in 32 bits.
# 2. Zero points add three terms to the sum. With symmetric weights, the only one of them that has to be computed for each input vanishes.
# 3. The bias is divided by the scale of the sum. Many kernels round it to an int32, while fbgemm keeps the bias and the multiplier as floats.
# 4. Requantization multiplies the sum, rounds it, adds the zero point and clips, and the clipping also acts as the ReLU.
# 5. If you carry out the same steps in the same order, you get exactly the same codes.

# %% [markdown]
# ## Exercises
#
# Each check gives you immediate feedback, and a hint if your answer is wrong. You can leave an exercise empty and come back to it later.

# %% [markdown]
# **1.** If the zero points can have any value, a product $(q_x - z_x)(q_w - z_w)$ can be as large as 255 times 255. How many such products can you add in an int32 without the risk of an overflow? The largest int32 is 2,147,483,647.

# %%
products = None
### BEGIN SOLUTION
products = (2**31 - 1) // 255**2
### END SOLUTION

# %%
check("integers_all_the_way.1", products)

# %% [markdown]
# **2.** A kernel gives you the sum of `q_x * q_w`, the sum of `q_x`, the sum of `q_w`, and the number `n` of products. Return the sum of `(q_x - z_x) * (q_w - z_w)`.

# %%
def with_zero_points(products, sum_x, sum_w, n, z_x, z_w):
    return None
### BEGIN SOLUTION
def with_zero_points(products, sum_x, sum_w, n, z_x, z_w):
    return products - z_x * sum_w - z_w * sum_x + n * z_x * z_w
### END SOLUTION

# %%
check("integers_all_the_way.2", with_zero_points)

# %% [markdown]
# **3. Spot the bug.** This function converts sums to codes, but bright areas of the images become dark. Fix it.

# %%
def to_codes(total, multiplier, zero_point):
    q = np.rint(total * multiplier).astype(np.int32).astype(np.uint8) + np.uint8(zero_point)
    return np.clip(q, 0, 255)
### BEGIN SOLUTION
def to_codes(total, multiplier, zero_point):
    q = np.rint(total * multiplier).astype(np.int32) + zero_point
    return np.clip(q, 0, 255).astype(np.uint8)
### END SOLUTION

# %%
check("integers_all_the_way.3", to_codes)

# %% [markdown]
# **4.** Multiply without floating point: return `total * mantissa / 2**31 / 2**shift`, rounded after each of the two divisions. The arguments and the result are Python integers, and `total` may be negative. In the second division, round numbers exactly halfway between two integers away from zero (2.5 to 3, and -2.5 to -3), as in the section *Back to 8 bits* and in gemmlowp. In the first division, you may round them up or away from zero.

# %%
def multiply(total, mantissa, shift):
    return None
### BEGIN SOLUTION
def multiply(total, mantissa, shift):
    high = (total * mantissa + 2**30) >> 31
    rounded = (abs(high) + (1 << shift >> 1)) >> shift
    return rounded if high >= 0 else -rounded
### END SOLUTION

# %%
check("integers_all_the_way.4", multiply)

# %% [markdown]
# ## Sources
#
# * B. Jacob et al., [*Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*](https://arxiv.org/abs/1712.05877), CVPR 2018: the four terms (equation 7), the multiplier as an int32 and a shift (section 2.2), the bias as an int32 (2.4).
# * [gemmlowp](https://github.com/google/gemmlowp), `fixedpoint/fixedpoint.h`: both kinds of rounding, which TensorFlow Lite has adopted.
# * [FBGEMM](https://github.com/pytorch/FBGEMM), and D. Khudia et al., [*FBGEMM: Enabling High-Performance Low-Precision Deep Learning Inference*](https://arxiv.org/abs/2101.05615), 2021.
# * PyTorch: issue [23874](https://github.com/pytorch/pytorch/issues/23874) (to quantize a bias you need the scale of the input, which a converted layer does not know), and pull request [26057](https://github.com/pytorch/pytorch/pull/26057), which made the bias a float.
