"""What the tests of eBPF have in common. They run as root, or are skipped with the reason."""

import os
import pathlib
import re

from e2e.harness import LOOPTAP, PROBE, LooptapTest, Metrics, make_folder, require_root, wait_until

# The hooks of which the caller knows that they work here (tests/vm/init does so).
MUST_WORK = os.environ.get('BPF_HOOKS', 'tracepoint,uprobe').split(',')


def cgroup_root():
    """Where the v2 hierarchy is mounted, or None."""
    with open('/proc/self/mounts') as mounts:
        for line in mounts:
            _, place, kind, *_ = line.split()
            if kind == 'cgroup2':
                return pathlib.Path(place)
    return None


def require_bpf(test):
    require_root('eBPF takes CAP_BPF and CAP_PERFMON')
    if not os.path.exists('/sys/kernel/btf/vmlinux'):
        test.skipTest('this kernel has no BTF')


def skip_if_refused(test, hook, error):
    """Of an exporter that did not start: the test is skipped, with what the exporter says, where the kernel may refuse
    the hook and does. Any other failure is one."""
    if hook in MUST_WORK or 'the kernel refuses' not in error.args[0]:
        raise error
    test.skipTest(re.search(r"stderr '(?:looptap: )?(.*?)\\n", error.args[0])[1])


class HookTest:
    """Mixed into tests of one hook, which a kernel may refuse."""

    hook = None

    def setUp(self):
        require_bpf(self)
        super().setUp()

    def measure(self, *flags, hook=None):
        """An exporter that measures through the hook, and what the flags name."""
        hook = hook or self.hook
        try:
            return self.serve(f'--bpf.hook={hook}', *flags)
        except AssertionError as error:
            skip_if_refused(self, hook, error)


class BpfTest(LooptapTest):
    """Exporters that measure by eBPF whatever runs in a cgroup of the test's own, and programs that run there."""

    hook = 'auto'

    def setUp(self):
        require_bpf(self)
        self.cgroup = self.make_cgroup()
        super().setUp()

    def make_cgroup(self):
        root = cgroup_root()
        if not root:
            self.skipTest('cgroup v2 is not mounted')
        try:
            group = make_cgroup_folder(root)
        except OSError as error:
            self.skipTest(f'no cgroup can be made: {error}')
        self.addCleanup(remove_cgroup, group)
        return group

    def start(self, command, *arguments, **options):
        """Starts it in the cgroup, unless it is looptap."""
        if str(command[0]) == str(LOOPTAP):
            return super().start(command, *arguments, **options)
        return super().start(['/bin/sh', '-c', 'echo $$ >"$0" && exec "$@"',
                              self.cgroup / 'cgroup.procs', *command], *arguments, **options)

    def measure(self, *flags, targets=None, segments=None, **options):
        """An exporter with eBPF. By default of what is in the cgroup, and of no segments."""
        exporter = self.start(
            [LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0', f'--bpf.hook={self.hook}',
             f'--segments.dir={segments or make_folder(self, None, 0o1777)}',
             *(f'--bpf.target={target}' for target in targets or [f'cgroup:{self.cgroup}']),
             *flags], environment=self.environment(), **options)
        return Metrics(exporter)


def make_cgroup_folder(root):
    for number in range(1000):
        group = root / f'looptap-test-{os.getpid()}-{number}'
        try:
            group.mkdir()
            return group
        except FileExistsError:
            continue
    raise OSError('too many cgroups')


def remove_cgroup(group):
    def is_removed():
        try:
            group.rmdir()
            return True
        except FileNotFoundError:
            return True
        except OSError:
            return False
    wait_until(is_removed, f'{group} is empty')


class OnBpf(BpfTest):
    """Mixed into a test of the probe: the same on eBPF, without the probe."""

    def serve(self, *flags, **options):
        return self.measure(*flags, **options)

    def assertAlmostEqual(self, first, second, delta, msg=None):
        """The way into the kernel and out of it, in which a thread may lose its processor, is here on the other side
        of the border between wait and iteration than where a program, or the probe, looks at the clock."""
        super().assertAlmostEqual(first, second, delta=4 * delta, msg=msg)

    def environment(self, preload=(), **variables):
        return super().environment([library for library in preload if library != PROBE], **variables)
