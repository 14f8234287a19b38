import importlib
import os

import pytest


@pytest.fixture
def reference():
    """Import a reference library; where it is missing skip, but in CI fail: no oracle is lost unseen."""

    def load(name):
        try:
            return importlib.import_module(name)
        except ImportError:
            if os.environ.get("CI"):
                pytest.fail(f"{name} must be installed in CI")
            return pytest.skip(f"{name} is not installed")

    return load
