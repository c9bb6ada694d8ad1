"""Prints the descriptors that are open before it has an epoll instance, while it waits on one, in a forked child that
waits too, and afterwards."""

import os
import select


def print_open(when):
    print(when, sorted(int(number) for number in os.listdir('/proc/self/fd')), flush=True)


print_open('before')
loop = select.epoll()
loop.poll(0.001)
print_open('waiting')
child = os.fork()
if child == 0:
    loop.poll(0.001)
    print_open('child')
    os._exit(0)
os.waitpid(child, 0)
loop.close()
print_open('after')
