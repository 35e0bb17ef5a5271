import json
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import bayescale as bs
from bayescale.costs import PowerCost
from bayescale.errors import RunsError
from bayescale.runs import content_hash, describe_runs, findings, load_shipped, read_runs, shipped_logs
from bayescale.runs.read import as_runs

GOOD = """run,family,params,tokens,loss,seed
a,web,70M,1.4B,3.61,1
b,web,160M,3.2B,3.22,1
c,code,410M,8.2B,2.91,2
d,code,"1,000,000,000",2e10,2.64,2
"""


@pytest.fixture
def write(tmp_path):
    def put(text, name="runs.csv", card=None):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        if card is not None:
            (tmp_path / "card.toml").write_text(card, encoding="utf-8")
        return path

    return put


def frame(**change):
    table = {"N": [1e8, 2e8, 4e8, 8e8], "D": [4e9, 1e10, 9e9, 3e10], "loss": [3.4, 3.1, 3.0, 2.7]}
    return pd.DataFrame(table | change)


def refusal(source, **options):
    with pytest.raises(RunsError) as caught:
        read_runs(source, **options)
    text = str(caught.value)
    assert len(text.splitlines()) <= 24, "a message must fit on one screen"
    return text


# What comes out


def test_a_csv_becomes_a_dataset(write):
    runs = read_runs(write(GOOD))
    assert runs.sizes == {"run": 4}
    assert list(runs["run"].values) == ["a", "b", "c", "d"]
    assert list(runs["family"].values) == ["web", "web", "code", "code"]
    np.testing.assert_allclose(runs["params"], [7e7, 1.6e8, 4.1e8, 1e9])
    np.testing.assert_allclose(runs["compute"], 6 * runs["params"] * runs["tokens"])
    assert runs["seed"].dtype == np.int64
    assert runs["compute"].attrs["units"] == "FLOP"
    assert runs["loss"].attrs["units"] == "nats/token"
    assert runs.attrs["source"] == "runs.csv"
    assert json.loads(runs.attrs["columns"])["tokens"] == "tokens"
    assert all(isinstance(value, str | int | float) for value in runs.attrs.values())


def test_it_survives_netcdf(write, tmp_path):
    runs = read_runs(write(GOOD))
    runs.to_netcdf(tmp_path / "runs.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "runs.nc", engine="h5netcdf") as back:
        assert content_hash(back) == runs.attrs["sha256"]
        assert findings(back) == findings(runs)


def test_every_format_says_the_same(write, tmp_path):
    table = frame(family=["x", "x", "y", "y"])
    table.to_parquet(tmp_path / "a.parquet")
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True, double_precision=15)
    table.to_json(tmp_path / "a.ndjson", orient="records", lines=True, double_precision=15)
    hashes = {read_runs(path).attrs["sha256"] for path in tmp_path.iterdir()} | {read_runs(table).attrs["sha256"]}
    assert len(hashes) == 1


def test_a_dataset_is_handed_back(write):
    runs = read_runs(write(GOOD))
    assert read_runs(runs) is runs
    assert "has no loss" in refusal(runs.drop_vars("loss"))
    assert "was not made by read_runs" in refusal(runs.drop_attrs())


def test_unnamed_runs_are_named_by_their_rows(write):
    runs = read_runs(write("N,D,loss\n1e8,4e9,3.4\n\n2e8,1e10,3.1\n\n"))
    assert list(runs["run"].values) == ["row 2", "row 4"]
    assert any(found.message == "left out as blank: row 3" for found in findings(runs))


@pytest.mark.parametrize("known", [("N", "D"), ("N", "C"), ("D", "C")])
def test_two_of_three_suffice(known):
    table = frame()
    table["C"] = 6 * table.N * table.D
    runs = read_runs(table[[*known, "loss"]])
    for name, symbol in (("params", "N"), ("tokens", "D"), ("compute", "C")):
        np.testing.assert_allclose(runs[name], table[symbol])


def test_compute_that_is_given_is_kept_and_an_own_cost_model_is_used():
    runs = read_runs(frame(C=[2.5e18, 1.2e19, 2.2e19, 1.5e20]))
    assert float(runs["compute"][0]) == 2.5e18
    assert read_runs(frame(), cost=PowerCost(8.0)).attrs["cost"] == "8ND"


# Which column is which


@pytest.mark.parametrize(
    "params", ["params", "N", "n", "Model Size", "model-size", "n_params", "Parameters", "params_total"]
)
@pytest.mark.parametrize("tokens", ["D", "n_tokens", "Training Tokens", "train_tokens"])
@pytest.mark.parametrize("loss", ["Loss", "L", "val_loss", "Validation Loss", "eval-loss", "test_loss", "final_loss"])
def test_sensible_names_are_found(params, tokens, loss):
    runs = read_runs(frame().set_axis([params, tokens, loss], axis=1))
    assert json.loads(runs.attrs["columns"]) == {"params": params, "tokens": tokens, "loss": loss}


@pytest.mark.parametrize("compute", ["C", "flops", "FLOP", "Training FLOP", "compute_flops", "budget"])
def test_compute_is_found(compute):
    runs = read_runs(pd.DataFrame({"N": [1e8, 2e8], compute: [1e18, 5e18], "loss": [3.0, 2.9]}))
    assert json.loads(runs.attrs["columns"])["compute"] == compute


def test_the_canonical_name_wins_and_the_rest_is_listed():
    runs = read_runs(frame(params=[9e7, 1.9e8, 3.9e8, 7.9e8], train_loss=[1.0, 1, 1, 1]))
    assert float(runs["params"][0]) == 9e7
    assert any(found.message == "not used: N, train_loss" for found in findings(runs))


def test_several_candidates_are_an_error():
    table = frame(params_total=[2e8] * 4).rename(columns={"N": "params_non_embedding"})
    text = refusal(table)
    assert "'params_non_embedding', 'params_total' could each be params" in text
    assert "columns={'params': 'params_non_embedding'}" in text
    runs = read_runs(table, columns={"params": "params_non_embedding"})
    assert runs.attrs["params_convention"] == "non-embedding"


def test_explicit_columns_win():
    table = frame(mine=[3.3, 3.2, 3.1, 3.0], lab=["a", "b", "a", "b"])
    runs = read_runs(table, columns={"loss": "mine"}, family="lab")
    assert float(runs["loss"][0]) == 3.3
    assert list(runs["family"].values) == ["a", "b", "a", "b"]
    assert "family" not in read_runs(table.rename(columns={"lab": "family"}), columns={"family": None}).coords


def test_wrong_columns_are_named():
    text = refusal(frame(), columns={"loss": "los"})
    assert "no column 'los'" in text
    assert "Did you mean 'loss'?" in text
    assert "Its columns: N, D, loss" in text
    text = refusal(frame(), columns={"param": "N"})
    assert "no quantity 'param'" in text
    assert "Did you mean 'params'?" in text
    assert "differ" in refusal(frame(), columns={"family": "N"}, family="D")


# Bad input: each message says what, where, and what to do


def test_no_such_file(tmp_path, write):
    write(GOOD)
    text = refusal(tmp_path / "run.csv")
    assert "there is no file" in text
    assert "Did you mean 'runs.csv'?" in text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "a.csv is empty (0 bytes)"),
        ("a.csv", "\n\n", "a.csv, row 1: got nothing; accepted: a header row"),
        ("a.csv", "N,D,loss\n", "a.csv has a header but no runs"),
        ("a.jsonl", "", "a.jsonl is empty"),
        ("a.jsonl", "\n", "a.jsonl has a header but no runs"),
        ("a.jsonl", '{"N": 1}\n{"N": \n', "a.jsonl, row 2: not JSON"),
        ("a.jsonl", "[1, 2]\n", "a.jsonl, row 1: got [1, 2]; accepted: one JSON object a line"),
        ("a.parquet", "not parquet", "a.parquet cannot be read as Parquet"),
        ("a.xlsx", "x", "accepted: .csv, .tsv, .parquet, .jsonl, .ndjson files, or a pandas DataFrame"),
        ("a.csv", "N,D,loss\n1e8,1e9\n", "a.csv, row 2: got 2 fields; accepted: 3"),
        ("a.csv", "N,D,D,loss\n1,2,3,4\n", "more than one column 'D'"),
        ("a.csv", 'N,D,loss\n"1,2,3\n', "a.csv cannot be read as separated values"),
        ("a.csv", "N;D;loss\n1e8;1e9;2,718\n", "a.csv, row 1: got 'N;D;loss', fields between semicolons; accepted:"),
        ("a.tsv", "N,D,loss\n1,2,3\n", "a .tsv file has tabs between its fields"),
    ],
)
def test_files_that_are_not_run_logs(write, name, content, said):
    assert said in refusal(write(content, name))


def test_a_folder_and_bytes_that_are_not_text(tmp_path):
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "a.csv").write_bytes("N,D,loss,Größe\n".encode("latin-1"))
    assert "a.csv is not UTF-8 text" in refusal(tmp_path / "a.csv")


def test_an_empty_frame():
    assert "DataFrame is empty" in refusal(frame().iloc[:0])


def test_missing_columns(write):
    text = refusal(write("N,D,metric\n1e8,1e9,3\n"))
    assert "runs.csv cannot be read as runs" in text
    assert "no column for the loss" in text
    assert "Its columns: N, D, metric" in text
    assert "columns={'loss': 'metric'}" in text
    text = refusal(write("size,loss\n1e8,3\n"))
    assert "no column for params (N), tokens (D) or compute (C); two of them are usual" in text
    assert "columns={'params': 'size'}" in text
    assert "natural log of 'ppl'" in refusal(frame().rename(columns={"loss": "ppl"}))


@pytest.mark.parametrize(
    ("column", "value", "got", "accepted"),
    [
        ("tokens", "many", "'many'", "a number above 0, such as 300M, 1.4T or 1e12"),
        ("params", "-7B", "'-7B'", "a number above 0, such as 70M, 1.3B or 7e9"),
        ("params", "0", "'0'", "a number above 0"),
        ("loss", "", "nothing", "a number above 0, such as 2.71"),
        ("loss", "nan", "'nan'", "a number above 0"),
        ("loss", "inf", "'inf'", "a number above 0"),
        ("loss", "0", "'0'", "a number above 0"),
        ("loss_se", "-0.1", "'-0.1'", "a number, 0 or more"),
        ("seed", "first", "'first'", "a whole number, or nothing"),
        ("seed", "1.5", "'1.5'", "a whole number, or nothing"),
        ("family", "", "nothing", "a name"),
    ],
)
def test_bad_values_are_named_with_row_column_value_and_remedy(write, column, value, got, accepted):
    good = {"family": "web", "params": "1e8", "tokens": "4e9", "loss": "3.4", "loss_se": "0.01", "seed": "1"}
    rows = [good, good | {"params": "2e8", "loss": "3.2"} | {column: value}]
    lines = [",".join(good), *(",".join(row.values()) for row in rows)]
    text = refusal(write("\n".join(lines) + "\n"))
    assert f"runs.csv, row 3, column {column!r}: got {got}; accepted: {accepted}" in text
    assert "with the header as row 1" in text
    assert "1 value that" in text


def test_a_frame_counts_rows_as_iloc_does():
    text = refusal(frame(loss=[3.4, np.nan, -1.0, 2.7]))
    assert "row 1, column 'loss': got nothing" in text
    assert "row 2, column 'loss': got -1.0" in text
    assert "from 0, as in .iloc" in text


def test_many_bad_values_fit_on_one_screen(write):
    text = refusal(write("N,D,loss\n" + "1e8,few,-1\n" * 50))
    assert "has 100 values that cannot be used" in text
    assert text.count("accepted:") == 8
    assert "and 92 more" in text


def test_columns_without_a_value_are_left_out():
    runs = read_runs(frame(C=[None] * 4, loss_se=[None] * 4))
    assert "loss_se" not in runs
    assert sum("is empty" in found.message for found in findings(runs)) == 2
    assert "column 'D': got nothing" in refusal(frame(D=[None] * 4))


def test_a_missing_seed_is_not_a_number():
    runs = read_runs(frame(seed=[1, None, 2, 3]))
    assert math.isnan(float(runs["seed"][1]))


# Units and conventions


def test_defaults_are_said_to_be_assumed():
    runs = read_runs(frame())
    assert (runs.attrs["loss_unit"], runs.attrs["params_convention"]) == ("nats/token", "unknown")
    said = " ".join(found.message for found in findings(runs) if found.level == "info")
    assert "taken to be in nats/token" in said
    assert "whether N counts the embeddings" in said


def test_the_card_beside_the_file_speaks_and_the_argument_wins(write):
    card = 'title = "Mine"\nlicence = "CC0"\n[units]\nloss = "nats/byte"\nparams = "total"\n'
    path = write("N,D,loss\n1e8,4e9,1.1\n2e8,1e10,1.0\n", card=card)
    runs = read_runs(path)
    assert (runs.attrs["title"], runs.attrs["licence"]) == ("Mine", "CC0")
    assert (runs.attrs["loss_unit"], runs.attrs["params_convention"]) == ("nats/byte", "total")
    other = read_runs(path, loss_unit="nats/token", params_convention="non-embedding")
    assert (other.attrs["loss_unit"], other.attrs["params_convention"]) == ("nats/token", "non-embedding")


@pytest.mark.parametrize(
    ("card", "said"),
    [("title =", "not TOML"), ('[units]\nloss = "bit"', "accepted: nats/token"), ('[units]\nparams="all"', "total")],
)
def test_a_bad_card(write, card, said):
    assert said in refusal(write(GOOD, card=card))


@pytest.mark.parametrize("unit", ["bits/token", "bits/byte"])
def test_bits_become_nats(unit):
    runs = read_runs(frame(loss_se=[0.01] * 4), loss_unit=unit)
    assert runs.attrs["loss_unit"] == unit.replace("bits", "nats")
    np.testing.assert_allclose(runs["loss"], frame()["loss"] * math.log(2))
    np.testing.assert_allclose(runs["loss_se"], 0.01 * math.log(2))
    assert any("converted from" in found.message for found in findings(runs))


@pytest.mark.parametrize(
    ("name", "declared"), [("bpb", "nats/byte"), ("loss_bits", "nats/token"), ("loss_nats", "bits/token")]
)
def test_a_name_that_contradicts_the_unit(name, declared):
    text = refusal(frame().rename(columns={"loss": name}), loss_unit=declared)
    assert f"column {name!r}: its name says" in text
    assert f"{declared} is declared" in text


def test_a_name_that_says_the_unit_is_believed():
    runs = read_runs(frame().rename(columns={"loss": "bits_per_byte"}))
    assert runs.attrs["loss_unit"] == "nats/byte"
    assert "a perplexity is not a loss" in refusal(frame(ppl=[9.0] * 4), columns={"loss": "ppl"})


@pytest.mark.parametrize(("unit", "value"), [("nats/token", 13.0), ("nats/byte", 6.0), ("bits/byte", 9.0)])
def test_a_loss_worse_than_guessing(unit, value):
    text = refusal(frame(loss=[3.4, value, 3.0, 2.7]), loss_unit=unit)
    assert "row 1" in text
    assert "uniform guessing" in text
    assert "typo" in text


def test_perplexities_throughout():
    text = refusal(frame(loss=[30.1, 16.9, 14.2, 12.9]))
    assert "rows 0, 1, 2 and 3" in text
    assert "bits" in text
    assert "perplexity (give its natural log)" in text


@pytest.mark.parametrize("name", ["params_convention", "convention"])
def test_mixed_conventions_name_their_rows(name):
    text = refusal(frame(**{name: ["total", "total", "non_embedding", "total"]}))
    assert f"column {name!r} mixes conventions for N" in text
    assert "total: rows 0, 1 and 3; non-embedding: row 2" in text
    assert "convert the rows, or split the file" in text


def test_one_convention_throughout_is_taken():
    table = frame(convention=["non-embedding"] * 4)
    assert read_runs(table).attrs["params_convention"] == "non-embedding"
    assert "params_convention='total' was passed" in refusal(table, params_convention="total")
    assert "row 0, column 'convention': got 'some'" in refusal(frame(convention=["some"] * 4))


@pytest.mark.parametrize("option", [{"loss_unit": "nat"}, {"params_convention": "all"}, {"suspicious": "no"}])
def test_bad_options_say_what_is_accepted(option):
    assert "accepted: " in refusal(frame(), **option)


# What it is called


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)))
def test_the_hash_does_not_depend_on_the_order(order):
    table = frame(family=["x", "x", "y", "y"], seed=[1, 2, 3, None])
    assert read_runs(table.iloc[list(order)]).attrs["sha256"] == read_runs(table).attrs["sha256"]


def test_the_hash_depends_on_every_value():
    table = frame(family=["x", "x", "y", "y"])
    hashes = {read_runs(table).attrs["sha256"]}
    for column, value in {"N": 1.01e8, "D": 4.01e9, "loss": 3.41, "family": "y"}.items():
        other = table.copy()
        other.loc[0, column] = value
        hashes.add(read_runs(other).attrs["sha256"])
    assert len(hashes) == 5


def test_description(write):
    text = describe_runs(read_runs(write(GOOD.replace("loss", "val_loss"))))
    assert "runs.csv: runs" in text
    assert "families  2: code (2), web (2)" in text
    assert "N: 70M to 1B, 1.2 decades (column 'params', unknown)" in text
    assert "C: 5.88e17 to 1.2e20 FLOP, 2.3 decades (by 6ND)" in text
    assert "2.64 to 3.61 nats/token (column 'val_loss')" in text
    assert "Warnings:\n  - only 4 runs" in text
    assert "Notes:" in text


def test_shipped_logs_are_listed_and_read():
    logs = {log.name: log for log in shipped_logs()}
    assert "Cerebras" in logs["published"].title
    runs = load_shipped("published")
    assert runs.sizes["run"] == 21
    assert runs.attrs["params_convention"] == "total"
    assert not [found for found in findings(runs) if found.level == "error"]
    with pytest.raises(RunsError, match=r"'publisht' is shipped; accepted: .*Did you mean 'published'"):
        load_shipped("publisht")


@pytest.mark.parametrize("wrong", [3, None, ["runs.csv"]])
def test_what_is_no_log_at_all_is_refused_with_what_is_accepted(wrong):
    for ask in (read_runs, bs.fit, bs.study, bs.forecast, bs.backtest):
        with pytest.raises(RunsError, match=r"runs: got .*; accepted: a path, a DataFrame, or what read_runs"):
            ask(wrong)


def test_a_path_is_read_wherever_runs_are_asked_for():
    log = shipped_logs()[0].path
    xr.testing.assert_identical(as_runs(log), read_runs(log))
    for ask in (bs.fit, bs.study, bs.forecast, bs.backtest):
        with pytest.raises(RunsError, match=r"there is no file missing\.csv"):
            ask("missing.csv")
