"""An ASGI application that says its worker's pid; /block?MS blocks the worker's loop before."""

import os
import time


async def app(scope, receive, send):
    assert scope['type'] == 'http'
    if scope['path'] == '/block':
        time.sleep(int(scope['query_string']) / 1000)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': str(os.getpid()).encode()})
