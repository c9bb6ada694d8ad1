"""Tasks for a celery worker whose broker is the Redis at $BROKER; run by itself, it asks for some."""

import os
import time

import celery

app = celery.Celery('tasks', broker=os.environ['BROKER'], backend=os.environ['BROKER'])


@app.task(name='work')
def work(milliseconds):
    time.sleep(milliseconds / 1000)
    return os.getpid()


if __name__ == '__main__':
    for result in [work.delay(milliseconds) for milliseconds in (5, 1000, 5, 5)]:
        print(result.get(timeout=60))
