"""asyncio_ticks.py TICKS [rest]: so many timers of 1 ms one after the other. Then it ends, or, told to
rest, prints "resting" and waits for its stdin to close."""

import asyncio
import sys


async def main():
    for _ in range(int(sys.argv[1])):
        await asyncio.sleep(0.001)
    if sys.argv[2:] == ['rest']:
        closed = asyncio.Event()
        asyncio.get_running_loop().add_reader(0, closed.set)
        print('resting', flush=True)
        await closed.wait()


asyncio.run(main())
