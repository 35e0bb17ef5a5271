import pytest
from pinned import BESIROGLU, ROUNDED, pinned_fit, with_errors

import bayescale as bs
from bayescale.cli.main import main


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("fits") / "fit.nc"
    bs.save_fit(pinned_fit(families={"cosine": BESIROGLU, "wsd": ROUNDED}, spread=0.02, draws=500), path)
    return str(path)


def test_differences_are_printed_with_their_probability_and_the_sentence_last(saved, capsys):
    assert main(["differences", saved]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["beta", "wsd"] for line in lines)
    assert "beta of wsd is lower than of cosine (probability 1.000)" in " ".join(lines[-3:])


def test_of_many_differences_the_surest_are_printed(tmp_path, capsys):
    floors = {name: BESIROGLU | {"E": 1.5 + 0.1 * place} for place, name in enumerate("abcdef")}
    bs.save_fit(pinned_fit(families=floors, spread=0.02, draws=500), tmp_path / "six.nc")
    assert main(["differences", str(tmp_path / "six.nc")]) == 0
    text = capsys.readouterr().out
    assert "against a: the 20 surest of 25" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("E   ")] == list("bcdef")
    assert "E of f is higher than of a" in text.splitlines()[-1]


def test_a_new_family_is_asked_like_any_other(saved, capsys):
    assert main(["irreducible", saved, "--family", "new"]) == 0
    assert "a new family" in capsys.readouterr().out
    assert main(["irreducible", saved, "--family", "wsd"]) == 0
    assert "wsd" in capsys.readouterr().out
    assert main(["extrapolate", saved, "--params", "1B", "--tokens", "20B", "--family", "new"]) == 0
    assert "1B" in capsys.readouterr().out


def test_the_share_of_errors_that_runs_share_stands_beside_that_of_the_parameters(tmp_path, saved, capsys):
    path = str(tmp_path / "fit.nc")
    bs.save_fit(with_errors(pinned_fit(sigma=1e-6), design=0.02), path)
    assert main(["extrapolate", path, "--params", "1B", "--tokens", "20B"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "params' errors'" in said
    assert "0% 100%" in said
    assert main(["extrapolate", saved, "--params", "1B", "--tokens", "20B"]) == 0
    assert "errors'" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["irreducible", "{}", "--known", "corpus=c4"], "add --family new"),
        (["irreducible", "{}", "--family", "new", "--known", "corpus"], "write it as group=label"),
        (["irreducible", "{}", "--family", "new", "--known", "corpus=c4"], "no group 'corpus'"),
        (["irreducible", "{}", "--family", "new", "--known", "seed=3"], "no group 'seed'"),
        (["irreducible", "{}", "--family", "new", "--known", "a=x", "a=y"], "a is said to be x and y"),
        (["prior", "{}", "-o", "card.toml", "--known", "family=c4"], "no group 'family'"),
        (["prior", "{}", "-o", "card.toml", "--family", "wsd", "--known", "corpus=c4"], "no group 'corpus'"),
        (["differences", "{}", "--group", "famly"], "Did you mean 'family'"),
        (["differences", "{}", "--baseline", "cosin"], "Did you mean 'cosine'"),
        (["prior", "{}", "-o", "card.txt"], "ends in .toml"),
        (["prior", "{}", "-o", "nowhere/card.toml"], "no folder nowhere"),
        (["prior", "{}", "-o", "card.toml", "--family", "wds"], "Did you mean 'wsd'"),
        (["families", "{}", "--parameter", "gamma"], "the law of chinchilla has E"),
        (["families", "{}", "--picture", "a.txt"], ".png"),
    ],
)
def test_what_is_not_understood_is_one_clear_line_and_writes_nothing(saved, capsys, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert main([word.format(saved) for word in words]) == 2
    printed = capsys.readouterr().err
    assert said in printed.replace("\n", " ")
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_a_posterior_becomes_a_card_that_can_be_fitted(saved, capsys, tmp_path):
    path = tmp_path / "next.toml"
    assert main(["prior", saved, "-o", str(path)]) == 0
    assert str(path) in capsys.readouterr().out.replace("\n", "")
    card = bs.load_card(path)
    assert card.name == "next"
    assert set(card.reference) == {"params", "tokens"}
    same = tmp_path / "same.toml"
    assert main(["prior", saved, "-o", str(same), "--family", "new"]) == 0
    assert bs.load_card(same).priors == card.priors


def test_several_columns_name_families_on_the_command_line(tmp_path, capsys):
    from pinned import simulated_frame

    frame = simulated_frame(sizes=3, ratios=3, corpus="c4", schedule="wsd")
    path = tmp_path / "runs.csv"
    frame.to_csv(path, index=False)
    assert main(["check", str(path), "--family", "corpus,schedule"]) == 0
    assert "corpus / schedule" in capsys.readouterr().out


def test_columns_that_label_runs_are_named_on_the_command_line(tmp_path, capsys):
    from pinned import simulated_frame

    frame = simulated_frame(sizes=3, ratios=3).assign(cluster=list("xyz") * 3, node=list("xyz") * 3)
    path = tmp_path / "runs.csv"
    frame.to_csv(path, index=False)
    assert main(["check", str(path), "--labels", "cluster,node"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "labels cluster (3 values), node (3 values)" in said
    assert "9 of 9 runs share 3 values of cluster" in said
    assert main(["check", str(path), "--labels", "clster"]) == 2
    assert "Did you mean 'cluster'?" in capsys.readouterr().err
