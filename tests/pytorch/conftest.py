"""What the tests of saved files share."""

import pytest


@pytest.fixture
def content(saved):
    """Return what is in the file that a test's module saves."""
    torch = pytest.importorskip("torch")
    return torch.load(saved, weights_only=True)


@pytest.fixture
def refused(tmp_path):
    """Write content to a file, and return the message that loading it ends with."""
    torch, files = pytest.importorskip("torch"), pytest.importorskip("qviz.pytorch.saved_model")

    def message(content):
        path = tmp_path / "changed.pt"
        torch.save(content, path) if not isinstance(content, bytes) else path.write_bytes(content)
        with pytest.raises(ValueError) as caught:
            files.load(path)
        text = str(caught.value)
        assert text.startswith(str(path)) and "\n" not in text and len(text) < 500
        return text

    return message
