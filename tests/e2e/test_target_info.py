"""looptap_target_info says in which pod and container a process runs."""

import subprocess

from e2e.bpf_test import BpfTest, remove_cgroup
from e2e.harness import PROBE, PROGRAMS, PYTHON, wait_until

POD = '1b52ad8e-3c3f-4a10-9a2f-0f2d2d1a1c55'
CONTAINER = '5f6d' * 16


class TargetInfo(BpfTest):

    def enter_pod(self):
        """Programs that are started from now on run in a cgroup of the kind that Kubernetes and containerd make."""
        for name in ('kubepods.slice', f'kubepods-pod{POD.replace("-", "_")}.slice',
                     f'cri-containerd-{CONTAINER}.scope'):
            self.cgroup = self.cgroup / name
            self.cgroup.mkdir()
            self.addCleanup(remove_cgroup, self.cgroup)

    def resting(self, preload=()):
        program = self.start([PYTHON, PROGRAMS / 'asyncio_ticks.py', '10', 'rest'], preload, stdin=subprocess.PIPE)
        wait_until(lambda: 'resting' in program.out, f'{program} rests')
        self.addCleanup(program.stop, 9)  # before the cgroups go
        return program

    def info(self, metrics, program):
        found = metrics.scrape().find('looptap_target_info', pid=str(program.pid))
        return [(labels['process'], labels['pod_uid'], labels['container_id'], labels['runtime'])
                for labels, _ in found]

    def test_of_a_process_that_ebpf_measures(self):
        metrics = self.measure()
        self.enter_pod()
        program = self.resting()
        self.assertEqual(self.info(metrics, program), [('python3', POD, CONTAINER, 'containerd')])

    def test_of_a_process_that_carries_the_probe(self):
        metrics = self.serve()
        self.enter_pod()
        program = self.resting([PROBE])
        self.assertEqual(self.info(metrics, program), [('python3', POD, CONTAINER, 'containerd')])

    def test_of_a_process_in_no_container(self):
        metrics = self.measure()
        program = self.resting()
        self.assertEqual(metrics.scrape().value('eventloop_process_info', pid=str(program.pid)), 1)
        self.assertEqual([pod for _, pod, *_ in self.info(metrics, program) if pod], [])
