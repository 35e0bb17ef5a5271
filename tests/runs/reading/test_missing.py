"""Logs with other things than N, D, C and the loss: what is enough, what is refused, what is derived and told."""

import json

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import RunsError
from bayescale.runs import describe_runs, findings, read_runs

N, D = np.array([1e8, 2e8, 4e8, 8e8]), np.array([4e9, 1e10, 9e9, 3e10])
LOSS, SHARE = [3.4, 3.1, 3.0, 2.7], [0.3, 0.4, 0.42, 0.6]


def table(**columns):
    return pd.DataFrame(columns)


def refusal(source, **options):
    with pytest.raises(RunsError) as caught:
        read_runs(source, **options)
    assert len(str(caught.value).splitlines()) <= 12
    return str(caught.value)


def told(runs, level="warning"):
    return [found.message for found in findings(runs) if found.level == level]


# What is enough


@pytest.mark.parametrize(
    "columns",
    [
        {"N": N, "loss": LOSS},
        {"D": D, "loss": LOSS},
        {"C": 6 * N * D, "loss": LOSS},
        {"C": 6 * N * D, "accuracy": SHARE},
        {"words": D, "accuracy": SHARE},
        {"examples": D, "error": SHARE},
        {"loss": LOSS, "error": SHARE},
        {"N": N, "experts": [1, 8, 64, 512], "loss": LOSS},
        {"lr_area": [1, 2, 3, 4], "annealing": [-0.1, 0, 0.5, 1], "loss": LOSS},
    ],
)
def test_a_response_and_something_that_it_depends_on_are_enough(columns):
    runs = read_runs(table(**columns))
    read = {{"N": "params", "D": "tokens", "C": "compute"}.get(name, name) for name in columns}
    assert set(runs) == read, "what cannot be known is not made up"
    assert read_runs(runs) is runs
    assert "nats/token" in describe_runs(runs) or "loss" not in runs


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"loss": LOSS}, "no column for params (N), tokens (D) or compute (C)"),
        ({"loss": LOSS, "seed": [1, 2, 3, 4], "loss_se": [0.1] * 4}, "no column for params (N), tokens (D)"),
        ({"accuracy": SHARE, "error": SHARE}, "no column for params (N), tokens (D) or compute (C)"),
        ({"accuracy": SHARE, "questions": [100] * 4}, "nor for anything else that a law can take: step, batch, "),
        ({"N": N, "D": D}, "no column for the loss, nor for an accuracy or error"),
        ({"a": N, "b": D, "c": LOSS}, "Its columns: a, b, c"),
    ],
)
def test_less_is_refused_with_what_would_do(columns, said):
    text = refusal(table(**columns))
    assert "DataFrame cannot be read as runs:" in text
    assert said.lower() in text.lower()
    assert f"Its columns: {', '.join(columns)}" in text
    assert "Found by their names: " in text
    assert "(on the command line: --columns " in text


@pytest.mark.parametrize(
    ("columns", "guess"),
    [
        ({"N": N, "D": D, "lr": SHARE, "val_los": LOSS}, "columns={'loss': 'val_los'}"),
        ({"loss": LOSS, "lr": SHARE, "Model Size (B)": N}, "columns={'params': 'Model Size (B)'}"),
    ],
)
def test_the_column_most_like_what_is_missing_is_offered(columns, guess):
    assert guess in refusal(table(**columns))


def test_a_dataset_needs_the_same():
    runs = read_runs(table(N=N, D=D, loss=LOSS, accuracy=SHARE))
    without_loss = runs.drop_vars("loss")
    assert read_runs(without_loss) is without_loss
    assert "has no loss, accuracy or error" in refusal(runs.drop_vars(["loss", "accuracy"]))
    assert "nothing that a law could take" in refusal(runs[["loss"]])


def test_empty_columns_are_left_out_only_where_something_is_left():
    blank = [None] * 4
    assert set(read_runs(table(D=D, loss=LOSS, accuracy=blank, width=blank))) == {"tokens", "loss"}
    assert set(read_runs(table(D=D, loss=blank, accuracy=SHARE))) == {"tokens", "accuracy"}
    assert "column 'words': got nothing" in refusal(table(words=blank, accuracy=SHARE))
    assert "column 'loss': got nothing" in refusal(table(loss=blank, accuracy=SHARE))


# What a lack puts out of reach


def test_what_cannot_be_asked_is_a_note():
    (note,) = (text for text in told(read_runs(table(D=D, loss=LOSS)), "info") if "two of N, D and C" in text)
    assert note.startswith("no column for params (N) or compute (C), and it takes two of N, D and C to give the third")
    assert "the best split of a budget and the loss at 100x the compute cannot be asked" in note
    (note,) = (text for text in told(read_runs(table(C=D, loss=LOSS)), "info") if "two of N, D and C" in text)
    assert "100x" not in note, "runs with C can be asked that"
    assert not any("it takes two" in text for text in told(read_runs(table(N=N, D=D, loss=LOSS)), "info"))


def test_an_unused_column_that_may_be_the_missing_one_is_a_warning():
    hidden = table(D=D, loss=LOSS, lr=[0.01, 0.02, 0.01, 0.005], params_precise=["100M", "200M", "400M", "800M"])
    (warning,) = (text for text in told(read_runs(hidden)) if "not used" in text)
    assert warning.startswith("no column was recognised as params (N) or compute (C), and not used: 'params_precise'.")
    assert "columns={'params': 'params_precise'} (on the command line: --columns params=...)" in warning
    assert "columns={'params': None, 'compute': None} says so" in warning
    quiet = read_runs(hidden, columns={"params": None, "compute": None})
    assert not any("not used" in text for text in told(quiet))
    right = read_runs(hidden, columns={"params": "params_precise"})
    assert right["params"].values.tolist() == N.tolist()
    assert not any("not used" in text for text in told(right))


@pytest.mark.parametrize(
    "other",
    [
        ["a", "b", "c", "d"],
        [0.001, 0.002, 0.004, 0.008],  # a learning rate
        [0, 1, 2, 3],  # an index
        [8, 8, 8, 8],  # the same in every run, so no loss owes anything to it
        ["1e8", "2e8", "many", "8e8"],
    ],
)
def test_what_can_be_no_size_does_not_warn(other):
    assert not any("not used" in text for text in told(read_runs(table(D=D, loss=LOSS, other=other))))


def test_real_curves_with_their_size_under_another_name(shared_data):
    path = shared_data / "gemstones" / "wandb_df_for_fitting_hot.jsonl"
    runs = read_runs(path, columns={"run": None})
    assert {"width", "depth", "step", "batch", "tokens", "loss"} == set(runs)
    assert any("columns={'params': 'params_active_precise'}" in text for text in told(runs))
    assert told(read_runs(path, columns={"run": None, "params": "params_active_precise"})) == []


def test_real_curves_against_examples(shared_data):
    curves = pd.read_csv(shared_data / "revisiting" / "revisiting_lang.csv").query("Domain == 'NMT'")
    runs = read_runs(curves, family="Model")
    assert set(runs) == {"examples", "loss"}
    assert told(runs) == []


# Units


def test_without_a_loss_there_is_no_loss_unit():
    runs = read_runs(table(N=N, D=D, accuracy=SHARE, se=[0.1] * 4))
    assert "loss_unit" not in runs.attrs
    assert "loss_se" not in runs
    assert "not used: column 'se', as there is no loss" in told(runs, "info")
    assert "has no loss, but loss_unit='nats/byte' was passed" in refusal(
        table(N=N, D=D, accuracy=SHARE), loss_unit="nats/byte"
    )


def test_without_params_there_is_no_convention():
    runs = read_runs(table(D=D, loss=LOSS))
    assert "params_convention" not in runs.attrs
    assert not any("embeddings" in text for text in told(runs, "info"))
    assert "has no N, but params_convention='total' was passed" in refusal(
        table(D=D, loss=LOSS), params_convention="total"
    )
    known = read_runs(table(C=6 * N * D, batch=[1e6] * 4, step=D / 1e6, loss=LOSS), params_convention="total")
    assert known.attrs["params_convention"] == "total"


# What follows from what


@pytest.mark.parametrize(
    ("given", "missing", "formula"),
    [
        (("batch", "step"), "tokens", "batch x step"),
        (("tokens", "step"), "batch", "tokens / step"),
        (("tokens", "batch"), "step", "tokens / batch"),
    ],
)
def test_two_of_tokens_batch_and_step_suffice(given, missing, formula):
    full = table(params=N, tokens=D, batch=[5e5, 1e6, 1e6, 2e6], step=D / [5e5, 1e6, 1e6, 2e6], loss=LOSS)
    runs = read_runs(full[["params", *given, "loss"]])
    np.testing.assert_allclose(runs[missing], full[missing])
    np.testing.assert_allclose(runs["compute"], 6 * N * D)
    assert f"no column for {missing}: it is taken to be {formula}" in told(runs, "info")
    assert json.loads(runs.attrs["derived"]) == {missing: formula, "compute": "6ND"}
    assert f"(by {formula})" in describe_runs(runs)
    assert runs.attrs["sha256"] == read_runs(full).attrs["sha256"]


def test_params_follow_from_compute_batch_and_step():
    runs = read_runs(table(C=6 * N * D, batch=[1e6] * 4, step=D / 1e6, loss=LOSS))
    np.testing.assert_allclose(runs["params"], N)


def test_two_of_n_d_and_c_come_before_batch_and_step():
    runs = read_runs(table(N=N, C=6 * N * D, batch=[512] * 4, step=D / 1e6, loss=LOSS))
    np.testing.assert_allclose(runs["tokens"], D)
    assert any("column 'batch' times column 'step' differs from tokens (by 6ND)" in text for text in told(runs))


@pytest.mark.parametrize(("factor", "warns"), [(1.0, False), (1.09, False), (0.92, False), (1.12, True), (0.5, True)])
def test_a_batch_that_contradicts_the_tokens_is_a_warning(factor, warns):
    step = D / 1e6
    step[2] *= factor
    said = [
        text for text in told(read_runs(table(N=N, D=D, batch=[1e6] * 4, steps=step, loss=LOSS))) if "batch" in text
    ]
    assert bool(said) == warns
    if warns:
        assert "column 'batch' times column 'steps' differs from column 'D' by more than 10% in 1 of 4 runs" in said[0]
        assert f"row 2, {factor:g} times" in said[0]
        assert "is it in sequences?" in said[0]


def test_less_than_one_epoch_is_nothing_odd():
    with_unique = told(read_runs(table(N=N, D=D, U=3 * D, loss=LOSS)))
    assert with_unique == told(read_runs(table(N=N, D=D, loss=LOSS)))


def test_description_of_other_quantities():
    text = describe_runs(read_runs(table(words=["1M", "10M", "100M", "1B"], acc=SHARE, questions=[200] * 4)))
    assert "  words     1M to 1B (column 'words')" in text
    assert "  accuracy  0.3 to 0.6 (column 'acc')" in text
    assert "  questions 200 (column 'questions')" in text
    assert "params  " not in text
