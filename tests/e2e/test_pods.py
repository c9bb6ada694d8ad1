"""The manifests of deploy/kubernetes, played by podman with the image that `make test-pods` has built.

The applications are node, on glibc, and a program on musl, each in an image that holds nothing else.
"""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import tarfile
import tempfile
import unittest
import urllib.parse

from e2e.harness import BUILD, ROOT, LooptapTest, find_program, make_folder
from e2e.harness import wait_until as wait_until_within
from e2e.played_pod import (DEADLINE, LOOPTAP_PORT, WEB_PORT, Pod, Podman, load, require_podman,
                            with_libraries)

needs = ('ports', 'bpf')

CACHE_PORT, PROMETHEUS_PORT = 8081, 9090
VERSION = (ROOT / 'VERSION').read_text().strip()
MIB = 1 << 20

class Module:
    """What the tests have in common is gone when all of them are done."""
    addCleanup = staticmethod(unittest.addModuleCleanup)


podman = None
images = {}  # what stands in the place of a manifest's images


def setUpModule():
    global podman
    require_podman()
    node, musl = find_program('node'), BUILD / 'tests/musl/blocks_on_request'
    loader = next(pathlib.Path('/lib').glob('ld-musl-*.so.1'))
    podman = Podman(make_folder(Module, None, 0o755))
    unique = secrets.token_hex(4)
    node_image, musl_image = f'localhost/looptap-test-node:{unique}', f'localhost/looptap-test-musl:{unique}'
    for name, files in ((node_image, with_libraries('/usr/bin/node', node)),
                        (musl_image, {'/usr/bin/blocks_on_request': musl, str(loader): loader})):
        podman.undo_with(Module, 'rmi', '--force', name)
        podman.build(name, files)
    images.update({
        f'localhost/looptap:{VERSION}': {'image': os.environ['LOOPTAP_IMAGE']},
        'docker.io/library/node:22-slim': {'image': node_image},
        'docker.io/library/redis:7-alpine': {'image': musl_image,
                                             'command': ['blocks_on_request', str(CACHE_PORT)]},
        'its twin': {'image': musl_image, 'command': ['blocks_on_request', str(WEB_PORT)]},
    })


def wait_until(condition, what, seconds=DEADLINE):
    return wait_until_within(condition, what, seconds)


def without_sidecar(deployment):
    del deployment['spec']['template']['spec']['initContainers']


def without_startup_probe(deployment):
    del deployment['spec']['template']['spec']['initContainers'][0]['startupProbe']


def tracefs(test):
    """Where it is mounted; else it is, for the test."""
    place = pathlib.Path('/sys/kernel/tracing')
    if (place / 'events/syscalls').exists():
        return place
    place = make_folder(test, None, 0o755)
    subprocess.run(['mount', '-t', 'tracefs', 'tracefs', place], check=True)
    test.addCleanup(subprocess.run, ['umount', place])
    return place


def fill(folder):
    """Writes until the volume is full."""
    with open(folder / 'filler', 'wb', buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass


class PodTest(LooptapTest):

    def play(self, manifest, change=None, prepare=None):
        """change: what is done to the Deployment; prepare: what is done to the pod before it starts."""
        deployment = load(manifest)
        if change:
            change(deployment)
        return Pod(self, podman, deployment, images, prepare)

    def wait_until_measured(self, pod, **labels):
        return wait_until(lambda: pod.answers(LOOPTAP_PORT) and
                          pod.scrape().find('eventloop_waits_total', **labels),
                          f'{labels} is measured')

    def start_blocking(self, pod, port, ms):
        """Asks for a block of the loop, and does not wait for the answer."""
        connection = pod.connect(port)
        self.addCleanup(connection.close)
        connection.sendall(f'GET /?block={ms} HTTP/1.0\r\n\r\n'.encode())
        return connection

    def over_one_second(self, pod, **labels):
        """How many iterations took longer than a second."""
        scrape = pod.scrape()
        return (scrape.total('eventloop_iteration_seconds_count', **labels)
                - scrape.total('eventloop_iteration_seconds_bucket', le='1.0', **labels))

    def assert_unharmed(self, pod, containers_and_ports):
        """The applications have been the same processes since before(), and answer."""
        for name, port in containers_and_ports.items():
            self.assertEqual(pod.get(port, '/?block=1'), 'blocked for 1 ms\n')
            self.assertEqual((pod.pid(name), pod.inspect(name, '.RestartCount')), (self.pids[name], '0'), name)

    def remember(self, pod, containers_and_ports):
        self.pids = {}
        for name, port in containers_and_ports.items():
            pod.wait_until_it_answers(port)
            self.pids[name] = pod.pid(name)

    def kill_and_wait(self, pod, name):
        before = pod.pid(name)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: pod.pid(name) not in (0, before), f'{name} comes back')


class Manifests(PodTest):

    def test_sidecar_measures_an_application_that_is_not_changed(self):
        pod = self.play('sidecar/sidecar.yaml')
        pod.wait_until_it_answers(WEB_PORT)
        self.wait_until_measured(pod, process='node', pid='1')
        self.assertEqual(self.over_one_second(pod), 0)
        pod.get(WEB_PORT, '/?block=1500')
        wait_until(lambda: self.over_one_second(pod, process='node', pid='1') == 1, 'the block is seen')

    def test_classic_sidecar_measures_it_too(self):
        pod = self.play('classic-sidecar/classic-sidecar.yaml')
        pod.wait_until_it_answers(WEB_PORT)
        self.wait_until_measured(pod, process='node', pid='1')
        self.assertEqual(self.over_one_second(pod), 0)
        pod.get(WEB_PORT, '/?block=1500')
        wait_until(lambda: self.over_one_second(pod, process='node', pid='1') == 1, 'the block is seen')

    def test_several_applications_are_told_apart_by_name(self):
        pod = self.play('several-containers/several-containers.yaml')
        for port in WEB_PORT, CACHE_PORT:
            pod.wait_until_it_answers(port)
        for process in 'web', 'cache':
            self.wait_until_measured(pod, process=process, pid='1')
        pod.get(CACHE_PORT, '/?block=1500')
        wait_until(lambda: self.over_one_second(pod, process='cache') == 1, 'the block on musl is seen')
        self.assertEqual(self.over_one_second(pod, process='web'), 0)

    def test_several_applications_of_one_name_are_told_apart_by_namespace(self):
        def unnamed_twins(deployment):
            web, cache = deployment['spec']['template']['spec']['containers']
            web['image'] = 'its twin'
            del web['args']
            for container in web, cache:
                container['env'] = [variable for variable in container['env']
                                    if variable['name'] != 'LOOPTAP_NAME']

        pod = self.play('several-containers/several-containers.yaml', unnamed_twins)
        for port in WEB_PORT, CACHE_PORT:
            pod.wait_until_it_answers(port)
        pids = wait_until(lambda: len(found := pod.scrape().label_values('pid')) == 2 and found, 'both are measured')
        self.assertIn('1', pids)
        self.assertRegex(max(pids), r'\A1@\d+\Z')

    def test_restricted_pods_have_no_privilege(self):
        for manifest in ('sidecar/sidecar.yaml', 'classic-sidecar/classic-sidecar.yaml',
                         'several-containers/several-containers.yaml'):
            with self.subTest(manifest):
                pod = self.play(manifest)
                spec = load(manifest)['spec']['template']['spec']
                names = {container['name'] for container in spec['containers']} | {'looptap'}
                users = set()
                for name in names:
                    process = pathlib.Path(f'/proc/{pod.pid(name)}')
                    status = dict(re.findall(r'^(\w+):\s+(\S+)', (process / 'status').read_text(),
                                             re.MULTILINE))
                    self.assertEqual((int(status['CapEff'], 16), int(status['CapBnd'], 16),
                                      status['NoNewPrivs'], status['Seccomp']), (0, 0, '1', '2'), name)
                    users.add(status['Uid'])
                    mounts = {line.split()[1]: line.split()[3].split(',')
                              for line in (process / 'mounts').read_text().splitlines()}
                    self.assertIn('ro', mounts['/'], name)
                    if name != 'looptap':
                        self.assertIn('ro', mounts['/looptap/lib'], name)
                self.assertEqual(len(users), len(names), 'each has a user of its own')
                self.assertNotIn('0', users)


class Node(PodTest):
    """The DaemonSet on this machine, and pods beside it."""

    def setUp(self):
        super().setUp()
        if not os.path.exists('/sys/kernel/btf/vmlinux'):
            self.skipTest('this kernel has no BTF')
        place = str(tracefs(self))

        def where_tracefs_is(deployment):
            tracing, = deployment['spec']['template']['spec']['volumes']
            tracing['hostPath']['path'] = place
        self.node = self.play('daemonset/daemonset.yaml', where_tracefs_is)
        wait_until(lambda: self.node.answers(LOOPTAP_PORT, '/-/ready'), f'it is ready: {self.node.log("looptap")}')

    def labels_of(self, pod):
        """Those of the pod's application, as the DaemonSet tells them: of 0 or 1 processes."""
        container = pod.inspect('web', '.Id')
        return [{name: labels[name] for name in ('process', 'pid')}
                for labels, _ in self.node.scrape().find('looptap_target_info') if labels['container_id'] == container]

    def test_pods_without_the_probe_are_measured_and_those_with_it_skipped(self):
        skipped = self.node.scrape().value('looptap_bpf_skipped_processes_total')
        preloaded, bare = self.play('sidecar/sidecar.yaml'), self.play('sidecar/sidecar.yaml', without_sidecar)
        for pod in preloaded, bare:
            pod.wait_until_it_answers(WEB_PORT)
        labels, = wait_until(lambda: self.labels_of(bare), 'it is measured by eBPF')
        self.assertEqual(labels['process'], 'node')
        before = self.over_one_second(self.node, **labels)
        bare.get(WEB_PORT, '/?block=1500')
        wait_until(lambda: self.over_one_second(self.node, **labels) == before + 1, 'the block is seen')
        self.wait_until_measured(preloaded, process='node', pid='1')
        wait_until(lambda: self.node.scrape().value('looptap_bpf_skipped_processes_total') > skipped, 'it is skipped')
        self.assertEqual(self.labels_of(preloaded), [])
        self.assertEqual(len(self.labels_of(bare)), 1)

    def test_it_keeps_none_of_its_privileges(self):
        process = pathlib.Path(f'/proc/{self.node.pid("looptap")}')
        status = dict(re.findall(r'^(\w+):\s+(\S+)', (process / 'status').read_text(), re.MULTILINE))
        self.assertEqual((int(status['CapEff'], 16), int(status['CapPrm'], 16), status['NoNewPrivs'], status['Uid']),
                         (0, 0, '1', '0'))
        bpf, perfmon = 1 << 39, 1 << 38
        self.assertEqual(int(status['CapBnd'], 16), bpf | perfmon)  # with which it began
        self.assertEqual(os.readlink(process / 'ns/pid'), os.readlink('/proc/self/ns/pid'))
        mounts = {line.split()[1]: line.split()[3].split(',')
                  for line in (process / 'mounts').read_text().splitlines()}
        for place in '/', '/sys/kernel/tracing':
            self.assertIn('ro', mounts[place], place)


class Lives(PodTest):

    def counters(self, pod):
        """Every counter of every loop, those of histograms included."""
        return {(name, *sorted(labels.items())): value for name, labels, value in pod.scrape().samples
                if name.startswith('eventloop_') and name.endswith(('_total', '_count', '_bucket', '_sum'))}

    def test_killed_sidecar_comes_back_with_counters_that_never_went_back(self):
        pod = self.play('sidecar/sidecar.yaml')
        self.remember(pod, {'web': WEB_PORT})
        pod.get(WEB_PORT, '/?block=300')
        self.wait_until_measured(pod, process='node')
        for _ in range(3):
            before = self.counters(pod)
            self.assertTrue(before)
            self.kill_and_wait(pod, 'looptap')
            wait_until(lambda: pod.answers(LOOPTAP_PORT, '/-/ready'), 'the sidecar is ready again')
            after = self.counters(pod)
            self.assertEqual([key for key, value in before.items() if after.get(key, -1) < value], [])
        self.assert_unharmed(pod, {'web': WEB_PORT})

    def test_application_killed_in_a_stall_is_counted(self):
        pod = self.play('sidecar/sidecar.yaml')
        pod.wait_until_it_answers(WEB_PORT)
        self.wait_until_measured(pod, process='node')
        self.assertEqual(pod.scrape().value('looptap_deaths_in_stall_total'), 0)
        self.start_blocking(pod, WEB_PORT, 60000)
        wait_until(lambda: pod.scrape().total('eventloop_blocked_seconds') > 1, 'it is blocked')
        self.kill_and_wait(pod, 'web')
        wait_until(lambda: pod.scrape().value('looptap_deaths_in_stall_total') == 1, 'its death is counted')
        pod.wait_until_it_answers(WEB_PORT)
        wait_until(lambda: pod.scrape().value('looptap_processes', state='live') == 1, 'the next one is measured')
        scrape = pod.scrape()
        samples = [(name, *sorted(labels.items())) for name, labels, _ in scrape.samples]
        self.assertEqual(len(samples), len(set(samples)))
        self.assertEqual(scrape.label_values('pid'), {'1'})  # as before: the series go on

    def test_alert_fires_while_the_application_is_frozen_and_resolves(self):
        prometheus = find_program('prometheus')
        rules = ROOT / 'deploy/prometheus/rules.yml'
        pod = self.play('sidecar/sidecar.yaml')
        pod.wait_until_it_answers(WEB_PORT)
        # Looked at each second, so as not to wait for longer than the alert itself does.
        (self.folder / 'rules.yml').write_text(re.sub(r'\binterval: \d+s', 'interval: 1s', rules.read_text()))
        (self.folder / 'prometheus.yml').write_text(
            'global: {scrape_interval: 1s, evaluation_interval: 1s}\n'
            'rule_files: [rules.yml]\n'
            f'scrape_configs: [{{job_name: pod, static_configs: [{{targets: ["127.0.0.1:{LOOPTAP_PORT}"]}}]}}]\n')
        self.start([find_program('nsenter'), f'--net={pod.network()}', prometheus,
                    f'--config.file={self.folder / "prometheus.yml"}',
                    f'--storage.tsdb.path={self.folder / "data"}',
                    f'--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}'])
        pod.wait_until_it_answers(PROMETHEUS_PORT, '/-/ready')

        def query(expression):
            answer = pod.get(PROMETHEUS_PORT, '/api/v1/query?' + urllib.parse.urlencode({'query': expression}))
            return json.loads(answer)['data']['result']

        frozen = 'ALERTS{alertname="EventLoopFrozen", alertstate="firing"}'
        wait_until(lambda: query('eventloop_blocked_seconds'), 'Prometheus has scraped')
        self.assertEqual(query(frozen), [])
        blocked = self.start_blocking(pod, WEB_PORT, 30000)
        alerts = wait_until(lambda: query(frozen), 'the alert fires', 28)
        self.assertEqual(alerts[0]['metric']['process'], 'node')
        wait_until(lambda: b'blocked for' in blocked.recv(4096), 'the application is done with it', 40)
        wait_until(lambda: not query(frozen), 'the alert is resolved')
        self.assertEqual([sample['value'][1] for sample in query('max(resets(eventloop_busy_seconds_total[1m]))')],
                         ['0'])


class Unharmed(PodTest):
    """Whatever becomes of the sidecar, the applications run on: node on glibc, and one on musl."""

    APPLICATIONS = {'web': WEB_PORT, 'cache': CACHE_PORT}

    def play_both(self, **options):
        pod = self.play('several-containers/several-containers.yaml', **options)
        self.remember(pod, self.APPLICATIONS)
        return pod

    def wait_until_both_are_measured(self, pod):
        for process in self.APPLICATIONS:
            self.wait_until_measured(pod, process=process)

    def test_without_a_sidecar(self):
        pod = self.play_both(change=without_sidecar)
        self.assert_unharmed(pod, self.APPLICATIONS)

    def test_with_a_sidecar_that_comes_late(self):
        pod = self.play_both(change=without_startup_probe,
                             prepare=lambda pod: pod.volume('looptap-lib').chmod(0o500))
        wait_until(lambda: 'cannot install into /looptap/lib: Permission denied' in pod.log('looptap'), 'it cannot')
        pod.volume('looptap-lib').chmod(0o777)
        wait_until(lambda: pod.answers(LOOPTAP_PORT, '/-/ready'), 'the sidecar is ready')
        self.assert_unharmed(pod, self.APPLICATIONS)
        self.assertEqual(pod.scrape().find('eventloop_waits_total'), [])
        for name in self.APPLICATIONS:
            self.kill_and_wait(pod, name)  # their next lives are measured
        self.wait_until_both_are_measured(pod)

    def test_with_a_sidecar_that_is_out_of_memory(self):
        pod = self.play_both()
        self.wait_until_both_are_measured(pod)
        sidecar = pod.pid('looptap')
        kills = self.oom_kills()
        self.use_up_memory(sidecar, pod.volume('looptap-shm') / 'filler')
        wait_until(lambda: pod.pid('looptap') not in (0, sidecar), 'it comes back')
        self.assertGreater(self.oom_kills(), kills)
        self.assert_unharmed(pod, self.APPLICATIONS)
        wait_until(lambda: pod.answers(LOOPTAP_PORT), 'the sidecar serves again')
        self.wait_until_both_are_measured(pod)

    @staticmethod
    def oom_kills():
        return int(re.search(r'^oom_kill (\d+)', pathlib.Path('/proc/vmstat').read_text(), re.MULTILINE)[1])

    @staticmethod
    def use_up_memory(pid, file):
        """Lowers the limit of a process' cgroup nearly to what it uses, and writes more than that into a file in
        memory in its name: what is so written can neither be reclaimed nor freed by killing anybody."""
        groups = dict(line.split(':', 2)[1:] for line in
                      pathlib.Path(f'/proc/{pid}/cgroup').read_text().splitlines())
        if 'memory' in groups:
            folder, usage, limit = (pathlib.Path('/sys/fs/cgroup/memory' + groups['memory']),
                                    'memory.usage_in_bytes', 'memory.limit_in_bytes')
        else:
            folder, usage, limit = pathlib.Path('/sys/fs/cgroup' + groups['']), 'memory.current', 'memory.max'
        (folder / limit).write_text(str(int((folder / usage).read_text()) + 2 * MIB))
        subprocess.run(['sh', '-c', 'echo $$ >"$1"/cgroup.procs && exec dd if=/dev/zero of="$2" bs=64k', 'sh',
                        folder, file], stderr=subprocess.DEVNULL)
        file.unlink(missing_ok=True)

    def test_with_a_volume_that_is_full_from_the_start(self):
        pod = self.play_both(prepare=lambda pod: fill(pod.volume('looptap-shm')))
        self.assert_unharmed(pod, self.APPLICATIONS)
        wait_until(lambda: pod.answers(LOOPTAP_PORT), 'the sidecar serves')
        self.assertEqual(pod.scrape().find('eventloop_waits_total'), [])

    def test_with_a_volume_that_fills_up(self):
        pod = self.play_both()
        self.wait_until_both_are_measured(pod)
        fill(pod.volume('looptap-shm'))
        for process, port in self.APPLICATIONS.items():
            waits = pod.scrape().total('eventloop_waits_total', process=process)
            pod.get(port, '/')
            wait_until(lambda: pod.scrape().total('eventloop_waits_total', process=process) > waits,
                       f'{process} is still measured')
        self.assert_unharmed(pod, self.APPLICATIONS)


class Image(PodTest):

    def inspect(self, field):
        return podman.run('image', 'inspect', '--format={{' + field + '}}', os.environ['LOOPTAP_IMAGE'])

    def test_is_small(self):
        self.assertLess(int(self.inspect('.Size')), 40 * MIB)

    def test_has_a_numeric_user_and_says_what_it_is(self):
        self.assertEqual(self.inspect('.Config.User'), '65532:65532')
        labels = json.loads(self.inspect('json .Config.Labels'))
        self.assertEqual(labels['org.opencontainers.image.version'], VERSION)
        self.assertTrue(labels['org.opencontainers.image.revision'])

    def test_holds_no_shell(self):
        with tempfile.TemporaryDirectory() as folder:
            archive = pathlib.Path(folder) / 'image.tar'
            name = podman.run('create', os.environ['LOOPTAP_IMAGE'])
            self.addCleanup(podman.run, 'rm', name)
            podman.run('export', f'--output={archive}', name)
            with tarfile.open(archive) as files:
                programs = {member.name for member in files if member.isfile() and '/bin/' in '/' + member.name}
        self.assertEqual(programs, {'usr/bin/looptap'})
