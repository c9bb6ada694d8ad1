"""A GLib main loop with 30 timeouts of 10 ms, the last of which blocks for 150 ms."""

import time

from gi.repository import GLib

loop = GLib.MainLoop()
ticks = 0


def tick():
    global ticks
    ticks += 1
    if ticks == 30:
        time.sleep(0.15)
        loop.quit()
    return True


GLib.timeout_add(10, tick)
loop.run()
print(ticks)
