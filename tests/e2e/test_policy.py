"""The expressions of the MutatingAdmissionPolicy, evaluated by an interpreter of CEL. test_admission has the same tests carried
out by Kubernetes' own plugin."""

import collections
import json
import unittest

from e2e.harness import ROOT
from e2e.test_manifests import (KUBERNETES, LIBRARY, PARAMETERS, POLICY, SKIPPED, TOOLS, a_pod, inject, kustomize, node,
                                object_of, objects_of, sidecar_of)

TAKEN = [{'containerPort': 10064}]
MOUNTED = [{'name': 'looptap-lib', 'mountPath': '/looptap/lib'}, {'name': 'looptap-shm', 'mountPath': '/looptap/shm'}]


def preload(*values):
    """A container with as many LD_PRELOADs; None: without a value."""
    return {'name': 'other', 'image': 'o', 'env': [
        {'name': 'LD_PRELOAD', **({} if value is None else {'value': value})} for value in values]}


def host(**annotations):
    return a_pod(hostNetwork=True, annotations={f'looptap.dev/{name}': value for name, value in annotations.items()})


def containers_of(pod):
    return pod['spec']['containers'] + pod['spec'].get('initContainers', [])


def environment(container):
    """What the container's first process gets: of several of a name the last."""
    return {one['name']: one.get('value') for one in container.get('env', [])}


def is_measured(pod):
    return 'looptap' in [one['name'] for one in containers_of(pod)]


def why_refused(pod):
    """What the API server has against a pod, and no schema says."""
    volumes = [one['name'] for one in pod['spec'].get('volumes', [])]
    names = [one['name'] for one in containers_of(pod)]
    mounts = [(one['name'], mount) for one in containers_of(pod) for mount in one.get('volumeMounts', [])]
    places = collections.Counter((name, mount['mountPath']) for name, mount in mounts)
    return ([f'{name}: volumeMounts: {mount["name"]} not found' for name, mount in mounts if mount['name'] not in volumes]
            + [f'{name} twice' for name, times in collections.Counter(volumes + names).items() if times > 1]
            + [f'{place} twice' for place, times in places.items() if times > 1])


class Policy(unittest.TestCase):

    def apply(self, *pods, policy=POLICY, parameters=PARAMETERS):
        text = '\n---\n'.join([policy, parameters, *(json.dumps(pod) for pod in pods)])
        return [result['pod'] for result in json.loads(node('apply_admission_policy.mjs', text=text))]

    def refusal(self, *pods, policy):
        """What is said of a policy that cannot be evaluated."""
        text = '\n---\n'.join([policy, PARAMETERS, *(json.dumps(pod) for pod in pods)])
        return node('apply_admission_policy.mjs', text=text, fails=True)

    def assert_agree(self, pod, result):
        written = json.loads(inject(json.dumps(pod)))
        for one in written, result:  # its order, the default protocol and empty resources mean nothing
            for container in containers_of(one):
                container.get('env', []).sort(key=lambda variable: variable['name'])
                if container.get('resources') == {}:
                    del container['resources']
                for port in container.get('ports', []):
                    port.pop('protocol', None)
        self.assertEqual(result, written)

    def test_agrees_with_inject(self):
        guaranteed = {'limits': {'cpu': '1', 'memory': '1Gi'}, 'requests': {'cpu': '1'}}
        pods = [
            a_pod(),
            a_pod(initContainers=[{'name': 'migrate', 'image': 'm'}], volumes=[{'name': 'a', 'emptyDir': {}}]),
            a_pod(securityContext={'runAsUser': 0}),
            a_pod(preload('/a.so')),
            a_pod({'name': 'other', 'image': 'o', 'env': [
                {'name': 'LD_PRELOAD', 'valueFrom': {'configMapKeyRef': {'name': 'a', 'key': 'b'}}},
                {'name': 'LOOPTAP_DIR', 'value': '/x'}, {'name': 'LOOPTAP_NAME', 'value': 'mine'}]}),
            a_pod({**preload('/a.so:' + LIBRARY), 'volumeMounts': [{'name': 'a', 'mountPath': '/a'}]},
                  volumes=[{'name': 'a', 'emptyDir': {}}]),
            a_pod({'name': 'proxy', 'image': 'p'}, annotations={'looptap.dev/exclude-containers': 'x, proxy'}),
            a_pod(annotations={'looptap.dev/inject': 'false'}),
            a_pod(annotations={'looptap.dev/inject': 'true'}),
            a_pod(os={'name': 'windows'}),
            a_pod(annotations={'kubernetes.io/config.mirror': 'abc'}, nodeName='a'),
            a_pod(annotations={'looptap.dev/port': '10070'}),
            host(port='10070'),
            a_pod(volumes=[{'name': 'looptap-shm', 'emptyDir': {}}]),
            a_pod({'name': 'other', 'image': 'o', 'resources': guaranteed}),
            a_pod(resources={'limits': {'cpu': '1'}}),
        ]
        whole = a_pod()
        whole['spec']['containers'][0]['resources'] = guaranteed
        for pod, result in zip([*pods, whole], self.apply(*pods, whole)):
            with self.subTest(pod):
                self.assert_agree(pod, result)
                self.assertEqual(why_refused(result), [])

    def test_a_second_time_changes_nothing(self):
        [first] = self.apply(a_pod())
        self.assertTrue(is_measured(first))
        self.assertEqual(self.apply(first), [first])

    def test_pods_that_would_not_start_with_it_are_skipped_and_say_why(self):
        own = [{'name': 'a', 'emptyDir': {}}]
        cases = [
            ('port 10064', a_pod({'name': 'other', 'image': 'o', 'ports': TAKEN})),
            ('port 10064', a_pod(initContainers=[
                {'name': 'proxy', 'image': 'p', 'restartPolicy': 'Always', 'ports': TAKEN}])),
            ('port 9000', a_pod({'name': 'other', 'image': 'o', 'ports': [{'containerPort': 9000}]},
                                annotations={'looptap.dev/port': '9000'})),
            *(('is no port', a_pod(annotations={'looptap.dev/port': wrong})) for wrong in ('0', '65536', 'x', '', '-1')),
            ('network of the host', host()),
            *(('at /looptap/lib or /looptap/shm', a_pod(
                {'name': 'other', 'image': 'o', 'volumeMounts': [{'name': 'a', 'mountPath': place}]}, volumes=own))
              for place in ('/looptap/lib', '/looptap/lib/', '//looptap/shm')),
            *(('is no emptyDir', a_pod(volumes=[{'name': name, 'configMap': {'name': 'x'}}]))
              for name in ('looptap-lib', 'looptap-shm')),
        ]
        for (why, pod), result in zip(cases, self.apply(*(pod for _, pod in cases))):
            with self.subTest(why, pod=pod):
                self.assertIn(why, result['metadata']['annotations'].pop(SKIPPED))
                if not result['metadata']['annotations']:
                    del result['metadata']['annotations']
                self.assertEqual(result, {**pod, 'metadata': {
                    name: value for name, value in pod['metadata'].items() if value != {}}})

    def test_pods_that_start_with_it_are_measured(self):
        # Null control of the one above: the same with the cause taken away.
        pods = [a_pod({'name': 'other', 'image': 'o', 'ports': [{'containerPort': 10065}]}),
                a_pod({'name': 'other', 'image': 'o', 'ports': TAKEN}, annotations={'looptap.dev/port': '10065'}),
                host(port='10070'), a_pod(hostNetwork=False), a_pod(hostPID=True),
                a_pod({'name': 'other', 'image': 'o', 'volumeMounts': [{'name': 'a', 'mountPath': '/looptap/library'}]},
                      volumes=[{'name': 'a', 'emptyDir': {}}]),
                a_pod(volumes=[{'name': 'looptap-shm', 'emptyDir': {}}, {'name': 'b', 'configMap': {'name': 'x'}}])]
        for pod, result in zip(pods, self.apply(*pods)):
            with self.subTest(pod):
                self.assertTrue(is_measured(result))
                self.assertNotIn(SKIPPED, result['metadata'].get('annotations', {}))
                self.assertEqual(why_refused(result), [])

    def test_the_mirror_of_a_static_pod_stays_as_it_is(self):
        mirror = a_pod(annotations={'kubernetes.io/config.mirror': 'abc', 'kubernetes.io/config.source': 'file'})
        other = a_pod(annotations={'kubernetes.io/config.source': 'api'})
        results = self.apply(mirror, other)
        self.assertEqual(results[0], mirror)
        self.assertTrue(is_measured(results[1]))

    def test_of_several_ld_preloads_the_last_counts(self):
        cases = [((None, '/a.so'), '/a.so:' + LIBRARY), (('', '/a.so'), '/a.so:' + LIBRARY), (('/a.so', None), LIBRARY),
                 (('/a.so', '/b.so'), '/b.so:' + LIBRARY), ((LIBRARY, '/b.so'), '/b.so:' + LIBRARY),
                 (('/a.so', LIBRARY), LIBRARY), ((None,), LIBRARY), (('/a.so',), '/a.so:' + LIBRARY)]
        pods = [a_pod(preload(*values)) for values, _ in cases]
        for pod, (values, expected), result in zip(pods, cases, self.apply(*pods)):
            with self.subTest(values):
                written = json.loads(inject(json.dumps(pod)))
                for one in result, written:
                    self.assertEqual(environment(one['spec']['containers'][1])['LD_PRELOAD'], expected)
                self.assertEqual(why_refused(result), [])

    def test_each_mutation_stands_alone(self):
        """Where one cannot be evaluated the API server carries out the other."""
        policy = object_of(POLICY, 'MutatingAdmissionPolicy')
        mutations = policy['spec']['mutations']
        self.assertEqual(len(mutations), 2)
        for left in mutations:
            policy['spec']['mutations'] = [left]
            for pod in a_pod(), a_pod(preload(None, '/a.so')):
                with self.subTest(left['patchType']):
                    self.assertEqual(why_refused(self.apply(pod, policy=json.dumps(policy))[0]), [])
        # Null control.
        self.assertEqual(why_refused(a_pod({'name': 'web', 'volumeMounts': MOUNTED[:1]})),
                         ['web: volumeMounts: looptap-lib not found', 'web twice'])

    def test_no_image_of_localhost_is_added(self):
        plain = (KUBERNETES / 'admission/parameters.yaml').read_text()
        [result] = self.apply(a_pod(), parameters=plain)
        self.assertFalse(is_measured(result))
        self.assertIn('no node can pull the image localhost/looptap', result['metadata']['annotations'][SKIPPED])
        [result] = self.apply(a_pod(), parameters=plain.replace('localhost/looptap', 'registry.example/looptap'))
        self.assertTrue(is_measured(result))

    def test_kustomize_reaches_what_it_adds(self):
        folder = TOOLS / 'own-image'
        folder.mkdir(exist_ok=True)
        for version in 'admission', 'admission-v1beta1':
            target = '{kind: PodTemplate, name: looptap}'
            (folder / 'kustomization.yaml').write_text(
                f'resources: [{"../" * len(folder.relative_to(ROOT).parts)}deploy/kubernetes/{version}]\n'
                'namespace: elsewhere\nimages: [{name: localhost/looptap, newName: registry.example/looptap, newTag: "2"}]\n'
                f'patches:\n  - target: {target}\n    patch: |\n'
                '      - {op: replace, path: /template/spec/containers/0/resources/requests/cpu, value: 50m}\n')
            built = kustomize(folder)
            parameters = object_of(built, 'PodTemplate')
            [reference] = [one['spec']['paramRef'] for one in objects_of(built)
                           if one['kind'] == 'MutatingAdmissionPolicyBinding']
            self.assertEqual((reference['name'], reference['namespace']), (parameters['metadata']['name'], 'elsewhere'))
            self.assertEqual(parameters['metadata']['namespace'], 'elsewhere')
            self.assertEqual(object_of(built, 'Namespace')['metadata']['name'], 'elsewhere')
            parameters['metadata']['namespace'] = 'looptap-admission'  # where the binding of the tests looks
            [result] = self.apply(a_pod(), parameters=json.dumps(parameters))
            sidecar, _ = sidecar_of(result['spec'])
            self.assertEqual(sidecar['image'], 'registry.example/looptap:2')
            self.assertEqual(sidecar['resources']['requests'], {'cpu': '50m', 'memory': '32Mi'})

    def test_a_type_at_the_wrong_place_is_found(self):
        wrong = POLICY.replace('Object.spec.containers.env{name: "LOOPTAP_DIR"', 'Object.spec.volumes{name: "LOOPTAP_DIR"')
        self.assertNotEqual(wrong, POLICY)
        self.assertRegex(self.refusal(a_pod(), policy=wrong), r'at the place of|Object\.spec\.volumes|type')
