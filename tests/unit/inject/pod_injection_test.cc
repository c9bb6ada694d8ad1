#include "exporter/inject/pod_injection.h"

#include "tests/unit/catch.h"
#include "tests/unit/inject/injected_manifest.h"

using namespace looptap;

namespace {

const std::string kMounts =
    "    volumeMounts:\n    - name: looptap-lib\n      mountPath: /looptap/lib\n      readOnly: true\n"
    "    - name: looptap-shm\n      mountPath: /looptap/shm\n";
const std::string kOwn =
    "    - name: LD_PRELOAD\n      value: /looptap/lib/liblooptap.so\n    - name: LOOPTAP_DIR\n      value: "
    "/looptap/shm\n";

}  // namespace

TEST_CASE("a pod gets the container, the volumes and three lines") {
  CHECK(inject(pod("")).text == pod("") + "    env:\n" + kOwn + kMounts +
                                    "  initContainers:\n"
                                    "  - name: looptap\n"
                                    "    image: looptap:1\n"
                                    "    restartPolicy: Always\n"
                                    "    args:\n"
                                    "    - serve\n"
                                    "    - --install.dir=/looptap/lib\n"
                                    "    - --segments.dir=/looptap/shm\n"
                                    "    ports:\n"
                                    "    - name: looptap\n"
                                    "      containerPort: 10064\n"
                                    "    startupProbe:\n"
                                    "      httpGet:\n"
                                    "        path: /-/ready\n"
                                    "        port: looptap\n"
                                    "      periodSeconds: 1\n"
                                    "      failureThreshold: 60\n"
                                    "    resources:\n"
                                    "      requests:\n"
                                    "        cpu: 10m\n"
                                    "        memory: 32Mi\n"
                                    "      limits:\n"
                                    "        cpu: 200m\n"
                                    "        memory: 64Mi\n"
                                    "    securityContext:\n"
                                    "      runAsNonRoot: true\n"
                                    "      allowPrivilegeEscalation: false\n"
                                    "      readOnlyRootFilesystem: true\n"
                                    "      capabilities:\n"
                                    "        drop:\n"
                                    "        - ALL\n"
                                    "      seccompProfile:\n"
                                    "        type: RuntimeDefault\n"
                                    "    volumeMounts:\n"
                                    "    - name: looptap-lib\n"
                                    "      mountPath: /looptap/lib\n"
                                    "    - name: looptap-shm\n"
                                    "      mountPath: /looptap/shm\n"
                                    "    - name: looptap-lib\n"
                                    "      mountPath: /var/run/secrets/kubernetes.io/serviceaccount\n"
                                    "      readOnly: true\n"
                                    "  volumes:\n"
                                    "  - name: looptap-lib\n"
                                    "    emptyDir: {}\n"
                                    "  - name: looptap-shm\n"
                                    "    emptyDir:\n"
                                    "      medium: Memory\n"
                                    "      sizeLimit: 16Mi\n");
}

TEST_CASE("what a container has of it already stays") {
  const std::string library = "/looptap/lib/liblooptap.so";
  struct {
    std::string before, after;
  } const table[] = {
      {"env:\n", "env:\n" + std::string("- name: LD_PRELOAD\n  value: ") + library + "\n"},
      {"env: []\n", "env:\n- name: LD_PRELOAD\n  value: " + library + "\n"},
      {"env: ~\n", "env:\n- name: LD_PRELOAD\n  value: " + library + "\n"},
      {"env:\n- name: A\n  value: \"yes\"\n",
       "env:\n- name: A\n  value: \"yes\"\n- name: LD_PRELOAD\n  value: " + library + "\n"},
      {"env:\n- name: LD_PRELOAD\n  value: /a.so\n",
       "env:\n- name: LD_PRELOAD\n  value: /a.so:" + library + "\n"},
      {"env:\n- name: LD_PRELOAD\n  value: '/a.so /b.so'\n",
       "env:\n- name: LD_PRELOAD\n  value: '/a.so /b.so:" + library + "'\n"},
      {"env:\n- name: LD_PRELOAD\n  value: \"\"\n",
       "env:\n- name: LD_PRELOAD\n  value: \"" + library + "\"\n"},
      {"env:\n- name: LD_PRELOAD\n", "env:\n- name: LD_PRELOAD\n  value: " + library + "\n"},
      {"env:\n- name: LD_PRELOAD\n  value: $(OTHER)/a.so\n",
       "env:\n- name: LD_PRELOAD\n  value: \"$(OTHER)/a.so:" + library + "\"\n"},
      {"env:\n- name: LD_PRELOAD\n  value: " + library + ":/a.so\n",
       "env:\n- name: LD_PRELOAD\n  value: " + library + ":/a.so\n"},
  };
  for (const auto& [before, after] : table) {
    CAPTURE(before);
    const std::string expected =
        pod(after) + "    - name: LOOPTAP_DIR\n      value: /looptap/shm\n" + kMounts;
    CHECK(inject(pod(before)).text.substr(0, expected.size()) == expected);
  }
}

TEST_CASE("an LD_PRELOAD from elsewhere is left alone, with a warning") {
  const std::string from = "env:\n- name: LD_PRELOAD\n  valueFrom: {configMapKeyRef: {name: a, key: b}}\n";
  const Injected injected = inject(pod(from));
  CHECK(injected.text.starts_with(pod(from) + "    - name: LOOPTAP_DIR\n"));
  REQUIRE(injected.report.warnings.size() == 1);
  CHECK(injected.report.warnings[0].starts_with("9:7: pod/p: container web is not measured"));
  CHECK(injected.report.pods == std::vector<std::string>{"pod/p: measures nothing"});
  CHECK(inject(pod("")).report.warnings.empty());
}

TEST_CASE("a LOOPTAP_DIR and a LOOPTAP_NAME of the user's stay") {
  const Injected injected = inject(pod("env:\n- name: LOOPTAP_DIR\n  value: /mine\n"));
  CHECK(count(injected.text, "LOOPTAP_DIR") == 1);
  CHECK(injected.report.warnings.size() == 1);
  const std::string two =
      inject(pod("env:\n- {name: LOOPTAP_NAME, value: mine}\n") + "  - name: \"2\"\n").text;
  CHECK(count(two, "LOOPTAP_NAME") == 2);
  CHECK(has(two, "name: LOOPTAP_NAME, value: mine}"));
  CHECK(has(two, "- name: LOOPTAP_NAME\n      value: \"2\"\n"));
  CHECK(!has(inject(pod("")).text, "LOOPTAP_NAME"));
}

TEST_CASE("init containers are not measured unless they are named") {
  const std::string manifest =
      pod("") + "  initContainers:\n  - name: migrate\n  - name: proxy\n    restartPolicy: Always\n";
  const std::string text = inject(manifest).text;
  CHECK(has(text, "  - name: migrate\n  - name: proxy\n    restartPolicy: Always\n  volumes:"));
  CHECK(text.find("- name: looptap\n") < text.find("- name: migrate"));
  CHECK(has(inject(manifest, {.image = "l", .containers = {"web", "proxy"}}).text,
            "    restartPolicy: Always\n    env:\n" + kOwn));
}

TEST_CASE("containers are chosen by flags and by the annotation") {
  const std::string two = pod("") + "  - name: other\n";
  CHECK(has(inject(two, {.image = "l", .containers = {"other"}}).text,
            "  - name: web\n  - name: other\n    env:"));
  CHECK(has(inject(two, {.image = "l", .excluded_containers = {"other"}}).text,
            "  - name: other\n  initContainers:"));
  std::string annotated = two;
  annotated.insert(annotated.find("spec:"),
                   "  annotations: {looptap.dev/exclude-containers: \"a, other\"}\n");
  CHECK(has(inject(annotated).text, "  - name: other\n  initContainers:"));
  CHECK(inject(two, {.image = "l", .containers = {"none"}}).text == two);
}

TEST_CASE("the classic way: an installer first, the server last") {
  const std::string text =
      inject(pod("") + "  initContainers: [{name: migrate}]\n", {.image = "l", .classic = true}).text;
  CHECK(!has(text, "startupProbe"));
  CHECK(!has(text, "restartPolicy"));
  CHECK(!has(text, "--install.dir"));
  CHECK(has(text, "initContainers: [{name: looptap-install, image: l, args: [install, /looptap/lib]"));
  CHECK(text.find("- name: web") < text.find("- name: looptap\n"));
  CHECK(count(text, "LD_PRELOAD") == 1);
  CHECK(!has(text, "LOOPTAP_NAME"));
}

TEST_CASE("the sidecar starts also in a pod of root") {
  const std::string root = pod("") + "  securityContext: {runAsUser: 0}\n";
  CHECK(has(inject(root).text, "runAsUser: 65532"));
  CHECK(!has(inject(pod("") + "  securityContext: {runAsUser: 1000}\n").text, "65532"));
}

TEST_CASE("the port and the resources are the user's to choose") {
  const std::string text =
      inject(pod(""),
             {.image = "l", .port = 9000, .requests = {}, .limits = {{"cpu", "1"}, {"memory", "1e9"}}})
          .text;
  CHECK(has(text, "containerPort: 9000\n"));
  CHECK(has(text, "- --web.listen-address=:9000\n"));
  CHECK(has(text, "    resources:\n      limits:\n        cpu: \"1\"\n        memory: \"1e9\"\n"));
}

TEST_CASE("every kind that has pods") {
  const std::string spec = "{containers: [{name: web}]}";
  for (const std::string& text : std::vector<std::string>{
           "{apiVersion: v1, kind: Pod, spec: " + spec + "}\n",
           "{apiVersion: v1, kind: PodTemplate, template: {spec: " + spec + "}}\n",
           "{apiVersion: v1, kind: ReplicationController, spec: {template: {spec: " + spec + "}}}\n",
           "{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: " + spec + "}}}\n",
           "{apiVersion: apps/v1, kind: StatefulSet, spec: {template: {spec: " + spec + "}}}\n",
           "{apiVersion: apps/v1, kind: DaemonSet, spec: {template: {spec: " + spec + "}}}\n",
           "{apiVersion: apps/v1, kind: ReplicaSet, spec: {template: {spec: " + spec + "}}}\n",
           "{apiVersion: batch/v1, kind: Job, spec: {template: {spec: " + spec + "}}}\n",
           "{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: " + spec +
               "}}}}}\n",
           "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret}, {apiVersion: v1, kind: Pod, "
           "spec: " +
               spec + "}]}\n",
           "{apiVersion: apps/v1, kind: DeploymentList, items: [{spec: {template: {spec: " + spec +
               "}}}]}\n"}) {
    CAPTURE(text);
    CHECK(count(inject(text).text, "liblooptap.so") == 1);
  }
}

TEST_CASE("everything else comes out byte for byte") {
  for (const std::string& text : std::vector<std::string>{
           "", "# nothing\n", "---\n", "---\n---\n# a\n", "plain\n", "- a\n",
           "apiVersion: v1\nkind:   Service   # comment\n",
           "apiVersion: serving.knative.dev/v1\nkind: Service\nspec: {}\n",
           "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: {spec: {containers: [{name: "
           "a}]}}}\n",
           "apiVersion: other.io/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{name: a}]}}}\n",
           "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}], os: {name: windows}}\n",
           "apiVersion: v1\nkind: Pod\nmetadata: {annotations: {looptap.dev/inject: \"false\"}}\nspec: "
           "{containers: [{name: a}]}\n",
           "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas:   2}   # a patch\n",
           "apiVersion: v1\nkind: AllowList\nitems: 3\n", "apiVersion: v1\nkind: List\nitems: []\n"}) {
    CAPTURE(text);
    CHECK(inject(text).text == text);
  }
}

TEST_CASE("JSON stays JSON") {
  const std::string text =
      inject(
          "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"name\": "
          "\"web\", \"env\": []}]}}\n")
          .text;
  CHECK(has(text,
            "{\"name\": \"web\", \"env\": [{\"name\": \"LD_PRELOAD\", \"value\": "
            "\"/looptap/lib/liblooptap.so\"}, "));
  CHECK(has(text, "\"runAsNonRoot\": true, "));
  CHECK(has(text, "\"memory\": \"32Mi\""));
}

TEST_CASE("line ends stay what they were") {
  CHECK(has(inject("apiVersion: v1\r\nkind: Pod\r\nspec:\r\n  containers:\r\n  - name: a\r\n").text,
            "  - name: a\r\n    env:\r\n"));
}

TEST_CASE("aliases do not spread what was added") {
  const std::string text =
      inject(
          "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    env: &e\n    - {name: A, "
          "value: b}\n  initContainers:\n  - name: i\n    env: *e\n")
          .text;
  CHECK(count(text, "LD_PRELOAD") == 1);
  CHECK(count(text, "{name: A, value: b}") == 2);
  const std::string merged =
      inject(
          "apiVersion: v1\nkind: Pod\nspec:\n  initContainers:\n  - &base\n    name: i\n    env: [{name: "
          "LD_PRELOAD, value: /a.so}]\n  containers:\n  - <<: *base\n    name: a\n")
          .text;
  CHECK(count(merged, "/a.so:/looptap/lib/liblooptap.so") == 1);
  CHECK(count(merged, "/a.so") == 2);
}

TEST_CASE("a manifest of the wrong shape gets its place") {
  CHECK(has(complaint(pod("env: {}\n")), "8:10: env: a list"));
  CHECK(has(complaint(pod("env: [a]\n")), "8:11: env: its items"));
  CHECK(has(complaint("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a}]}\n"),
            "3:21: this container has no name"));
  CHECK(has(complaint("apiVersion: v1\nkind: Pod\nspec: 3\n"), "3:7: spec: a mapping"));
  CHECK(has(complaint("apiVersion: v1\nkind: Pod\nspec: {}\nspec: {}\n"), "4:1: \"spec\" is there twice"));
}
