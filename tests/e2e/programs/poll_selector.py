"""poll_selector.py poll|select|epoll TICKS: an asyncio loop that waits by that call, for so many timers of 1 ms. Prints how
often it has waited."""

import asyncio
import selectors
import sys


def counting(kind):
    class Counting(kind):
        waits = 0

        def select(self, timeout=None):
            self.waits += 1
            return super().select(timeout)

    return Counting()


async def main():
    for _ in range(int(sys.argv[2])):
        await asyncio.sleep(0.001)


selector = counting({'poll': selectors.PollSelector, 'select': selectors.SelectSelector,
                     'epoll': selectors.EpollSelector}[sys.argv[1]])
loop = asyncio.SelectorEventLoop(selector)
loop.run_until_complete(main())
print(selector.waits)
