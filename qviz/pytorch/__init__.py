"""Post-training quantization and quantization-aware training with torch, on the fbgemm engine.

engines.py    which engines there are, and the one place that silences what torch says about deprecated calls
models.py     the network of the course, and its seeded training
ste.py        fake-quantize with the straight-through estimator
qat_config.py, qat.py, snapshots.py    training with quantization in it, and the weights that it moves
convert.py    from fake-quantized to integers, so that both answer alike; why torch's own conversion does not

Importing this room imports torch; `import qviz` does not import this room.
"""
