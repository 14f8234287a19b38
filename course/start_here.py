# %% [markdown]
# A neural network is a long list of numbers. **Quantization** stores and computes those numbers with fewer bits. The network becomes smaller and often faster. It may also become less accurate. In this course you try every step of that yourself, on real images and a real network, and watch what happens.

# %% [markdown]
# ## 1. One cell after the other
#
# Read a page cell by cell. Press Shift+Enter to run a cell and go on to the next, starting with the one below. When you reach a question, answer it before you go on. Nothing is downloaded.

# %%
import qviz.widgets
from qviz.experiments.energy import FLOAT16, energy, integers
from qviz.lessons import Prediction, before_the_course, check_environment
from qviz.networks.layer_shapes import linear
from qviz.numerics.roofline import Roof, Work

# %% [markdown]
# ## 2. Why fewer bits?
#
# A language model with 7 billion weights uses every one of them for each word that it writes (more exactly, for each token, a piece of a word). So for each word all weights come from memory, and each is multiplied and added once. Suppose that a laptop moves 89.6 gigabytes a second (two channels of `DDR5-5600`) and does 768 billion operations a second (8 cores, 3 GHz, 32 operations in each cycle). This is the least that one word costs there, in time and in energy, with weights of 16, 8 and 4 bits:

# %%
model, laptop = linear("7 billion weights", 70_000, 100_000), Roof(peak=768, bandwidth=89.6, call_ms=0)
print("weights     memory   to move them   to compute    energy")
for numbers in (FLOAT16, integers(8), integers(4)):
    size = model.weights * numbers.weight_bits / 8
    ms = laptop.least_ms(Work(2 * model.weights, size))
    joules = energy([model], numbers, "DRAM").total_pj / 1e12
    print(f"{numbers.weight_bits:2} bits {size / 1e9:8.1f} GB {ms['memory']:11.0f} ms {ms['arithmetic']:9.0f} ms {joules:7.2f} J")

# %% [markdown]
# **Notice:** moving the weights takes far longer than computing with them, and nearly all of the energy. So both shrink with the bits. And at 4 bits the model fits into a phone, while 16 bits would not leave room for anything else in a laptop with 16 gigabytes. (The energy is an estimate from published figures for a chip of 2014. Today's chips need less, but moving a number still costs far more than computing with it. [](page:benefits_and_trade_offs) has the details, and measures your own machine.)
#
# What it costs is accuracy. How much, and how to lose as little as possible, is what the rest of the course is about.
#
# ## 3. Is everything there?
#
# The next cell looks. If something is missing, its line says what to do.

# %%
check_environment()

# %% [markdown]
# ## 4. Move an explorer
#
# An **explorer** is a picture with controls. This one takes 100,000 numbers and rounds them to few **levels**.
#
# * Drag the slider **Bits**. Or click on its handle and press the arrow keys. Or type a number into the box beside it.
# * Choose other numbers under **Data**.
# * Above the picture stand the figures that matter most, and below it a text says the same as the picture. **More** shows further controls. You need not know its words yet; pages [#](page:what_is_quantization) to [#](page:calibration) explain them.
# * **Reset** puts everything back.

# %%
explorer = qviz.widgets.QuantizeExplorer(bits=4)
explorer

# %% [markdown]
# Code moves an explorer too. Each control is a name in Python; the picture above follows. Run the next two cells one after the other (Shift+Enter): the first goes down to 2 bits, which leaves 4 levels, the second back.

# %%
explorer.reset(bits=2)
print(explorer.readout)

# %%
explorer.reset()
print(explorer.code)

# %% [markdown]
# ## 5. Guess first
#
# Before each finding the course asks for your guess, because you remember a result better when it surprises you. The results and the answer stay folded until you have made one. Nobody else sees it: your guesses are kept in a small file next to this page, `my_guesses.json`, so that the last page can show you how they changed. Delete the file to start afresh.

# %%
guess = Prediction("With one bit more, how many times as many levels are there?", {"1.5 times": 1.5, "2 times": 2, "4 times": 4})
guess

# %%
levels = [qviz.IntFormat(bits).levels for bits in (4, 5)]
guess.reveal(levels[1] / levels[0], "Each bit doubles the number of codes: 16 with 4 bits, 32 with 5.")

# %% [markdown]
# ## 6. Bring your own numbers
#
# An explorer takes any array, and files that end in `.npy`, `.npz` or `.safetensors`. Give it the path in place of the list.

# %%
explorer.reset(data=[0.1, 0.2, 0.4, 0.8, 1.6, 3.2], bits=3)
print(explorer.readout)

# %%
explorer.reset()

# %% [markdown]
# ## 7. What do you think now?
#
# Nine questions. You need not know any answer, so guess. The last page asks about the same ideas again, and compares the two.

# %%
before_the_course()

# %% [markdown]
# ## The course
#
# <!-- contents -->
#
# Read the pages in order, or the core path first and then what you need.
#
# **When something goes wrong:** open the menu **Kernel** and choose **Restart Kernel and Run All Cells**. That repairs a page, for instance when a picture stays grey because the page has lost its kernel. Your guesses are still there.
#
# **Sources.** The pictures and numbers come from handwritten digits (Optical Recognition of Handwritten Digits, UCI), a photograph (Rachel Michetti, CC0), and a small network trained on the digits in this repository. `qviz/data/SOURCES.md` has the details.
