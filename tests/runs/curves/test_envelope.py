import numpy as np
import pandas as pd
import pytest
from pinned import ROUNDED as TRUTH

import bayescale as bs
from bayescale.errors import DesignError
from bayescale.runs import read_curves
from bayescale.runs.curves.envelope import as_rows, curves_of_runs, training_envelope


def curve_table(sizes=8, points=40):
    n, d = (
        x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e10, sizes), np.geomspace(1e8, 1e12, points), indexing="ij")
    )
    loss = bs.laws.get_law("chinchilla").paper(np, TRUTH, params=n, tokens=d)
    return pd.DataFrame({"run": [f"size {x:.3g}" for x in n], "params": n, "tokens": d, "loss": loss})


def curves_of(table):
    """Return the whole curves: an envelope has no use for a filter, as it takes the lowest."""
    return read_curves(table, filters=None)


def test_checkpoints_become_rows_that_know_their_run():
    table = curve_table(sizes=3, points=4)
    rows = as_rows(curves_of(table.rename(columns={"run": "name"})))
    assert rows["curve"].values.tolist() == table["run"].tolist()
    assert rows["run"].values[:2].tolist() == ["row 0", "row 1"]
    assert rows.attrs["curves"] == "training"
    assert as_rows(rows) is rows


def test_the_size_changes_where_two_sizes_are_equally_good():
    envelope = training_envelope(curves_of(curve_table()))
    assert envelope.sizes["change"] == 7
    law = bs.laws.get_law("chinchilla")
    sizes = np.geomspace(1e7, 1e10, 8)
    for k, compute in enumerate(envelope["change_compute"].values):
        low, high = (law.paper(np, TRUTH, params=n, tokens=compute / (6 * n)) for n in sizes[k : k + 2])
        assert low == pytest.approx(high, rel=1e-3)
    assert envelope["change_params"].values == pytest.approx(np.sqrt(sizes[1:] * sizes[:-1]))


def test_the_changes_lie_on_the_frontier_of_the_law():
    envelope = training_envelope(curves_of(curve_table(sizes=12)))
    x, y = (np.log(envelope[f"change_{name}"].values) for name in ("compute", "params"))
    slope, level = np.polyfit(x, y, 1)
    # a = beta / (alpha + beta) under C = 6ND (Hoffmann et al. 2022, eq. 4).
    assert slope == pytest.approx(0.28 / 0.62, abs=0.003)
    # N_opt at 1e21 FLOP by the rounded coefficients: 1.824e9.
    assert np.exp(level + slope * np.log(1e21)) == pytest.approx(1.824e9, rel=0.03)


def test_a_curve_that_ends_is_no_change_of_size():
    table = curve_table(sizes=5)
    # Every size stops before the next is better: no two are ever equally good.
    early = table[table["tokens"] < 2 * table["params"]]
    with pytest.raises(DesignError, match="the best size changes at 0 places"):
        training_envelope(curves_of(early))


def test_the_envelope_is_never_above_a_curve():
    curves = as_rows(curves_of(curve_table()))
    envelope = training_envelope(curves, points=300)
    one = curves.isel(run=curves["curve"].values == curves["curve"].values[100])
    inside = (envelope["compute"] >= one["compute"].min()) & (envelope["compute"] <= one["compute"].max())
    read = np.interp(np.log(envelope["compute"][inside]), np.log(one["compute"]), np.log(one["loss"]))
    assert (np.log(envelope["loss"].values[inside]) <= read + 1e-5).all()


def test_finished_runs_of_a_size_are_a_curve_and_seeds_are_averaged():
    table = curve_table(sizes=6, points=8).drop(columns="run")
    twice = pd.concat([table, table.assign(loss=table["loss"] * 1.02)])
    curves = curves_of_runs(bs.read_runs(twice, suspicious="keep"))
    assert len(set(curves["curve"].values.tolist())) == 6
    assert curves.attrs["curves"] == "finished runs"
    one, both = (training_envelope(c) for c in (curves_of_runs(bs.read_runs(table)), curves))
    assert both["change_compute"].values == pytest.approx(one["change_compute"].values, rel=1e-9)
    assert float(both["loss"].min()) == pytest.approx(float(one["loss"].min()) * np.sqrt(1.02), rel=1e-9)
