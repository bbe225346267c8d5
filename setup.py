"""The compiled solvers, which are optional: without a compiler the package is pure Python."""

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

    blocks = Extension(
        "sklhier._utils._blocks",
        ["sklhier/_utils/_blocks.pyx"],
        depends=[
            f"sklhier/_utils/_blocks{part}.h" for part in ("", "_types", "_lanes", "_solver")
        ],
        extra_compile_args=["/O2"] if sys.platform == "win32" else _FLAGS,
    )
    extensions = cythonize([blocks])
    for extension in extensions:
        extension.optional = True  # cythonize forgets it
    return extensions


setup(ext_modules=_extensions())
