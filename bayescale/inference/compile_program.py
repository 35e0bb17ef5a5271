"""Compile a PyMC model, and freeze what came of it as bytes that can be kept on disk: see `program`, which reads them.

Nothing here is imported by a fit of a known shape.
"""

import pickle
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import numpy as np

from bayescale.inference.program import Program, load_program

if TYPE_CHECKING:
    import pymc as pm

KEPT_DRAWS = 2000
"""Draws from the prior that are kept with a program: chains start at them, and a fit shows them as its prior."""
PRIOR_SEED = 1
POINTER = "_ptr_cache_"  # begins the name of a variable in which PyTensor keeps the address of a SciPy function
# Modules of SciPy that PyTensor calls otherwise in such names.
_SCIPY = {f"scipy.{name}": f"scipy.linalg.cython_{name}" for name in ("blas", "lapack")}


class NotKeepableError(Exception):
    """The machine code of a model cannot be kept, for example as it refers to addresses of this process."""


class Compilation(NamedTuple):
    """A program as it was compiled in this process, and what `freeze` needs to keep it.

    Attributes
    ----------
    program : Program
        Runs the machine code where numba put it.
    results : list
        What numba made: log density with gradient, and parameters.
    pointers : list of (str, str, str)
        Where the code keeps the address of a SciPy function: name of the place, module and function.
    arrays : dict of str to array
        The data of the model.
    """

    program: Program
    results: list[Any]
    pointers: list[tuple[str, str, str]]
    arrays: dict[str, np.ndarray]


def compile_model(model: "pm.Model") -> Compilation:
    """Compile log density, gradient and parameters of a model, and draw from its prior."""
    import nutpie
    from numba.core.compiler import Compiler

    results: list[Any] = []
    pointers: list[tuple[str, str, str]] = []

    class KeepingCompiler(Compiler):
        """Numba's compiler, which also hands out what it made."""

        def compile_extra(self, func: Any) -> Any:
            result = super().compile_extra(func)
            _isolate(result.library, result.fndesc.llvm_cfunc_wrapper_name, pointers)
            results.append(result)
            return result

    with warnings.catch_warnings():
        # Only the chains' starts could use that BLAS, and they are small.
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS")
        compiled = nutpie.compile_pymc_model(model, pipeline_class=KeepingCompiler)
    names, _, shapes = compiled.shape_info
    data = {variable.name: compiled.shared_data[key] for variable, key in compiled.shared_var_keys.items()}
    program = Program(
        addresses=(compiled.compiled_logp_func.address, compiled.compiled_expand_func.address),
        code=compiled,
        size=int(compiled.n_dim),
        names=tuple(map(str, names)),
        shapes=tuple(tuple(map(int, shape)) for shape in shapes),
        unconstrained=frozenset(compiled.reparameterized_names),
        dims={name: tuple(dims) for name, dims in compiled.dims.items()},
        coords={name: list(labels) for name, labels in compiled.coords.items()},
        inputs=tuple((name, array.dtype.str, array.ndim) for name, array in data.items()),
        prior=draw_prior_points(model),
    )
    return Compilation(program, results, pointers, data)


def freeze(compilation: Compilation) -> bytes:
    """Return a compiled program as bytes, which `load_program` reads in this or another process.

    Raises
    ------
    NotKeepableError
        If it cannot be kept, or what is read back differs in density or parameters from what was compiled.
    """
    program, results = compilation.program, compilation.results
    if any(result.library.has_dynamic_globals or result.lifted for result in results):
        raise NotKeepableError("the machine code refers to addresses of this process")
    fields = {name: value for name, value in vars(program).items() if name not in ("addresses", "code")}
    fields |= {"code": [_freeze_code(result) for result in results], "pointers": compilation.pointers}
    content = pickle.dumps(fields)
    here, back = program.with_data(compilation.arrays), load_program(content).with_data(compilation.arrays)
    points = program.prior[:5]
    same = all(map(np.array_equal, here.log_densities(points), back.log_densities(points)))
    if not (same and here.constrain(points).equals(back.constrain(points))):
        raise NotKeepableError("the machine code computes something else after it is read back")
    return content


def _isolate(library: Any, wrapper: str, pointers: list[tuple[str, str, str]]) -> None:
    """Make machine code call its own functions only, and no other code call them.

    A process shares functions by name. The process that compiles has other copies of them than one that reads, which
    round differently, so that the same seed would give other draws. Places where the code keeps the address of a SciPy
    function are added to ``pointers``: `load_program` fills them in. Otherwise the first call would look up the
    address, for which numba imports PyTensor and compiles Python code.
    """
    optimise, unique = library._optimize_final_module, uuid4().hex

    def isolate_and_optimise() -> None:
        for k, variable in enumerate(library._final_module.global_variables):
            if variable.name.startswith(POINTER):
                parts = variable.name.removeprefix(POINTER).split(".")
                *module, function = parts[:-1] if parts[-1].isdigit() else parts
                variable.linkage, variable.name = "external", f"bayescale.{unique}.pointer.{k}"
                pointers.append((variable.name, _SCIPY.get(name := ".".join(module), name), function))
        for k, function in enumerate(library._final_module.functions):
            # LLVM's optimiser knows numba's counters of references by their names.
            if not function.is_declaration and function.name != wrapper and not function.name.startswith("NRT_"):
                function.linkage, function.name = "internal", f"bayescale.{unique}.{k}"
        optimise()

    library._optimize_final_module = isolate_and_optimise


def _freeze_code(result: Any) -> tuple[str, bytes]:
    """Return the name of a compiled C function, and its machine code with the constants that it reads, as bytes."""
    from numba.core import serialize

    binary = result.library.serialize_using_object_code()
    environments = [result.environment, *result._find_referenced_environments()]
    return result.fndesc.llvm_cfunc_wrapper_name, serialize.dumps((binary, environments))


def draw_prior_points(model: "pm.Model", draws: int = KEPT_DRAWS) -> np.ndarray:
    """Return unconstrained draws from a model's prior, dims (draw, parameter).

    Chains that all start in the middle of the prior find the same far mode and agree on it, or stay there alone. Data
    that a prior depends on are taken as ones, so that the draws belong to the shape of a model and not to the runs
    that it was compiled for.
    """
    import pymc as pm
    from pymc.initial_point import make_initial_point_expression

    from bayescale.inference.compiled import quick_mode

    points = make_initial_point_expression(
        free_rvs=model.free_RVs,
        rvs_to_transforms=model.rvs_to_transforms,
        initval_strategies={},
        default_strategy="prior",
        return_transformed=True,
    )
    with model:
        function = pm.compile([], points, mode=quick_mode(), random_seed=PRIOR_SEED)
    values = {data: data.get_value() for data in model.data_vars}
    try:
        for data, value in values.items():
            data.set_value(np.ones_like(value))
        return np.array([np.concatenate([np.ravel(part) for part in function()]) for _ in range(draws)], dtype=float)
    finally:
        for data, value in values.items():
            data.set_value(value)
