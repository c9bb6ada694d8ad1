"""Every manifest that looptap ships or makes: held against Kubernetes' schemas, built by kubectl, rendered by helm.

The tools come from npm (tests/manifests/get_tools), which needs a network: where they are not there, nothing is tested.
"""

import copy
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from e2e.harness import BUILD, LOOPTAP, ROOT

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


def helm(*flags, fails=False):
    return run([find_tool('helm'), 'template', 'test', CHART, *flags], fails=fails)


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
                 and path.parent.name != 'component' and path.name != 'measured.yaml']
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
        self.assertEqual(sidecar_of(spec), self.expected)
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
        pod = self.without_looptap()
        text = (KUBERNETES / 'admission/policy.yaml').read_text() + '\n---\n' + json.dumps(pod)
        [result] = json.loads(node('apply_admission_policy.mjs', text=text))
        spec = pod_spec(result['pod'])
        self.assertEqual(sidecar_of(spec), self.expected)
        self.assertEqual(spec['containers'], self.example['containers'])


class Policy(unittest.TestCase):
    """The expressions of the MutatingAdmissionPolicy, evaluated by an interpreter of CEL."""

    def apply(self, *pods, policy=None):
        text = '\n---\n'.join([policy or (KUBERNETES / 'admission/policy.yaml').read_text(),
                               *(json.dumps(pod) for pod in pods)])
        return json.loads(node('apply_admission_policy.mjs', text=text))

    @staticmethod
    def pod(*containers, annotations=None, **spec):
        return {'apiVersion': 'v1', 'kind': 'Pod',
                'metadata': {'name': 'web', **({'annotations': annotations} if annotations else {})},
                'spec': {'containers': [{'name': 'web', 'image': 'web'}, *containers], **spec}}

    @staticmethod
    def environment(pod, container=0):
        return {one['name']: one.get('value') for one in pod['spec']['containers'][container].get('env', [])}

    def test_agrees_with_inject(self):
        pods = [
            self.pod(),
            self.pod(initContainers=[{'name': 'migrate', 'image': 'm'}], volumes=[{'name': 'a', 'emptyDir': {}}]),
            self.pod(securityContext={'runAsUser': 0}),
            self.pod({'name': 'other', 'image': 'o', 'env': [{'name': 'LD_PRELOAD', 'value': '/a.so'}]}),
            self.pod({'name': 'other', 'image': 'o', 'env': [
                {'name': 'LD_PRELOAD', 'valueFrom': {'configMapKeyRef': {'name': 'a', 'key': 'b'}}},
                {'name': 'LOOPTAP_DIR', 'value': '/x'}, {'name': 'LOOPTAP_NAME', 'value': 'mine'}]}),
            self.pod({'name': 'other', 'image': 'o', 'env': [{'name': 'LD_PRELOAD', 'value': '/a.so:' + LIBRARY}],
                      'volumeMounts': [{'name': 'a', 'mountPath': '/a'}]}),
            self.pod({'name': 'proxy', 'image': 'p'}, annotations={'looptap.dev/exclude-containers': 'x, proxy'}),
            self.pod(annotations={'looptap.dev/inject': 'false'}),
            self.pod(annotations={'looptap.dev/inject': 'true'}),
            self.pod(os={'name': 'windows'}),
        ]
        for pod, result in zip(pods, self.apply(*pods)):
            with self.subTest(pod):
                written = json.loads(inject(json.dumps(pod)))
                self.assertEqual(result['matches'], written != pod)
                for one in written, result['pod']:  # its order and the default protocol mean nothing
                    for container in one['spec']['containers'] + one['spec'].get('initContainers', []):
                        container.get('env', []).sort(key=lambda variable: variable['name'])
                        for port in container.get('ports', []):
                            port.pop('protocol', None)
                self.assertEqual(result['pod'], written)

    def test_a_second_time_changes_nothing(self):
        [first] = self.apply(self.pod())
        [second] = self.apply(first['pod'])
        self.assertTrue(first['matches'])
        self.assertFalse(second['matches'])

    def test_pods_that_would_not_start_with_it_are_left_alone(self):
        taken = self.pod({'name': 'other', 'image': 'o', 'ports': [{'containerPort': 10064}]})
        mounted = self.pod({'name': 'other', 'image': 'o', 'volumeMounts': [{'name': 'a', 'mountPath': '/looptap/lib'}]})
        free = self.pod({'name': 'other', 'image': 'o', 'ports': [{'containerPort': 10065}]})
        self.assertEqual([one['matches'] for one in self.apply(taken, mounted, free)], [False, False, True])

    def test_a_type_at_the_wrong_place_is_found(self):
        policy = (KUBERNETES / 'admission/policy.yaml').read_text()
        wrong = policy.replace('startupProbe: Object.spec.initContainers.startupProbe{',
                               'startupProbe: Object.spec.containers.startupProbe{')
        self.assertNotEqual(wrong, policy)
        text = wrong + '\n---\n' + json.dumps(self.pod())
        self.assertIn('at the place of', node('apply_admission_policy.mjs', text=text, fails=True))


class Chart(unittest.TestCase):

    NEW = ['--kube-version=1.36', '--api-versions=monitoring.coreos.com/v1']

    def kinds(self, *flags):
        return sorted(one['kind'] for one in objects_of(helm(*flags)))

    def test_has_no_complaints(self):
        said = run([find_tool('helm'), 'lint', '--strict', CHART])
        self.assertIn('0 chart(s) failed', said)

    def test_installs_what_the_cluster_knows(self):
        self.assertEqual(self.kinds('--kube-version=1.33'), ['ConfigMap'])
        self.assertEqual(self.kinds(*self.NEW), ['ConfigMap', 'MutatingAdmissionPolicy',
                                                 'MutatingAdmissionPolicyBinding', 'PodMonitor', 'PrometheusRule'])
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

    def test_its_policy_is_the_one_of_the_manifest_with_the_values_in_it(self):
        values = ['--set=image.repository=registry.example/looptap', '--set-string=image.tag=2',
                  '--set-string=admission.resources.requests.cpu=1', '--set=admission.resources.limits.memory=1Gi']
        rendered = helm(*self.NEW, *values)
        policy = object_of(rendered, 'MutatingAdmissionPolicy')
        self.assertEqual(object_of(rendered, 'MutatingAdmissionPolicyBinding')['spec']['policyName'],
                         policy['metadata']['name'])
        text = json.dumps(policy) + '\n---\n' + json.dumps(Policy.pod())
        [result] = json.loads(node('apply_admission_policy.mjs', text=text))
        sidecar, _ = sidecar_of(result['pod']['spec'])
        self.assertEqual(sidecar['image'], 'registry.example/looptap:2')
        self.assertEqual(sidecar['resources'], {'requests': {'cpu': '1', 'memory': '32Mi'}, 'limits': {'memory': '1Gi'}})
        plain = object_of(helm(*self.NEW), 'MutatingAdmissionPolicy')
        written = object_of((KUBERNETES / 'admission/policy.yaml').read_text(), 'MutatingAdmissionPolicy')
        self.assertEqual(plain['spec'], written['spec'])

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
