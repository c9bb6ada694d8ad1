"""redis_client.py PORT SCHEDULE: makes a redis-server stall by a schedule (a JSON file), with DEBUG SLEEP.

It starts with a line on stdin and says "end" when the schedule is over. Beside that it sends a GET every 10 ms, as
somebody who uses the server would.
"""

import json
import socket
import sys
import threading
import time


def ask(connection, *words):
    """Sends a command and waits for its answer of one line."""
    connection.sendall(b''.join([b'*%d\r\n' % len(words),
                                 *(b'$%d\r\n%s\r\n' % (len(word), word) for word in words)]))
    answer = b''
    while not answer.endswith(b'\r\n'):
        answer += connection.recv(4096)
    if answer.startswith(b'-'):
        sys.exit(answer.decode())


def get_now_and_then(port):
    with socket.create_connection(('127.0.0.1', port)) as connection:
        while True:
            ask(connection, b'GET', b'nothing')
            time.sleep(0.01)


def main(port, schedule_path):
    with open(schedule_path) as file:
        schedule = json.load(file)
    connection = socket.create_connection(('127.0.0.1', port))
    print('ready', flush=True)
    sys.stdin.readline()
    threading.Thread(target=get_now_and_then, args=[port], daemon=True).start()
    start = time.monotonic()
    for at, duration in schedule['stalls']:
        time.sleep(max(0, start + at - time.monotonic()))
        ask(connection, b'DEBUG', b'SLEEP', b'%f' % duration)
    time.sleep(max(0, start + schedule['seconds'] - time.monotonic()))
    print('end', flush=True)


main(int(sys.argv[1]), sys.argv[2])
