"""Post-training quantization and quantization-aware training with torch, on the fbgemm engine.

engines.py    which engines there are, and the one place that silences what torch says about deprecated calls
models.py, optimizer.py    the network of the course, and its seeded training
bridge.py     tensors and arrays, torch's qparams and qviz's
observer.py   any of qviz's calibrators inside torch's flows
ptq_config.py, ptq.py    post-training quantization, eager and FX, static and dynamic, on an engine or simulated
layers.py     which layers become integers, stay float, or are refused, before any work is done
simulate.py   a prepared network that rounds as the kernels do
inputs.py     the inputs of a network: a tensor, or batches of a DataLoader
narrow.py     fewer than 8 bits on kernels made for 8
measure.py, results.py, cost.py    what it did to a network: accuracy, error of each layer, bytes on disk, time
ptq_lab.py    all of this for one explorer: what does not depend on the move is kept
kernel_bias.py     what an integer kernel does with a bias
files.py, entries.py, pickles.py    saved and loaded bit for bit, each number checked, nothing in a file ever run
examples.py   the two examples that everybody starts from, as written and mended
ste.py        fake-quantize with the straight-through estimator
qat_config.py, qat.py, snapshots.py    training with quantization in it, and the weights that it moves
failures/     errors that people post, made on purpose, and a check of the reader's repair
saturation.py    what a processor without VNNI makes of the sums, on the real kernel
held.py       what is in a file of torch, and one in which no bit is wasted
speed.py, power.py       how fast this machine is, and its energy counter where it has one
recipes.py, pipelines.py three ways in plain torch, run and counted
qat_layers.py    the layers with a fake-quantize that torch has no class for
convert.py, agreement.py    from fake-quantized to integers, so that both answer alike; else where they part
integer.py    the integers of a converted network, for NumPy to run: the same codes
torchao_here.py   torchao, which all of this moves to: loaded without a word, and what of it runs on this machine
quantize_api.py, pt2e.py    its two halves: weights changed in place, and exported graphs
arithmetic.py     who multiplies integers: the operations that really ran
ways.py, moving.py, moves.py    the digits network by each way, old and new; each old call beside its new one

Importing this room imports torch; `import qviz` does not import this room.
"""
