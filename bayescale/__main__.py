"""``python -m bayescale`` is the command ``bayescale``."""

import sys

from bayescale.cli.main import main

sys.exit(main())
