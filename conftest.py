"""The examples in the docstrings are tests too; they share one posterior for each model."""

import functools

import matplotlib
import pytest
from _pytest.doctest import DoctestItem

matplotlib.use("agg")
SAMPLES = ("bs.fit(", "bs.backtest(", "isoflop_fit(", "envelope_fit(", "ladder(", "approaches(")


def pytest_collection_modifyitems(items):
    for item in items:
        if isinstance(item, DoctestItem) and any(call in item.dtest.docstring for call in SAMPLES):
            item.add_marker("sampling")


@functools.cache
def _fit_once(model, seed):
    import bayescale as bs

    return bs.inference.fit(bs.load_shipped("tinylm"), model, seed=seed)


@pytest.fixture(autouse=True)
def _examples_share_fits(request, monkeypatch):
    if not isinstance(request.node, DoctestItem):
        yield
        return
    import bayescale as bs

    monkeypatch.setattr(bs, "fit", lambda runs, model="chinchilla", *, seed=1: _fit_once(model, seed))
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
