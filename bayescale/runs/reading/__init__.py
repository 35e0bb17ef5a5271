"""A table of runs, understood: columns, units, names, what is missing."""
