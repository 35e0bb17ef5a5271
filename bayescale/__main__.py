"""``python -m bayescale`` is the command ``bayescale``."""

import sys

from bayescale.cli import main

sys.exit(main())
