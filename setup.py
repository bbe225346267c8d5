"""The compiled kernels, which are optional: without a compiler the package is pure Python."""

import os
import sys

from setuptools import Extension, setup

# At -O3 gcc unrolls the loops over lanes away before it can turn them into vectors.
_FLAGS = ["-O2", "-ftree-vectorize", "-fno-math-errno", "-fno-trapping-math", "-g0"]


def _extensions() -> list[Extension]:
    # SKLHIER_NO_EXTENSION=1 builds the pure Python package where there is a compiler.
    if os.environ.get("SKLHIER_NO_EXTENSION", "0") == "1":
        return []
    from Cython.Build import cythonize

    on_windows = sys.platform == "win32"
    parts = {
        "_blocks": ("", "_types", "_lanes", "_solver"),
        "_packed": ("", "_structs", "_index", "_links", "_scores", "_dense"),
        "_steps": ("", "_types", "_strips"),
    }
    # Predictions are the same numbers as in pure Python: no fused operations, which round once.
    flags = {"_packed": [] if on_windows else ["-ffp-contract=off"]}
    kernels = [
        Extension(
            f"sklhier._utils.{name}",
            [f"sklhier/_utils/{name}.pyx"],
            depends=[f"sklhier/_utils/{name}{part}.h" for part in headers],
            extra_compile_args=(["/O2"] if on_windows else _FLAGS) + flags.get(name, []),
        )
        for name, headers in parts.items()
    ]
    extensions = cythonize(kernels)
    for extension in extensions:
        extension.optional = True  # cythonize forgets it
    return extensions


setup(ext_modules=_extensions())
