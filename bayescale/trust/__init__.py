"""How far a way to fit can be believed: calibration, checks of the model, what an answer hangs on, and a grade."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
