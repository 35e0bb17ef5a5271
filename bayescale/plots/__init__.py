"""Figures: a function for each, on what the answers, the comparison of forms and the backtest return.

A plot takes an answer and ``ax``, draws on these axes and returns them; it computes no answer of its own. Plots are
listed in ``__init__.pyi``, and a plot is imported when it is first asked for, with matplotlib.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
