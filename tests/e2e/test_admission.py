"""The MutatingAdmissionPolicy, carried out by the admission plugin of Kubernetes' API server itself.

`make test-admission` compiles the plugin, from Debian's packages, as root. Everywhere else an interpreter of CEL stands in for
it (test_manifests.Policy): what that one is held against, the plugin is, too.
"""

import json
import unittest

from e2e import test_manifests
from e2e.harness import BUILD
from e2e.test_manifests import KUBERNETES, run

ADMIT = BUILD / 'admission/admit'
POLICY, BINDING = ((KUBERNETES / 'admission' / name).read_text() for name in ('policy.yaml', 'binding.yaml'))
INJECTED = {'looptap.dev/inject': 'true'}


def namespace(name, labels):
    return {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': name, 'labels': labels}}


def without_empty(value):
    """Go writes structs that hold nothing."""
    if isinstance(value, list):
        return [without_empty(one) for one in value]
    if isinstance(value, dict):
        return {name: without_empty(one) for name, one in value.items() if one != {} or name == 'emptyDir'}
    return value


def admit(*pods, policy=POLICY, labels=INJECTED):
    """What becomes of pods in a namespace with these labels: [{pod, error, matches}]."""
    if not ADMIT.exists():
        raise unittest.SkipTest('the API server\'s admission plugin is not here: make test-admission compiles it')
    placed = [{**pod, 'metadata': {**pod['metadata'], 'namespace': 'shop'}} for pod in pods]
    text = '\n---\n'.join([policy, BINDING, *(json.dumps(one) for one in (namespace('shop', labels), *placed))])
    results = json.loads(run([ADMIT], text))
    for before, result in zip(pods, results):
        result['pod'] = without_empty(result['pod'])
        del result['pod']['metadata']['namespace']
        result['matches'] = result['pod'] != before
    return results


class Policy(test_manifests.Policy):

    def apply(self, *pods, policy=POLICY):
        results = admit(*pods, policy=policy)
        self.assertEqual([result['error'] for result in results], [''] * len(pods))
        return results

    def test_only_in_namespaces_that_ask_for_it(self):
        for labels in {}, {'looptap.dev/inject': 'false'}:
            [result] = admit(self.pod(), labels=labels)
            self.assertEqual((result['pod'], result['error']), (self.pod(), ''))
        self.assertTrue(self.apply(self.pod())[0]['matches'])

    def test_a_type_at_the_wrong_place_is_found(self):
        wrong = POLICY.replace('startupProbe: Object.spec.initContainers.startupProbe{',
                               'startupProbe: Object.spec.containers.startupProbe{')
        self.assertNotEqual(wrong, POLICY)
        [result] = admit(self.pod(), policy=wrong)
        self.assertIn('Object.spec.containers.startupProbe', result['error'])

    def test_it_adds_the_sidecar_of_the_example(self):
        example = test_manifests.OneSidecar()
        example.setUp()
        [result] = self.apply(example.without_looptap())
        self.assertEqual(test_manifests.sidecar_of(result['pod']['spec']), example.expected)
