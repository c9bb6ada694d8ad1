#include "exporter/cli/inject_flags.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "exporter/base/build_info.h"
#include "exporter/cli/flag_values.h"

namespace looptap {

namespace {

ResourceList parse_resources(const std::string& flag, const std::string& text) {
  if (text == "none") return {};
  ResourceList list;
  for (const std::string& part : parse_names(flag, text)) {
    const size_t equals = part.find('=');
    const bool written = equals != std::string::npos && equals != 0 && equals + 1 != part.size();
    if (!written || !isdigit(static_cast<unsigned char>(part[equals + 1])) ||
        std::any_of(list.begin(), list.end(),
                    [&](const auto& known) { return known.first == part.substr(0, equals); }))
      throw std::invalid_argument(flag + ": \"" + text +
                                  "\" is not a list like cpu=10m,memory=32Mi, nor none");
    list.emplace_back(part.substr(0, equals), part.substr(equals + 1));
  }
  return list;
}

std::string parse_image(const std::string& text) {
  const bool one_word = std::all_of(text.begin(), text.end(), [](unsigned char byte) { return byte > ' '; });
  if (text.empty() || !one_word)
    throw std::invalid_argument("--image: \"" + text + "\" is not an image's name");
  return text;
}

}  // namespace

InjectFlags::InjectFlags() : image_(std::string("localhost/looptap:") + build_version()) {}

void InjectFlags::declare(FlagSet& set) {
  set.add_required("-f,--filename", manifest_, "FILE", "the manifest, YAML or JSON; - is stdin");
  set.add("--image", image_, "IMAGE", "looptap's image, where your cluster finds it");
  set.add("--classic", classic_, "for clusters before 1.29, which have no native sidecars");
  set.add("--port", port_, "PORT", "where looptap serves the metrics");
  set.add("--requests", requests_, "LIST", "resources that looptap's container requests; or none");
  set.add("--limits", limits_, "LIST", "its limits; or none");
  set.add("--containers", containers_, "LIST",
          "measure only these; init containers (others' native sidecars) are measured only if named here");
  set.add("--exclude-containers", excluded_containers_, "LIST", "do not measure these");
}

InjectOptions InjectFlags::check() const {
  InjectOptions options;
  options.manifest = manifest_;
  options.injection.image = parse_image(image_);
  options.injection.classic = classic_;
  options.injection.port = parse_number("--port", port_, 65535);
  options.injection.requests = parse_resources("--requests", requests_);
  options.injection.limits = parse_resources("--limits", limits_);
  options.injection.containers = parse_names("--containers", containers_);
  options.injection.excluded_containers = parse_names("--exclude-containers", excluded_containers_);
  return options;
}

}  // namespace looptap
