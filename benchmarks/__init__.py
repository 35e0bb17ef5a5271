"""Benchmarks: how well this package and the methods in use predict real runs; `make benchmark-trust` runs them."""
