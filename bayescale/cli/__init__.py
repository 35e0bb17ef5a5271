"""The command ``bayescale``."""
