"""Post-training quantization and quantization-aware training with torch, on the fbgemm engine.

engines.py    which engines there are, and the one place that silences what torch says about deprecated calls
models.py     the network of the course, and its seeded training

Importing this room imports torch; `import qviz` does not import this room.
"""
