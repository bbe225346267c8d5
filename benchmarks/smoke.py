"""Run every benchmark on tiny data: do they still work? Says nothing about speed.

Exits with status 1 if any of them fails. Needs no data sets.
"""

from __future__ import annotations

import sys
import traceback

from benchmarks import (
    calibration,
    common,
    decision_scores,
    default_base,
    defaults,
    embeddings,
    grids,
    guarantees,
    joint,
    joint_scale,
    kernels,
    label_sets,
    networks,
    node_rows,
    overhead,
    pools,
    real_text,
    scale,
    set_calibration,
    solvers,
    speed,
    staged,
    strategies,
    text_features,
    walk,
    workers,
    workloads,
)
from benchmarks.peers import compare, hiclass

_MODULES = (
    workloads,
    real_text,
    calibration,
    set_calibration,
    decision_scores,
    default_base,
    defaults,
    embeddings,
    overhead,
    speed,
    grids,
    workers,
    scale,
    solvers,
    kernels,
    strategies,
    text_features,
    node_rows,
    pools,
    label_sets,
    networks,
    joint,
    joint_scale,
    staged,
    guarantees,
    walk,
    hiclass,
    compare,
)


def main() -> int:
    failed = []
    for module in _MODULES:
        name = module.__name__
        common.note(f"== {name} --smoke")
        try:
            module.main(["--smoke"])
        except Exception:
            traceback.print_exc()
            failed.append(name)
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall benchmarks run")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
