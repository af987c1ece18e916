"""The one thing pyproject.toml cannot say yet: an optional C extension on the stable ABI."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "chronotick.shm._creader",
            sources=["src/chronotick/shm/_creader.c"],
            depends=["src/chronotick/shm/chronotick.h"],
            define_macros=[("Py_LIMITED_API", "0x030A0000")],
            extra_compile_args=["-O2"],
            py_limited_api=True,
            optional=True,  # without a compiler the pure-Python reader serves
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
