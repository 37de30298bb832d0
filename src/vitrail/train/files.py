"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vitrail.errors import InputError


@contextmanager
def replacing(path: str | Path, sum_of: Callable[[Path], Path] | None = None) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends; where it fails, `path` is as it was.

    Args:
        sum_of: Names the file that is to hold the SHA-256; it is written just before `path` appears.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            hashing = _Hashing(file)
            try:
                yield hashing if sum_of else file  # type: ignore[misc]
            except RuntimeError as error:
                raise hashing.failed or error from error
            file.flush()
            os.fsync(file.fileno())
        if sum_of:
            with replacing(sum_of(path)) as file:
                file.write(f"{hashing.digest.hexdigest()}  {path.name}\n".encode())
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


class _Hashing(io.RawIOBase):
    """Writes on, and adds up what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()
        self.failed: OSError | None = None  # kept, since torch.save tells of it in words of its own

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self.digest.update(content)
        try:
            return self.file.write(content)
        except OSError as error:
            self.failed = error
            raise


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder locked against other processes until the block ends, where the system has such locks.

    Raises: InputError where another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder} is being trained by another process; --out takes another folder.") from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    """Makes the renaming itself last, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
