"""The MutatingAdmissionPolicy, carried out by the admission plugin of Kubernetes' API server itself.

`make test-admission` compiles the plugin, from Debian's packages, as root. Everywhere else an interpreter of CEL stands in for
it (test_policy): what that one is held against, the plugin is, too.
"""

import json
import unittest

from e2e import test_manifests, test_policy
from e2e.harness import BUILD
from e2e.test_manifests import KUBERNETES, PARAMETERS, POLICY, a_pod, run

ADMIT = BUILD / 'admission/admit'
BINDING = (KUBERNETES / 'admission/binding.yaml').read_text()
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


def admit(*pods, policy=POLICY, parameters=PARAMETERS, labels=INJECTED):
    """What becomes of pods in a namespace with these labels: [(pod, error)]."""
    if not ADMIT.exists():
        raise unittest.SkipTest('the API server\'s admission plugin is not here: make test-admission compiles it')
    placed = [{**pod, 'metadata': {**pod['metadata'], 'namespace': 'shop'}} for pod in pods]
    text = '\n---\n'.join([policy, parameters, BINDING, *(json.dumps(one) for one in (namespace('shop', labels), *placed))])
    results = []
    for result in json.loads(run([ADMIT], text)):
        pod = without_empty(result['pod'])
        del pod['metadata']['namespace']
        results.append((pod, result['error']))
    return results


class Policy(test_policy.Policy):

    def apply(self, *pods, **options):
        results = admit(*pods, **options)
        self.assertEqual([error for _, error in results], [''] * len(pods))
        return [pod for pod, _ in results]

    def refusal(self, *pods, policy):
        [(_, error)] = admit(*pods, policy=policy)
        return error

    def test_only_in_namespaces_that_ask_for_it(self):
        for labels in {}, {'looptap.dev/inject': 'false'}:
            self.assertEqual(admit(a_pod(), labels=labels), [(a_pod(), '')])
        self.assertTrue(test_policy.is_measured(self.apply(a_pod())[0]))

    def test_without_parameters_no_pod_is_changed(self):
        self.assertEqual(admit(a_pod(), parameters=PARAMETERS.replace('namespace: looptap-admission', 'namespace: x')),
                         [(a_pod(), '')])

    def test_it_adds_the_sidecar_of_the_example(self):
        example = test_manifests.OneSidecar()
        example.setUp()
        [pod] = self.apply(example.without_looptap())
        self.assertEqual(test_manifests.sidecar_of(pod['spec']), example.expected)
