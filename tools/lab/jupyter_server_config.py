"""What `start.py lab` tells Jupyter: no saving of untouched pages, and room for the files that explorers open.

JupyterLab writes the kernel's language, with Python's version, into a page when it opens it, and then asks whether to
save. The stored pages name no version, because readers have different ones; this fills in the reader's own.
"""

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

STORED = {"name": "python"}  # as tools/notebooks.py stores it


class Pages(AsyncLargeFileManager):
    """Files of this machine, where a stored page names the reader's own Python."""

    async def get(self, path, *arguments, **options):
        """Return a file, as Jupyter asks for it."""
        model = await super().get(path, *arguments, **options)
        if model["type"] == "notebook" and model["content"]:
            metadata = model["content"]["metadata"]
            if metadata.get("language_info") == STORED:
                metadata["language_info"] = dict(IPythonKernel.language_info)
        return model


c.ServerApp.contents_manager_class = Pages  # noqa: F821
c.ServerApp.tornado_settings = {"websocket_max_message_size": 300 * 2**20}  # noqa: F821 # 10 MiB would end the kernel
