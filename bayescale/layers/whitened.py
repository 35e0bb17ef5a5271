"""Standard normal latents that are sampled in coordinates in which the runs leave them independent and of unit scale.

Given all other parameters, latents z with a standard normal prior that enter log loss linearly have, but for heavy
tails of the noise, a normal posterior: precision M = 1 + G' W G and mean M^-1 G' W r, where G is what a unit of each
adds to log loss, W the precision of each run and r what the law leaves unexplained. A model in which the latents are
sampled as ``z = M^-1 G' W r + C^-T u``, with ``M = C C'``, is one in which u is standard normal whatever the scales
are: the latents are integrated out, and are drawn at the same time. The density of z is that of the prior, with the
Jacobian of this map, so that an approximation of M or r changes how well the sampler moves and not what it samples.
"""

from functools import cache
from typing import Any

import numpy as np


def create_whitened(name: str, precision: Any, score: Any, dims: tuple[str, ...]) -> Any:
    """Create standard normal latents in the PyMC model at hand.

    Parameters
    ----------
    name : str
        Name of the latents.
    precision : tensor
        Precision of the latents given all other parameters, dims (..., latent, latent).
    score : tensor
        Precision times their mean, dims (..., latent).
    dims : tuple of str
        Their dimensions in the model.
    """
    import pymc as pm

    # Of known length, so that a draw from the prior computes nothing of the posterior.
    shape = tuple(len(pm.modelcontext(None).coords[dim]) for dim in dims)

    def draw_from_prior(precision: Any, score: Any, size: Any) -> Any:
        return pm.Normal.dist(0.0, 1.0, shape=shape)

    def log_prior(value: Any, precision: Any, score: Any) -> Any:
        return (-0.5 * value**2 - 0.5 * np.log(2 * np.pi)).sum(axis=-1)

    options: dict[str, Any] = {"signature": "(n,n),(n)->(n)", "default_transform": _make_transform(), "dims": dims}
    return pm.CustomDist(name, precision, score, dist=draw_from_prior, logp=log_prior, **options)


def unwhiten(precision: np.ndarray, score: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the latents at points u, dims (block, latent), and the log volume of the map, dims (block,)."""
    root, _, latents = _solve(precision, score, point)
    volume = np.zeros(len(score))
    for k in range(len(score)):
        for i in range(score.shape[1]):
            volume[k] -= np.log(root[k, i, i])
    return latents, volume


def _solve(precision: np.ndarray, score: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each block the lower Cholesky factor C, C^-1 score, and C^-T (C^-1 score + point).

    The blocks have some ten latents: loops that numba compiles are faster than LAPACK there, and compile much faster.
    """
    count, size = score.shape
    root, half, latents = np.zeros((count, size, size)), np.zeros((count, size)), np.zeros((count, size))
    for k in range(count):
        for i in range(size):
            total = score[k, i]
            for j in range(i + 1):
                left = precision[k, i, j]
                for m in range(j):
                    left -= root[k, i, m] * root[k, j, m]
                root[k, i, j] = np.sqrt(left) if i == j else left / root[k, j, j]
                if j < i:
                    total -= root[k, i, j] * half[k, j]
            half[k, i] = total / root[k, i, i]
        for i in range(size - 1, -1, -1):
            total = half[k, i] + point[k, i]
            for m in range(i + 1, size):
                total -= root[k, m, i] * latents[k, m]
            latents[k, i] = total / root[k, i, i]
    return root, half, latents


def pull_back(
    precision: np.ndarray, score: np.ndarray, point: np.ndarray, latents_bar: np.ndarray, volume_bar: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradient of `unwhiten` by its three arguments, given that by what it returns.

    The rules are those of Murray 2016 (arXiv 1602.07527) for the Cholesky factor and triangular systems.
    """
    root, half, latents = _solve(precision, score, point)
    count, size = score.shape
    precision_bar = np.zeros((count, size, size))
    score_bar, point_bar = np.zeros((count, size)), np.zeros((count, size))
    root_bar, product = np.zeros((size, size)), np.zeros((size, size))
    for k in range(count):
        for i in range(size):
            total = latents_bar[k, i]
            for j in range(i):
                total -= root[k, i, j] * point_bar[k, j]
            point_bar[k, i] = total / root[k, i, i]
        for i in range(size - 1, -1, -1):
            total = point_bar[k, i]
            for m in range(i + 1, size):
                total -= root[k, m, i] * score_bar[k, m]
            score_bar[k, i] = total / root[k, i, i]
        for i in range(size):
            for j in range(i + 1):
                root_bar[i, j] = -latents[k, i] * point_bar[k, j] - score_bar[k, i] * half[k, j]
            root_bar[i, i] -= volume_bar[k] / root[k, i, i]
        # The lower half of C' bar(C), its diagonal halved, between C^-T and C^-1, and made symmetric.
        for i in range(size):
            for j in range(i + 1):
                total = 0.0
                for m in range(i, size):
                    total += root[k, m, i] * root_bar[m, j]
                product[i, j] = total / 2 if i == j else total
                product[j, i] = 0.0 if i != j else product[j, i]
        for j in range(size):
            for i in range(size - 1, -1, -1):
                total = product[i, j]
                for m in range(i + 1, size):
                    total -= root[k, m, i] * product[m, j]
                product[i, j] = total / root[k, i, i]
        for i in range(size):
            for j in range(size - 1, -1, -1):
                total = product[i, j]
                for m in range(j + 1, size):
                    total -= product[i, m] * root[k, m, j]
                product[i, j] = total / root[k, j, j]
        for i in range(size):
            for j in range(size):
                precision_bar[k, i, j] = (product[i, j] + product[j, i]) / 2
    return precision_bar, score_bar, point_bar


@cache
def _make_transform() -> Any:
    """Return the transform from u to the latents, as PyMC takes one."""
    from pymc.logprob.transforms import Transform

    unwhitened = _make_op()

    class Whitening(Transform):
        """From u to latents; their distribution has the inputs size, precision and score."""

        name, ndim_supp = "whitened", 1

        def forward(self, value: Any, *inputs: Any) -> Any:
            # Only a start is taken forward. A draw of the latents from their prior is one of u as well.
            return value

        def backward(self, value: Any, *inputs: Any) -> Any:
            return self._apply(value, *inputs[1:3])[0]

        def log_jac_det(self, value: Any, *inputs: Any) -> Any:
            return self._apply(value, *inputs[1:3])[1]

        def _apply(self, value: Any, precision: Any, score: Any) -> tuple[Any, Any]:
            if value.ndim == 2:
                return tuple(unwhitened(precision, score, value))
            latents, volume = unwhitened(precision[None], score[None], value[None])
            return latents[0], volume[0]

    return Whitening()


@cache
def _make_op() -> Any:
    """Return `unwhiten` as an operation of PyTensor, with its gradient, that numba compiles."""
    import pytensor.tensor as pt
    from pytensor.graph import Apply, Op
    from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

    class PullBack(Op):
        """The gradient of `Unwhiten`."""

        __props__ = ()
        loops = staticmethod(pull_back)

        def make_node(self, *inputs: Any) -> Any:
            inputs = tuple(map(pt.as_tensor, inputs))
            return Apply(self, list(inputs), [variable.type() for variable in inputs[:3]])

        def infer_shape(self, node: Any, shapes: Any) -> Any:
            return shapes[:3]

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            for place, value in zip(outputs, pull_back(*inputs), strict=True):
                place[0] = value

    class Unwhiten(Op):
        """Latents and log volume from precision, score and point."""

        __props__ = ()
        loops = staticmethod(unwhiten)

        def infer_shape(self, node: Any, shapes: Any) -> Any:
            return [shapes[2], shapes[2][:1]]

        def make_node(self, *inputs: Any) -> Any:
            inputs = tuple(map(pt.as_tensor, inputs))
            return Apply(self, list(inputs), [inputs[2].type(), pt.vector(dtype=inputs[2].dtype)])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            for place, value in zip(outputs, unwhiten(*inputs), strict=True):
                place[0] = value

        def pullback(self, inputs: Any, outputs: Any, output_gradients: Any) -> Any:
            from pytensor.gradient import DisconnectedType

            given = [
                pt.zeros_like(output) if isinstance(gradient.type, DisconnectedType) else gradient
                for output, gradient in zip(outputs, output_gradients, strict=True)
            ]
            return pull_back_op(*inputs, *given)

    pull_back_op = PullBack()
    solve = numba_njit(_solve)

    @register_funcify_default_op_cache_key(Unwhiten)
    def compile_unwhiten(op: Any, node: Any, **_: Any) -> Any:
        return numba_njit(_rebind(unwhiten, solve))

    @register_funcify_default_op_cache_key(PullBack)
    def compile_pull_back(op: Any, node: Any, **_: Any) -> Any:
        return numba_njit(_rebind(pull_back, solve))

    return Unwhiten()


def _rebind(function: Any, solve: Any) -> Any:
    """Return a function that calls the compiled `_solve`."""
    from types import FunctionType

    return FunctionType(function.__code__, {**function.__globals__, "_solve": solve}, function.__name__)
