"""Pods, played by podman from the manifests of deploy/kubernetes.

podman 4.3 plays Deployments, but knows neither DaemonSets, native sidecars, volumes in memory, hostPID nor Unconfined;
what of a manifest it cannot do is rewritten here, mechanically. A pod gets a network of its own with nothing but loopback.
"""

import atexit
import ctypes
import http.client
import json
import os
import pathlib
import re
import resource
import secrets
import shutil
import socket
import subprocess
import threading
import unittest

from e2e.exposition import Exposition
from e2e.harness import ROOT, find_program, make_folder, require_root, wait_until

# podman takes its time: so long may take what would take a second on an idle machine.
DEADLINE = 60

MANIFESTS = ROOT / 'deploy/kubernetes'
LOOPTAP_PORT, WEB_PORT = 10064, 8080
CLONE_NEWNET = 0x40000000


def require_podman():
    """What plays pods; the environment names the image under test."""
    if not os.environ.get('LOOPTAP_IMAGE'):
        raise unittest.SkipTest('plays pods with the image that `make test-pods` builds')
    require_root('podman mounts volumes in memory')
    find_program('podman')


class Podman:
    """podman, with limits that a machine without CAP_SYS_RESOURCE can keep."""

    def __init__(self, folder):
        # Soft and hard alike, since podman play mixes them up; runc takes cgroups of whatever version.
        files, processes = (min(most, hard) if hard > 0 else most for most, hard in (
            (20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            (30000, resource.getrlimit(resource.RLIMIT_NPROC)[1])))
        configuration = pathlib.Path(folder) / 'containers.conf'
        configuration.write_text(
            '[containers]\n'
            f'default_ulimits = ["nofile={files}:{files}","nproc={processes}:{processes}"]\n'
            '[engine]\nruntime = "runc"\n'
            f'[engine.runtimes]\nrunc = ["{pathlib.Path(__file__).with_name("runc_with_host_pid")}"]\n')
        self._folder = pathlib.Path(folder)
        self._environment = dict(os.environ, CONTAINERS_CONF=str(configuration))
        self._undone_by = []  # commands
        atexit.register(self._undo)  # for a run that is interrupted

    def undo_with(self, test, *arguments):
        """The command is run when the test ends, or when all tests do."""
        self._undone_by.append(arguments)
        test.addCleanup(self._undo, arguments)

    def _undo(self, only=None):
        for arguments in [only] if only else reversed(self._undone_by[:]):
            self._undone_by.remove(arguments)
            self.run(*arguments, check=False)

    def run(self, *arguments, check=True):
        """Its stdout; with check, its failure is the test's."""
        # conmon leaves a file, oom, where it was started when a container ran out of memory.
        place = self._folder if self._folder.exists() else None
        done = subprocess.run(['podman', *map(str, arguments)], env=self._environment, text=True, cwd=place,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        if check and done.returncode:
            raise AssertionError(f'podman {arguments}: status {done.returncode}: {done.stderr}')
        return done.stdout.strip()

    def build(self, name, files):
        """An image of nothing but these files: {path in the image: path here}."""
        folder = pathlib.Path(self._environment['CONTAINERS_CONF']).parent / name.replace('/', '-')
        for inside, outside in files.items():
            place = folder / 'root' / inside.lstrip('/')
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(outside, place)
            place.chmod(0o755)
        (folder / 'Containerfile').write_text('FROM scratch\nCOPY root /\nENV PATH=/usr/bin\n')
        self.run('build', '--quiet', '--tag', name, folder)
        shutil.rmtree(folder)


def with_libraries(path, program):
    """The files of an image: a dynamic program of this machine, what it is linked to, and the loader."""
    linked = subprocess.run(['ldd', program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {path: program, **{library: library for library in re.findall(r'/[^ \n]+', linked)}}


def load(manifest):
    """The Deployment, or DaemonSet, in a manifest of deploy/kubernetes."""
    import yaml
    documents = yaml.safe_load_all((MANIFESTS / manifest).read_text())
    return next(document for document in documents if document['kind'] in ('Deployment', 'DaemonSet'))


def pod_of(workload):
    """What a DaemonSet makes on a node."""
    template = workload['spec']['template']
    return {'apiVersion': 'v1', 'kind': 'Pod', 'spec': template['spec'],
            'metadata': {**template['metadata'], 'name': workload['metadata']['name'] + '-pod-0'}}


def containers(spec):
    return spec.get('initContainers', []) + spec['containers']


def rewrite_for_podman(deployment, suffix, images):
    """Changes nothing but what podman 4.3 cannot do, the images (there is no registry), and names that must
    be unique. Returns the startup probes of the native sidecars, which are ordinary containers now."""
    deployment['metadata']['name'] += suffix
    spec = deployment['spec']['template']['spec']
    sidecars = [container for container in spec.get('initContainers', [])
                if container.pop('restartPolicy', None) == 'Always']
    first = [container for container in spec.pop('initContainers', []) if container not in sidecars]
    # It waits for a native sidecar for ever: it becomes the first of the ordinary containers.
    spec['containers'] = sidecars + spec['containers']
    annotations = deployment['spec']['template']['metadata'].setdefault('annotations', {})
    if spec.pop('hostPID', False):
        annotations['looptap.test/hostPID'] = 'true'  # see runc_with_host_pid
    if first:
        spec['initContainers'] = first
        spec['restartPolicy'] = 'OnFailure'  # with init containers, Always starts now and then only
    probes = {}
    for container in containers(spec):
        container.update({**images[container['image']], 'imagePullPolicy': 'Never'})
        if container['securityContext'].get('seccompProfile', {}).get('type') == 'Unconfined':
            annotations[f'container.seccomp.security.alpha.kubernetes.io/{container["name"]}'] = 'unconfined'
        container.pop('ports', None)  # it would map them, and cannot in such a network
        probe = container.pop('startupProbe', None)
        if container in sidecars:
            probes[container['name']] = probe
        for mount in container.get('volumeMounts', []):
            mount['name'] += suffix
    for volume in spec['volumes']:
        volume['name'] += suffix
    return probes


class Pod:
    """A running pod. It is gone, with its volumes, when the test ends."""

    def __init__(self, test, podman, deployment, images, prepare=None):
        self._podman = podman
        suffix = '-' + secrets.token_hex(4)
        probes = rewrite_for_podman(deployment, suffix, images)
        self.name = deployment['metadata']['name'] + '-pod-0'
        self._file = make_folder(test, None, 0o755) / 'pod.json'
        self._file.write_text(json.dumps(pod_of(deployment) if deployment['kind'] == 'DaemonSet' else deployment))
        self._suffix = suffix
        for volume in deployment['spec']['template']['spec']['volumes']:
            self._make_volume(test, volume)
        if prepare:
            prepare(self)
        podman.undo_with(test, 'pod', 'rm', '--force', '--time=0', self.name)
        if not probes:
            podman.run('play', 'kube', '--network=none', self._file)
            return
        # As the kubelet: a native sidecar first, the others when its startup probe has found it up.
        podman.run('play', 'kube', '--network=none', '--start=false', self._file)
        for name, probe in probes.items():
            self.start(name)
            if probe:
                self.wait_until_it_answers(LOOPTAP_PORT, probe['httpGet']['path'])
        for container in deployment['spec']['template']['spec']['containers']:
            if container['name'] not in probes:
                self.start(container['name'])

    def start(self, name):
        self._podman.run('start', self.container(name))

    def _make_volume(self, test, volume):
        """As the kubelet makes them: everybody may write into their root."""
        if 'hostPath' in volume:
            return
        options = []
        if volume['emptyDir'].get('medium') == 'Memory':
            pages = int(volume['emptyDir']['sizeLimit'].removesuffix('Mi')) * (1 << 20) // resource.getpagesize()
            options = ['--opt=type=tmpfs', '--opt=device=tmpfs', f'--opt=o=mode=0777,nr_blocks={pages}']
        self._podman.run('volume', 'create', *options, volume['name'])
        self._podman.undo_with(test, 'volume', 'rm', '--force', volume['name'])
        # Mounted until the test ends: else its contents would go with the last container.
        folder = pathlib.Path(self._podman.run('volume', 'mount', volume['name']))
        self._podman.undo_with(test, 'volume', 'unmount', volume['name'])
        folder.chmod(0o777)

    def volume(self, name):
        """Where the volume is mounted on this machine."""
        return pathlib.Path(self._podman.run('volume', 'inspect', '--format={{.Mountpoint}}',
                                             name + self._suffix))

    def container(self, name):
        return f'{self.name}-{name}'

    def inspect(self, name, field):
        return self._podman.run('inspect', '--format={{' + field + '}}', self.container(name))

    def pid(self, name):
        """The pid, on this machine, of a container's first process; 0: it does not run."""
        return int(self.inspect(name, '.State.Pid'))

    def log(self, name):
        done = subprocess.run(['podman', 'logs', self.container(name)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=DEADLINE)
        return done.stdout

    def network(self):
        """The file of its network namespace."""
        infra = self._podman.run('pod', 'inspect', '--format={{.InfraContainerID}}', self.name)
        return f"/proc/{self._podman.run('inspect', '--format={{.State.Pid}}', infra)}/ns/net"

    def connect(self, port):
        """A connection to a port of the pod: a socket belongs to the network in which it was made."""
        result = []

        def connect_there():
            try:
                with open(self.network()) as network:
                    if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), 'setns')
                result.append(socket.create_connection(('127.0.0.1', port), DEADLINE))
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=connect_there)  # the rest of us stays where it is
        thread.start()
        thread.join()
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]

    def get(self, port, path, timeout=DEADLINE):
        """The body of the answer; OSError where there is none."""
        connection = http.client.HTTPConnection('127.0.0.1', port)
        connection.sock = self.connect(port)
        connection.sock.settimeout(timeout)
        try:
            connection.request('GET', path)
            return connection.getresponse().read().decode()
        except http.client.HTTPException as error:
            raise OSError(f'{path}: {error!r}') from error
        finally:
            connection.close()

    def answers(self, port, path='/'):
        try:
            return self.get(port, path)
        except OSError:
            return None

    def wait_until_it_answers(self, port, path='/'):
        return wait_until(lambda: self.answers(port, path), f'{self.name} answers at {port}', DEADLINE)

    def scrape(self):
        return Exposition(self.get(LOOPTAP_PORT, '/metrics'))
