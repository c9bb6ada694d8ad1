"""asyncio_subprocess.py SECONDS: a callback of the loop runs sleep(1) and waits for its end."""

import asyncio
import subprocess
import sys


async def main():
    await asyncio.sleep(0.01)
    subprocess.run(['sleep', sys.argv[1]], check=True)
    await asyncio.sleep(0.01)


asyncio.run(main())
