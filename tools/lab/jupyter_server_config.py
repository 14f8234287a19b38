"""Jupyter's configuration for `start.py lab`: no save prompt for unchanged pages, and large uploads for explorers.

JupyterLab writes the version of Python into a page when it opens it, and then asks whether to save the change. The
stored pages contain no version, because readers have different ones; this class fills in the reader's version.
"""

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

STORED = {"name": "python"}  # as tools/notebooks.py stores it


class Pages(AsyncLargeFileManager):
    """Jupyter's file manager, which adds the reader's version of Python to a stored page."""

    async def get(self, path, *arguments, **options):
        """Return a file as Jupyter's model."""
        model = await super().get(path, *arguments, **options)
        if model["type"] == "notebook" and model["content"]:
            metadata = model["content"]["metadata"]
            if metadata.get("language_info") == STORED:
                metadata["language_info"] = dict(IPythonKernel.language_info)
        return model


c.ServerApp.contents_manager_class = Pages  # noqa: F821
c.ServerApp.tornado_settings = {"websocket_max_message_size": 300 * 2**20}  # noqa: F821 # 10 MiB would end the kernel
