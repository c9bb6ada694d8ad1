"""fleet.py COUNT RECORDS: so many processes, each with an asyncio loop that ticks 20 times a second and blocks for a tenth
of the time, for 1 to 400 ms at once, in its own way. Says "ready" when all run. At the end of stdin each writes to the
folder RECORDS when it blocked: lines of two times of the wall clock."""

import asyncio
import os
import random
import signal
import sys
import time

SHARE = 0.1


async def tick():
    while True:
        await asyncio.sleep(0.05)


async def block_now_and_then(chance, calls, told):
    ticking = asyncio.create_task(tick())
    while not told.is_set():
        blocked = chance.uniform(0.001, 0.4)
        before = time.time()
        time.sleep(blocked)
        calls.append((before, time.time()))
        try:
            await asyncio.wait_for(told.wait(), chance.uniform(0, 2) * blocked * (1 - SHARE) / SHARE)
        except asyncio.TimeoutError:
            pass
    ticking.cancel()


async def run(number, path):
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    chance, calls = random.Random(number), []
    await asyncio.sleep(chance.uniform(0, 1))
    await block_now_and_then(chance, calls, told)
    with open(path, 'w') as record:
        record.writelines(f'{before!r} {after!r}\n' for before, after in calls)


def main(count, records):
    # A child that is told to end before its loop can hear that ends when it can.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            asyncio.run(run(number, f'{records}/{number}'))
            os._exit(0)
        children.append(child)
    print('ready', flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGTERM)
    for child in children:
        os.waitpid(child, 0)


main(int(sys.argv[1]), sys.argv[2])
