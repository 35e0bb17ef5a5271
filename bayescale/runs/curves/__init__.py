"""Checkpoints of runs: places, rates, filters, envelopes."""
