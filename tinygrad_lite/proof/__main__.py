"""``python -m tinygrad_lite.proof [rule …]`` proves every rule, or some, and prints the table."""

import os
import sys

from .rule_proof import main

try:
    status = main()
    sys.stdout.flush()
except BrokenPipeError:  # a reader such as head closed the pipe: discard the rest
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status = 1
sys.exit(status)
