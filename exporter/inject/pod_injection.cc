#include "exporter/inject/pod_injection.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "exporter/inject/injected_parts.h"
#include "exporter/inject/manifest_fields.h"
#include "exporter/inject/pod_obstacles.h"

namespace looptap {

namespace {

constexpr const char* kInjectAnnotation = "looptap.dev/inject";
constexpr const char* kExcludeAnnotation = "looptap.dev/exclude-containers";

std::string place_text(const YamlPlace& place) {
  return std::to_string(place.line) + ":" + std::to_string(place.column);
}

std::vector<std::string> parts_of(const std::string& text, const char* separators) {
  std::vector<std::string> parts;
  for (size_t at = text.find_first_not_of(separators); at != std::string::npos;) {
    const size_t end = text.find_first_of(separators, at);
    parts.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(separators, end);
  }
  return parts;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// ---- One pod --------------------------------------------------------------------------------------------------------

class PodInjection {
 public:
  /// `pod`: what has the metadata and the spec. `name`: such as "deployment/web".
  PodInjection(const std::string& name, YamlNode& pod, const InjectionOptions& options,
               InjectionReport& report)
      : name_(name), pod_(pod), options_(options), report_(report) {}

  bool inject() {
    YamlNode* spec = mapping_in(&pod_, "spec");
    YamlNode* containers = spec ? list_in(*spec, "containers") : nullptr;
    if (!containers || containers->children.empty()) return left_alone("has no containers");
    if (const std::string reason = reason_to_skip(pod_, options_); !reason.empty()) return left_alone(reason);
    read_annotations();
    options_.port = port_in_pod(pod_, options_);

    std::vector<YamlNode*> chosen;
    size_t applications = 0;
    for (YamlNode& container : containers->children) {
      const std::string name = name_of(container);
      if (name == kSidecar) continue;
      applications++;
      if (is_chosen(name, options_.containers.empty())) chosen.push_back(&container);
    }
    // An application's own init containers are short, and come and go; other people's native sidecars are not the
    // application. Whoever wants them measured names them.
    if (YamlNode* inits = list_in(*spec, "initContainers"))
      for (YamlNode& container : inits->children) {
        const std::string name = name_of(container);
        if (name != kSidecar && name != kInstaller && is_chosen(name, false)) chosen.push_back(&container);
      }
    if (chosen.empty()) return left_alone("has no container that is to be measured");
    refuse_conflicts(*spec, options_.port);
    warn_of_endless_jobs(*spec);

    std::string names;
    for (YamlNode* container : chosen)
      if (add_to_container(*container, applications > 1))
        names += (names.empty() ? "" : ", ") + name_of(*container);
    add_sidecar(*spec);
    add_volumes(*spec);
    if (names.empty()) names = "nothing";
    report_.pods.push_back(name_ + (changed_ ? ": measures " : ": already measures ") + names);
    return changed_;
  }

 private:
  bool left_alone(const std::string& why) {
    report_.pods.push_back(name_ + ": left alone: it " + why);
    return false;
  }

  void warn(const YamlNode& where, const std::string& what) {
    report_.warnings.push_back(place_text(where.place) + ": " + name_ + ": " + what);
  }

  static std::string name_of(const YamlNode& container) {
    const std::string name = text_of(container.find("name"));
    if (name.empty()) throw YamlError(container.place, "this container has no name");
    return name;
  }

  bool is_chosen(const std::string& name, bool by_default) const {
    return (by_default || contains(options_.containers, name)) &&
           !contains(options_.excluded_containers, name) && !contains(excluded_by_annotation_, name);
  }

  void read_annotations() {
    YamlNode* annotations = mapping_in(mapping_in(&pod_, "metadata"), "annotations");
    if (annotations) excluded_by_annotation_ = parts_of(text_of(annotations->find(kExcludeAnnotation)), ", ");
  }

  void warn_of_endless_jobs(YamlNode& spec) {
    const YamlNode* policy = spec.find("restartPolicy");
    if (options_.classic && (text_of(policy) == "Never" || text_of(policy) == "OnFailure"))
      warn(*policy,
           "it is to come to an end, and with --classic it does not: looptap's container runs on. Native "
           "sidecars (Kubernetes 1.29 and later, without --classic) end with the others");
  }

  /// \return whether it will be measured, for all that can be told
  bool add_to_container(YamlNode& container, bool one_of_several) {
    const std::string name = name_of(container);
    const bool preloaded = add_preload(container, name);
    if (YamlNode* directory = item_named(list_in(container, "env"), "name", "LOOPTAP_DIR")) {
      if (text_of(directory->find("value")) != kSegmentsDirectory)
        warn(*directory,
             "container " + name + " keeps its LOOPTAP_DIR; looptap looks into " + kSegmentsDirectory);
    } else {
      add_variable(container, "LOOPTAP_DIR", kSegmentsDirectory);
    }
    // Each container's first process is pid 1.
    if (one_of_several && !item_named(list_in(container, "env"), "name", "LOOPTAP_NAME"))
      add_variable(container, "LOOPTAP_NAME", name);
    add_mount(container, name, mount(kLibraryVolume, kLibraryDirectory, true));
    add_mount(container, name, mount(kSegmentsVolume, kSegmentsDirectory));
    return preloaded;
  }

  void add_variable(YamlNode& container, const char* name, const std::string& value) {
    list_made_in(container, "env").children.push_back(variable(name, value));
    changed_ = true;
  }

  bool add_preload(YamlNode& container, const std::string& name) {
    YamlNode* present = item_named(list_in(container, "env"), "name", "LD_PRELOAD");
    if (!present) {
      if (const YamlNode* sources = list_in(container, "envFrom"); sources && !sources->children.empty())
        warn(*sources, "container " + name + " has envFrom: an LD_PRELOAD in there no longer counts");
      add_variable(container, "LD_PRELOAD", kLibrary);
      return true;
    }
    if (const YamlNode* source = present->find("valueFrom"); source && !source->is_null()) {
      warn(*present, "container " + name +
                         " is not measured: its LD_PRELOAD comes from elsewhere (valueFrom); add :" +
                         kLibrary + " there");
      return false;
    }
    YamlNode* value = present->find("value");
    if (!value) value = &present->add("value", yaml_literal(""));
    if (value->kind != YamlKind::kScalar) throw YamlError(value->place, "value: a string is expected here");
    const std::string old = text_of(value);
    if (contains(parts_of(old, ": \t\n"), kLibrary)) return true;
    const std::string with_library = old.empty() ? kLibrary : old + ":" + kLibrary;
    if (value->style == YamlStyle::kPlain)
      *value = yaml_string(with_library);
    else
      value->value = with_library;
    changed_ = true;
    return true;
  }

  void add_mount(YamlNode& container, const std::string& name, YamlNode wanted) {
    const std::string directory = text_of(wanted.find("mountPath"));
    const std::string volume = text_of(wanted.find("name"));
    YamlNode& mounts = list_made_in(container, "volumeMounts");
    for (YamlNode& present : mounts.children) {
      if (!same_directory(text_of(present.find("mountPath")), directory)) continue;
      if (text_of(present.find("name")) == volume) return;
      throw YamlError(present.place, "container " + name + " has another volume at " + directory +
                                         ", where looptap's is to be (see --exclude-containers)");
    }
    mounts.children.push_back(std::move(wanted));
    changed_ = true;
  }

  void add_sidecar(YamlNode& spec) {
    YamlNode* inits = list_in(spec, "initContainers");
    YamlNode* containers = list_in(spec, "containers");
    if (item_named(inits, "name", kSidecar) || item_named(containers, "name", kSidecar)) return;
    const YamlNode* user = mapping_in(&spec, "securityContext");
    user = user ? user->find("runAsUser") : nullptr;
    const bool pod_is_root = text_of(user) == "0";
    fit_resources(spec, options_);
    if (options_.classic) containers->children.push_back(sidecar(options_, pod_is_root));
    if (!options_.classic || !item_named(inits, "name", kInstaller)) {
      YamlNode& first = list_made_in(spec, "initContainers");
      first.children.insert(first.children.begin(), options_.classic ? installer(options_, pod_is_root)
                                                                     : sidecar(options_, pod_is_root));
    }
    changed_ = true;
  }

  void add_volumes(YamlNode& spec) {
    YamlNode& volumes = list_made_in(spec, "volumes");
    if (!item_named(&volumes, "name", kLibraryVolume)) {
      YamlNode empty = yaml_mapping({});
      empty.style = YamlStyle::kFlow;
      volumes.children.push_back(
          yaml_mapping({{"name", yaml_string(kLibraryVolume)}, {"emptyDir", std::move(empty)}}));
      changed_ = true;
    }
    if (!item_named(&volumes, "name", kSegmentsVolume)) {
      volumes.children.push_back(yaml_mapping(
          {{"name", yaml_string(kSegmentsVolume)},
           {"emptyDir",
            yaml_mapping({{"medium", yaml_string("Memory")}, {"sizeLimit", quantity("16Mi")}})}}));
      changed_ = true;
    }
  }

  const std::string name_;
  YamlNode& pod_;
  InjectionOptions options_;  // as they are to be in this pod
  InjectionReport& report_;
  std::vector<std::string> excluded_by_annotation_;
  bool changed_ = false;
};

// ---- Objects that have pods in them ---------------------------------------------------------------------------------

using Path = std::vector<const char*>;

/// Where the pod is, by group and kind.
const Path* path_to_pod(const std::string& group, const std::string& kind) {
  static const std::map<std::pair<std::string, std::string>, Path> kPaths = {
      {{"", "Pod"}, {}},
      {{"", "PodTemplate"}, {"template"}},
      {{"", "ReplicationController"}, {"spec", "template"}},
      {{"apps", "Deployment"}, {"spec", "template"}},
      {{"apps", "StatefulSet"}, {"spec", "template"}},
      {{"apps", "DaemonSet"}, {"spec", "template"}},
      {{"apps", "ReplicaSet"}, {"spec", "template"}},
      {{"extensions", "Deployment"}, {"spec", "template"}},
      {{"extensions", "DaemonSet"}, {"spec", "template"}},
      {{"extensions", "ReplicaSet"}, {"spec", "template"}},
      {{"batch", "Job"}, {"spec", "template"}},
      {{"batch", "CronJob"}, {"spec", "jobTemplate", "spec", "template"}},
  };
  const auto found = kPaths.find({group, kind});
  return found == kPaths.end() ? nullptr : &found->second;
}

bool is_opted_out(YamlNode* object) {
  YamlNode* annotations = mapping_in(mapping_in(object, "metadata"), "annotations");
  return annotations && text_of(annotations->find(kInjectAnnotation)) == "false";
}

struct ObjectKind {
  std::string group;
  std::string name;
};

/// `of_items`: what the items of the list are that it is in, if they do not say so themselves.
ObjectKind kind_of(const YamlNode& object, const ObjectKind& of_items) {
  const std::string name = text_of(object.find("kind"));
  if (name.empty()) return of_items;
  const std::string version = text_of(object.find("apiVersion"));
  const size_t slash = version.find('/');
  return {slash == std::string::npos ? "" : version.substr(0, slash), name};
}

/// What is in a list of this kind: nothing in particular in a List. \return false if it is no list, or none with pods.
bool is_list(const ObjectKind& kind, ObjectKind& of_items) {
  if (!kind.name.ends_with("List")) return false;
  of_items = {kind.group, kind.name.substr(0, kind.name.size() - strlen("List"))};
  return of_items.name.empty() ? kind.group.empty() : path_to_pod(of_items.group, of_items.name) != nullptr;
}

bool inject_object(YamlNode& object, const ObjectKind& by_default, const InjectionOptions& options,
                   InjectionReport& report) {
  const auto [group, kind] = kind_of(object, by_default);
  if (ObjectKind of_items; is_list({group, kind}, of_items)) {
    bool changed = false;
    if (YamlNode* items = list_in(object, "items"))
      for (YamlNode& item : items->children) changed |= inject_object(item, of_items, options, report);
    return changed;
  }

  const Path* path = path_to_pod(group, kind);
  if (!path) return false;
  std::string name = kind;
  for (char& byte : name) byte = static_cast<char>(tolower(static_cast<unsigned char>(byte)));
  YamlNode* metadata = mapping_in(&object, "metadata");
  const std::string own = metadata ? text_of(metadata->find("name")) : "";
  const std::string prefix = metadata ? text_of(metadata->find("generateName")) : "";
  name += "/" + (own.empty() ? prefix + "..." : own);
  YamlNode* pod = &object;
  bool opted_out = is_opted_out(&object);
  for (const char* step : *path) pod = mapping_in(pod, step);
  opted_out |= pod && is_opted_out(pod);
  if (opted_out) {
    report.pods.push_back(name + ": left alone: " + kInjectAnnotation + " is false");
    return false;
  }
  if (!pod) {
    report.pods.push_back(name + ": left alone: it has no pod template");
    return false;
  }
  return PodInjection(name, *pod, options, report).inject();
}

}  // namespace

bool may_have_pods(const YamlNode& object) {
  if (object.kind != YamlKind::kMapping) return false;
  const ObjectKind kind = kind_of(object, {});
  ObjectKind of_items;
  return is_list(kind, of_items) || path_to_pod(kind.group, kind.name);
}

bool inject_probe(YamlNode& object, const InjectionOptions& options, InjectionReport& report) {
  const bool changed = may_have_pods(object) && inject_object(object, {}, options, report);
  if (changed && object.style == YamlStyle::kFlow) quote_new_strings(object);
  return changed;
}

}  // namespace looptap
