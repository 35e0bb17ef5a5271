"""Which columns there are, by which names they are found, and what they may hold."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale.errors import RunsError
from bayescale.laws.scales import SCALES
from bayescale.runs import content_hash, findings, load_shipped, read_runs
from bayescale.runs.reading.aliases import match_columns, squash
from bayescale.runs.reading.columns import COLUMNS, LABELS, NOTES, QUANTITIES, RESPONSES

GOOD = {
    **{"params": "2e8", "tokens": "4e9", "compute": "4.8e18", "loss": "3.4", "loss_se": "0.01", "seed": "1"},
    **{"step": "8000", "batch": "500k", "unique_tokens": "1e9", "words": "3e9", "examples": "1e7", "width": "512"},
    **{"depth": "8", "lr_area": "4.5", "annealing": "-0.2", "experts": "8", "granularity": "2", "sparsity": "0.5"},
    **{"bits_weights": "8", "bits_activations": "8", "bits_kv": "16", "bits_post": "4"},
    **{"accuracy": "0.4", "error": "0.6", "questions": "1319"},
}


def refusal(source, **options):
    with pytest.raises(RunsError) as caught:
        read_runs(source, **options)
    assert len(str(caught.value).splitlines()) <= 24, "a message must fit on one screen"
    return str(caught.value)


# One list of quantities for the readers and the laws


def test_what_runs_may_hold_is_what_laws_may_take():
    assert {*QUANTITIES, "loss"} == set(SCALES)
    assert {*LABELS, *NOTES, *QUANTITIES, *RESPONSES} == set(COLUMNS)


@pytest.mark.parametrize("name", SCALES)
def test_readers_and_laws_accept_the_same_values(name):
    scale = SCALES[name]
    for value in (-1e9, -1.0, -1e-6, 0.0, 1e-6, 0.5, 1 - 1e-6, 1.0, 1 + 1e-6, 2.0, 1e30):
        assert COLUMNS[name].accepts(value) == (scale.lower < value < scale.upper), value


@pytest.mark.parametrize("name", [name for name in SCALES if COLUMNS[name].symbol])
def test_symbols_are_those_of_the_equations(name):
    assert COLUMNS[name].symbol == SCALES[name].symbol


def test_no_name_means_two_things():
    names = [name for about in COLUMNS.values() for name in {squash(each) for each in (about.name, *about.names)}]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize(
    ("column", "name"),
    [
        *(("U", "unique_tokens"), ("U_D", "unique_tokens"), ("tokens_per_epoch", "unique_tokens")),
        *(("tokens_per_step", "batch"), ("Batch Tokens", "batch"), ("Steps", "step"), ("num-steps", "step")),
        *(("d_model", "width"), ("hidden_size", "width"), ("n_layers", "depth"), ("layers", "depth")),
        *(("num_experts", "experts"), ("Seen Examples", "examples"), ("n_words", "words"), ("S2", "annealing")),
        *(("w_bits", "bits_weights"), ("kv_bits", "bits_kv"), ("ptq_bits", "bits_post"), ("P_a", "bits_activations")),
        *(("acc", "accuracy"), ("score", "accuracy"), ("err", "error"), ("error rate", "error")),
        ("num_questions", "questions"),
    ],
)
def test_sensible_names_are_found(column, name):
    assert match_columns([column]) == {name: column}


@pytest.mark.parametrize("column", ["batch_size", "bs", "S", "B", "bits", "size", "lr", "epochs", "E"])
def test_a_name_whose_meaning_is_not_clear_is_not_guessed(column):
    assert match_columns([column]) == {}


def test_a_batch_that_may_count_sequences_is_pointed_at():
    table = pd.DataFrame({"N": [1e8, 2e8], "D": [4e9, 8e9], "loss": [3.4, 3.1], "batch_size": [512, 512]})
    runs = read_runs(table)
    (said,) = (found.message for found in findings(runs) if found.column == "batch_size")
    assert "may count sequences, so it is not used: pass columns={'batch': 'batch_size'}" in said
    assert "batch" not in runs
    kept = read_runs(table, columns={"batch": "batch_size"})
    assert kept["batch"].values.tolist() == [512, 512]
    assert not any("may count sequences" in found.message for found in findings(kept))


# What comes out


def every_column(rows=3):
    table = pd.DataFrame([GOOD] * rows)
    return table.assign(seed=range(rows), run=[f"r{i}" for i in range(rows)], family="web")


def test_every_column_is_read_with_its_unit_and_meaning(tmp_path):
    runs = read_runs(every_column())
    assert set(runs) == set(COLUMNS) - set(LABELS)
    np.testing.assert_allclose(runs["annealing"], -0.2)
    assert runs["questions"].dtype == np.int64
    assert {name: runs[name].attrs["units"] for name in ("batch", "words", "depth", "bits_kv", "accuracy")} == {
        **{"batch": "token", "words": "word", "depth": "layer", "bits_kv": "bit", "accuracy": "1"},
    }
    assert all(runs[name].attrs["long_name"] == COLUMNS[name].meaning for name in runs)
    runs.to_netcdf(tmp_path / "runs.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "runs.nc", engine="h5netcdf") as back:
        assert content_hash(back) == runs.attrs["sha256"]


@pytest.mark.parametrize("name", GOOD)
def test_the_hash_depends_on_every_column(name):
    table = every_column()
    other = table.astype(object)
    other.loc[0, name] = (
        17 if name in ("seed", "questions") else float(str(table.loc[0, name]).replace("500k", "5e5")) * 1.001
    )
    assert read_runs(other).attrs["sha256"] != read_runs(table).attrs["sha256"]


def test_the_hash_of_runs_without_the_newer_columns_is_what_it_was():
    # By the program as it was when N, D, C, loss, loss_se, seed and step were all that it read.
    was = "f4e23744b5211e535a5b195d745db58ea09b46039336c45eefe60871b6d2373e"
    assert load_shipped("published").attrs["sha256"] == was


def test_the_shipped_grid_has_its_shapes_and_steps():
    runs = load_shipped("tinylm")
    columns = json.loads(runs.attrs["columns"])
    assert (columns["width"], columns["depth"], columns["step"]) == ("d_model", "layers", "steps")
    # 32 windows of 64 bytes a step, as data/tinylm/card.toml says.
    assert set(runs["batch"].values) == {2048.0}
    assert not [found for found in findings(runs) if found.level != "info"]


# What they may hold


@pytest.mark.parametrize(
    ("column", "value", "accepted"),
    [
        ("accuracy", "43.7", "a share from 0 to 1; divide percentages by 100"),
        ("accuracy", "43.7%", "divide percentages by 100"),
        ("accuracy", "-0.1", "a share from 0 to 1"),
        ("accuracy", "nan", "a share from 0 to 1"),
        ("error", "57", "divide percentages by 100"),
        ("error", "", "a share from 0 to 1"),
        ("questions", "0", "a whole number, 1 or more"),
        ("questions", "12.5", "a whole number, 1 or more"),
        ("sparsity", "1", "a share from 0 to below 1"),
        ("sparsity", "-0.5", "a share from 0 to below 1"),
        ("sparsity", "50", "divide percentages by 100"),
        ("granularity", "0.5", "a number, 1 or more"),
        ("experts", "0", "a number, 1 or more"),
        ("bits_weights", "0", "a number above 0"),
        ("bits_post", "int4", "a number above 0"),
        ("batch", "0", "a number of tokens above 0, such as 500k"),
        ("step", "0", "a number above 0"),
        ("unique_tokens", "all", "a number above 0, such as 300M, 1.4T or 1e12"),
        ("width", "", "a number above 0"),
        ("annealing", "cosine", "a number (below 0 in warm-up)"),
    ],
)
def test_bad_values_are_named_with_row_column_value_and_remedy(tmp_path, column, value, accepted):
    first = {"params": "1e8", "tokens": "4e9", "loss": "3.4", column: GOOD[column]}
    second = first | {"params": "2e8", column: value}
    path = tmp_path / "runs.csv"
    path.write_text("\n".join([",".join(first), *(",".join(row.values()) for row in (first, second))]) + "\n")
    text = refusal(path)
    got = repr(value) if value else "nothing"
    assert f"runs.csv, row 3, column {column!r}: got {got}; accepted: " in text
    assert accepted in text
    assert f"left out by columns={{{column!r}: None}} (on the command line: --columns {column}=)" in text
    assert column not in read_runs(path, columns={column: None})


@pytest.mark.parametrize(
    ("column", "values"),
    [("accuracy", [0, 1]), ("error", [0, 1]), ("sparsity", [0, 0.999]), ("annealing", [-3, 0]), ("experts", [1, 512])],
)
def test_the_ends_of_a_range_are_in_it(column, values):
    table = pd.DataFrame({"N": [1e8, 2e8], "D": [4e9, 8e9], "loss": [3.4, 3.1], column: values})
    assert read_runs(table)[column].values.tolist() == values
