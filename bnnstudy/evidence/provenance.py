"""Where a result comes from: versions, device, commit, and the fingerprint of the source."""

import functools
import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import bnnstudy

PACKAGE = Path(bnnstudy.__file__).resolve().parent


_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "joblib")


def collect(
    *,
    device: str,
    seconds: float,
    precision: str,
    data: str,
    compiled: bool = False,
    stack: int = 1,
) -> dict:
    """Where a result comes from: versions, device, seconds, precision, commit, source and data.

    That it was compiled, or one of `stack` networks trained at once, is said where it was; the seconds
    are then its share.
    """
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _LIBRARIES:
        versions[name] = metadata.version(name) if _installed(name) else None
    return {
        "versions": versions,
        "device": device,
        "seconds": round(seconds, 3),
        "precision": precision,
        **({"compiled": True} if compiled else {}),
        **({"stack": stack} if stack > 1 else {}),
        "commit": commit(),
        "source": source_fingerprint(),
        "data": data,
    }


@functools.cache
def source_fingerprint() -> str:
    """sha256 (16 hex digits) over the names and texts of all Python files of the package."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


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
