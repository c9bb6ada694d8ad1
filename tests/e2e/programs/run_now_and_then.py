"""Runs an asyncio loop that it keeps, and turns to other work until it reads a line; three times."""

import asyncio
import sys

loop = asyncio.new_event_loop()
for number in range(3):
    loop.run_until_complete(asyncio.sleep(0.001))
    print('works', number, flush=True)
    sys.stdin.buffer.raw.readline()
loop.close()
