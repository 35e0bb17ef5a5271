"""Machine code for graphs of PyTensor: each operation, shapes of all sorts, and data that do not fit."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph import Apply, Op

from bayescale.inference import compile_program, program_cache
from bayescale.inference.native.graphs import interpret
from bayescale.inference.native.unsupported import UnsupportedError

PLAIN = Mode(linker="py", optimizer=None)
RNG = np.random.default_rng(5)
FEW = RNG.uniform(0.2, 2.0, 11)
TABLE = RNG.uniform(0.2, 2.0, (11, 5))
INDEX = RNG.integers(0, 4, 11)


def compiled(functions, data, size=4):
    """A model whose density is the sum of functions, of data and each its own vector, and its program."""
    with pm.Model() as model:
        x = pm.Normal("x", 1.0, 0.2, shape=(len(functions), size))
        given = {name: pm.Data(name, value) for name, value in data.items()}
        for k, (name, function) in enumerate(functions.items()):
            made = function(x[k], **given).sum()
            pm.Deterministic(name, 1.0 * made)
            pm.Potential(f"of {name}", made)
    return model, compile_program.compile_model(model)[0]


def check(functions, *several, size=4):
    """Machine code has the values and slopes of PyTensor's own code, for the first data and for all others."""
    model, program = compiled(functions, several[0], size)
    variables = [model.logp(), model.dlogp(), *model.unobserved_value_vars[1:]]
    plain = model.compile_fn(variables, inputs=model.value_vars, mode=PLAIN)
    for data in several:
        density = program.with_data(data)
        pm.set_data(data, model=model)
        for point in density.starts(3, seed=1):
            value, slope = density.log_density(point)
            wanted, steep, *shown = plain({"x": point.reshape(len(functions), size)})
            assert np.isfinite(wanted)
            found = density.constrain(point[None])
            for name, one in zip(functions, shown, strict=True):
                np.testing.assert_allclose(found[name].item(), one, rtol=1e-12, atol=1e-12, err_msg=name)
            np.testing.assert_allclose(value, wanted, rtol=1e-12)
            pairs = zip(functions, slope.reshape(-1, size), steep.reshape(-1, size), strict=True)
            for name, one, other in pairs:
                np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12, err_msg=name)


def data_of(count):
    rng = np.random.default_rng(count)
    d, t = rng.uniform(0.2, 2.0, count), rng.uniform(0.2, 2.0, (count, 5))
    return {"d": d, "t": t, "i": rng.integers(0, 4, count)}


ONE = {
    "exp": pt.exp, "exp2": pt.exp2, "expm1": pt.expm1, "log": pt.log, "log2": pt.log2, "log10": pt.log10,
    "log1p": pt.log1p, "sqrt": pt.sqrt, "sqr": pt.sqr, "abs": lambda v: abs(v - 1),
    "sign": lambda v: v * pt.sign(v - 1),
    "neg": lambda v: -v, "reciprocal": pt.reciprocal, "sigmoid": pt.sigmoid, "softplus": pt.softplus, "tanh": pt.tanh,
    "sin": pt.sin, "cos": pt.cos, "tan": pt.tan, "sinh": pt.sinh, "cosh": pt.cosh, "arctan": pt.arctan, "erf": pt.erf,
    "erfc": pt.erfc, "erfcx": pt.erfcx, "gammaln": pt.gammaln, "psi": lambda v: pt.gammaln(v + 2) + pt.gammaln(v),
    "floor": lambda v: v * pt.floor(3 * v), "ceil": lambda v: v * pt.ceil(3 * v),
}  # fmt: skip


def test_functions_of_one_number():
    # Of several elements of an array at once, and of a single number.
    every = {name: lambda x, d, f=f: f(x[0] * d) + f(x[1]) for name, f in ONE.items()}
    check(every, {"d": FEW}, size=2)


TWO = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b, "minimum": pt.minimum, "maximum": pt.maximum,
    "lt": lambda a, b: pt.switch(a < b, a, 2 * b), "le": lambda a, b: pt.switch(a <= b, a, 2 * b),
    "gt": lambda a, b: pt.switch(a > b, a, 2 * b), "ge": lambda a, b: pt.switch(a >= b, a, 2 * b),
    "eq": lambda a, b: pt.switch(pt.eq(a, b), a, 2 * b), "neq": lambda a, b: pt.switch(pt.neq(a, b), a, 2 * b),
    "and": lambda a, b: pt.switch((a > 1) & (b > 1), a, 2 * b), "or": lambda a, b: pt.switch((a > 1) | (b > 1), a, b),
    "not": lambda a, b: pt.switch(~(a > 1), a, 2 * b), "isnan": lambda a, b: pt.switch(pt.isnan(a), 0, a * b),
    "isinf": lambda a, b: pt.switch(pt.isinf(a / b), 0, a * b),
}  # fmt: skip


def test_functions_of_two_numbers():
    every = {name: lambda x, d, f=f: f(x[0] * d, x[1] + d[::-1]) + f(x[2], x[3]) for name, f in TWO.items()}
    check(every, {"d": FEW})


SHAPES = {
    "rows": lambda x, d, t, i: pt.exp((t * x[0]).sum(axis=1)) * d,
    "columns": lambda x, d, t, i: pt.exp(-(t * (x[0] * d)[:, None]).sum(axis=0)),
    "both": lambda x, d, t, i: pt.log((t * pt.exp(x[1] * d)[:, None]).sum(axis=1)) + (t * x[2]).sum(),
    "along a row": lambda x, d, t, i: (t * pt.exp(x[:3].sum() * t[0])[None, :]).sum(axis=1),
    "largest": lambda x, d, t, i: (t * x[0]).max(axis=1) + (d * x[1]).max() + (t * x[2]).min(),
    "cube": lambda x, d, t, i: (t[:, :, None] * x[None, None, :]).sum(axis=(0, 2)),
    "middle": lambda x, d, t, i: pt.log((t[:, :, None] * x[None, None, :]).sum(axis=1)).sum(axis=0),
    "transposed": lambda x, d, t, i: pt.exp(t.T * x[0]) * d,
    "one column": lambda x, d, t, i: pt.log(t[:, 0][:, None] * x[0] + t[:, 1][:, None] * d[:, None]),
    "looked up": lambda x, d, t, i: x[i] * d + x[-1 - i],
    "looked up in a table": lambda x, d, t, i: t[:, i] * x[0] + (t * x[1])[:, i],
    "looked up rows": lambda x, d, t, i: (pt.outer(x, x)[i] * d[:, None]).sum(axis=1),
    "looked up by a table": lambda x, d, t, i: pt.exp(x)[pt.stack([i, i], axis=1)] * d[:, None],
    "slices": lambda x, d, t, i: pt.concatenate([x[1:3] ** 2, x[::-1], x[-1:], (d * x[0])[::-1]]),
    "elements": lambda x, d, t, i: x[1] * d[0] * d[-1] + t[2, 1] * x[-2] + (t * x[0])[1].sum(),
    "stacked": lambda x, d, t, i: pt.stack([x[0] * d, x[1] * d**2], axis=1).sum(axis=0),
    "set": lambda x, d, t, i: pt.set_subtensor((x**2)[1:3], x[:2] * d[0]) ** 2,
    "added to": lambda x, d, t, i: pt.inc_subtensor(pt.zeros(4)[i], d * x[0]) ** 2 * x,
    "reshaped": lambda x, d, t, i: x.reshape((2, 2)) * t[0, 0] + x.reshape((2, 2)).T,
    "repeated": lambda x, d, t, i: pt.full((3, 4), x[0] * x[1]) * x,
    "a constant": lambda x, d, t, i: x * np.array([1.0, 2.0, -3.0, 4.0]) + t.sum() * np.arange(4),
    "all and any": lambda x, d, t, i: pt.switch((d * x[0] > 0).all() & ((d * x[1] > 1.5).any()), d * x[0], d),
    "softmax": lambda x, d, t, i: pt.special.softmax(pt.outer(d, x), axis=1) * x,
    "log of a sum": lambda x, d, t, i: pt.logsumexp(pt.outer(d, x), axis=1),
}  # fmt: skip


def test_arrays_of_all_shapes_and_data_of_any_length():
    check(SHAPES, data_of(11), *map(data_of, (4, 5, 7, 8, 9, 16, 1000)))


def test_arrays_that_are_too_long_for_the_stack():
    check({"long": lambda x, d, t, i: pt.log(x[i] + d) * pt.exp(-x[0] * d) + (t * x[1]).sum(axis=1)}, data_of(50_000))


def test_several_parameters_and_many_of_one():
    with pm.Model() as model:
        a = pm.LogNormal("a")
        b = pm.Normal("b", 0.0, 1.0, shape=(3, 4))
        c = pm.ZeroSumNormal("c", 1.0, shape=5)
        pm.Deterministic("ab", a * b)
        pm.Potential("p", -((b * a).sum(axis=0) ** 2).sum() + (c[:4] * b[1]).sum())
    density = compile_program.compile_model(model)[0].with_data({})
    assert list(density.constrain(density.starts(3, 1))) == ["b", "a", "c", "ab"]
    plain = model.compile_fn([model.logp(), model.dlogp()], inputs=model.value_vars, mode=PLAIN)
    point = density.starts(1, 2)[0]
    wanted, steep = plain({"a_log__": point[0], "b": point[1:13].reshape(3, 4), "c_zerosum__": point[13:]})
    value, slope = density.log_density(point)
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    np.testing.assert_allclose(slope, steep, rtol=1e-10, atol=1e-12)


def test_where_there_is_no_density():
    _, program = compiled({"f": lambda x, d: pt.log(x[0] - d)}, {"d": FEW})
    value, slope = program.with_data({"d": FEW}).log_density(np.full(4, 0.1))
    assert value == -np.inf
    assert (slope == 0).all()


@pytest.mark.parametrize("wrong", [4, -5, 10**12])
def test_an_index_out_of_bounds_reads_no_memory_of_others(wrong):
    _, program = compiled({"f": lambda x, i: pt.exp(x)[i]}, {"i": INDEX})
    assert np.isfinite(program.with_data({"i": INDEX}).log_density(np.ones(4))[0])
    assert program.with_data({"i": np.append(INDEX, wrong)}).log_density(np.ones(4))[0] == -np.inf


def test_data_that_do_not_fit_each_other_have_no_density():
    _, program = compiled({"f": lambda x, a, b: x[0] * a * b}, {"a": FEW, "b": FEW})
    assert program.with_data({"a": FEW, "b": FEW[:4]}).log_density(np.ones(4))[0] == -np.inf
    with pytest.raises(ValueError, match="data a: 2 dimensions, expected 1"):
        program.with_data({"a": TABLE, "b": FEW})


def test_logarithms_of_data_are_taken_once_and_must_fit():
    def law(x, a, b):
        return x[0] * (a / b) ** -x[1] + x[2] * a ** -x[3]

    check({"law": law}, {"a": FEW, "b": FEW[::-1]}, {"a": FEW[:5], "b": FEW[2:7]})
    _, program = compiled({"law": law}, {"a": FEW, "b": FEW})
    assert len(program.derived) > 0
    with pytest.raises(ValueError, match="do not fit each other"):
        program.with_data({"a": FEW, "b": FEW[:4]})


def test_points_are_checked():
    _, program = compiled({"f": lambda x, d: x[0] * d}, {"d": FEW})
    with pytest.raises(ValueError, match=r"points of shape \(2, 3\): expected \(points, 4\)"):
        program.with_data({"d": FEW}).log_densities(np.ones((2, 3)))


@pytest.mark.sampling
def test_an_operation_that_no_code_is_written_for_is_left_to_nutpie(caplog):
    def build():
        with pm.Model() as model:
            x = pm.Normal("x", 1.0, 0.2, shape=4)
            pm.Potential("density", (pt.cumsum(x) * pm.Data("d", FEW[:4])).sum())
        return model

    with pytest.raises(UnsupportedError, match="Cumsum"):
        compile_program.compile_model(build())
    density = program_cache.kept_program(("a sum",), "mine", build).with_data({"d": FEW[:4]})
    assert "mine: the operation Cumsum" in caplog.text
    x = np.array([0.5, 1.0, 1.5, 2.0])
    wanted = (np.cumsum(x) * FEW[:4]).sum() - ((x - 1) ** 2 / 0.08 + np.log(0.2 * np.sqrt(2 * np.pi))).sum()
    assert density.log_density(x)[0] == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(density.constrain(x[None])["x"].values[0, 0], x)


def test_what_computes_something_else_is_refused(monkeypatch):
    monkeypatch.setattr(
        compile_program, "interpret", lambda graph, values: [v * 1.01 for v in interpret(graph, values)]
    )
    with pytest.raises(UnsupportedError, match="something else than PyTensor"):
        compiled({"f": lambda x, d: pt.exp(x[0] * d)}, {"d": FEW})


def add_up(table, vector):
    """Return running sums of the rows of a table, from the right where they are above a number, and the root of all."""
    count, width = table.shape
    sums, total = np.zeros((count, width)), np.zeros(1)
    for i in range(count):
        before = 0.0
        for j in range(width - 1, -1, -1):
            if table[i, j] > 0.5:
                before += table[i, j]
            sums[i, j] = before - vector[i] if j != 1 else -before
            total[0] += np.exp(sums[i, j]) / len(vector)
    total[0] = np.sqrt(total[0])
    return halve(sums), total


def halve(table):
    out = np.zeros(table.shape)
    for i in range(table.shape[0]):
        for j in range(0, table.shape[1], 1):
            out[i, j] = table[i, j] / 2
    return out


class AddUp(Op):
    __props__ = ()
    loops = staticmethod(add_up)

    def make_node(self, table, vector):
        table, vector = pt.as_tensor(table), pt.as_tensor(vector)
        return Apply(self, [table, vector], [table.type(), pt.vector(shape=(1,))])

    def infer_shape(self, node, shapes):
        return [shapes[0], (1,)]

    def perform(self, node, inputs, places):
        for place, value in zip(places, add_up(*inputs), strict=True):
            place[0] = value

    def pullback(self, inputs, outputs, gradients):
        return [variable.zeros_like() for variable in inputs]


def test_an_operation_that_is_written_as_loops_in_python():
    def made(x, d, t, i):
        sums, total = AddUp()(t * x[0] + x[1], d * x[2])
        return sums.sum(axis=0) * total

    check({"made": made}, data_of(11), data_of(4), data_of(300))


@pytest.mark.parametrize("line", ["while True:\n        pass", "out = sorted(table)", "out = table ** 3", "del table"])
def test_python_that_is_not_taken_is_refused(line, tmp_path):
    file = tmp_path / "loops.py"
    file.write_text(f"def loops(table, vector):\n    {line}\n    return table, vector\n")
    scope = {}
    exec(compile(file.read_text(), str(file), "exec"), scope)

    class Refused(AddUp):
        loops = staticmethod(scope["loops"])

    with pytest.raises(UnsupportedError, match="in loops"):
        compiled({"f": lambda x, t, d: Refused()(t * x[0], d * x[1])[0]}, {"t": TABLE, "d": FEW})
