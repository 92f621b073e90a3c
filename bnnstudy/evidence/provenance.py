"""Where a result comes from: versions, device, commit, and the fingerprint of the source."""

import functools
import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NotRequired, TypedDict

import bnnstudy

PACKAGE = Path(bnnstudy.__file__).resolve().parent


_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "joblib")


class Provenance(TypedDict):
    """Where a result comes from.

        >>> found = collect(device="cpu", seconds=12.34567, precision="float32", data="digits")
        >>> found["seconds"], sorted(found["versions"])
        (12.346, ['joblib', 'numpy', 'python', 'scikit-learn', 'scipy', 'torch'])

    Attributes:
        versions: of Python and libraries by name; None for what is not installed.
        device: the device's name.
        seconds: how long the run took; its share where networks were trained together.
        precision: the configuration's.
        commit: of the working copy, with `-dirty` if the package differs; None where it is unknown.
        source: fingerprint of the package's Python files.
        data: fingerprint of the data set.
        compiled: True, and there only if the step was compiled.
        stack: how many networks were trained at once, and there only if it was more than one.
        processes: how many trained one network together, and there only if it was more than one.
    """

    versions: dict[str, str | None]
    device: str
    seconds: float
    precision: str
    compiled: NotRequired[bool]
    stack: NotRequired[int]
    processes: NotRequired[int]
    commit: str | None
    source: str
    data: str


@dataclass(frozen=True)
class Code:
    """The code that runs: `Provenance`'s `source` and `commit`, as they were when it started.

    A sweep takes them once and hands them to its processes, so that an edit or a commit made while it
    runs is not taken for what ran.
    """

    source: str
    commit: str | None

    @classmethod
    def started(cls) -> "Code":
        """The code of this process.

        Raises:
            ValueError: if files of the package changed since this process imported them: what would
                run is not what lies there.
        """
        if fingerprint_of_files() != source_fingerprint():
            raise ValueError(
                f"the files of {PACKAGE} must be those that this process imported, and they changed "
                "since: start it again (in a notebook: restart the kernel)"
            )
        return cls(source_fingerprint(), commit())

    def require_here(self) -> None:
        """That this process, a worker, imported the same code.

        Raises:
            ValueError: if it did not.
        """
        if source_fingerprint() != self.source:
            raise ValueError(
                f"the files of {PACKAGE} must not change while a sweep starts its processes, and they "
                "did: start it again"
            )


def collect(
    *,
    device: str,
    seconds: float,
    precision: str,
    data: str,
    code: Code | None = None,
    compiled: bool = False,
    stack: int = 1,
    processes: int = 1,
) -> Provenance:
    """What is known of where a result comes from: the arguments, versions, commit and source.

    Args:
        device: the device's name.
        seconds: how long the run took; its share if `stack` networks were trained together.
        precision: the configuration's.
        data: fingerprint of the data set.
        code: the code that ran; None takes that of this process.
        compiled: whether the step was compiled; left out where not.
        stack: how many networks were trained at once; left out where it is one.
        processes: how many trained one network together; left out where it is one.
    """
    code = code or Code(source_fingerprint(), commit())
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _LIBRARIES:
        versions[name] = metadata.version(name) if _installed(name) else None
    found: Provenance = {
        "versions": versions,
        "device": device,
        "seconds": round(seconds, 3),
        "precision": precision,
        "commit": code.commit,
        "source": code.source,
        "data": data,
    }
    if compiled:
        found["compiled"] = True
    if stack > 1:
        found["stack"] = stack
    if processes > 1:
        found["processes"] = processes
    return found


def fingerprint_of_files() -> str:
    """sha256 (16 hex digits) over names and texts of the package's Python files, as they are now."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


_IMPORTED = fingerprint_of_files()


def source_fingerprint() -> str:
    """The fingerprint of the package's files as they were when this process imported them."""
    return _IMPORTED


@functools.cache
def commit() -> str | None:
    """The commit of the working copy, `-dirty` if the package differs from it; else BNNSTUDY_COMMIT."""
    git = ["git", "-C", str(PACKAGE.parent)]
    try:
        # Installed into an environment inside another repository, it is not that one's.
        ours = f"{PACKAGE.name}/__init__.py"
        _, head, changed = (
            subprocess.run([*git, *command], capture_output=True, text=True, check=True, timeout=10)
            for command in (
                ("ls-files", "--error-unmatch", ours),
                ("rev-parse", "HEAD"),
                ("status", "--porcelain", "--", "bnnstudy"),
            )
        )
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("BNNSTUDY_COMMIT") or None
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
