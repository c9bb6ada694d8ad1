"""asyncio_blocks.py SECONDS SHARE SEED RECORD: blocks its loop now and then with time.sleep, for 1 to
300 ms each time and a share of the time in all. Writes to the file RECORD, as JSON, when its loop
began and ended and each (start, end) of its blocking calls, in nanoseconds of CLOCK_MONOTONIC."""

import asyncio
import json
import random
import sys
import time


async def main(seconds, share, seed, path):
    chance = random.Random(seed)
    calls = []
    start = time.monotonic_ns()
    end = start + int(seconds * 1e9)
    while time.monotonic_ns() < end:
        blocked = chance.uniform(0.001, 0.3)
        before = time.monotonic_ns()
        time.sleep(blocked)
        calls.append((before, time.monotonic_ns()))
        await asyncio.sleep(chance.uniform(0, 2) * blocked * (1 - share) / share)
    with open(path, 'w') as record:
        json.dump({'start': start, 'end': time.monotonic_ns(), 'calls': calls}, record)


asyncio.run(main(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
