"""Writing files so that no reader sees half of one."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from efficientfan.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # Windows has none

__all__ = [
    "atomic_path",
    "looked_in",
    "move",
    "read_json",
    "read_text",
    "sha256_of",
    "sole_use",
    "write_bytes",
    "write_json",
    "write_text",
]

_PART = ".part-"
"""Begins the names of temporary files."""

_swept: set[Path] = set()


@contextmanager
def atomic_path(path: str | Path, *, durable: bool = False, scratch: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on error it is removed.

    A symbolic link is followed: the file that it leads to is replaced. The temporary name keeps the suffix, for writers
    that choose a format by it. What writers that were killed have left in the folder is removed.

    Args:
        path: the file.
        durable: whether the content must be on the disk before it replaces the former one, which a crash of the
            machine would else leave empty.
        scratch: folder of the temporary file, on the same file system; None: that of `path`.

    Raises:
        InputError: the folder cannot be made or written to, or `path` is a folder, pipe or device.
    """
    target = Path(os.path.realpath(path))
    if os.path.isdir(target):
        raise InputError(f"{path}: cannot be written (Is a directory); choose another place")
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(f"{path}: cannot be written (it is a pipe or device); choose another place")
    try:
        folder = scratch or target.parent
        for each in {folder, target.parent}:
            each.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    temporary = folder / f"{_PART}{os.urandom(8).hex()}{target.suffix}"
    try:  # before the file is there: a signal may come at any moment
        descriptor = _created(temporary, path)
        try:
            _lock(descriptor)  # as long as this process writes, nobody takes the file for left behind
            yield temporary
        finally:
            os.close(descriptor)
        try:
            if durable:
                _sync(temporary)
            temporary.replace(target)
            if durable:
                _sync_names(target.parent)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _created(temporary: Path, path: str | Path) -> int:
    """The descriptor of a new file, of ordinary permissions: results are to be shared as far as the umask allows."""
    try:
        return os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def _sweep(folder: Path) -> None:
    """Remove, once per folder and process, temporary files that no living process holds."""
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    for part in folder.glob(f"{_PART}*"):
        with contextlib.suppress(OSError):  # of others, or gone meanwhile
            status = part.lstat()
            if not stat.S_ISREG(status.st_mode):  # none of ours; to open a pipe would wait for its writer
                continue
            if time.time() - status.st_mtime < 60:  # perhaps between its making and its lock
                continue
            descriptor = os.open(part, os.O_RDONLY)
            try:
                if _lock(descriptor):
                    part.unlink()
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file until it is closed, as the system does at a process's death; False if another has it."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # also where the file system has no locks: then nothing is taken for left behind
            return False
    return True


@contextmanager
def sole_use(folder: Path, lock: Path) -> Iterator[None]:
    """A folder is this process's until the block ends, or the process dies in whatever way.

    Args:
        folder: what is used, for messages.
        lock: the file that is locked; it is made, with its folder.

    Raises:
        InputError: another process has it, or the lock cannot be written.
    """
    if fcntl is None:
        yield
        return
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror})") from error
    with file:
        try:
            # By process: children, which live a few seconds longer than a killed run, do not hold it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise InputError(
                    f"{folder}: another run is writing to this folder; stop it first, or choose another --out"
                ) from error
            import logging  # here alone, and it takes as long as the rest of this module

            logging.getLogger(__name__).warning(
                "%s: two runs at once cannot be told here (%s)", folder, error.strerror
            )
        yield


def _sync(path: Path, flags: int = os.O_RDWR) -> None:
    """Have the system write a file to the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_names(folder: Path) -> None:
    """Have the system write a folder's names to the disk, where it can: some file systems, and Windows, cannot."""
    try:
        _sync(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise


def write_bytes(
    path: str | Path, content: bytes, *, durable: bool = False, scratch: Path | None = None
) -> None:
    """Write `content` to `path` atomically; `durable` and `scratch` as for `atomic_path`.

    Raises:
        InputError: as for `atomic_path`, or the disk is full.
    """
    with atomic_path(path, durable=durable, scratch=scratch) as temporary:
        try:
            temporary.write_bytes(content)
        except OSError as error:  # which does not name the file
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def move(source: Path, target: Path) -> None:
    """Give a file another name on the same file system, in place of a former one; the name is on the disk then.

    Raises:
        InputError: the folder cannot be written to.
    """
    try:
        source.replace(target)
        _sync_names(target.parent)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from error


def write_text(path: str | Path, content: str) -> None:
    """Write `content` to `path` atomically, as UTF-8."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` to `path` atomically, as indented JSON. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def looked_in(path: str | Path) -> str:
    """Where a file that is not there was looked for, for messages: " (looked for in FOLDER)"; empty for a full path."""
    return "" if Path(path).is_absolute() else f" (looked for in {Path.cwd()})"


def read_text(path: str | Path) -> str:
    """Content of a UTF-8 text file, without the mark that some programs begin it with.

    Raises:
        InputError: missing, unreadable, or not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; is it the right file, and saved as UTF-8?") from error


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: missing, unreadable or not JSON; the message names the file and the line.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InputError(f"{path}: is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: line {error.lineno}: is not JSON ({error.msg})") from error
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(f"{path}: is not JSON that can be read ({error})") from error


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    import hashlib  # brings OpenSSL along, which finding a face does not need

    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
