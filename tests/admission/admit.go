// admit <MANIFESTS: what MutatingAdmissionPolicies make of pods that are created, by the admission plugin of Kubernetes' API
// server itself (k8s.io/apiserver). Reads a YAML stream of policies, bindings, namespaces and pods; writes a JSON list: for
// each pod {pod, error}. Policies count as if they said failurePolicy: Fail, or mistakes would be passed over in silence.
//
// Around the plugin is a cluster that only holds what was read, and Kubernetes' schemas as its client library has them. What
// the API server does to policies and bindings before it stores them is done here: their defaults. How it validates them
// is not.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"time"
	_ "unsafe" // for go:linkname

	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/openapi/openapitest"
)

//go:linkname compilePolicy k8s.io/apiserver/pkg/admission/plugin/policy/mutating.compilePolicy
func compilePolicy(*admissionregistration.MutatingAdmissionPolicy) mutating.PolicyEvaluator

type result struct {
	Pod   *core.Pod `json:"pod"`
	Error string    `json:"error"`
}

func setDefaults(match *admissionregistration.MatchResources) {
	if match == nil {
		return
	}
	equivalent, every := admissionregistration.Equivalent, admissionregistration.AllScopes
	if match.MatchPolicy == nil {
		match.MatchPolicy = &equivalent
	}
	if match.NamespaceSelector == nil {
		match.NamespaceSelector = &meta.LabelSelector{}
	}
	if match.ObjectSelector == nil {
		match.ObjectSelector = &meta.LabelSelector{}
	}
	for i := range match.ResourceRules {
		if match.ResourceRules[i].Scope == nil {
			match.ResourceRules[i].Scope = &every
		}
	}
}

func read(from io.Reader) (objects []runtime.Object, pods []*core.Pod) {
	documents := yaml.NewYAMLReader(bufio.NewReader(from))
	fail := admissionregistration.Fail
	for {
		document, err := documents.Read()
		if err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		if err != nil {
			log.Fatal(err)
		}
		switch typed := object.(type) {
		case *core.Pod:
			pods = append(pods, typed)
			continue
		case *admissionregistration.MutatingAdmissionPolicy:
			typed.Spec.FailurePolicy = &fail
			setDefaults(typed.Spec.MatchConstraints)
		case *admissionregistration.MutatingAdmissionPolicyBinding:
			setDefaults(typed.Spec.MatchResources)
		}
		objects = append(objects, object)
	}
}

// As mutating.NewPlugin, but for the schemas, which that one asks the API server for.
func newPlugin() *mutating.Plugin {
	return &mutating.Plugin{Plugin: generic.NewPlugin(
		admission.NewHandler(admission.Create),
		func(f informers.SharedInformerFactory, _ kubernetes.Interface, client dynamic.Interface,
			mapper apimeta.RESTMapper) generic.Source[mutating.PolicyHook] {
			return generic.NewPolicySource(f.Admissionregistration().V1().MutatingAdmissionPolicies().Informer(),
				f.Admissionregistration().V1().MutatingAdmissionPolicyBindings().Informer(),
				mutating.NewMutatingAdmissionPolicyAccessor, mutating.NewMutatingAdmissionPolicyBindingAccessor,
				compilePolicy, f, client, mapper)
		},
		func(a authorizer.Authorizer, m *matching.Matcher, _ kubernetes.Interface) generic.Dispatcher[mutating.PolicyHook] {
			return mutating.NewDispatcher(a, m, patch.NewTypeConverterManager(
				applyconfigurations.NewTypeConverter(scheme.Scheme), openapitest.NewEmbeddedFileClient()))
		})}
}

func startPlugin(objects []runtime.Object) *mutating.Plugin {
	client := fake.NewSimpleClientset(objects...)
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	never := make(chan struct{})
	plugin := newPlugin()
	initializer.New(client, dynamicfake.NewSimpleDynamicClient(scheme.Scheme), factory,
		authorizerfactory.NewAlwaysAllowAuthorizer(), utilfeature.DefaultFeatureGate,
		compatibility.DefaultBuildEffectiveVersion(), never,
		testrestmapper.TestOnlyStaticRESTMapper(scheme.Scheme)).Initialize(plugin)
	plugin.SetEnabled(true)
	if err := plugin.ValidateInitialization(); err != nil {
		log.Fatal(err)
	}
	factory.Start(never)
	if !plugin.WaitForReady() {
		log.Fatal("the plugin does not get ready")
	}
	return plugin
}

func main() {
	objects, pods := read(os.Stdin)
	plugin := startPlugin(objects)
	results := []result{}
	for _, pod := range pods {
		attributes := admission.NewAttributesRecord(pod, nil, core.SchemeGroupVersion.WithKind("Pod"), pod.Namespace, pod.Name,
			core.SchemeGroupVersion.WithResource("pods"), "", admission.Create, &meta.CreateOptions{}, false,
			&user.DefaultInfo{Name: "somebody"})
		kind := pod.GroupVersionKind() // which is lost on the way
		outcome := result{Pod: pod}
		interfaces := admission.NewObjectInterfacesFromScheme(scheme.Scheme)
		if err := plugin.Admit(context.Background(), attributes, interfaces); err != nil {
			outcome.Error = err.Error()
		}
		pod.SetGroupVersionKind(kind)
		results = append(results, outcome)
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}
