# %% [markdown]
# A trained neural network consists mostly of numbers called weights, often millions or billions of them. **Quantization** means using fewer bits to store these numbers and to compute with them. The network becomes smaller and often faster, but it may also become less accurate. In this course you try every step yourself, on real images and a real network.

# %% [markdown]
# ## 1. How to read a page
#
# Work through each page cell by cell: press Shift+Enter to run a cell and move on to the next one. When you come to a question, answer it before you continue.

# %%
import qviz.widgets
from qviz.experiments.energy import FLOAT16, energy, integers
from qviz.lessons import Prediction, before_the_course, check_environment
from qviz.networks.layer_shapes import linear
from qviz.numerics.roofline import Roof, Work

# %% [markdown]
# ## 2. Why fewer bits?
#
# To write one word (more precisely, one token, which is a word or a piece of one), a language model with 7 billion weights reads every one of them from memory, and uses each in one multiplication and one addition. Suppose that a laptop can read 89.6 gigabytes per second from memory (two channels of `DDR5-5600`) and perform 768 billion operations per second (8 cores at 3 GHz with 32 operations per cycle). The next cell computes the minimum time and energy needed for one word, with weights of 16, 8 and 4 bits:

# %%
model, laptop = linear("7 billion weights", 70_000, 100_000), Roof(peak=768, bandwidth=89.6, call_ms=0)
print("weights     memory   to move them   to compute   energy     share for moving")
for numbers in (FLOAT16, integers(8), integers(4)):
    size = model.weights * numbers.weight_bits / 8
    ms = laptop.least_ms(Work(2 * model.weights, size))
    spent = energy([model], numbers, "DRAM")
    print(f"{numbers.weight_bits:2} bits {size / 1e9:8.1f} GB {ms['memory']:11.0f} ms {ms['arithmetic']:9.0f} ms", end=" ")
    print(f"{spent.total_pj / 1e12:7.2f} J {1 - spent.arithmetic_pj / spent.total_pj:15.1%}")

# %% [markdown]
# **Notice:** moving the weights takes two to nine times as long as computing with them, and uses nearly all of the energy. Halving the number of bits halves the time and the energy for moving the weights, and also the memory they need. With 4 bits per weight, the model fits into the memory of many phones. With 16 bits, it would almost fill the memory of a laptop with 16 gigabytes. (The energy is an estimate from figures published in 2014. [](page:benefits_and_trade_offs) gives the details.)
#
# The price is that you may lose some accuracy. The rest of the course is about how much you lose, and how to lose as little as possible.
#
# ## 3. Check your installation
#
# The next cell checks that everything the course needs is installed. If something is missing, it tells you what to do.

# %%
check_environment()

# %% [markdown]
# ## 4. Try an explorer
#
# An **explorer** is a picture with controls. This one takes 100,000 numbers and rounds each of them to one of a few values, called **levels**.
#
# * Drag the slider **Bits**, click on its handle and use the arrow keys, or type a number into the box next to it.
# * Choose a different set of numbers under **Data**.
# * The most important numbers are above the picture, and more details are below it. Pages [#](page:what_is_quantization) to [#](page:calibration) explain the terms.
# * **More** shows additional controls, and **Reset** restores the initial settings.

# %%
explorer = qviz.widgets.QuantizeExplorer(bits=4)
explorer

# %% [markdown]
# You can also control an explorer from Python. Run the next two cells one after the other, and watch the picture above. The first goes down to 2 bits. The second restores the initial settings, and prints the code that creates this explorer.

# %%
explorer.reset(bits=2)
print(explorer.readout)

# %%
explorer.reset()
print(explorer.code)

# %% [markdown]
# ## 5. Guess before you look
#
# Before each important result, the course asks you to guess it, because you remember a result better if you have committed to a guess. The result stays hidden until then. Nobody else sees your guesses. They are stored next to this page in `my_guesses.json`, so that the last page can show you how many were right. To start again, delete this file.

# %%
guess = Prediction("If you add one bit, by what factor does the number of levels grow?", {"1.5 times": 1.5, "2 times": 2, "4 times": 4})
guess

# %%
levels = [qviz.IntFormat(bits).levels for bits in (4, 5)]
guess.reveal(levels[1] / levels[0], "Each additional bit doubles the number of levels: 16 with 4 bits, 32 with 5.")

# %% [markdown]
# ## 6. Use your own numbers
#
# You can pass any array to an explorer. To use a file that ends in `.npy`, `.npz` or `.safetensors`, pass its path.

# %%
explorer.reset(data=[0.1, 0.2, 0.4, 0.8, 1.6, 3.2], bits=3)
print(explorer.readout)

# %%
explorer.reset()

# %% [markdown]
# ## 7. What do you expect?
#
# Here are nine questions about what the course covers. You are not expected to know the answers yet, so just guess. The last page asks about the same ideas again, so you can see what you have learned.

# %%
before_the_course()

# %% [markdown]
# ## The course
#
# <!-- contents -->
#
# **Something went wrong?** If an explorer no longer responds, for instance, choose **Restart Kernel and Run All Cells** from the menu *Kernel*. Your guesses are not lost.
#
# **Sources.** The course uses images of handwritten digits (Optical Recognition of Handwritten Digits, UCI), a photograph (Rachel Michetti, CC0), and a small network that was trained on the digits for this course. For details, see `qviz/data/SOURCES.md`.
