"""record_signals.py FILE: appends the name of each signal that it gets to FILE, "ready" before the first.
SIGTERM ends it, with status 9."""

import os
import signal
import sys


def record(line):
    with open(sys.argv[1], 'a') as file:
        file.write(line + '\n')


# Python writes the number of each signal into the pipe as soon as it comes, so that none is missed and
# none is counted once for two.
numbers, write_end = os.pipe()
os.set_blocking(write_end, False)
signal.set_wakeup_fd(write_end)
for known in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(known, lambda *_: None)
record('ready')
while True:
    [number] = os.read(numbers, 1)
    record(signal.Signals(number).name)
    if number == signal.SIGTERM:
        sys.exit(9)
