#!/usr/bin/env python3
"""An ordinary asyncio program with an ordinary mistake: now and then a handler blocks its event loop.

It knows nothing of looptap. Like many services it has a watchdog of its own, a coroutine that asks to be woken
every 2 ms and looks how late it is; what that says it prints every two seconds.
"""

import asyncio
import random
import time

WATCHDOG_PERIOD = 0.002


async def serve_requests(random_source):
    """A request every 2 ms or so; every few hundred of them one makes a synchronous call."""
    while True:
        await asyncio.sleep(0.002)
        sum(range(2000))
        if random_source.random() < 0.005:
            time.sleep(random_source.uniform(0.05, 0.3))  # the mistake


async def watchdog(lateness):
    while True:
        due = time.monotonic() + WATCHDOG_PERIOD
        await asyncio.sleep(WATCHDOG_PERIOD)
        lateness.append(max(0.0, time.monotonic() - due))


async def report(lateness):
    while True:
        await asyncio.sleep(2)
        ordered = sorted(lateness)
        p50, p95, p99 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95, 0.99))
        print(f"watchdog {p50:.6f} {p95:.6f} {p99:.6f}", flush=True)


async def main():
    lateness = []
    await asyncio.gather(serve_requests(random.Random(1)), watchdog(lateness), report(lateness))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
