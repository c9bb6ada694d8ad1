"""Waits on an epoll instance, forks, waits on it in the child and the parent, prints the child's pid."""

import os
import select

loop = select.epoll()
for _ in range(5):
    loop.poll(0.001)
child = os.fork()
for _ in range(10 if child else 20):
    loop.poll(0.001)
if child:
    os.waitpid(child, 0)
    print(child)
