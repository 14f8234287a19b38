"""Post-training quantization and quantization-aware training with torch, on the fbgemm engine.

engines.py    which engines there are, and the one place that silences what torch says about deprecated calls
models.py     the network of the course, and its seeded training
bridge.py     tensors and arrays, torch's qparams and qviz's
observer.py   any of qviz's calibrators inside torch's flows
ptq_config.py, ptq.py    post-training quantization, eager and FX, static and dynamic, on an engine or simulated
narrow.py     fewer than 8 bits on kernels made for 8
measure.py, cost.py      what it did to a network: accuracy, error of each layer, bytes on disk, time
files.py      saved and loaded bit for bit, with nothing in a file ever run
examples.py   the two examples that everybody starts from, as written and mended
ste.py        fake-quantize with the straight-through estimator
qat_config.py, qat.py, snapshots.py    training with quantization in it, and the weights that it moves
convert.py    from fake-quantized to integers, so that both answer alike; why torch's own conversion does not

Importing this room imports torch; `import qviz` does not import this room.
"""
