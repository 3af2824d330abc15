"""Whether somebody can click: a live notebook, or a kernel that runs cells from first to last for nobody."""

from __future__ import annotations

import os
import sys


def is_live() -> bool:
    """Whether a run may go on in the background while a person watches it.

    True in JupyterLab, Notebook, VS Code and Voila. False in scripts, in nbconvert and papermill (their kernel may not
    ask for input), where a run that does not block would be over with the cell, and in Colab, which shows nothing of a
    background run. The environment variable ``LRWIDGET_BLOCK`` overrides: 1 blocks, 0 does not.
    """
    wish = os.environ.get("LRWIDGET_BLOCK", "")
    if wish:
        return wish == "0"
    if "google.colab" in sys.modules or "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    is_voila = os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
    return is_voila or bool(getattr(kernel, "_allow_stdin", True))
