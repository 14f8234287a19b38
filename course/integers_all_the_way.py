# %% [markdown]
# So far a code was a stand-in for a real number. Here the codes do the work. You follow one value from the pixels to the network's answer, and every integer on the way is yours to change.

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
# ## The scales wait outside
#
# A code $q$ stands for $s\,(q - z)$. Put that into a sum of products, and both scales come out in front:
#
# $$\sum x\,w \;=\; s_x s_w \sum (q_x - z_x)(q_w - z_w)$$
#
# All that is left under the sum is integers. This is the network of the course with codes of 8 bits, and its first test image as it sees it:

# %%
net, digits = networks.integer_cnn(), data.digits()
images, labels = digits.images[digits.test], digits.labels[digits.test]
codes = net.run(images)
print(codes["input"][0, 0])

# %% [markdown]
# The first layer looks at 3 x 3 pixels at a time. Take those around row 1, column 3, and the weights of its output channel 7:

# %%
layer = net.layers["conv1"]
q_x = codes["input"][0, 0, 0:3, 2:5].ravel().astype(np.int32)
q_w = layer.q_w[7].ravel().astype(np.int32)
print("pixels  ", q_x)
print("weights ", q_w)
print("products", q_x * q_w)
print("sum     ", (q_x * q_w).sum())

# %% [markdown]
# ## Follow it by hand
#
# The explorer shows the same sum as a **walk**: each product is one step. Under it are the terms of the sum, and the code that it becomes. The text has the arithmetic, line by line.
#
# Move **Pick product** along the walk. Move **Activation +/-** and **Weight +/-**: they change the product that you picked. The last lines of the text carry the code on, through the rest of the network.

# %%
explorer = IntegerWalkExplorer(channel=7, place=11, pick=4)
explorer

# %%
explorer.reset(activation=10)
print(explorer.readout.splitlines()[1])
print("the sum moves by", explorer.result.now.total - explorer.result.before.total)
explorer.reset()

# %% [markdown]
# ## How large can a sum get?
#
# Each product has at most 16 bits. The sum has more.

# %%
guess_bits = Prediction("The layer fc1 adds 512 products of a code from 0 to 255 and one from -128 to 127. How many bits, with the sign, does its sum need at most?", {"17": 17, "25": 25, "33": 33})
guess_bits

# %%
most = 512 * 255 * 128
print(f"at most {most:,}, which is {most.bit_length()} bits and a sign")
guess_bits.reveal(most.bit_length() + 1, "Sixteen bits for a product, nine for 512 of them. The accumulator has 32, so it cannot overflow here.")

# %% [markdown]
# ## What zero points cost
#
# Above, both zero points are 0: ink begins at 0, and the weights are symmetric. In general neither is. Multiplied out, the sum has **four terms**:
#
# $$\sum q_x q_w \;-\; z_x \sum q_w \;-\; z_w \sum q_x \;+\; n\, z_x z_w$$
#
# * The first is what a kernel is fast at.
# * The second and the fourth are known before any image comes.
# * The third must be computed anew for each input. It is gone where $z_w = 0$, so most kernels like **symmetric weights**.
#
# The same network with affine weights has all that is needed to see it:

# %%
affine = networks.integer_cnn(per_channel=False, scheme="affine")
terms = affine.layers["conv2"].accumulate(codes["conv1"][:1])
print("zero points of the weights:", [int(layer.w.zero_point) for layer in affine.layers.values()])
for name in ("products", "weight_sums", "input_sums", "zero_points", "total"):
    print(f"{name:12} {np.broadcast_to(getattr(terms, name), terms.total.shape)[0, 6, 1, 3]:8}")

# %%
guess_forgotten = Prediction("Somebody writes a kernel and forgets these four small zero points of the weights. How many of the 359 digits are named right?", {"355, as before": 355, "about 285": 285, "36, as by chance": 36})
guess_forgotten

# %% [markdown]
# Put some other number into **Zero point z_w** and **Zero point z_x** in the explorer above, and watch the bars. Each code then stands for another real number.

# %%
explorer.reset(w_zero=5)
print("\n".join(explorer.readout.splitlines()[2:4]))
explorer.reset()

# %%
right = (affine.without_weight_zero_points().predict(images) == labels).sum()
print(f"with them {(affine.predict(images) == labels).sum()} of {labels.size} right, without {right}")
guess_forgotten.reveal(int(right), "Each sum is off by the zero point times the sum of its inputs; after a ReLU nothing in that cancels.")

# %% [markdown]
# ## The bias joins the sum
#
# A bias is a real number. Divided by $s_x s_w$ it has the units of the sum, and can be rounded to an int32 and added:

# %%
print(f"bias of channel 7: {layer.bias[7]:.6f}, which is {layer.bias_steps[7]:.2f} steps, as an integer {layer.bias_int32[7]}")
print(f"one step is worth {layer.scale[7]:.8f}")

# %% [markdown]
# Papers and mobile kernels do it so. fbgemm does not: it keeps the bias as a float, because a layer is converted before anyone knows the scale of its input. It adds the number with its fraction.
#
# ## Back to 8 bits
#
# The sum must become a code of the next layer: times $M = s_x s_w / s_y$, rounded, plus $z_y$, clipped. $M$ is a real number. fbgemm multiplies in float32. A chip without floats writes $M$ as an int32 and a shift:

# %%
m, total = layer.fixed_multiplier, int((q_x * q_w).sum()) + int(layer.bias_int32[7])
mantissa, shift = int(m.mantissa[7]), -int(m.exponent[7])
print(f"{layer.multiplier[7]:.10f} = {mantissa} / 2**31 / 2**{shift}")
high = (total * mantissa + 2**30) >> 31
print(f"{total} * {mantissa} / 2**31, rounded: {high}")
print(f"{high} / 2**{shift}, rounded: {np.sign(high) * ((abs(high) + 2 ** (shift - 1)) >> shift)}")
print(f"in float: {total * float(layer.multiplier[7]):.4f}; in the network: {codes['conv1'][0, 7, 1, 3]}")

# %% [markdown]
# Two roundings instead of one, and a rounded bias before them. (gemmlowp rounds what lies exactly halfway up in the first division, and away from zero in the second; hence the sign.) Choose **Way** *gemmlowp* in the explorer to see all of it, and change its integers with **Mantissa +/-** and **Shift +/-**. Do these roundings change anything?

# %%
guess_ways = Prediction("The layer conv2 gives out 735,232 codes for all test images. How many of them change if the bias is rounded and the multiplier is an int32 and a shift?", {"none": 0, "about 300": 300, "about 30,000": 30_000})
guess_ways

# %%
for way in ROUNDINGS:
    difference = net.layers["conv2"].run(codes["conv1"], way).astype(int) - codes["conv2"]
    print(f"{way:10} {(difference != 0).sum():4} of {difference.size:,} codes differ, by at most {np.abs(difference).max()}")

# %%
guess_ways.reveal(int((difference != 0).sum()), "Only values that lie almost halfway between two codes can fall to the other side, and then by one.")

# %% [markdown]
# ## A ReLU for free
#
# Codes below 0 do not exist, so the kernel must clip. Where $z_y = 0$, that clip *is* the ReLU. Lower the **Bias**, and watch the mark slide into the hatched zone. **z_y +/-** moves the whole ramp: the clip is then at z_y.

# %%
explorer.reset(bias=-100_000)
print(explorer.readout.splitlines()[-5])
explorer.reset()
print(f"{(codes['conv2'] == 0).mean():.1%} of the codes of conv2 are 0")

# %% [markdown]
# The kernel has one blind spot. A float of $2^{31}$ or more has no int32, and the processor then answers with the *lowest* one. fbgemm does exactly this, and so does qviz. (64 less is the next smaller float32.)

# %%
print(requantize_float(np.array([2**30 - 64, 2**30]), 2.0))

# %% [markdown]
# It takes an output scale that is far too small. Then the largest sums of all become 0.
#
# ## From pixels to the answer
#
# Our value, the tap in the middle of input channel 7, is one of 144 inputs of conv2: number 7 * 9 + 4, counted from 0. Its output wins a max pool, is one of 512 inputs of fc1, and that is one of 64 inputs of the logit "5". Codes go in and codes come out, and no code is turned back into a real number on the way. (In fbgemm the *sum* still meets two floats: the bias, and the multiplier. With the arithmetic of gemmlowp there is none left.)

# %%
path = [("conv1", 7, 4), ("conv2", 6, 68), ("fc1", 3, 98), ("fc2", 5, 4)]
for name, channel, pick in path:
    explorer.reset(layer=name, channel=channel, pick=pick)
    product, code = explorer.readout.splitlines()[1], explorer.result.code
    print(f"{name}: {product.split(' = ', 1)[1]}, one of {explorer.result.now.q_x.size}; code {code}")
explorer.reset()

# %% [markdown]
# A code that you change goes the same way. Test image 310 is a 5 that is almost an 8. Set one pixel from 239 to 0, as seen by just one of the 1,024 outputs of conv1:

# %%
explorer.reset(image=310, channel=11, place=41, pick=3, activation=-255)
print("\n".join([explorer.readout.splitlines()[1], *explorer.readout.splitlines()[-5:]]))
explorer.reset()

# %%
logits = net.logits(images[:1])[0]
floats = networks.cnn_forward(images[:1])["logits"][0]
print("codes   ", codes["logits"][0])
print("integers", np.round(logits, 1), "so it is a", logits.argmax())
print("floats  ", np.round(floats, 1), "so it is a", floats.argmax())

# %% [markdown]
# ## NumPy beside fbgemm
#
# Now the whole network, and all 359 images. On one side fbgemm, compiled code with instructions made for it. On the other side NumPy, with the integers of the same converted model. (Activations get 7 bits here, which is *reduce range*: then the sums are the same on every processor, as you will see.)

# %%
guess_equal = Prediction("The two compute more than a million codes each. How many differ?", {"none": 0, "a few hundred": 300, "one in a hundred": 15_000})
guess_equal

# %%
both = side_by_side(digits_tensors()[2], PTQConfig(reduce_range=True))
print(both)
LocalResult("The same with activations of 8 bits.", lambda: side_by_side(digits_tensors()[2]))

# %%
differ = sum(int((mine != both.theirs.get(name, mine)).sum()) for name, mine in both.mine.items())
named = both.theirs.get("logits", both.mine["logits"]).argmax(1)
print(f"{sum(mine.size for mine in both.mine.values()):,} codes, {differ} differ; {(named == labels).sum()} of {labels.size} digits right")
for way in ROUNDINGS:
    print(f"NumPy, {way:10} names {(both.net.predict(images, way) == named).sum()} of {labels.size} digits as fbgemm does")
guess_equal.reveal(differ, "Sums of integers are exact, and the two steps with floats are done in the kernel's own order.")

# %% [markdown]
# The order matters, because two steps are still floats: the bias joins the sum, then the sum is multiplied. A bias rounded first would part from the kernel now and then, as you saw.
#
# Even this is not all. Where each channel has its own scale, fbgemm divides the bias by it, adds it to the sum, and rounds after each. Where all share one, it multiplies by 1 over it, and adds in the same instruction, with one rounding. The two can differ only where a sum lies next to a tie.
#
# For the answer it does not matter. gemmlowp's arithmetic is what a processor needs that sees nothing but integers: it has no float left between the pixels and the logits, and names every digit as fbgemm does.
#
# And with all 8 bits? That is what your own machine answered, under the table. A processor without VNNI adds two products in 16 bits first, and large sums do not fit. [](page:when_it_goes_wrong) shows why.

# %% [markdown]
# ## What you expected, and what was so

# %%
record(guess_bits, guess_forgotten, guess_ways, guess_equal)

# %% [markdown]
# ## In five lines
#
# 1. Scales come out of the sum, so that only integers are multiplied and added, in 32 bits.
# 2. Zero points add three terms; symmetric weights save the one that each input would pay for.
# 3. The bias has the units of the sum: an int32 in papers and on phones, a float in fbgemm, which also multiplies the sum by a float.
# 4. Requantizing is a multiplication and a clip, and the clip is the ReLU.
# 5. The same steps in the same order give the same codes, bit for bit.

# %% [markdown]
# ## Exercises
#
# Each check answers at once. A wrong answer gets a hint; an empty one stops nothing.

# %% [markdown]
# **1.** Both zero points may be anything now, so one product $(q_x - z_x)(q_w - z_w)$ can be as large as 255 times 255. How many such products surely fit an int32, whose largest number is 2,147,483,647?

# %%
products = None
### BEGIN SOLUTION
products = (2**31 - 1) // 255**2
### END SOLUTION

# %%
check("integers_all_the_way.1", products)

# %% [markdown]
# **2.** A kernel hands you the sum of `q_x * q_w`, the sums of both, and how many there are. Return the sum of `(q_x - z_x) * (q_w - z_w)`.

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
# **3. Spot the bug.** This function makes codes of sums. Bright images come out dark. Mend it.

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
# **4.** Multiply without a float: return `total * mantissa / 2**31 / 2**shift`, rounded after each of the two divisions. All four are Python's whole numbers, and `total` may be negative. In the second division, what lies exactly halfway goes away from zero (2.5 to 3, and -2.5 to -3), as in the cell above and in gemmlowp. In the first one it may go up or away from zero.

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
# * [gemmlowp](https://github.com/google/gemmlowp), `fixedpoint/fixedpoint.h`: both roundings, which TensorFlow Lite took over.
# * [FBGEMM](https://github.com/pytorch/FBGEMM), and D. Khudia et al., [*FBGEMM: Enabling High-Performance Low-Precision Deep Learning Inference*](https://arxiv.org/abs/2101.05615), 2021.
# * PyTorch: issue [23874](https://github.com/pytorch/pytorch/issues/23874) on the scale that a bias needs and a converted layer does not know; pull request [26057](https://github.com/pytorch/pytorch/pull/26057), since when the bias is a float.
