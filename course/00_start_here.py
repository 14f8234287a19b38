# %% [markdown]
# # Start here
#
# **The question of this page: how do I use this course?**
#
# *Before it: nothing. Time: 15 minutes. Next: [1. What is quantization?](01_what_is_quantization.ipynb).*
#
# A neural network is a long list of numbers. **Quantization** stores and computes those numbers with fewer bits. The network becomes smaller and often faster. It may also become less accurate. In this course you move every step of that by hand, on real images and a real network, and watch what happens.

# %% [markdown]
# ## 1. Run everything
#
# Open the menu **Run** and choose **Run All Cells**. You can do that on every page: nothing waits for an answer from you, and nothing is downloaded.

# %%
import qviz.widgets
from qviz.lessons import Prediction, before_the_course, check_environment

# %% [markdown]
# ## 2. Is everything there?
#
# The next cell looks. If something is missing, its line says what to do.

# %%
check_environment()

# %% [markdown]
# ## 3. Move an explorer
#
# An **explorer** is a picture with controls. This one takes 100,000 numbers and rounds them to few **levels**.
#
# * Drag the slider **Bits**. Or click on its handle and press the arrow keys. Or type a number into the box beside it.
# * Choose other numbers under **Data**.
# * Above the picture stand the figures that matter most, and below it a text says the same as the picture. **More** shows further controls. You need not know its words yet; pages 1 to 3 explain them.
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
# ## 4. Guess first
#
# Before each finding the course asks for your guess. People learn more from a result that they expected to be otherwise. Nobody sees your answer. After Run All the results stand on the page, so guess before you read on; or run a page cell by cell, with Shift+Enter.

# %%
guess = Prediction("With one bit more, how many times as many levels are there?", {"1.5 times": 1.5, "2 times": 2, "4 times": 4})
guess

# %%
levels = [qviz.IntFormat(bits).levels for bits in (4, 5)]
guess.reveal(levels[1] / levels[0], "Each bit doubles the number of codes: 16 with 4 bits, 32 with 5.")

# %% [markdown]
# ## 5. Bring your own numbers
#
# An explorer takes any array, and files that end in `.npy`, `.npz` or `.safetensors`. Give it the path in place of the list.

# %%
explorer.reset(data=[0.1, 0.2, 0.4, 0.8, 1.6, 3.2], bits=3)
print(explorer.readout)

# %%
explorer.reset()

# %% [markdown]
# ## 6. What do you think now?
#
# Nine questions. You need not know any answer. Nothing is stored or sent, so note how many are right. The last page asks about the same ideas again; compare the two.

# %%
before_the_course()

# %% [markdown]
# ## The course
#
# | page | its question |
# |---|---|
# | [1. What is quantization?](01_what_is_quantization.ipynb) | What happens to a number that gets fewer bits? |
# | [2. Scale and zero point](02_scale_and_zero_point.ipynb) | Which integer stands for which real number? |
# | [3. Calibration](03_calibration.ipynb) | Which range of values is worth keeping? |
# | [4. Post-training quantization with fbgemm](04_ptq_with_fbgemm.ipynb) | How does one turn a trained network into integers with PyTorch, and what decides how much is lost? |
# | [5. Quantization-aware training with fbgemm](05_qat_with_fbgemm.ipynb) | What if the network could learn to live with few bits? |
# | [6. When it goes wrong](06_when_it_goes_wrong.ipynb) | It did not run, or it ran and the answer is wrong: why? |
# | [7. Weights, activations, biases](07_weights_activations_biases.ipynb) | Which part of a network minds fewer bits, its weights, its activations or its biases? |
# | [8. Integers all the way](08_integers_all_the_way.ipynb) | How does a network compute when its processor sees nothing but integers? |
# | [9. Benefits and trade-offs](09_benefits_and_trade_offs.ipynb) | What does one gain by quantization, what does it cost, and how do I choose? |
# | [10. Moving on](10_moving_on.ipynb) | `torch.ao.quantization` is going away. How do I do the same with what replaces it? |
#
# Read the pages in order. Most take 15 to 30 minutes, and the exercises 10 to 25 more.
#
# **When something goes wrong:** menu **Kernel**, then **Restart Kernel and Run All Cells**. Below a picture whose page has lost its kernel, for instance because you come back the next day, stands *Run this cell to make it move*; the same menu brings all of them back.
#
# **Sources.** The pictures and numbers come from handwritten digits (Optical Recognition of Handwritten Digits, UCI), a photograph (Rachel Michetti, CC0), and a small network trained on the digits in this repository. `qviz/data/SOURCES.md` has the details.
