"""steady_sender.py PER_SECOND FD: waits for a byte on stdin, then writes so many single bytes a second to the
descriptor, each at its own instant, until nobody reads them. What is late is written at once."""

import contextlib
import ctypes
import os
import sys
import time

PR_SET_TIMERSLACK = 29

rate, descriptor = int(sys.argv[1]), int(sys.argv[2])
ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
os.read(0, 1)
start, sent = time.monotonic(), 0
with contextlib.suppress(BrokenPipeError):
    while True:
        ahead = start + sent / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        os.write(descriptor, b'x')
        sent += 1
