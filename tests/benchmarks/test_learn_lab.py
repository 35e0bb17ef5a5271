import pandas as pd
import pytest

import bayescale as bs
from benchmarks import learn_lab


def test_a_lab_has_three_small_runs_and_is_asked_about_the_larger_ones(open_sets):
    few, rest = learn_lab.few_runs("chinchilla")
    top = open_sets["chinchilla"]["C"].max()
    assert few.sizes["run"] == 3
    assert float(few["compute"].max()) <= top / 100 < float(rest["compute"].min())


def test_no_public_set_decides_and_one_can_be_left_out(open_sets):
    runs = learn_lab.public_runs(without="oellm")
    names, counts = zip(*runs["loss"].groupby(runs["family"]).count().to_series().items(), strict=True)
    assert set(names) == set(open_sets) - {"oellm"}
    assert max(counts) == learn_lab.MOST


def test_the_committed_table_says_that_the_hierarchy_pays():
    table = pd.read_csv(learn_lab.TABLE)
    means = table.groupby("card")[["log_score", "coverage", "error"]].mean()
    assert table.groupby("card")["set"].nunique().to_dict() == {
        "chinchilla": 10,
        "chinchilla-informed": 10,
        "new-lab": 10,
    }
    assert means["log_score"].idxmax() == "new-lab"
    assert means.loc["new-lab", "coverage"] > 0.85
    assert means.loc["new-lab", "error"] < means.loc["chinchilla", "error"]


def test_the_shipped_card_is_what_the_script_writes():
    card = bs.load_card("new-lab")
    assert learn_lab.CARD.read_text().startswith(learn_lab.HEAD)
    assert card.reference is not None
    assert all("ten public sets" in prior.source for prior in card.priors.values())
    assert card.priors["alpha"].arguments["median"] == pytest.approx(0.3, abs=0.05)
