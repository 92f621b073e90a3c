"""Files that are written at once or not at all, and what killed processes leave behind."""

import contextlib
import os
import secrets
import time
from collections.abc import Collection
from pathlib import Path

TEMPORARY = ".tmp"
LITTER_AGE = 3600.0
"""Seconds after which a half-written file has no process any more that will finish it."""
CHECKPOINT = ".checkpoint"
MARKER = ".running"
CHECKPOINT_AGE = 30 * 24 * 3600.0
"""Seconds after which an interrupted run is taken as given up."""


def write_atomically(file: Path, content: bytes) -> Path:
    """Write `content` so that at any moment `file` is either absent, the old one or the new one.

    It goes to a hidden file beside it first, which is renamed when it is complete and on the disk; the
    folder follows, and those that were made for it, so that a power cut does not take a name back.
    Permissions follow the umask.

    Raises:
        OSError: naming the file, if the folder takes no more; nothing is left behind.
    """
    file = Path(file)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}{TEMPORARY}")
    try:
        make_folder(file.parent)
        with open(temporary, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
        sync_folder(file.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"{file} cannot be written ({reason})") from error
        raise
    return file


def make_folder(folder: Path) -> Path:
    """Make a folder and what lacks above it, and have the name of each that was made on the disk.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     make_folder(Path(place, "results", "study")).is_dir()
        True

    Raises:
        OSError: if one of them cannot be made.
    """
    folder = Path(folder)
    lacking = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(lacking):
        sync_folder(made.parent)
    return folder


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the file system can."""
    # Some network file systems cannot, and some folders may be written to and not read: there a name
    # is as safe as they make it.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_litter(folder: Path, wanted: Collection[Path] = ()) -> None:
    """Remove what killed processes left in `folder` and no run will use.

    That is half-written files an hour old, checkpoints and markers a month old, and those of recorded
    runs, unless their checkpoint is `wanted`, as where the record is of older code.
    """
    ages = {f".*{TEMPORARY}": LITTER_AGE} | dict.fromkeys(
        (f"*{CHECKPOINT}", f"*{MARKER}"), CHECKPOINT_AGE
    )
    for pattern, age in ages.items():
        for file in Path(folder).glob(pattern):
            with contextlib.suppress(OSError):
                unwanted = file.with_suffix(CHECKPOINT) not in wanted
                recorded = file.with_suffix(".json").exists() and unwanted
                if recorded or time.time() - file.stat().st_mtime > age:
                    file.unlink()
