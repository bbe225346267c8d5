"""Benchmarks of sklhier; run as modules from the checkout, see README.md.

Threads are pinned here because this file is read before any script can import numpy.
"""

import os

for _library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"
