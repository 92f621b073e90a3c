"""Speed as ratios inside one process: `make bench`. One thread, and a GPU; nothing here is a test."""

import os
import platform
import sys

import gpu
import harness
import networks
import optimizers
import sweep
import torch

PARTS = {
    "harness": harness, "networks": networks, "optimizers": optimizers, "sweep": sweep, "gpu": gpu
}  # fmt: skip


def main(chosen: list[str]) -> int:
    """Print the ratios of the parts named, or of all."""
    unknown = sorted(set(chosen) - PARTS.keys())
    if unknown:
        print(f"bench: parts must be of {', '.join(PARTS)}; got {', '.join(unknown)}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores, one thread")
    print(f"{'what':<66} {'ratio':>5} {'quartiles':>13} {'time':>12}  goal")
    for name in chosen or PARTS:
        for ratio in PARTS[name].measure():
            print(ratio.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
