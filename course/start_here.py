# %% [markdown]
# A trained neural network consists mostly of numbers, often millions or billions of them. **Quantization** means storing these numbers, and computing with them, with fewer bits. The network becomes smaller and often faster, but it may also become less accurate. In this course you try every step yourself, on real images and a real network, and see what happens.

# %% [markdown]
# ## 1. How to read a page
#
# Work through each page cell by cell: press Shift+Enter to run a cell and move on to the next, starting with the one below. When you come to a question, answer it before you continue. The course works without an internet connection.

# %%
import qviz.widgets
from qviz.experiments.energy import FLOAT16, energy, integers
from qviz.lessons import Prediction, before_the_course, check_environment
from qviz.networks.layer_shapes import linear
from qviz.numerics.roofline import Roof, Work

# %% [markdown]
# ## 2. Why fewer bits?
#
# A language model with 7 billion weights uses every one of them for each word that it writes (more precisely, for each token, which is a piece of a word). So for each word, all the weights have to be read from memory, and each one takes part in one multiplication and one addition. Suppose that a laptop can read 89.6 gigabytes per second from memory (two channels of `DDR5-5600`) and perform 768 billion operations per second (8 cores at 3 GHz with 32 operations per cycle). The next cell computes lower bounds on the time and the energy that one word takes on such a laptop, with weights of 16, 8 and 4 bits:

# %%
model, laptop = linear("7 billion weights", 70_000, 100_000), Roof(peak=768, bandwidth=89.6, call_ms=0)
print("weights     memory   to move them   to compute   energy, of which for moving")
for numbers in (FLOAT16, integers(8), integers(4)):
    size = model.weights * numbers.weight_bits / 8
    ms = laptop.least_ms(Work(2 * model.weights, size))
    spent = energy([model], numbers, "DRAM")
    print(f"{numbers.weight_bits:2} bits {size / 1e9:8.1f} GB {ms['memory']:11.0f} ms {ms['arithmetic']:9.0f} ms", end=" ")
    print(f"{spent.total_pj / 1e12:7.2f} J {1 - spent.arithmetic_pj / spent.total_pj:15.1%}")

# %% [markdown]
# **Notice:** moving the weights takes much longer than computing with them, and nearly all of the energy goes into it. So if you halve the number of bits, you halve both the energy and the time for moving the weights. Memory matters too: with 4 bits per weight, the model fits into the memory of many phones, whereas with 16 bits it would fill a laptop with 16 gigabytes almost completely. (The energy is an estimate based on figures published in 2014. Today's chips need less, but reading a number from memory still costs far more than computing with it. [](page:benefits_and_trade_offs) gives the details and measures your own machine.)
#
# The price is accuracy. The rest of the course is about how much accuracy you lose and how to lose as little as possible.
#
# ## 3. Check your installation
#
# The next cell checks that everything the course needs is installed. If something is missing, it tells you what to do.

# %%
check_environment()

# %% [markdown]
# ## 4. Try an explorer
#
# An **explorer** is a picture with controls. This one takes 100,000 numbers and rounds each of them to one of a small number of values, called **levels**.
#
# * Drag the slider **Bits**. You can also click on its handle and use the arrow keys, or type a number into the box next to it.
# * Choose a different set of numbers under **Data**.
# * The most important figures are shown above the picture, and the text below it describes the picture in words. **More** shows additional controls. Some of the terms will be new to you; pages [#](page:what_is_quantization) to [#](page:calibration) explain them.
# * **Reset** restores the initial settings.

# %%
explorer = qviz.widgets.QuantizeExplorer(bits=4)
explorer

# %% [markdown]
# You can also control an explorer from Python: each control has a name, and the picture above changes with it. Run the next two cells one after the other. The first one goes down to 2 bits, which leaves 4 levels, and the second one restores the initial settings and prints the code for them.

# %%
explorer.reset(bits=2)
print(explorer.readout)

# %%
explorer.reset()
print(explorer.code)

# %% [markdown]
# ## 5. Guess before you look
#
# Before each important result, the course asks you to guess it, because you remember a result better when you have committed to a guess first. The results and the answer stay hidden until you have made your guess. Nobody else sees your guesses. They are stored in a small file next to this page, `my_guesses.json`, so that the last page can show you how they changed during the course. Delete the file if you want to start again.

# %%
guess = Prediction("If you add one bit, by which factor does the number of levels grow?", {"1.5 times": 1.5, "2 times": 2, "4 times": 4})
guess

# %%
levels = [qviz.IntFormat(bits).levels for bits in (4, 5)]
guess.reveal(levels[1] / levels[0], "Each additional bit doubles the number of levels: 16 with 4 bits, 32 with 5.")

# %% [markdown]
# ## 6. Use your own numbers
#
# An explorer accepts any array. It also reads files that end in `.npy`, `.npz` or `.safetensors`: give it the path instead of the list.

# %%
explorer.reset(data=[0.1, 0.2, 0.4, 0.8, 1.6, 3.2], bits=3)
print(explorer.readout)

# %%
explorer.reset()

# %% [markdown]
# ## 7. What do you expect?
#
# Here are nine questions about the course. You are not expected to know the answers yet, so just guess. The last page asks about the same ideas again, so that you can see what you have learned.

# %%
before_the_course()

# %% [markdown]
# ## The course
#
# <!-- contents -->
#
# You can read the pages in order, or read the core path first and then choose what you need.
#
# **When something goes wrong:** open the menu **Kernel** and choose **Restart Kernel and Run All Cells**. This helps, for instance, when an explorer no longer responds because the page has lost its connection to Python. Your guesses are not lost.
#
# **Sources.** The course uses images of handwritten digits (Optical Recognition of Handwritten Digits, UCI), a photograph (Rachel Michetti, CC0), and a small network that was trained on the digits for this course. For details, see `qviz/data/SOURCES.md`.
