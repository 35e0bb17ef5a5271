"""Sentences, made from numbers and records here and in the command line, and nowhere else."""
