"""`bayescale outliers` on a posterior made by hand."""

import pytest
from pinned import pinned_fit

import bayescale as bs
from bayescale.cli.main import main


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("outliers") / "fit.nc"
    bs.save_fit(pinned_fit("chinchilla"), path)
    return path


def test_runs_are_listed_with_the_sentence_and_a_picture(saved, tmp_path, capsys):
    picture = tmp_path / "off.png"
    assert main(["outliers", str(saved), "--top", "3", "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "the first 3 of 16" in said
    assert "count less than half as much as one on the law" in said
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("top", ["0", "-1", "2.5", "all"])
def test_so_many_runs_cannot_be_listed(saved, capsys, top):
    assert main(["outliers", str(saved), "--top", top]) == 2
    assert "accepted is a whole number, 1 or more" in capsys.readouterr().err


def test_a_picture_of_another_kind_is_refused(saved, tmp_path, capsys):
    assert main(["outliers", str(saved), "--picture", str(tmp_path / "off.txt")]) == 2
    assert "accepted are files that end in" in capsys.readouterr().err
