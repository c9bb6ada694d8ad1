#include "exporter/inject/injected_parts.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace looptap {

YamlNode mount(const char* volume, const char* directory, bool read_only) {
  YamlNode made = yaml_mapping({{"name", yaml_string(volume)}, {"mountPath", yaml_string(directory)}});
  if (read_only) made.add("readOnly", yaml_literal("true"));
  return made;
}

YamlNode variable(const char* name, const std::string& value) {
  return yaml_mapping({{"name", yaml_string(name)}, {"value", yaml_string(value)}});
}

YamlNode quantity(const std::string& text) {
  const size_t unit = text.find_first_not_of("0123456789.");
  static const std::vector<std::string> kUnits = {"m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"};
  const bool has_unit = unit != std::string::npos && unit > 0 &&
                        std::find(kUnits.begin(), kUnits.end(), text.substr(unit)) != kUnits.end();
  return has_unit ? yaml_literal(text) : yaml_string(text);
}

namespace {

// Kubernetes mounts the service account's token here, unless something is mounted already.
constexpr const char* kTokenDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr const char* kUser = "65532";  // the image's

YamlNode resource_list(const ResourceList& list) {
  YamlNode made = yaml_mapping({});
  for (const auto& [name, amount] : list) made.add(name, quantity(amount));
  return made;
}

YamlNode resources(const InjectionOptions& options) {
  YamlNode made = yaml_mapping({});
  if (!options.requests.empty()) made.add("requests", resource_list(options.requests));
  if (!options.limits.empty()) made.add("limits", resource_list(options.limits));
  return made;
}

/// What the restricted Pod Security profile asks for.
YamlNode security_context(bool pod_is_root) {
  YamlNode made =
      yaml_mapping({{"runAsNonRoot", yaml_literal("true")},
                    {"allowPrivilegeEscalation", yaml_literal("false")},
                    {"readOnlyRootFilesystem", yaml_literal("true")},
                    {"capabilities", yaml_mapping({{"drop", yaml_sequence({yaml_string("ALL")})}})},
                    {"seccompProfile", yaml_mapping({{"type", yaml_string("RuntimeDefault")}})}});
  // The pod's user would go before the image's, and runAsNonRoot keep the container, and so the application, from
  // starting. Elsewhere no user is written: OpenShift gives each namespace its own.
  if (pod_is_root) made.add("runAsUser", yaml_literal(kUser));
  return made;
}

}  // namespace

YamlNode installer(const InjectionOptions& options, bool pod_is_root) {
  return yaml_mapping({{"name", yaml_string(kInstaller)},
                       {"image", yaml_string(options.image)},
                       {"args", yaml_sequence({yaml_string("install"), yaml_string(kLibraryDirectory)})},
                       {"resources", resources(options)},
                       {"securityContext", security_context(pod_is_root)},
                       {"volumeMounts", yaml_sequence({mount(kLibraryVolume, kLibraryDirectory),
                                                       mount(kLibraryVolume, kTokenDirectory, true)})}});
}

YamlNode sidecar(const InjectionOptions& options, bool pod_is_root) {
  YamlNode made = yaml_mapping({{"name", yaml_string(kSidecar)}, {"image", yaml_string(options.image)}});
  std::vector<YamlNode> args = {yaml_string("serve")};
  std::vector<YamlNode> mounts;
  if (!options.classic) {
    made.add("restartPolicy", yaml_string("Always"));
    args.push_back(yaml_string(std::string("--install.dir=") + kLibraryDirectory));
    mounts.push_back(mount(kLibraryVolume, kLibraryDirectory));
  }
  args.push_back(yaml_string(std::string("--segments.dir=") + kSegmentsDirectory));
  mounts.push_back(mount(kSegmentsVolume, kSegmentsDirectory));
  mounts.push_back(mount(kLibraryVolume, kTokenDirectory, true));
  if (options.port != kUsualPort)
    args.push_back(yaml_string("--web.listen-address=:" + std::to_string(options.port)));
  made.add("args", yaml_sequence(std::move(args)));
  made.add("ports",
           yaml_sequence({yaml_mapping({{"name", yaml_string(kSidecar)},
                                        {"containerPort", yaml_literal(std::to_string(options.port))}})}));
  if (!options.classic)
    made.add("startupProbe", yaml_mapping({{"httpGet", yaml_mapping({{"path", yaml_string("/-/ready")},
                                                                     {"port", yaml_string(kSidecar)}})},
                                           {"periodSeconds", yaml_literal("1")},
                                           {"failureThreshold", yaml_literal("60")}}));
  made.add("resources", resources(options));
  made.add("securityContext", security_context(pod_is_root));
  made.add("volumeMounts", yaml_sequence(std::move(mounts)));
  return made;
}

}  // namespace looptap
