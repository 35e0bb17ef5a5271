"""How many processes a machine bears: worked examples of what Linux says of cores and memory."""

import os

import pytest

from bayescale.parallel import limits, usable_cores, worker_limit

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 8 cores and 16 GiB of which 12 are free, in no container."""
    monkeypatch.delenv("BAYESCALE_WORKERS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(limits, "CGROUP", tmp_path)
    monkeypatch.setattr(limits, "MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text(f"MemTotal: {16 * 2**20} kB\nMemAvailable: {12 * 2**20} kB\n")
    return tmp_path


def test_every_core_gets_a_worker_where_there_is_memory(machine):
    assert (usable_cores(), worker_limit()) == (8, 8)


@pytest.mark.parametrize(("written", "cores"), [("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1)])
def test_a_container_with_a_share_of_the_cores_is_heeded(machine, written, cores):
    (machine / "cpu.max").write_text(written)
    assert (usable_cores(), worker_limit()) == (cores, cores)


def test_a_container_without_limits_has_the_machine(machine):
    (machine / "cpu.max").write_text("max 100000\n")
    (machine / "memory.max").write_text("max\n")
    (machine / "memory.current").write_text("1\n")
    assert worker_limit() == 8


def test_the_older_kind_of_container_is_heeded(machine):
    (machine / "cpu").mkdir()
    (machine / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (machine / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores() == 3
    (machine / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cores() == 8


def test_memory_bounds_the_workers(machine):
    (machine / "meminfo").write_text(f"MemAvailable: {3 * 2**20} kB\n")
    assert worker_limit() == 3
    (machine / "memory.max").write_text(f"{4 * GIB}")
    (machine / "memory.current").write_text(f"{3 * GIB}")
    (machine / "memory.stat").write_text(f"anon 5\ninactive_file {GIB}\n")
    assert worker_limit() == 2
    (machine / "memory.current").write_text(f"{4 * GIB}")
    (machine / "memory.stat").unlink()
    assert worker_limit() == 1


def test_the_user_has_the_last_word(machine, monkeypatch):
    monkeypatch.setenv("BAYESCALE_WORKERS", "20")
    assert (usable_cores(), worker_limit()) == (8, 20)
