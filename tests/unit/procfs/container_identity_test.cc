// Paths of cgroups as they are met on real machines, and what they tell.
#include "exporter/procfs/container_identity.h"

#include "tests/unit/catch.h"

using looptap::ContainerIdentity;
using looptap::identity_of_cgroup;
using looptap::identity_of_process_cgroups;

namespace Catch {
template <>
struct StringMaker<ContainerIdentity> {
  static std::string convert(const ContainerIdentity& it) {
    return "pod '" + it.pod_uid + "', container '" + it.container_id + "', runtime '" + it.runtime +
           "', unit '" + it.unit + "'";
  }
};
}  // namespace Catch

namespace {

#define UID "2c48913c-b29f-11e7-9350-020968147796"
#define UID_ "2c48913c_b29f_11e7_9350_020968147796"
#define STATIC_UID "d4d5ff4d3d0a1c5d6f1c8d7b2d3f0a6e"
#define ID "05d9bb37c0c4a6f2d53f1e5cf0dd8a7c1d6c5c1a1eaa0a66fda8c3a1e5dd7f90"
#define OUTER "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d"
#define TASK "55091c13b8cf4801b527f7601b4204c5"

struct Case {
  const char* what;
  const char* path;
  ContainerIdentity identity;  // pod, container, runtime, unit
};

const Case kCases[] = {
    // Kubernetes, systemd driver.
    {"containerd, burstable",
     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID
     ".scope",
     {UID, ID, "containerd", ""}},
    {"containerd, guaranteed",
     "/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope",
     {UID, ID, "containerd", ""}},
    {"containerd, static pod",
     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID ".slice/cri-containerd-" ID
     ".scope",
     {STATIC_UID, ID, "containerd", ""}},
    {"CRI-O, best effort",
     "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID ".scope",
     {UID, ID, "cri-o", ""}},
    {"CRI-O with crun",
     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/crio-" ID
     ".scope/container",
     {UID, ID, "cri-o", ""}},
    {"CRI-O's monitor",
     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/crio-conmon-" ID ".scope",
     {UID, "", "", "crio-conmon-" ID ".scope"}},
    {"docker through cri-dockerd",
     "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/docker-" ID ".scope",
     {UID, ID, "docker", ""}},
    {"the pod itself",
     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice",
     {UID, "", "", ""}},
    {"a container of an unknown runtime",
     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/new-runtime-" ID ".scope",
     {UID, "", "", "new-runtime-" ID ".scope"}},
    {"a directory under /sys/fs/cgroup",
     "/sys/fs/cgroup/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope/",
     {UID, ID, "containerd", ""}},
    {"a directory of a v1 controller",
     "/sys/fs/cgroup/memory/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope",
     {UID, ID, "containerd", ""}},
    // The drivers of kubelet and containerd disagree.
    {"a systemd path taken for a cgroupfs one",
     "/system.slice/containerd.service/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" ID,
     {UID, ID, "containerd", ""}},
    {"the same, guaranteed, at the top",
     "/kubepods-pod" UID_ ".slice:cri-containerd:" ID,
     {UID, ID, "containerd", ""}},
    {"the same of CRI-O", "/kubepods-besteffort-pod" UID_ ".slice:crio:" ID, {UID, ID, "cri-o", ""}},
    {"the same of docker", "/system.slice:docker:" ID, {"", ID, "docker", ""}},
    // Kubernetes, cgroupfs driver. Nothing there names the runtime, but of CRI-O.
    {"cgroupfs, burstable", "/kubepods/burstable/pod" UID "/" ID, {UID, ID, "", ""}},
    {"cgroupfs, guaranteed", "/kubepods/pod" UID "/" ID, {UID, ID, "", ""}},
    {"cgroupfs, best effort, static", "/kubepods/besteffort/pod" STATIC_UID "/" ID, {STATIC_UID, ID, "", ""}},
    {"cgroupfs, CRI-O", "/kubepods/burstable/pod" UID "/crio-" ID, {UID, ID, "cri-o", ""}},
    {"cgroupfs, CRI-O's monitor", "/kubepods/burstable/pod" UID "/crio-conmon-" ID, {UID, "", "", ""}},
    // Nested: the innermost.
    {"kind, systemd driver",
     "/system.slice/docker-" OUTER ".scope/kubelet.slice/kubelet-kubepods.slice/"
     "kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID
     ".scope",
     {UID, ID, "containerd", ""}},
    {"kind, cgroupfs driver",
     "/docker/" OUTER "/kubelet/kubepods/besteffort/pod" UID "/" ID,
     {UID, ID, "", ""}},
    {"kind's own services",
     "/system.slice/docker-" OUTER ".scope/system.slice/containerd.service",
     {"", OUTER, "docker", "containerd.service"}},
    {"kind's pod outside of any container of it",
     "/docker/" OUTER "/kubelet/kubepods/pod" UID,
     {UID, "", "", ""}},
    {"docker in docker", "/docker/" OUTER "/docker/" ID, {"", ID, "docker", ""}},
    {"docker in a pod", "/kubepods/burstable/pod" UID "/" OUTER "/docker/" ID, {UID, ID, "docker", ""}},
    {"a pod of a cluster within a pod",
     "/kubepods/burstable/pod" STATIC_UID "/" OUTER "/kubepods/burstable/pod" UID "/" ID,
     {UID, ID, "", ""}},
    // Without Kubernetes.
    {"docker, systemd driver", "/system.slice/docker-" ID ".scope", {"", ID, "docker", ""}},
    {"docker, systemd within it",
     "/system.slice/docker-" ID ".scope/init.scope",
     {"", ID, "docker", "init.scope"}},
    {"docker, cgroupfs driver", "/docker/" ID, {"", ID, "docker", ""}},
    {"docker, a parent of the user's", "/actions_job/" ID, {"", ID, "", ""}},
    {"docker, rootless",
     "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope",
     {"", ID, "docker", ""}},
    {"podman", "/machine.slice/libpod-" ID ".scope", {"", ID, "podman", ""}},
    {"podman with crun", "/machine.slice/libpod-" ID ".scope/container", {"", ID, "podman", ""}},
    {"podman's monitor",
     "/machine.slice/libpod-conmon-" ID ".scope",
     {"", "", "", "libpod-conmon-" ID ".scope"}},
    {"podman, rootless",
     "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container",
     {"", ID, "podman", ""}},
    {"podman's pod (not one of Kubernetes')",
     "/machine.slice/machine-libpod_pod_" OUTER ".slice/libpod-" ID ".scope",
     {"", ID, "podman", ""}},
    {"podman, cgroupfs manager", "/libpod_parent/libpod-" ID, {"", ID, "podman", ""}},
    {"podman, a quadlet", "/system.slice/web.service/libpod-payload-" ID, {"", ID, "podman", ""}},
    {"podman, a quadlet's monitor", "/system.slice/web.service/supervisor", {"", "", "", "web.service"}},
    {"nerdctl, systemd driver", "/system.slice/nerdctl-" ID ".scope", {"", ID, "containerd", ""}},
    {"containerd, cgroupfs driver", "/k8s.io/" ID, {"", ID, "containerd", ""}},
    {"containerd, another namespace of its", "/default/" ID, {"", ID, "", ""}},
    {"ECS on EC2", "/ecs/" TASK "/" ID, {"", ID, "", ""}},
    {"ECS on Fargate", "/ecs/" TASK "/" TASK "-2574839563", {"", TASK "-2574839563", "", ""}},
    // As a process in another cgroup namespace sees it.
    {"seen from another container", "/../cri-containerd-" ID ".scope", {"", ID, "containerd", ""}},
    {"seen from another pod",
     "/../../kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" ID ".scope",
     {UID, ID, "containerd", ""}},
    {"a dead process' cgroup, removed",
     "/system.slice/docker-" ID ".scope (deleted)",
     {"", ID, "docker", ""}},
    // systemd alone.
    {"a service", "/system.slice/redis-server.service", {"", "", "", "redis-server.service"}},
    {"an instance of one",
     "/system.slice/system-postgresql.slice/postgresql@15-main.service",
     {"", "", "", "postgresql@15-main.service"}},
    {"a service that has made cgroups",
     "/system.slice/systemd-udevd.service/udev",
     {"", "", "", "systemd-udevd.service"}},
    {"an escaped name", "/system.slice/dev-disk\\x2dby.service", {"", "", "", "dev-disk\\x2dby.service"}},
    {"a name like a file of the kernel's", "/system.slice/_cpu.service", {"", "", "", "cpu.service"}},
    {"the container runtime", "/system.slice/containerd.service", {"", "", "", "containerd.service"}},
    {"a user's session", "/user.slice/user-1000.slice/session-2.scope", {"", "", "", "session-2.scope"}},
    {"a user's service",
     "/user.slice/user-1000.slice/user@1000.service/app.slice/app-web.service",
     {"", "", "", "app-web.service"}},
    {"init", "/init.scope", {"", "", "", "init.scope"}},
    // Nothing to tell.
    {"the root", "/", {}},
    {"nothing", "", {}},
    {"a slice", "/user.slice/user-1000.slice", {}},
    {"a directory of somebody's", "/process_api/1cefe2eb803309c45ada52112d3f2469", {}},
    {"LXC", "/lxc.payload.web/ns", {}},
    // What only looks like it.
    {"an id that is too short", "/docker/05d9bb37c0c4", {}},
    {"an id in capitals", "/docker/05D9BB37C0C4A6F2D53F1E5CF0DD8A7C1D6C5C1A1EAA0A66FDA8C3A1E5DD7F90", {}},
    {"an id with more behind it", "/docker/" ID "0", {}},
    {"no id", "/system.slice/docker-.scope", {"", "", "", "docker-.scope"}},
    {"no prefix", "/-" ID, {}},
    {"a scope of nothing", "/.scope", {"", "", "", ".scope"}},
    {"a UID without its dashes' places", "/kubepods/pod2c48913cb-29f-11e7-9350-020968147796", {}},
    {"a UID with other letters", "/kubepods/podzc48913c-b29f-11e7-9350-020968147796", {}},
    {"a slice that is no pod's", "/machine.slice/machine-pod" UID_ ".slice", {}},
    {"an empty slice", "/kubepods-pod.slice/pod/-pod.slice/.slice", {}},
    {"colons without a slice", "/:cri-containerd:" ID "/::/a:b:c", {"", ID, "containerd", ""}},
    {"a line feed", "/docker\n/" ID "\n", {}},
    {"a unit with a line feed", "/system.slice/a\nb.service", {}},
    {"a unit that is not text", "/system.slice/\xff.service", {}},
};

}  // namespace

TEST_CASE("the path of a cgroup tells pod, container, runtime and unit") {
  for (const Case& it : kCases) {
    INFO(it.what << ": " << it.path);
    CHECK(identity_of_cgroup(it.path) == it.identity);
  }
}

TEST_CASE("hostile paths of any length tell nothing") {
  const std::string long_name(1 << 20, 'a'), many_parts = [] {
    std::string path;
    for (int i = 0; i < 100'000; i++) path += "/pod";
    return path;
  }();
  CHECK(identity_of_cgroup("/docker/" + long_name) == ContainerIdentity{});
  CHECK(identity_of_cgroup("/system.slice/" + long_name + ".service") == ContainerIdentity{});
  CHECK(identity_of_cgroup("/kubepods/pod" + long_name) == ContainerIdentity{});
  CHECK(identity_of_cgroup(many_parts) == ContainerIdentity{});
  CHECK(identity_of_cgroup(many_parts + "/docker-" ID) == ContainerIdentity{"", ID, "docker", ""});
  CHECK(identity_of_cgroup(std::string("/docker/\0" ID, 73)) == ContainerIdentity{});
  CHECK(identity_of_cgroup(std::string(1 << 20, '/')) == ContainerIdentity{});
  CHECK(identity_of_process_cgroups(std::string(1 << 20, ':')) == ContainerIdentity{});
  CHECK(identity_of_process_cgroups(std::string(1 << 20, '\n')) == ContainerIdentity{});
}

TEST_CASE("of a process' cgroups the most telling one counts") {
  CHECK(identity_of_process_cgroups("") == ContainerIdentity{});
  CHECK(identity_of_process_cgroups("0::/\n") == ContainerIdentity{});
  CHECK(identity_of_process_cgroups("0::/system.slice/docker-" ID ".scope\n") ==
        ContainerIdentity{"", ID, "docker", ""});
  CHECK(identity_of_process_cgroups("0::/system.slice/docker-" ID ".scope") ==
        ContainerIdentity{"", ID, "docker", ""});
  // cgroup v1, where only some controllers are the container's.
  CHECK(identity_of_process_cgroups("12:rdma:/\n"
                                    "11:cpuset:/kubepods/burstable/pod" UID "/" ID "\n"
                                    "4:cpu,cpuacct:/kubepods/burstable/pod" UID "/" ID "\n"
                                    "1:name=systemd:/system.slice/containerd.service\n") ==
        ContainerIdentity{UID, ID, "", ""});
  // Hybrid: v2's hierarchy is there, and knows only the runtime.
  CHECK(identity_of_process_cgroups("9:memory:/docker/" ID "\n"
                                    "1:name=systemd:/docker/" ID "\n"
                                    "0::/system.slice/containerd.service\n") ==
        ContainerIdentity{"", ID, "docker", ""});
  // Equally telling: v2 before systemd's, and that before a controller's.
  CHECK(identity_of_process_cgroups("3:memory:/docker/" OUTER "\n0::/docker/" ID
                                    "\n1:name=systemd:/docker/" OUTER
                                    "\n") == ContainerIdentity{"", ID, "docker", ""});
  CHECK(identity_of_process_cgroups("3:memory:/a.service\n1:name=systemd:/b.service\n2:cpu:/c.service\n") ==
        ContainerIdentity{"", "", "", "b.service"});
  // A colon in the path, and lines that are none.
  CHECK(identity_of_process_cgroups("nonsense\n::\n0::/kubepods-pod" UID_ ".slice:cri-containerd:" ID "\n") ==
        ContainerIdentity{UID, ID, "containerd", ""});
}
