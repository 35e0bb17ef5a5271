"""LLVM on this machine: from a module to machine code as bytes, and from bytes to the addresses of functions."""

import ctypes
import platform
from functools import cache
from typing import Any

VECTOR_LIBRARY = "libmvec.so.1"  # of the GNU C library
# How many numbers its functions take at once, what their names begin with, and what the processor must have.
VECTOR_FORMS = ((8, "_ZGVeN8", "avx512f"), (4, "_ZGVdN4", "avx2"))
SCIPY_FUNCTIONS, CALLABLE = ("psi", "erfcx"), "bayescale_"
"""The functions of SciPy that machine code may call, and what their names begin with there."""


@cache
def start_llvm() -> Any:
    """Return LLVM, ready for this processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def vector_forms() -> tuple[tuple[int, str], ...]:
    """Return the vector forms of mathematical functions that this machine has."""
    llvm = start_llvm()
    try:
        llvm.load_library_permanently(VECTOR_LIBRARY)
    except RuntimeError:
        return ()
    features = llvm.get_host_cpu_features()
    return tuple((width, prefix) for width, prefix, feature in VECTOR_FORMS if features.get(feature))


def has_symbol(name: str) -> bool:
    """Say whether machine code can call a function of that name."""
    if name.startswith(CALLABLE):
        _add_scipy()
    vector_forms()
    return start_llvm().address_of_symbol(name) is not None


def describe_machine() -> tuple[str, ...]:
    """Return what machine code is made for: kind of machine, processor, its features, and its vector library."""
    llvm = start_llvm()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), features, str(vector_forms()), *platform.libc_ver()


def target_machine() -> Any:
    """Return LLVM's description of this processor."""
    llvm = start_llvm()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
        reloc="pic",
        codemodel="default",
        jit=True,
    )


def compile_module(module: Any) -> bytes:
    """Return the machine code of a module."""
    llvm = start_llvm()
    machine = target_machine()
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    passes = builder.getModulePassManager()
    passes.run(parsed, builder)
    return machine.emit_object(parsed)


def load_code(code: bytes, *functions: str) -> tuple[Any, list[int]]:
    """Return what holds machine code in memory, and the addresses of its functions.

    All functions that it calls must be there: LLVM ends the process where one is not.
    """
    llvm = start_llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine, [engine.get_function_address(name) for name in functions]


@cache
def _add_scipy() -> None:
    """Let machine code call the functions of one number that C's library lacks."""
    from scipy.special import cython_special

    address, name = ctypes.pythonapi.PyCapsule_GetPointer, ctypes.pythonapi.PyCapsule_GetName
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    for function in SCIPY_FUNCTIONS:
        capsule = cython_special.__pyx_capi__[f"__pyx_fuse_1{function}"]  # the one of real numbers
        start_llvm().add_symbol(CALLABLE + function, address(capsule, name(capsule)))
