#include "exporter/procfs/container_identity.h"

#include <algorithm>

namespace looptap {

namespace {

constexpr size_t kLongestUnit = 255;  // systemd's own limit

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_decimal(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

/// What stands before the first separator; the rest stays in `text`.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

/// A UID as Kubernetes writes it. In a slice's name its dashes are underscores, as a dash there means nesting. That of
/// a static pod is a hash.
std::string pod_uid(std::string_view text) {
  if (text.size() == 32 && is_hex(text)) return std::string(text);
  if (text.size() != 36) return "";
  std::string uid(text);
  for (const size_t place : {8, 13, 18, 23}) {
    if (uid[place] != '-' && uid[place] != '_') return "";
    uid[place] = '0';
  }
  if (!is_hex(uid)) return "";
  for (const size_t place : {8, 13, 18, 23}) uid[place] = '-';
  return uid;
}

/// pod<uid>, and with systemd kubepods-burstable-pod<uid>.slice, which a kubelet that has a parent slice calls
/// kubelet-kubepods-burstable-pod<uid>.slice.
std::string pod_of(std::string_view name) {
  if (take_suffix(name, ".slice")) {
    const size_t pod = name.rfind("-pod");
    const std::string_view parents = name.substr(0, std::min(pod, name.size()));
    if (pod == std::string_view::npos || parents.find("kubepods") == std::string_view::npos) return "";
    name.remove_prefix(pod + 1);
  }
  return take_prefix(name, "pod") ? pod_uid(name) : "";
}

bool is_container_id(std::string_view text) { return text.size() == 64 && is_hex(text); }

/// What runtimes write before an id. What their monitors have there (crio-conmon, libpod-conmon) is not among it.
struct Runtime {
  std::string_view prefix;
  std::string_view name;
};

constexpr Runtime kRuntimes[] = {
    {"cri-containerd", "containerd"},
    {"containerd", "containerd"},
    {"nerdctl", "containerd"},
    {"crio", "cri-o"},
    {"docker", "docker"},
    {"libpod", "podman"},
    {"libpod-payload", "podman"},  // where the service itself is split: quadlets
};

const Runtime* find_runtime(std::string_view prefix) {
  const auto* found = std::find_if(std::begin(kRuntimes), std::end(kRuntimes),
                                   [&](const Runtime& runtime) { return runtime.prefix == prefix; });
  return found == std::end(kRuntimes) ? nullptr : found;
}

struct Container {
  std::string_view id;
  std::string_view runtime;
};

/// `name` without any ending, inside of a cgroup of the name `parent`. An empty id: no container.
Container container_of(std::string_view name, std::string_view parent) {
  if (is_container_id(name)) {
    return {name, parent == "docker" ? "docker" : parent == "k8s.io" ? "containerd" : ""};
  }
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view before = name.substr(0, dash), id = name.substr(dash + 1);
  const Runtime* const runtime = find_runtime(before);
  if (runtime && is_container_id(id)) return {id, runtime->name};
  // ECS on Fargate: <task's id>/<task's id>-<number>.
  if (before == parent && before.size() == 32 && is_hex(before) && is_decimal(id) && id.size() <= 20)
    return {name, ""};
  return {};
}

bool is_unit(std::string_view name) {
  return name.size() <= kLongestUnit && (name.ends_with(".service") || name.ends_with(".scope")) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  std::string_view(":-_.\\@").find(c) != std::string_view::npos;
         });
}

void enter_pod(ContainerIdentity& identity, std::string uid) {
  identity = {};
  identity.pod_uid = std::move(uid);
}

void enter_container(ContainerIdentity& identity, const Container& container) {
  identity.container_id = container.id;
  identity.runtime = container.runtime;
  identity.unit.clear();
}

/// Goes from a cgroup into its child.
void enter(ContainerIdentity& identity, std::string_view name, std::string_view parent) {
  // A runtime that thinks it speaks to systemd, and does not, makes a directory of SLICE:PREFIX:ID.
  if (std::string_view id = name; std::count(name.begin(), name.end(), ':') == 2) {
    const std::string_view slice = take_until(id, ':');
    const Runtime* const runtime = find_runtime(take_until(id, ':'));
    if (runtime && is_container_id(id)) {
      if (std::string uid = pod_of(slice); !uid.empty()) enter_pod(identity, std::move(uid));
      return enter_container(identity, {id, runtime->name});
    }
  }
  if (std::string uid = pod_of(name); !uid.empty()) return enter_pod(identity, std::move(uid));
  std::string_view scope = name;
  take_suffix(scope, ".scope");
  if (const Container container = container_of(scope, parent); !container.id.empty())
    return enter_container(identity, container);
  // systemd puts an underscore before a name that could be one of the kernel's files: _cpu.service.
  if (is_unit(name)) identity.unit = name.substr(name.starts_with('_') ? 1 : 0);
}

int tells(const ContainerIdentity& identity) {
  return !identity.container_id.empty() * 4 + !identity.pod_uid.empty() * 2 + !identity.unit.empty();
}

/// Between equally telling ones: v2's hierarchy, then systemd's own, then any controller's.
int trust(std::string_view controllers) {
  return controllers.empty() ? 2 : controllers == "name=systemd" ? 1 : 0;
}

}  // namespace

ContainerIdentity identity_of_cgroup(std::string_view path) {
  take_suffix(path, " (deleted)");  // as /proc says it of a dead process' cgroup
  ContainerIdentity identity;
  std::string_view parent;
  while (!path.empty()) {
    const std::string_view name = take_until(path, '/');
    if (name.empty()) continue;
    enter(identity, name, parent);
    parent = name;
  }
  return identity;
}

ContainerIdentity identity_of_process_cgroups(std::string_view text) {
  ContainerIdentity best;
  int best_rank = -1;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    take_until(line, ':');  // the hierarchy's number
    const std::string_view controllers = take_until(line, ':');
    ContainerIdentity identity = identity_of_cgroup(line);
    const int rank = tells(identity) * 4 + trust(controllers);
    if (rank <= best_rank) continue;
    best = std::move(identity);
    best_rank = rank;
  }
  return best;
}

}  // namespace looptap
