#include "exporter/inject/pod_obstacles.h"

#include <algorithm>
#include <cctype>

#include "exporter/inject/injected_parts.h"
#include "exporter/inject/manifest_fields.h"

namespace looptap {

namespace {

constexpr const char* kPortAnnotation = "looptap.dev/port";
constexpr const char* kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr const char* kContainerLists[] = {"containers", "initContainers"};

const YamlNode* annotation_of(YamlNode& pod, const char* name) {
  YamlNode* annotations = mapping_in(mapping_in(&pod, "metadata"), "annotations");
  return annotations ? annotations->find(name) : nullptr;
}

/// YAML 1.1 has more words for it than JSON.
bool is_true(const YamlNode* node) {
  std::string text = text_of(node);
  for (char& byte : text) byte = static_cast<char>(tolower(static_cast<unsigned char>(byte)));
  return text == "true" || text == "yes" || text == "on" || text == "y";
}

std::string without_extra_slashes(const std::string& path) {
  std::string shortened;
  for (const char byte : path)
    if (byte != '/' || !shortened.ends_with('/')) shortened += byte;
  if (shortened.size() > 1 && shortened.ends_with('/')) shortened.pop_back();
  return shortened;
}

bool has_amount(const ResourceList& list, const std::string& name) {
  return std::any_of(list.begin(), list.end(), [&](const auto& entry) { return entry.first == name; });
}

/// Whether it has limits for both, and requests nothing else.
bool is_guaranteed(YamlNode& container) {
  YamlNode* resources = mapping_in(&container, "resources");
  YamlNode* limits = mapping_in(resources, "limits");
  YamlNode* requests = mapping_in(resources, "requests");
  for (const char* name : {"cpu", "memory"}) {
    const std::string limit = limits ? text_of(limits->find(name)) : "";
    const std::string request = requests ? text_of(requests->find(name)) : "";
    if (limit.empty() || (!request.empty() && request != limit)) return false;
  }
  return true;
}

}  // namespace

unsigned port_in_pod(YamlNode& pod, const InjectionOptions& options) {
  const YamlNode* annotation = annotation_of(pod, kPortAnnotation);
  if (!annotation) return options.port;
  const std::string text = text_of(annotation);
  const bool digits = !text.empty() && text.size() <= 5 && text[0] != '0' &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  const unsigned port = digits ? static_cast<unsigned>(std::stoul(text)) : 0;
  if (port == 0 || port > 65535)
    throw YamlError(annotation->place, std::string(kPortAnnotation) + ": \"" + text + "\" is no port");
  return port;
}

std::string reason_to_skip(YamlNode& pod, const InjectionOptions& options) {
  YamlNode* spec = mapping_in(&pod, "spec");
  const YamlNode* os = mapping_in(spec, "os");
  if (os && text_of(os->find("name")) == "windows") return "is for Windows";
  if (annotation_of(pod, kMirrorAnnotation))
    return "mirrors a static pod: change that one's file, on its node";
  const bool own_port = options.port != kUsualPort || annotation_of(pod, kPortAnnotation);
  if (spec && is_true(spec->find("hostNetwork")) && !own_port)
    return std::string(
               "is on the network of its host, where looptap's port would be the node's: name a free one "
               "by ") +
           "the annotation " + kPortAnnotation + " or by --port";
  return "";
}

void refuse_conflicts(YamlNode& spec, unsigned port) {
  const std::string number = std::to_string(port);
  for (const char* list : kContainerLists)
    if (YamlNode* containers = list_in(spec, list))
      for (YamlNode& container : containers->children) {
        const std::string name = text_of(container.find("name"));
        YamlNode* ports = list_in(container, "ports");
        if (name == kSidecar || !ports) continue;
        if (const YamlNode* taken = item_named(ports, "containerPort", number))
          throw YamlError(taken->place, "container " + name + " has port " + number +
                                            ", which is to be looptap's (see --port)");
      }
  YamlNode* volumes = list_in(spec, "volumes");
  for (const char* name : {kLibraryVolume, kSegmentsVolume})
    if (const YamlNode* volume = item_named(volumes, "name", name))
      for (size_t i = 0; i + 1 < volume->children.size(); i += 2) {
        const std::string& kind = volume->children[i].value;
        if (kind != "name" && kind != "emptyDir" && !volume->children[i + 1].is_null())
          throw YamlError(volume->place,
                          std::string("volume ") + name + " is no emptyDir, as looptap's is to be");
      }
}

bool same_directory(const std::string& one, const std::string& other) {
  return without_extra_slashes(one) == without_extra_slashes(other);
}

void fit_resources(YamlNode& spec, InjectionOptions& options) {
  if (const YamlNode* shared = mapping_in(&spec, "resources"); shared && !shared->children.empty()) {
    options.requests = options.limits = {};
    return;
  }
  for (const char* list : kContainerLists)
    if (YamlNode* containers = list_in(spec, list))
      for (YamlNode& container : containers->children)
        if (!is_guaranteed(container)) return;
  if (has_amount(options.limits, "cpu") && has_amount(options.limits, "memory"))
    options.requests = options.limits;
}

}  // namespace looptap
