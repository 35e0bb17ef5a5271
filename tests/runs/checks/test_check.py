import numpy as np
import pandas as pd
import pytest

from bayescale.errors import RunsError
from bayescale.runs import findings, read_runs

SETS = [
    *("chinchilla", "gadre c4_original", "gadre rpj", "gadre rw_original", "datablations 1-epoch"),
    *("porian rw cosine", "porian owt2 cosine", "misfitting best-lr", "llama3", "oellm"),
]


def grid(sizes=6, lengths=6, noise=0.003, seed=0):
    n, d = (each.ravel() for each in np.meshgrid(np.logspace(7, 9.5, sizes), np.logspace(9, 11.5, lengths)))
    shake = np.exp(noise * np.random.default_rng(seed).normal(size=n.size))
    return pd.DataFrame({"N": n, "D": d, "loss": (1.69 + 406 * n**-0.34 + 411 * d**-0.28) * shake})


def told(runs, level="warning"):
    return [found.message for found in findings(runs) if found.level == level]


def refusal(table, **options):
    with pytest.raises(RunsError) as caught:
        read_runs(table, **options)
    assert len(str(caught.value).splitlines()) <= 12
    return str(caught.value)


def test_a_good_grid_has_no_findings_but_notes():
    assert told(read_runs(grid())) == []


def test_equal_rows_are_an_error():
    table = pd.concat([grid(), grid().iloc[[3]]])
    text = refusal(table)
    assert "rows 3 and 36 are the same run (equal params, tokens, loss)" in text
    assert "remove all but one, or give distinct values in a column 'seed'" in text
    assert read_runs(table.assign(seed=range(37))).sizes["run"] == 37


def test_many_equal_rows_fit_on_one_screen():
    assert "31 more groups of equal rows" in refusal(pd.concat([grid(), grid()]))


def test_runs_that_differ_in_any_quantity_are_not_the_same():
    twins = pd.DataFrame({"N": [1e8, 1e8], "D": [4e9, 4e9], "loss": [3.1, 3.1]})
    assert "(equal params, tokens, loss)" in refusal(twins)
    assert read_runs(twins.assign(bits_post=[3, 4])).sizes["run"] == 2
    assert "(equal params, tokens, bits_post, loss)" in refusal(twins.assign(bits_post=4))
    curves = pd.DataFrame({"words": ["1M", "1M"], "acc": [0.5, 0.5], "task": ["a", "b"]})
    assert "say so with family='the column that tells'" in refusal(curves)
    assert read_runs(curves, family="task").sizes["run"] == 2
    assert "family=" not in refusal(curves.assign(task="a"), family="task")


def test_equal_names_are_an_error():
    table = grid().assign(name=["a", "b", "a"] + [f"r{i}" for i in range(33)])
    text = refusal(table)
    assert "rows 0 and 2 have the same name 'a' in column 'name': a run log" in text
    every = refusal(grid().assign(name=[f"r{i // 3}" for i in range(36)]))
    assert every.count("have the same name") == 1
    assert "rows 0, 1 and 2 have the same name 'r0' in column 'name', and so with 11 more names" in every
    assert "bs.read_curves reads them" in every
    assert list(read_runs(table, columns={"run": None})["run"].to_numpy()[:2]) == ["row 0", "row 1"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (grid().iloc[:1], "one run: no law can be fitted"),
        (grid().iloc[[0, 8, 16]], "only 3 runs"),
        (grid().query("N < 1.1e7"), "all 6 runs are at one N (10M): the effect of N cannot be identified"),
        (grid().query("D < 1.1e9"), "all 6 runs are at one D (1B): the effect of D cannot be identified"),
        (grid(3, 3).assign(N=lambda t: np.logspace(7, 9, 9), D=lambda t: 20 * t.N), "20 tokens per parameter"),
        (grid(3, 3).assign(N=lambda t: np.logspace(7, 9, 9), D=lambda t: 1e18 / t.N), "at one budget (6e18 FLOP)"),
        (grid(3, 3).assign(N=np.logspace(7, 7.4, 9), D=np.logspace(9, 9.4, 9) ** 1.01), "compute spans only 0.8"),
    ],
)
def test_what_a_design_cannot_tell_is_a_warning(rows, said):
    assert any(said in message for message in told(read_runs(rows)))


SPREAD = np.logspace(6, 9, 7)
FALLING = np.linspace(3.5, 2.9, 7)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"D": SPREAD, "loss": FALLING}, []),
        ({"words": SPREAD, "acc": FALLING / 5}, []),
        ({"loss": FALLING, "err": FALLING / 5}, []),
        ({"D": SPREAD[:4], "loss": FALLING[:4]}, ["only 4 runs: a law with a floor has three unknowns"]),
        ({"D": 1e6 * SPREAD ** (1 / 4), "loss": FALLING}, ["tokens span only 0.75 decades"]),
        ({"words": SPREAD ** (1 / 4), "loss": FALLING}, ["words span only 0.75 decades"]),
        ({"D": [1e9] * 7, "loss": FALLING}, ["all 7 runs are at one D (1B): the effect of D cannot be identified"]),
        ({"words": [1e9] * 7, "loss": FALLING}, ["all 7 runs are at one value of words (1B): no effect can be"]),
        ({"annealing": [-0.5] * 7, "loss": FALLING}, ["all 7 runs are at one value of annealing (-0.5)"]),
        ({"loss": [3.0] * 7, "acc": FALLING / 5}, ["all 7 runs are at one value of loss (3)"]),
        ({"sparsity": [0] * 7, "experts": range(1, 8), "loss": FALLING}, []),
        ({"C": [1e18] * 7, "loss": FALLING}, ["at one budget (1e18 FLOP): nothing can be said about any other"]),
    ],
)
def test_what_a_design_without_n_and_d_cannot_tell(rows, said):
    messages = told(read_runs(pd.DataFrame(rows)))
    assert len(messages) == len(said), messages
    assert all(part in message for part, message in zip(said, messages, strict=True))


def test_each_family_is_looked_at_too():
    whole = grid().assign(family="a")
    part = grid(6, 1, seed=1).assign(family="b")
    lone = grid(1, 1, seed=2).assign(family="c")
    messages = told(read_runs(pd.concat([whole, part, lone])))
    assert len(messages) == 2
    assert messages[0].startswith("family 'b': at one D (1B)")
    assert messages[1].startswith("family 'c': 1 run only")


# Compute against the other two


def test_compute_off_by_a_third_is_a_warning():
    table = grid().assign(C=lambda t: 6 * t.N * t.D)
    table.loc[4, "C"] *= 1.5
    table.loc[7, "C"] /= 1.3
    (message,) = told(read_runs(table))
    assert "column 'C' differs from 6ND by more than 20% in 2 of 36 runs (worst: row 4, 1.50 times)" in message


@pytest.mark.parametrize("column", ["N", "D", "C"])
def test_a_hundredfold_typo_where_all_three_are_given(column):
    table = grid().assign(C=lambda t: 6 * t.N * t.D)
    table.loc[14, column] *= 100
    text = refusal(table)
    assert "row 14: N " in text
    assert "times what 6ND gives" in text
    assert "suspicious='keep'" in text
    assert any("row 14" in message for message in told(read_runs(table, suspicious="keep")))


# Powers of ten, told from the loss alone


@pytest.mark.parametrize(
    ("factor", "words"), [(100, "100 times too large"), (0.01, "100 times too small"), (1000, "1000 times")]
)
@pytest.mark.parametrize(("column", "row"), [("D", 14), ("N", 14), ("D", 8), ("N", 21), ("D", 27)])
def test_a_scale_typo_is_named(column, row, factor, words):
    table = grid()
    right = table.loc[row, column]
    table.loc[row, column] *= factor
    text = refusal(table)
    assert f"row {row}, column {column!r}: " in text
    assert words in text
    assert text.count("\n") == 1, "one typo, one line"
    kept = read_runs(table, suspicious="keep")
    assert float(kept["params" if column == "N" else "tokens"][row]) == pytest.approx(right * factor)
    assert len(told(kept)) == 1


def test_the_message_gives_the_value_that_would_agree():
    table = grid().astype({"N": float}).assign(N=lambda t: t.N.round(), D=lambda t: t.D.round(-6))
    table.loc[14, "D"] = 1e12
    assert "1T looks 100 times too large: at 10B its loss would agree with the others" in refusal(table)


def test_two_typos_are_both_named():
    table = grid()
    table.loc[14, "D"] *= 100
    table.loc[20, "N"] /= 100
    text = refusal(table)
    assert "row 14, column 'D'" in text
    assert "row 20, column 'N'" in text


def test_a_loss_without_its_point():
    table = grid()
    table.loc[10, "loss"] /= 10
    assert "row 10, column 'loss': " in refusal(table)
    assert "10 times too small" in refusal(table)
    table.loc[10, "loss"] *= 1000
    assert "uniform guessing" in refusal(table)


def test_typos_are_looked_for_within_a_family():
    other = grid(seed=5).assign(family="b", loss=lambda t: t.loss * 1.3)
    table = pd.concat([grid().assign(family="a"), other], ignore_index=True)
    assert told(read_runs(table)) == []
    table.loc[50, "D"] *= 100
    assert "row 50, column 'D'" in refusal(table)


def test_an_outlier_that_no_power_of_ten_explains_is_left_alone():
    table = grid()
    table.loc[14, "loss"] *= 1.12
    assert told(read_runs(table)) == []


def test_one_run_far_beyond_the_others_is_left_alone():
    table = grid()
    n, d = 7e10, 1.4e13
    table.loc[36] = [n, d, 1.69 + 406 * n**-0.34 + 411 * d**-0.28]
    assert told(read_runs(table)) == []


def test_a_typo_in_steps_is_named_by_the_tokens_that_it_gives():
    table = grid().assign(step=lambda t: t.D / 5e5, batch=5e5).drop(columns="D")
    assert told(read_runs(table)) == []
    table.loc[14, "step"] *= 100
    assert "row 14, tokens (by batch x step): " in refusal(table)
    assert "100 times too large" in refusal(table)


def coarse_grid():
    """A grid at 16 bits, and the run in its middle at 3 bits too: as bad as with a tenth of the tokens."""
    table = grid().assign(bits=16)
    odd = table.iloc[[14]].assign(bits=3, loss=lambda t: t.loss + 411 * ((t.D / 10) ** -0.28 - t.D**-0.28))
    return pd.concat([table, odd], ignore_index=True)


def test_a_run_at_few_bits_is_no_typo():
    assert "row 36, column 'D': " in refusal(coarse_grid())
    known = coarse_grid().rename(columns={"bits": "bits_weights"})
    assert told(read_runs(known)) == []
    known.loc[8, "D"] *= 100
    assert "row 8, column 'D'" in refusal(known)


@pytest.mark.parametrize("without", ["N", "D", "loss"])
def test_typos_are_looked_for_only_where_n_d_and_loss_are_known(without):
    table = grid().assign(accuracy=lambda t: 1 / t.loss)
    table.loc[14, ["N", "D"]] *= 100
    assert not any("times too large" in text for text in told(read_runs(table.drop(columns=without))))


# Real runs


@pytest.mark.parametrize("columns", [["N", "D", "C"], ["N", "D"], ["N", "C"], ["D", "C"]])
@pytest.mark.parametrize("name", SETS)
def test_no_real_set_trips_a_check(open_sets, name, columns):
    assert told(read_runs(open_sets[name][[*columns, "loss"]])) == []


def test_every_open_set_is_tried(open_sets):
    assert sorted(open_sets) == sorted(SETS)


def test_the_whole_chinchilla_file_is_read_by_its_own_names(shared_data):
    runs = read_runs(shared_data / "chinchilla-epoch" / "svg_extracted_data.csv")
    assert runs.sizes["run"] == 245
    assert told(runs) == []


def test_a_hundredfold_typo_in_chinchilla_is_found(open_sets):
    table = open_sets["chinchilla"][["N", "D", "loss"]].reset_index(drop=True)
    middle = (np.log(table[["N", "D"]]) - np.log(table[["N", "D"]]).median()).abs().sum(axis=1).sort_values().index
    found = []
    for row in middle[:12]:
        typo = table.copy()
        typo.loc[row, "D"] *= 100
        try:
            read_runs(typo)
        except RunsError as error:
            found.append(f"row {row}, column 'D'" in str(error) and "100 times too large" in str(error))
        else:
            found.append(False)
    assert np.mean(found) > 0.8, found


def test_runs_on_repeated_data_are_kept_with_one_warning(shared_data):
    runs = read_runs(shared_data / "datablations" / "derived_runs_all.csv")
    (message,) = told(runs)
    assert "far from the other runs" in message


def test_an_odd_seed_of_a_replicated_cell_is_scatter_and_no_typo():
    runs = grid(sizes=6, lengths=5)
    odd = runs.iloc[14].copy()
    odd["loss"] = 1.69 + 406 * (odd["N"] / 10) ** -0.34 + 411 * odd["D"] ** -0.28
    replicated = pd.concat([runs.assign(seed=1), odd.to_frame().T.assign(seed=2)], ignore_index=True)
    assert not [found for found in findings(read_runs(replicated)) if found.level != "info"]
    assert "10 times too large" in refusal(replicated.drop(index=14))
