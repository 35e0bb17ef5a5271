import os

import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.errors import OutputError, QuestionError
from bayescale.runs import content_hash


@pytest.mark.parametrize("families", [None, {"old": ROUNDED, "new": BESIROGLU}], ids=["one", "two"])
def test_what_is_saved_is_what_is_loaded(tmp_path, families):
    fit = pinned_fit(families=families, spread=0.1)
    path = bs.save_fit(fit, tmp_path / "fit.nc")
    back = bs.load_fit(path)
    assert set(back.children) == set(fit.children)
    for name in fit.children:
        xr.testing.assert_equal(back[name].to_dataset(), fit[name].to_dataset())
    assert set(back.attrs) == set(fit.attrs)
    for name, value in fit.attrs.items():
        assert back.attrs[name] == value
    assert os.listdir(tmp_path) == ["fit.nc"], "no temporary file may be left"


@pytest.mark.parametrize("families", [None, {"old": ROUNDED, "new": BESIROGLU}], ids=["one", "two"])
def test_a_posterior_is_read_as_xarray_reads_it(tmp_path, families):
    fit = pinned_fit(families=families, spread=0.1)
    fit["posterior"] = fit["posterior"].to_dataset().assign(cells=("unlabelled", np.arange(3.0)), right=True)
    path = bs.save_fit(fit, tmp_path / "fit.nc")
    back, wanted = bs.load_fit(path), xr.open_datatree(path, engine="h5netcdf").load()
    xr.testing.assert_identical(back, wanted)
    for group in wanted.groups:
        types = [{name: variable.dtype for name, variable in tree[group].variables.items()} for tree in (back, wanted)]
        assert types[0] == types[1]


def test_a_loaded_posterior_answers_as_the_saved_one(tmp_path):
    fit = pinned_fit(spread=0.1)
    back = bs.load_fit(bs.save_fit(fit, str(tmp_path / "fit.nc")))
    xr.testing.assert_equal(bs.extrapolate(back, "100x"), bs.extrapolate(fit, "100x"))
    xr.testing.assert_equal(bs.optimal_split(back, 1e24), bs.optimal_split(fit, 1e24))
    assert bs.verdict(back) == bs.verdict(fit)


def test_the_runs_come_back_from_the_posterior(tmp_path):
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU})
    runs = bs.inference.runs_of(bs.load_fit(bs.save_fit(fit, tmp_path / "fit.nc")))
    assert runs.attrs["sha256"] == fit.attrs["sha256"]
    assert "family" in runs.coords
    assert set(runs.data_vars) >= {"params", "tokens", "compute", "loss"}
    assert content_hash(runs) == fit.attrs["sha256"]


def test_a_loaded_posterior_holds_no_file(tmp_path):
    path = bs.save_fit(pinned_fit(), tmp_path / "fit.nc")
    back = bs.load_fit(path)
    bs.save_fit(pinned_fit(paper=ROUNDED), path)
    np.testing.assert_allclose(back["posterior"]["E"], 1.8172)
    np.testing.assert_allclose(bs.load_fit(path)["posterior"]["E"], 1.69)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = bs.save_fit(pinned_fit(), tmp_path / "fit.nc")
    before = path.read_bytes()

    def broken(self, name, **_):
        with open(name, "wb") as half:
            half.write(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", broken)
    with pytest.raises(OutputError, match=r"cannot write .*fit\.nc: No space left on device"):
        bs.save_fit(pinned_fit(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["fit.nc"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*nowhere/fit\.nc: there is no folder"):
        bs.save_fit(pinned_fit(), tmp_path / "nowhere" / "fit.nc")


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        bs.save_fit(pinned_fit(), tmp_path / "file" / "fit.nc")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        bs.save_fit(pinned_fit(), tmp_path / "fit.nc")


def test_a_posterior_that_is_not_there(tmp_path):
    with pytest.raises(QuestionError, match=r"there is no file .*fit\.nc.*bayescale fit"):
        bs.load_fit(tmp_path / "fit.nc")
    with pytest.raises(QuestionError, match="is a folder; accepted: the file of a posterior"):
        bs.load_fit(tmp_path)


@pytest.mark.parametrize("content", [b"", b"run,loss\na,2.5\n", b"\x89HDF\r\n\x1a\n but cut short"])
def test_a_file_that_is_no_netcdf(tmp_path, content):
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(QuestionError, match=r"runs\.csv is not a posterior that bayescale wrote"):
        bs.load_fit(path)


def test_netcdf_without_a_model_card(tmp_path):
    path = tmp_path / "other.nc"
    xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0])})}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(QuestionError, match="not a posterior that bayescale wrote: it carries no model card"):
        bs.load_fit(path)
