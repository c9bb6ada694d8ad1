"""Every manifest that looptap ships or makes: held against Kubernetes' schemas, built by kubectl, rendered by helm.

The tools come from npm (tests/manifests/get_tools), which needs a network: where they are not there, nothing is tested.
"""

import copy
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from e2e.harness import BUILD, LOOPTAP, ROOT, require_root

TOOLS = BUILD / 'manifests'
SCRIPTS = ROOT / 'tests/manifests'
KUBERNETES = ROOT / 'deploy/kubernetes'
CHART = ROOT / 'deploy/helm/looptap'
MANIFESTS = pathlib.Path(__file__).resolve().parent / 'manifests'
LIBRARY = '/looptap/lib/liblooptap.so'

OVERLAYS = sorted(path.parent for path in (ROOT / 'deploy').rglob('kustomization.yaml'))


def run(command, text='', fails=False, **options):
    # Neither the user's settings nor a cluster of theirs.
    environment = dict(os.environ, HOME=str(TOOLS), KUBECONFIG='/dev/null')
    # From a file: node cannot read a pipe that is empty for the moment.
    with tempfile.TemporaryFile('w+') as file:
        file.write(text)
        file.seek(0)
        result = subprocess.run(command, stdin=file, text=True, capture_output=True, timeout=120, env=environment,
                                **options)
    if (result.returncode != 0) != fails:
        raise AssertionError(f'{command}: status {result.returncode}\n{result.stdout}{result.stderr}')
    return result.stdout + result.stderr if fails else result.stdout


def find_tool(name):
    path = TOOLS / 'bin' / name
    if not path.exists():
        missing = TOOLS / 'missing'
        raise unittest.SkipTest(missing.read_text().strip() if missing.exists() else
                                f'there is no {name}: make test-manifests fetches it, for x86_64')
    return path


def node(script, *arguments, text, fails=False):
    if not (TOOLS / 'complete').exists():
        raise unittest.SkipTest('the schemas are not here: make test-manifests fetches them from npm')
    return run(['node', SCRIPTS / script, TOOLS, *arguments], text, fails)


def kustomize(folder):
    return run([find_tool('kubectl'), 'kustomize', folder])


def helm(*flags, fails=False, image='localhost/looptap'):
    return run([find_tool('helm'), 'template', 'test', CHART, f'--set=image.repository={image}', *flags], fails=fails)


POLICY, PARAMETERS = ((KUBERNETES / 'admission' / name).read_text() for name in ('policy.yaml', 'parameters.yaml'))
# The image of this machine is good enough for tests.
PARAMETERS = PARAMETERS.replace('\n  name: looptap\n', '\n  name: looptap\n'
                                '  annotations: {looptap.dev/allow-localhost: "true"}\n')
SKIPPED = 'looptap.dev/skipped'


def inject(text, *flags):
    return run([LOOPTAP, 'inject', '-f', '-', *flags], text)


def objects_of(text):
    """The YAML's documents, read as Kubernetes would."""
    reader = ("const YAML = require('yaml'); const text = require('fs').readFileSync(0, 'utf8');"
              "console.log(JSON.stringify(YAML.parseAllDocuments(text, {version: '1.1', merge: true}).map((one) => one.toJS())))")
    if not (TOOLS / 'complete').exists():
        raise unittest.SkipTest('there is no reader of YAML: make test-manifests fetches it from npm')
    read = run(['node', '-e', reader], text, cwd=TOOLS)
    return [document for document in json.loads(read) if document is not None]


def object_of(text, kind, name=None):
    found = [one for one in objects_of(text) if one['kind'] == kind and name in (None, one['metadata']['name'])]
    if len(found) != 1:
        raise AssertionError(f'{len(found)} objects of kind {kind}')
    return found[0]


def pod_spec(workload):
    spec = workload['spec']
    if workload['kind'] == 'CronJob':
        spec = spec['jobTemplate']['spec']
    return spec if workload['kind'] == 'Pod' else spec['template']['spec']


def a_pod(*containers, annotations=None, **spec):
    return {'apiVersion': 'v1', 'kind': 'Pod',
            'metadata': {'name': 'web', **({'annotations': annotations} if annotations else {})},
            'spec': {'containers': [{'name': 'web', 'image': 'web'}, *containers], **spec}}


def sidecar_of(spec):
    """looptap's container and volumes; protocol: TCP, which is the default, apart."""
    sidecar = copy.deepcopy(next(one for one in spec['initContainers'] if one['name'] == 'looptap'))
    for port in sidecar['ports']:
        port.pop('protocol', None)
    return sidecar, [one for one in spec['volumes'] if one['name'].startswith('looptap-')]


class Schemas(unittest.TestCase):

    def assert_valid(self, text):
        checked = node('check_schemas.mjs', text=text)
        self.assertRegex(checked, r'\A[1-9]\d* objects, 0 wrong\n\Z')

    def test_every_overlay_builds_and_is_valid(self):
        self.assertGreater(len(OVERLAYS), 5)
        for folder in OVERLAYS:
            with self.subTest(folder.relative_to(ROOT)):
                component = 'kind: Component' in (folder / 'kustomization.yaml').read_text()
                if not component:
                    self.assert_valid(kustomize(folder))

    def test_every_file_is_valid(self):
        files = [path for path in KUBERNETES.rglob('*.yaml') if path.name != 'kustomization.yaml'
                 and path.parent.name != 'component' and path.name not in ('measured.yaml', 'fields.yaml')]
        self.assertGreater(len(files), 5)
        for path in files:
            with self.subTest(path.relative_to(ROOT)):
                self.assert_valid(path.read_text())

    def test_what_inject_writes_is_valid(self):
        for flags in [], ['--classic'], ['--containers=web,migrate', '--port=9000', '--requests=none']:
            for path in sorted(MANIFESTS.glob('*.yaml')):
                with self.subTest(path.name, flags=flags):
                    self.assert_valid(inject(path.read_text(), *flags))

    def test_what_is_wrong_is_found(self):
        right = (KUBERNETES / 'sidecar/sidecar.yaml').read_text()
        self.assert_valid(right)
        for before, after, said in [('periodSeconds', 'periodSecond', '/startupProbe/periodSecond: unknown field'),
                                    ('containerPort: 10064', 'containerPort: "10064"', 'integer'),
                                    ('name: http, containerPort', 'name: http, port', 'containerPort'),
                                    ('kind: Deployment', 'kind: Deploymnt', 'no schema')]:
            wrong = right.replace(before, after)
            self.assertNotEqual(wrong, right)
            self.assertIn(said, node('check_schemas.mjs', text=wrong, fails=True))


def without_looptap(value):
    """The value without what inject adds, and without empty lists and nulls, which it may fill."""
    if isinstance(value, list):
        own = ('LD_PRELOAD', 'LOOPTAP_DIR', 'LOOPTAP_NAME')
        return [without_looptap(one) for one in value if not isinstance(one, dict)
                or one.get('name') not in own and not str(one.get('name', '')).startswith('looptap')]
    if isinstance(value, dict):
        fields = {key: without_looptap(one) for key, one in value.items()}
        return {key: one for key, one in fields.items() if one not in ([], None)}
    return value


class Meaning(unittest.TestCase):

    def test_what_was_in_a_manifest_means_what_it_meant(self):
        for path in sorted(MANIFESTS.glob('*.yaml')):
            with self.subTest(path.name):
                before = objects_of(path.read_text())
                after = objects_of(inject(path.read_text()))
                self.assertNotEqual(before, after)
                self.assertEqual(without_looptap(after), without_looptap(before))


class OneSidecar(unittest.TestCase):
    """However it gets into a pod, it is the one of deploy/kubernetes/sidecar."""

    def setUp(self):
        self.example = pod_spec(object_of((KUBERNETES / 'sidecar/sidecar.yaml').read_text(), 'Deployment'))
        self.expected = sidecar_of(self.example)

    def without_looptap(self):
        spec = copy.deepcopy(self.example)
        for list_name in 'initContainers', 'volumes':
            spec[list_name] = [one for one in spec[list_name] if not one['name'].startswith('looptap')]
            if not spec[list_name]:
                del spec[list_name]
        for container in spec['containers']:
            del container['env'], container['volumeMounts']
        return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'web'}, 'spec': spec}

    def test_inject_writes_the_worked_example(self):
        text = inject(json.dumps(self.without_looptap()))
        self.assertEqual(pod_spec(json.loads(text)), self.example)

    def test_inject_leaves_the_worked_examples_alone(self):
        for name in 'sidecar/sidecar.yaml', 'several-containers/several-containers.yaml', \
                    'classic-sidecar/classic-sidecar.yaml':
            with self.subTest(name):
                text = (KUBERNETES / name).read_text()
                self.assertEqual(inject(text), text)

    def test_classic_inject_writes_the_classic_example(self):
        example = pod_spec(object_of((KUBERNETES / 'classic-sidecar/classic-sidecar.yaml').read_text(), 'Deployment'))
        pod = self.without_looptap()
        written = pod_spec(json.loads(inject(json.dumps(pod), '--classic')))
        for name in 'containers', 'initContainers', 'volumes':
            for one in example[name]:
                if one['name'].startswith('looptap'):
                    with self.subTest(one['name']):
                        self.assertIn(one, written[name])

    def test_the_component_adds_it(self):
        shop = kustomize(KUBERNETES / 'component-example')
        spec = pod_spec(object_of(shop, 'Deployment', 'shop'))
        sidecar, volumes = sidecar_of(spec)
        self.assertEqual(sidecar.pop('image'), 'registry.example/looptap:0.1.0')
        self.assertEqual(({**sidecar, 'image': self.expected[0]['image']}, volumes), self.expected)
        self.assertEqual([one['name'] for one in spec['initContainers']], ['looptap', 'migrate'])
        environment = {one['name']: one['value'] for one in spec['containers'][0]['env']}
        self.assertEqual(environment['MODE'], '0755')
        self.assertTrue(environment['LD_PRELOAD'].endswith('libjemalloc.so.2:' + LIBRARY))
        # Null control: what has no label stays as it is.
        self.assertNotIn('initContainers', pod_spec(object_of(shop, 'StatefulSet', 'cache')))

    def test_the_component_adds_it_to_every_kind(self):
        component = (KUBERNETES / 'component/sidecar.yaml').read_text()
        deeper = (KUBERNETES / 'component/sidecar-of-cronjob.yaml').read_text()
        self.assertEqual(sidecar_of(pod_spec(object_of(component, 'Deployment'))), self.expected)
        self.assertEqual(sidecar_of(pod_spec(object_of(deeper, 'CronJob'))), self.expected)
        folder = TOOLS / 'every-kind'
        folder.mkdir(exist_ok=True)
        template = '{spec: {restartPolicy: Never, containers: [{name: web, image: web}]}}'
        labels = 'labels: {looptap.dev/inject: "true"}'
        (folder / 'kustomization.yaml').write_text(
            'resources: [all.yaml]\ncomponents: [' + os.path.relpath(KUBERNETES / 'component', folder) + ']\n')
        (folder / 'all.yaml').write_text('---\n'.join(
            [f'{{apiVersion: {group}, kind: {kind}, metadata: {{name: web, {labels}}}, spec: {{template: {template}}}}}\n'
             for group, kind in (('apps/v1', 'Deployment'), ('apps/v1', 'StatefulSet'), ('apps/v1', 'DaemonSet'),
                                 ('batch/v1', 'Job'))]
            + [f'{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: web, {labels}}}, '
               f'spec: {{jobTemplate: {{spec: {{template: {template}}}}}}}}}\n']))
        built = objects_of(kustomize(folder))
        self.assertEqual(len(built), 5)
        for workload in built:
            with self.subTest(workload['kind']):
                self.assertEqual(sidecar_of(pod_spec(workload)), self.expected)

    def test_the_policy_adds_it(self):
        text = '\n---\n'.join([POLICY, PARAMETERS, json.dumps(self.without_looptap())])
        [result] = json.loads(node('apply_admission_policy.mjs', text=text))
        spec = pod_spec(result['pod'])
        self.assertEqual(sidecar_of(spec), self.expected)
        self.assertEqual(spec['containers'], self.example['containers'])


class Examples(unittest.TestCase):

    def test_a_quota_has_nothing_against_the_sidecar(self):
        """It refuses what lacks one of these; everything that adds a sidecar adds this one."""
        for name in 'sidecar', 'classic-sidecar':
            spec = pod_spec(object_of((KUBERNETES / name / f'{name}.yaml').read_text(), 'Deployment'))
            ours = [one for one in spec['initContainers'] + spec['containers'] if one['name'].startswith('looptap')]
            self.assertEqual({(one['name'], kind): set(one['resources'][kind]) for one in ours for kind in one['resources']},
                             {(one['name'], kind): {'cpu', 'memory'} for one in ours for kind in ('limits', 'requests')})

    def test_the_daemonset_is_asked_often_until_it_is_ready(self):
        [container] = pod_spec(object_of((KUBERNETES / 'daemonset/daemonset.yaml').read_text(), 'DaemonSet'))['containers']
        probe = container['startupProbe']
        self.assertEqual((probe['periodSeconds'], probe['httpGet']), (1, container['readinessProbe']['httpGet']))
        self.assertGreater(probe['initialDelaySeconds'], 0)

    def test_commands_name_the_namespace(self):
        commands = [line for path in KUBERNETES.rglob('*.yaml') if 'sidecar' in path.name or 'several' in path.name
                    for line in path.read_text().splitlines() if 'kubectl port-forward' in line]
        self.assertGreater(len(commands), 2)
        self.assertEqual([line for line in commands if ' -n looptap-example ' not in line], [])

    def test_their_node_ends_when_it_is_told_to(self):
        """As pid 1 of its container, which takes no signal that it has not asked for."""
        require_root('makes PID namespaces')
        for name in 'sidecar', 'several-containers', 'classic-sidecar':
            spec = pod_spec(object_of((KUBERNETES / name / f'{name}.yaml').read_text(), 'Deployment'))
            web = next(one for one in spec['containers'] if one['name'] == 'web')
            script = web['args'][0].replace('.listen(8080)', ".listen(0, () => console.log('listens'))")
            for text in script, re.sub(r'process.on.*', '', script):  # the second is the null control
                with self.subTest(name, heeds_signals=text is script):
                    process = subprocess.Popen(['unshare', '--pid', '--fork', '--kill-child', 'node', '-e', text],
                                               stdout=subprocess.PIPE, text=True)
                    self.addCleanup(process.stdout.close)
                    self.addCleanup(process.wait)
                    self.addCleanup(process.kill)
                    self.assertEqual(process.stdout.readline(), 'listens\n')
                    children = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text()
                    os.kill(int(children), signal.SIGTERM)
                    if text is script:
                        self.assertEqual(process.wait(20), 0)
                    else:
                        with self.assertRaises(subprocess.TimeoutExpired):
                            process.wait(1)


class Chart(unittest.TestCase):

    NEW = ['--kube-version=1.36', '--api-versions=monitoring.coreos.com/v1']

    def kinds(self, *flags):
        return sorted(one['kind'] for one in objects_of(helm(*flags)))

    def test_has_no_complaints(self):
        said = run([find_tool('helm'), 'lint', '--strict', CHART])
        self.assertIn('0 chart(s) failed', said)

    def test_installs_what_the_cluster_knows(self):
        self.assertEqual(self.kinds('--kube-version=1.33'), ['ConfigMap'])
        self.assertEqual(self.kinds(*self.NEW), ['ConfigMap', 'MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding',
                                                 'PodMonitor', 'PodTemplate', 'PrometheusRule'])
        self.assertEqual(self.kinds(*self.NEW, '--set=admission.enabled=false,podMonitor.enabled=false,'
                                               'prometheusRule.enabled=false,dashboard.enabled=false'), [])
        beta = helm('--kube-version=1.34', '--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy')
        self.assertIn('apiVersion: admissionregistration.k8s.io/v1beta1', beta)

    def test_what_it_makes_is_valid(self):
        for flags in [], self.NEW, [*self.NEW, '--set=daemonSet.enabled=true,podMonitor.interval=15s,'
                                               'podMonitor.labels.release=x,commonLabels.team=y']:
            with self.subTest(flags):
                node('check_schemas.mjs', text=helm(*flags))

    def test_says_what_is_wrong_with_values(self):
        self.assertIn('no MutatingAdmissionPolicy', helm('--kube-version=1.33', '--set=admission.enabled=true', fails=True))
        for wrong in 'image.tag=3', 'admision.enabled=true', 'podMonitor.interval=often', 'dashboard.enabled=perhaps':
            with self.subTest(wrong):
                helm('--set', wrong, fails=True)

    def test_an_image_has_to_be_named(self):
        for flags in self.NEW, ['--kube-version=1.33', '--set=daemonSet.enabled=true']:
            self.assertIn('image.repository: where does your cluster find', helm(*flags, image='', fails=True))
        # Null control: nothing of it would run the image.
        self.assertNotIn('image:', helm('--kube-version=1.33', image=''))

    def test_a_daemonset_in_a_namespace_that_refuses_it_is_told(self):
        for enabled in 'true', 'false':
            said = run([find_tool('helm'), 'install', 'test', CHART, '--dry-run=client', '--namespace=watch',
                        '--set=image.repository=a', f'--set=daemonSet.enabled={enabled}'])
            self.assertEqual('label namespace watch pod-security.kubernetes.io/enforce=privileged' in said,
                             enabled == 'true', said)

    def test_its_policy_is_the_one_of_the_manifest_with_the_values_in_it(self):
        values = ['--set-string=image.tag=2', '--set-string=admission.resources.requests.cpu=1',
                  '--set=admission.resources.limits.memory=1Gi', '--namespace=there']
        rendered = helm(*self.NEW, *values, image='registry.example/looptap')
        binding = object_of(rendered, 'MutatingAdmissionPolicyBinding')['spec']
        parameters = object_of(rendered, 'PodTemplate')
        self.assertEqual(binding['policyName'], object_of(rendered, 'MutatingAdmissionPolicy')['metadata']['name'])
        self.assertEqual((binding['paramRef']['name'], binding['paramRef']['namespace']),
                         (parameters['metadata']['name'], 'there'))
        self.assertEqual(parameters['metadata']['namespace'], 'there')
        [result] = json.loads(node('apply_admission_policy.mjs', text=rendered + '\n---\n' + json.dumps(a_pod())))
        sidecar, _ = sidecar_of(result['pod']['spec'])
        self.assertEqual(sidecar['image'], 'registry.example/looptap:2')
        self.assertEqual(sidecar['resources'], {'requests': {'cpu': '1', 'memory': '32Mi'},
                                                'limits': {'cpu': '200m', 'memory': '1Gi'}})
        plain = helm(*self.NEW)
        self.assertEqual(object_of(plain, 'MutatingAdmissionPolicy')['spec'],
                         object_of(POLICY, 'MutatingAdmissionPolicy')['spec'])
        self.assertEqual(object_of(plain, 'PodTemplate')['template'], object_of(PARAMETERS, 'PodTemplate')['template'])

    def test_its_daemonset_is_the_one_of_the_manifest(self):
        manifest = KUBERNETES / 'daemonset/daemonset.yaml'
        if not manifest.exists():
            self.skipTest(f'there is no {manifest}')
        expected = pod_spec(object_of(manifest.read_text(), 'DaemonSet'))
        rendered = pod_spec(object_of(helm('--set=daemonSet.enabled=true'), 'DaemonSet'))
        rendered.pop('nodeSelector')
        self.assertEqual(rendered, expected)

    def test_the_version_is_looptaps(self):
        version = (ROOT / 'VERSION').read_text().strip()
        chart = (CHART / 'Chart.yaml').read_text()
        self.assertEqual(re.findall(r'^(?:version|appVersion): (.+)$', chart, re.M), [version, version])
        for path in KUBERNETES.rglob('*.yaml'):
            for tag in re.findall(r'localhost/looptap:(\S+?)["\s]', path.read_text()):
                self.assertEqual(tag, version, path)
