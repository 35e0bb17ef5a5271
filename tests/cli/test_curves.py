import json

import numpy as np
import pytest
from curved import pinned_curves, simulated, simulated_curves, upto

import bayescale as bs
from bayescale.cli.main import main
from bayescale.errors import QuestionError

ROWS = [(run, step, 2 + 5 / step**0.5 + place) for place, run in enumerate("ab") for step in range(10, 210, 10)]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text("\n".join(["model,step,loss", *(f"{run},{step},{loss:.6f}" for run, step, loss in ROWS)]) + "\n")
    return path


def said(capsys, *words):
    assert main(["check", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_check_knows_a_table_of_checkpoints(log, tmp_path, capsys):
    about = tmp_path / "models.csv"
    about.write_text("run,N,corpus\na,70M,web\nb,160M,web\n")
    text = said(capsys, log, "--run", "model", "--batch", "1k", "--about", about)
    assert "  runs        2\n  checkpoints 38, 19 a run\n" in text
    assert "tokens      D: 20k to 200k" in text
    assert "params      N: 70M to 160M" in text
    assert "Left out: 2 of 40 checkpoints\n  first tokens: 2 checkpoints of 2 runs (within the first 10%" in text
    assert "  nothing as: diverged, warm-up, spike\n" in text
    assert "  - no column for tokens: they are taken to be batch x step" in text


def test_check_knows_a_trackers_file_and_a_table_by_its_repeated_runs(log, tmp_path, capsys):
    log.write_text(log.read_text().replace("model,", "run,"))
    assert "(training curves)" in said(capsys, log)
    state = {"global_step": 200, "log_history": [{"step": step, "loss": loss} for _, step, loss in ROWS[:20]]}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    text = said(capsys, tmp_path / "trainer_state.json")
    assert "checkpoints 19, 19 a run" in text
    assert "is the loss on the text that was being trained on" in text


def test_check_knows_the_rules_that_a_card_names(log, tmp_path, capsys):
    card = tmp_path / "mine.toml"
    card.write_text('extends = "chinchilla"\n[curve.filters]\nfirst = 0.3\nspike = false\n')
    text = said(capsys, log, "--run", "model", "--batch", "1k", "--model", card)
    assert "Left out: 10 of 40 checkpoints\n  first tokens: 10 checkpoints of 2 runs (within the first 30%" in text
    assert "spike" not in text


def test_a_forecast_from_curves_is_of_the_last_checkpoint_of_each_run(log, tmp_path, capsys, monkeypatch):
    (tmp_path / "models.csv").write_text("run,N\na,70M\nb,160M\n")
    asked = {}

    def answer(runs, cards, **options):
        asked["runs"] = runs
        raise QuestionError("enough")

    monkeypatch.setattr("bayescale.forms.check_question", answer)
    words = ["--run", "model", "--batch", "1k", "--about", str(tmp_path / "models.csv"), "--compute", "100x"]
    assert main(["forecast", str(log), *words]) == 2
    told = capsys.readouterr().err
    assert "Left out: 2 of 40 checkpoints" in told
    assert "Of these training curves the last checkpoint of each of 2 runs." in told
    assert asked["runs"]["tokens"].values.tolist() == [200e3, 200e3]


def test_runs_that_have_not_ended_are_named_where_their_last_losses_are_taken(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "bayescale.studies.stack.stack_forms", lambda *args, **options: (_ for _ in ()).throw(QuestionError("no"))
    )
    curves = simulated(runs=4)
    early = (curves["run"] == "r02") & (curves["tokens"] > 6e9)
    curves[~early].to_csv(tmp_path / "curves.csv", index=False)
    assert main(["forecast", str(tmp_path / "curves.csv"), "--compute", "100x"]) == 2
    told = capsys.readouterr().err.replace("\n", " ")
    assert "warning: 1 of 4 runs are not at their planned end, taken as if they were: r02 (" in told
    assert "warning: 1 of 4 runs end at a higher learning rate than others, which holds their loss up: r02." in told


def test_cards_of_curves_and_of_finished_runs_are_asked_apart(log, capsys):
    assert main(["compare", str(log), "chinchilla", "chinchilla+curve", "--run", "model"]) == 2
    assert "ask about one kind at a time" in capsys.readouterr().err.replace("\n", " ")


def test_what_annealing_would_give_now(tmp_path, capsys):
    curves = simulated_curves(runs=4)
    bs.save_fit(pinned_curves(curves), tmp_path / "fit.nc")
    half = simulated(runs=4)
    half[half["tokens"] <= 1e10].to_csv(tmp_path / "half.csv", index=False)
    words = ["finish", str(tmp_path / "fit.nc"), str(tmp_path / "half.csv"), "--annealed"]
    assert main(words) == 0
    text = capsys.readouterr().out
    now = bs.answers.annealed(pinned_curves(curves), upto(curves, 0.5))
    assert f"Annealing now would take {float(now['gained'].median()):.1%} off the loss of a run in the middle." in text
    assert f"{float(now['measured'][0]):.4g}" in text
    assert main([*words, "--tokens", "20B", "--lr-fraction", "0.1"]) == 2
    assert "it does not take --tokens, --lr-fraction." in capsys.readouterr().err.replace("\n", " ")


def test_check_of_a_folder_that_holds_nothing(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 2
    assert "without a training log that is known here" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.sampling
def test_fit_curves_and_say_where_runs_in_progress_will_end(tmp_path, capsys):
    rng = np.random.default_rng(2)
    offsets = rng.normal(0, 0.01, 8)
    rows = [
        (f"r{k}", n, d, (1.7 + 400 / n**0.34 + 410 / d**0.28) * np.exp(offsets[k] + rng.normal(0, 0.002)))
        for k, n in enumerate(np.repeat([1e7, 3e7, 1e8, 3e8], 2))
        for d in np.linspace(1e9, 20e9, 20)
    ]
    whole, early = tmp_path / "whole.csv", tmp_path / "early.csv"
    for path, some in ((whole, rows), (early, [row for row in rows if row[0] in ("r0", "r5") and row[2] < 8e9])):
        path.write_text("\n".join(["run,N,tokens,loss", *(",".join(map(str, row)) for row in some)]) + "\n")
    out = tmp_path / "fit.nc"
    assert main(["fit", str(whole), "--model", "chinchilla+curve", "-o", str(out), "--draws", "300"]) == 0
    capsys.readouterr()
    words = ["finish", str(out), str(early), "--allow-unconverged", "--tolerance", "0.2"]
    assert main(words) == 2
    assert "does not say where it will end; give tokens=" in capsys.readouterr().err.replace("\n", " ")
    picture = ["--tokens", "20B", "--picture", str(tmp_path / "ends.png"), "--picture-of"]
    assert main([*words, *picture, "r55"]) == 2
    assert "--picture-of 'r55': no such run. Did you mean 'r5'?" in capsys.readouterr().err.replace("\n", " ")
    assert main([*words, *picture, "r5"]) == 0
    text = capsys.readouterr().out
    assert "r0" in text
    assert "r5" in text
    assert "% of 20B" in text
    assert "not yet" not in text
    assert "lowest of 2 (probability 1.00); 2 of 2 may be stopped by now.\nPicture:" in text
    assert (tmp_path / "ends.png").stat().st_size > 5000
