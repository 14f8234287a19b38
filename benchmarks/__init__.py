"""Timings side by side with the libraries that readers know. Run them with `python -m benchmarks [names]`.

Each module here that has a function `compare` is one comparison: it takes nothing and returns or yields rows, see
`frame.Row` and `frame.side_by_side`. To add one, add a file.
"""
