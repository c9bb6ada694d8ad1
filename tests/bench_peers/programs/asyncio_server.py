"""asyncio_server.py [PERIOD...]: an HTTP server on a free port, which it prints, with a watchdog coroutine for each
period (in seconds). GET / says hello; /freeze says so and then blocks the loop for 4 s. A watchdog that is woken more
than 100 ms late says "stall PERIOD"."""

import asyncio
import sys
import time

FREEZE = 4
THRESHOLD = 0.1
HELLO = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n'


class Connection(asyncio.Protocol):

    def connection_made(self, transport):
        self.transport = transport
        self.unread = b''

    def data_received(self, data):
        *requests, self.unread = (self.unread + data).split(b'\r\n\r\n')
        for request in requests:
            self.transport.write(HELLO)
            if b' /freeze ' in request:
                asyncio.get_running_loop().call_later(0.001, time.sleep, FREEZE)


async def watch(period):
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + period
        await asyncio.sleep(period)
        if loop.time() - due > THRESHOLD:
            print(f'stall {period:g}', flush=True)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.gather(*(watch(float(period)) for period in sys.argv[1:]), server.serve_forever())


asyncio.run(main())
