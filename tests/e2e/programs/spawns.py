"""spawns.py TIMES: inside iterations of an asyncio loop it runs /bin/true, so many times by subprocess.run, which closes all
descriptors in a vforked child, and so many times by os.posix_spawn. Then it prints "resting" and waits for its stdin to end."""

import asyncio
import os
import subprocess
import sys


async def main(times):
    for _ in range(times):
        subprocess.run(['/bin/true'], close_fds=True, check=True)
        await asyncio.sleep(0.001)
        os.waitpid(os.posix_spawn('/bin/true', ['true'], os.environ), 0)
        await asyncio.sleep(0.001)
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, closed.set)
    print('resting', flush=True)
    await closed.wait()


asyncio.run(main(int(sys.argv[1])))
