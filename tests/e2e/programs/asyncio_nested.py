"""asyncio_nested.py SECONDS: a callback of the loop waits on an epoll instance of its own, which nothing
comes from. Then it prints "resting" and waits for its stdin to close."""

import asyncio
import select
import sys


async def main():
    inner = select.epoll()
    await asyncio.sleep(0.01)
    inner.poll(float(sys.argv[1]))
    await asyncio.sleep(0.01)
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, closed.set)
    print('resting', flush=True)
    await closed.wait()


asyncio.run(main())
