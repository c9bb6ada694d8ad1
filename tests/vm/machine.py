"""Machines that QEMU emulates: each boots one of the kernels in BUILD/vm with the initramfs that is
there, runs one command in this repository, and ends. `make vm` has put them there."""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get('BUILD', 'build')
FOLDER = BUILD / 'vm'

# By the suites of Debian that they come from.
KERNELS = 'bookworm', 'bookworm-backports'

MOST_LINES_OF_KERNEL = 100  # a panic with what came before it


def why_not(kernel):
    """What is missing; None where nothing is."""
    if not shutil.which('qemu-system-x86_64'):
        return 'qemu-system-x86_64 is not installed'
    for file in kernel, 'initramfs':
        if not (FOLDER / file).exists():
            return f'{FOLDER / file} is not there: make vm'
    return None


class Machine:
    """One that runs a command, which starts when its lines are first asked for."""

    def __init__(self, kernel, command, seconds):
        self.kernel, self.command, self.seconds = kernel, command, seconds
        self.status = None  # the command's exit status; None where it did not end in time

    def lines(self):
        """What the console says, line by line."""
        # What the kernel does not know it hands on to /init, as its environment.
        parameters = ['console=ttyS0', 'quiet', 'panic=-1', 'syscall.x32=y', f'ROOT={ROOT}', f'BUILD={BUILD}',
                      f'"RUN={self.command}"']
        process = subprocess.Popen(
            ['qemu-system-x86_64', '-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max',
             '-smp', '2', '-m', '1536', '-nodefaults', '-no-user-config', '-no-reboot',
             '-display', 'none', '-serial', 'stdio', '-kernel', FOLDER / self.kernel,
             '-initrd', FOLDER / 'initramfs', '-append', ' '.join(parameters)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors='replace', start_new_session=True)
        end = threading.Timer(self.seconds, process.kill)
        end.start()
        of_kernel = collections.deque(maxlen=MOST_LINES_OF_KERNEL)
        try:
            for line in process.stdout:
                line = line.rstrip()
                if ended := re.search(r'init: ended with (\d+)$', line):
                    self.status = int(ended[1])
                elif re.match(r'\[ *\d+\.\d+\] ', line):
                    of_kernel.append(line)
                else:
                    yield line
            if self.status is None:  # what killed it, where it has not been too long
                yield from of_kernel
        finally:
            end.cancel()
            process.kill()
            process.wait()
