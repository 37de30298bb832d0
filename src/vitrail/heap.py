"""What the C library does with memory that is freed: give it back, or keep it for the next tensor.

glibc fetches every block above 32 MB from the system anew and gives it back when it is freed. A map of a large picture
or batch is such a block, and to be handed its pages for the first time costs more than the product that fills them:
Swin-T on one picture of 2048 x 2048 takes 4.5 s so, and 2.6 s where freed memory is kept (2 cores, float32).
"""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)
LARGEST = 2**31 - 1
SWITCH = "VITRAIL_KEEP_MEMORY"

_kept = False


def keep_memory() -> bool:
    """From now on this process keeps the memory that it frees, up to its own highest mark.

    The peak stays as it was, but what is free is not given to other processes. It holds for everything in the process,
    so the command does it (VITRAIL_KEEP_MEMORY=0 leaves it), and the library only where it is called.

    Returns: Whether the C library has taken it; False without glibc.
    """
    global _kept
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    _kept = bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, LARGEST))
    return _kept


def wanted() -> bool:
    """Whether the environment leaves it to the command to keep memory."""
    return os.environ.get(SWITCH, "1") != "0"


def kept() -> bool:
    """Whether this process keeps what it frees, by `keep_memory`."""
    return _kept
