"""asyncio_period.py BLOCKED PERIOD: blocks its loop for so many seconds at the start of each period, for
ever."""

import asyncio
import sys
import time


async def main(blocked, period):
    loop = asyncio.get_running_loop()
    next_start = loop.time()
    while True:
        time.sleep(blocked)
        next_start = max(next_start + period, loop.time())
        await asyncio.sleep(next_start - loop.time())


asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
