"""makes_orphans.py: leaves five orphans that end at once. When only itself and PID 1 are left it ends with status 3, when it has waited
too long for that, with 4."""

import os
import sys
import time

for _ in range(5):
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
deadline = time.monotonic() + float(sys.argv[1])
while time.monotonic() < deadline:
    if {int(name) for name in os.listdir('/proc') if name.isdigit()} == {1, os.getpid()}:
        sys.exit(3)
    time.sleep(0.02)
sys.exit(4)
