"""Copies of the notebooks for the browser: cells that need torch become text with their stored output."""

import ast
import copy

NOTE = "*This cell needs PyTorch, which no browser runs. This is its stored output; `python3 start.py lab` runs it.*"
KERNEL = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
ANSWERS = (".fold_output(", ".reveal(")  # a cell with one of these stays folded until there is a guess
TORCH = ("torch", "qviz.pytorch")


def for_browser(notebook: dict) -> dict:
    """Return a copy of a notebook in which all code cells run without torch."""
    notebook, missing = copy.deepcopy(notebook), set()
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        rest, imported = without_torch(source)
        missing |= imported
        if needs(rest, missing):
            missing |= _assigned(source)
            notebook["cells"][number] = told(cell)
        else:
            missing -= _assigned(rest)
            cell["source"] = rest.splitlines(keepends=True)
    notebook["metadata"]["kernelspec"] = KERNEL
    return notebook


def without_torch(source: str) -> tuple[str, set[str]]:
    """Return the source without imports of torch, and the names that these imports define."""
    lines, names = source.splitlines(keepends=True), set()
    for node in ast.parse(source).body:
        module = node.module if isinstance(node, ast.ImportFrom) else None
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module]
        if any(name and (name in TORCH or name.startswith(tuple(f"{one}." for one in TORCH))) for name in modules):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "".join(lines), names


def needs(source: str, missing: set[str]) -> bool:
    """Return whether a cell uses a missing name, or reaches torch through an attribute."""
    names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    return bool(read & missing) or "qviz.pytorch" in source


def _assigned(source: str) -> set[str]:
    """Return the names that a cell defines."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return found


def told(cell: dict) -> dict:
    """Return a cell as Markdown: its code, and its stored output."""
    source, parts, attachments = "".join(cell["source"]), [], {}
    for number, output in enumerate(cell["outputs"]):
        data = output.get("data", {})
        words = "".join(output.get("text", data.get("text/plain", "")))
        if "image/png" in data:
            attachments[f"{number}.png"] = {"image/png": data["image/png"]}
            alt = (words.splitlines() or ["Picture"])[0].replace("[", "").replace("]", "")
            parts.append(f"![{alt}](attachment:{number}.png)")
        if words:
            parts.append(f"```\n{words}\n```")
    if any(call in source for call in ANSWERS):
        parts = ["<details><summary>Make your guess, then open this</summary>", *parts, "</details>"]
    text = "\n\n".join([NOTE, f"```python\n{source}\n```", *parts])
    made = {"cell_type": "markdown", "id": cell["id"], "metadata": {}, "source": text}
    return made | ({"attachments": attachments} if attachments else {})
