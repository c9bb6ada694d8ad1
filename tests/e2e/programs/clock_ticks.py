"""clock_ticks.py WAITS: so many waits of 50 ms on an epoll instance without descriptors. Prints what year it is, and
how long CLOCK_MONOTONIC says that took."""

import datetime
import select
import sys
import time

start = time.monotonic()
loop = select.epoll()
for _ in range(int(sys.argv[1])):
    loop.poll(0.05)
loop.close()
print(datetime.date.today().year, time.monotonic() - start)
