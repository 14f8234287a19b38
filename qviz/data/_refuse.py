"""What a reader's array may be, and the sentences that refuse the rest."""


def check_dtype(dtype, where):
    """Refuse all but integers and floats, and say what to do."""
    if dtype.kind in "iuf":
        return
    advice = {
        "O": "check that rows are equally long, then convert with .astype('float32')",
        "c": "take .real, .imag or abs()",
        "b": "convert with .astype('uint8')",
    }.get(dtype.kind, "convert with .astype('float32')")
    if dtype.names:
        advice = f"take one field, such as x[{dtype.names[0]!r}]"
    raise TypeError(f"{where} must hold real numbers (integers or floats): got dtype {dtype}; {advice}")


def check_size(size_bytes, max_bytes, where):
    """Refuse what would take more than max_bytes in memory."""
    if size_bytes > max_bytes:
        raise ValueError(
            f"{where} must take at most max_bytes = {max_bytes} bytes: it takes {size_bytes};"
            " give a part of it, or raise max_bytes"
        )


def damaged(path, reason):
    """Return the error for a file that is not what its extension says."""
    return ValueError(f"{path} is damaged or not a {path.suffix} file: {reason}; save or download it again")


def choose_key(key, names, path):
    """Return the wanted name of those in the file, or the only one."""
    if key is None and len(names) == 1:
        return names[0]
    if key in names:
        return key
    if not names:
        raise ValueError(f"{path} holds no arrays; save it again with at least one")
    shown = ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    got = f"key must be given, for {path} holds several arrays" if key is None else f"key {key!r} is not in {path}"
    raise ValueError(f"{got}; choose from {shown}")
