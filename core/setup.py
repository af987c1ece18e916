"""The one thing pyproject.toml cannot say yet: an optional C extension on the stable ABI."""

import sysconfig

from setuptools import Extension, setup

READER = Extension(
    "chronotick.shm._creader",
    sources=["src/chronotick/shm/_creader.c"],
    depends=["src/chronotick/shm/chronotick.h"],
    define_macros=[("Py_LIMITED_API", "0x030A0000")],
    extra_compile_args=["-O2"],
    py_limited_api=True,
    optional=True,  # without a compiler the pure-Python reader serves
)

# A Python without a GIL has no stable ABI yet, and the extension relies on the GIL.
WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

setup(
    ext_modules=[] if WITHOUT_GIL else [READER],
    options={} if WITHOUT_GIL else {"bdist_wheel": {"py_limited_api": "cp310"}},
)
