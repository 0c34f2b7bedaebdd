"""``python -m tinygrad_lite.gradcheck`` proves every rule and prints the table."""

import sys

from .proof import main

sys.exit(main())
