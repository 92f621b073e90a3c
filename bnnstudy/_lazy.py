"""Names of a room that are imported when they are first asked for: what is heavy waits until then."""

import importlib
from collections.abc import Callable, Mapping


def lazy(package: str, files: Mapping[str, str]) -> Callable[[str], object]:
    """A package's `__getattr__` (PEP 562).

    Args:
        package: its `__name__`.
        files: by name that it offers, the module of the package that has it.
    """

    def get(name: str) -> object:
        if name not in files:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{files[name]}"), name)

    return get
