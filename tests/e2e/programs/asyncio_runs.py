"""asyncio_runs.py TIMES [PAUSE]: so many loops one after the other, with seconds of sleep in between."""

import asyncio
import sys
import time

for _ in range(int(sys.argv[1])):
    asyncio.run(asyncio.sleep(0.001))
    if sys.argv[2:]:
        time.sleep(float(sys.argv[2]))
