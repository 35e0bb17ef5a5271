"""Which runs share a budget, a design or a label."""

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import DesignError, RunsError
from bayescale.modeling import prepare
from bayescale.runs.checks.sharing import loading_of, shared_labels, sharing_findings


def profiles(budgets=(1e19, 1e20), sizes=(1e8, 2e8, 4e8, 8e8, 1.6e9), **columns):
    n, c = np.meshgrid(sizes, budgets)
    loss = np.linspace(3.5, 2.5, n.size)
    return pd.DataFrame({"params": n.ravel(), "compute": c.ravel(), "loss": loss, **columns})


def replicates():
    frame = pd.DataFrame({"params": [1e8, 1e8, 2e8, 2e8, 4e8, 8e8], "tokens": [1e10, 1e10, 2e10, 2e10, 4e10, 8e10]})
    return frame.assign(loss=[3.0, 3.01, 2.8, 2.81, 2.6, 2.5], seed=[1, 2, 1, 2, 1, 1])


def read(frame):
    return bs.read_runs(frame, suspicious="keep")


def test_budgets_are_found_where_compute_jitters_and_a_run_between_them_is_alone():
    frame = profiles()
    frame["compute"] *= 1 + 0.03 * np.sin(np.arange(len(frame)))
    between = pd.DataFrame({"params": [3e8], "compute": [3.3e19], "loss": [3.0]})
    labels = shared_labels(read(pd.concat([frame, between])), "budget")
    assert len(set(labels[:5])) == len(set(labels[5:10])) == 1
    assert labels[0] != labels[5]
    assert labels[10] == ""


def test_each_family_has_budgets_of_its_own():
    both = pd.concat([profiles(family="a"), profiles(family="b").assign(loss=lambda f: f["loss"] + 0.1)])
    labels = shared_labels(read(both), "budget")
    assert sorted(set(labels)) == ["a: 1e+19 FLOP", "a: 1e+20 FLOP", "b: 1e+19 FLOP", "b: 1e+20 FLOP"]
    assert all(label.startswith(family) for label, family in zip(labels, both["family"], strict=True))


def test_runs_of_one_design_differ_by_their_seed_alone():
    labels = shared_labels(read(replicates()), "design")
    assert labels[0] == labels[1] != ""
    assert labels[2] == labels[3] not in ("", labels[0])
    assert labels[4] == labels[5] == ""
    other = read(replicates().assign(family=list("ababaa")))
    assert set(shared_labels(other, "design")) == {""}, "runs of two families are of two designs"
    data = read(replicates().assign(unique_tokens=[1e9, 2e9, 2e10, 2e10, 4e10, 8e10]))
    assert (shared_labels(data, "design") != "").tolist() == [False, False, True, True, False, False]


def test_any_label_of_the_runs_groups_them_and_another_name_is_refused():
    runs = read(replicates().assign(family=list("aabbbc")))
    assert shared_labels(runs, "family").tolist() == ["a", "a", "b", "b", "b", ""]
    corpus = runs.assign_coords(corpus=("run", np.array(list("xxyyyy"))))
    assert shared_labels(corpus, "corpus").tolist() == list("xxyyyy")
    with pytest.raises(DesignError, match=r"no column 'famly'.*Did you mean 'family'\?.*budget, lean, design, family"):
        shared_labels(runs, "famly")
    with pytest.raises(DesignError, match=r"no column 'loss'.*--labels loss"):
        shared_labels(runs, "loss")


def test_columns_that_label_the_runs_make_no_families_and_a_card_may_name_them():
    frame = replicates().assign(family=list("aabbbb"), **{"where run": list("xyxyxy"), "node": [1, 1, 2, 2, 3, 3]})
    runs = bs.read_runs(frame, labels=["where run", "node", "seed"], suspicious="keep")
    assert sorted(set(runs["family"].values)) == ["a", "b"]
    assert runs["where_run"].values.tolist() == list("xyxyxy")
    assert runs["seed_group"].values.tolist() == list("121211"), "the seed is still a number"
    assert "  labels    where_run (2 values), node (3 values), seed_group (2 values)" in bs.runs.describe_runs(runs)
    assert not any("not used" in found.message for found in bs.runs.findings(runs))
    half = {"dist": "HalfNormal", "sigma": 0.01}
    card = bs.cards.make_card({"extends": "chinchilla", "errors": {"where_run": half, "node": half}}, "placed")
    sharing = prepare(card, runs).known["errors"].facts
    assert (sharing["where_run"].names, sharing["node"].names) == (("x", "y"), ("1", "2", "3"))
    assert sharing["node"].member.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(DesignError, match=r"no column 'node' labels.*labels='node'.*--labels node"):
        prepare(card.model_copy(update={"errors": {"node": card.errors["node"]}}), read(frame))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("clster", r"has no column 'clster', which labels= names. Did you mean 'cluster'\?"),
        ("family", r"column 'family', which labels= names, makes families already: a card may name it, 'family';"),
        ("params", r"column 'params', which labels= names, is read as params; accepted: .* nothing else"),
        ("cluster", r"row 3, column 'cluster': got nothing; accepted: a name, as labels= names this column"),
        ("design", r"column 'design', .* errors.design is of that; rename the column"),
    ],
)
def test_labels_that_cannot_be(labels, said):
    frame = replicates().assign(family="a", cluster=["x", "x", "y", None, "y", "x"], design="d")
    with pytest.raises(RunsError, match=r"(?s)DataFrame.*" + said):
        bs.read_runs(frame, labels=labels, suspicious="keep")


def test_labels_of_curves_are_those_of_their_last_checkpoints():
    frame = pd.DataFrame({"run": np.repeat(list("ab"), 3), "tokens": [1e8, 2e8, 3e8] * 2, "N": 7e7, "loss": 3.0})
    frame = frame.assign(loss=np.tile([4.0, 3.5, 3.2], 2), cluster=np.repeat(list("xy"), 3))
    ends = bs.runs.final_runs(bs.read_curves(frame, labels="cluster", filters=None))
    assert ends["cluster"].values.tolist() == ["x", "y"]


def test_it_is_said_that_runs_share_a_label_where_families_do_not_tell():
    frame = replicates().iloc[[0, 2, 4, 5]].assign(family=list("aabb"), lab=list("mmnn"), cluster=list("xyxy"))
    runs = bs.read_runs(frame, labels=["cluster", "lab"], suspicious="keep")
    (said,) = sharing_findings(runs)
    assert said.message.startswith("4 of 4 runs share 2 values of cluster: ")
    assert "a card with a prior for it, errors.cluster, has an error" in said.message
    assert sharing_findings(runs, known=["cluster"]) == []


def test_a_lean_is_about_the_middle_of_each_budgets_sizes_and_alone_there_is_none():
    runs = read(profiles(sizes=(1e8, 1e9, 2e9, 4e9)))
    labels = np.array(["a"] * 4 + ["b"] * 3 + [""])
    loading = loading_of(runs, "lean", labels)
    logs = np.log10(runs["params"].values)
    np.testing.assert_allclose(loading[:4], logs[:4] - logs[:4].mean())
    np.testing.assert_allclose(loading[4:7], logs[4:7] - logs[4:7].mean())
    assert loading[7] == 0
    assert loading_of(runs, "budget", labels).tolist() == [1.0] * 7 + [0.0]


def test_the_reader_says_that_rows_share_a_budget_or_a_design():
    (said,) = sharing_findings(read(profiles()))
    assert said.level == "info"
    assert said.message.startswith("10 of 10 runs lie on 2 IsoFLOP budgets")
    assert "chinchilla+budget" in said.message
    (said,) = sharing_findings(read(replicates()))
    assert said.message.startswith("4 of 6 runs repeat 2 designs")
    assert said.rows == (0, 1, 2, 3)
    assert said.message in [finding.message for finding in bs.runs.findings(read(replicates()))]
    assert sharing_findings(read(replicates().iloc[::2])) == []


def test_hoffmanns_nine_budgets(hoffmann_runs):
    labels = shared_labels(hoffmann_runs, "budget")
    assert len(set(labels) - {""}) == 9
    # Hoffmann et al. 2022, section 3.2: nine budgets from 6e18 to 3e21 FLOP.
    found = sorted(float(label.split()[0]) for label in set(labels) - {""})
    np.testing.assert_allclose(found, [6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21], rtol=0.11)
