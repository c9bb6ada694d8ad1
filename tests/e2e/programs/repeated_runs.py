"""repeated_runs.py RUNS [uvloop] [held]: calls asyncio.run so many times, in each of which the loop goes round twice. Told to
hold, it prints a line after each and does plain work until it reads one. Prints, in the end, the seconds that it spent
inside asyncio.run."""

import asyncio
import sys
import time


async def main():
    await asyncio.sleep(0)
    await asyncio.sleep(0)


options = sys.argv[2:]
if 'uvloop' in options:
    import uvloop
    uvloop.install()

spent = 0
for number in range(int(sys.argv[1])):
    start = time.monotonic()
    asyncio.run(main())
    spent += time.monotonic() - start
    if 'held' in options:
        print('ran', number + 1, flush=True)
        sys.stdin.buffer.raw.readline()
print('spent', spent, flush=True)
