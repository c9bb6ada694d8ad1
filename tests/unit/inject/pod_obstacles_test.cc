#include "exporter/inject/pod_obstacles.h"

#include "tests/unit/catch.h"
#include "tests/unit/inject/injected_manifest.h"

using namespace looptap;

namespace {

/// A pod with one container, fields of its spec and annotations.
std::string pod_with(const std::string& fields, const std::string& annotations = "") {
  std::string text = pod("");
  if (!annotations.empty()) text.insert(text.find("spec:"), "  annotations: {" + annotations + "}\n");
  return text + "  " + fields + "\n";
}

/// What became of the only pod.
std::string fate(const std::string& manifest, const InjectionOptions& options = {}) {
  const Injected injected = inject(manifest, options);
  REQUIRE(injected.report.pods.size() == 1);
  CHECK((injected.text == manifest) == has(injected.report.pods[0], "left alone"));
  return injected.report.pods[0];
}

}  // namespace

TEST_CASE("a pod that would not start is refused") {
  CHECK(has(complaint(pod("ports: [{containerPort: 10064}]\n")), "8:13: container web has port 10064"));
  CHECK(complaint(pod("ports: [{containerPort: 10064}]\n"), {.image = "l", .port = 10065}).empty());
  CHECK(has(complaint(pod("volumeMounts: [{name: x, mountPath: /looptap/lib}]\n")),
            "8:20: container web has another"));
}

TEST_CASE("an init container that keeps looptap's port is refused as well") {
  const std::string native =
      "initContainers: [{name: proxy, restartPolicy: Always, ports: [{containerPort: 10064}]}]";
  CHECK(has(complaint(pod_with(native)), "8:65: container proxy has port 10064"));
  CHECK(complaint(pod_with(native), {.image = "l", .port = 10065}).empty());
  CHECK(complaint(pod_with("initContainers: [{name: proxy, ports: [{containerPort: 10065}]}]")).empty());
}

TEST_CASE("a mount is where it is, whatever slashes it has") {
  for (const std::string path : {"/looptap/lib/", "//looptap/lib", "/looptap//lib//"}) {
    CAPTURE(path);
    CHECK(has(complaint(pod("volumeMounts: [{name: x, mountPath: " + path + "}]\n")),
              "container web has another"));
    const std::string own =
        inject(pod("volumeMounts: [{name: looptap-lib, mountPath: " + path + "}]\n")).text;
    CHECK(count(own.substr(0, own.find("initContainers")), "name: looptap-lib") == 1);
  }
  CHECK(complaint(pod("volumeMounts: [{name: x, mountPath: /looptap/library}]\n")).empty());
}

TEST_CASE("a volume with looptap's name has to be an emptyDir") {
  CHECK(has(complaint(pod_with("volumes: [{name: looptap-lib, configMap: {name: x}}]")),
            "8:13: volume looptap-lib is no emptyDir"));
  CHECK(has(complaint(pod_with("volumes: [{name: looptap-shm, hostPath: {path: /x}}]")),
            "volume looptap-shm is no"));
  CHECK(complaint(pod_with("volumes: [{name: looptap-shm, emptyDir: {}}, {name: x, hostPath: {path: /x}}]"))
            .empty());
}

TEST_CASE("the mirror of a static pod is left alone") {
  CHECK(has(fate(pod_with("nodeName: a", "kubernetes.io/config.mirror: abc")),
            "left alone: it mirrors a static pod"));
  CHECK(has(fate(pod_with("nodeName: a", "kubernetes.io/config.hash: abc")), "measures web"));
}

TEST_CASE("a pod on its host's network is left alone unless it has a port of its own") {
  const std::string host = "hostNetwork: true";
  CHECK(has(fate(pod_with(host)), "left alone: it is on the network of its host"));
  CHECK(has(fate(pod_with("hostNetwork: yes")), "left alone"));
  CHECK(has(fate(pod_with("hostNetwork: false")), "measures web"));
  CHECK(has(fate(pod_with(host), {.image = "l", .port = 9000}), "measures web"));
  const std::string text = inject(pod_with(host, "looptap.dev/port: \"9001\"")).text;
  CHECK(has(text, "containerPort: 9001\n"));
  CHECK(has(text, "- --web.listen-address=:9001\n"));
}

TEST_CASE("a pod's annotation goes before the port of the flags") {
  const std::string text =
      inject(pod_with("hostPID: false", "looptap.dev/port: '9001'"), {.image = "l", .port = 9000}).text;
  CHECK(has(text, "containerPort: 9001\n"));
  for (const std::string wrong : {"''", "'0'", "'65536'", "'x'", "' 1'", "'010'", "'123456'"}) {
    CAPTURE(wrong);
    CHECK(has(complaint(pod_with("hostPID: false", "looptap.dev/port: " + wrong)), "is no port"));
  }
}

TEST_CASE("looptap does not take a pod's quality-of-service class from it") {
  const std::string limits = "resources: {limits: {cpu: 1, memory: 1Gi}";
  const std::string equal = "requests:\n        cpu: 200m\n        memory: 64Mi\n";
  CHECK(has(inject(pod(limits + "}\n")).text, equal));
  CHECK(has(inject(pod(limits + ", requests: {cpu: 1}}\n")).text, equal));
  CHECK(!has(inject(pod(limits + ", requests: {cpu: 500m}}\n")).text, equal));
  CHECK(!has(inject(pod("resources: {limits: {memory: 1Gi}}\n")).text, equal));
  CHECK(!has(inject(pod(limits + "}\n") + "  initContainers: [{name: migrate}]\n").text, equal));
}

TEST_CASE("in a pod whose containers share their resources looptap asks for none") {
  CHECK(has(inject(pod_with("resources: {limits: {cpu: 1, memory: 1Gi}}")).text, "    resources: {}\n"));
  CHECK(has(inject(pod_with("resources: {}")).text, "        memory: 64Mi\n"));
}

TEST_CASE("what is to end does not end with a classic sidecar") {
  const std::string job =
      "apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: "
      "a}]}}}\n";
  const Injected classic = inject(job, {.image = "l", .classic = true});
  REQUIRE(classic.report.warnings.size() == 1);
  CHECK(has(classic.report.warnings[0], "3:41: job/...: it is to come to an end"));
  CHECK(inject(job).report.warnings.empty());
  CHECK(inject(pod(""), {.image = "l", .classic = true}).report.warnings.empty());
}
