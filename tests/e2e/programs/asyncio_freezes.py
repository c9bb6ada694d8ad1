"""Waits for lines on its stdin. Each is a number of seconds for which it then blocks its event loop."""

import asyncio
import sys
import time


def freeze(closed):
    line = sys.stdin.buffer.raw.readline()
    if not line:
        closed.set()
        return
    print('freezing', flush=True)
    time.sleep(float(line))
    print('thawed', flush=True)


async def main():
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, freeze, closed)
    print('ready', flush=True)
    await closed.wait()


asyncio.run(main())
