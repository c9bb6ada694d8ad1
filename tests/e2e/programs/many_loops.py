"""As many threads as its argument says, each with a loop of its own that waits."""

import select
import sys
import threading


def wait(ready):
    poll = select.epoll()
    poll.poll(0)
    ready.release()
    poll.poll()


ready = threading.Semaphore(0)
for _ in range(int(sys.argv[1])):
    threading.Thread(target=wait, args=[ready], daemon=True).start()
    ready.acquire()
print('ready', flush=True)
threading.Event().wait()
