// A manifest with looptap in its pods, for the tests of inject.
#pragma once

#include <string>

#include "exporter/inject/manifest_injection.h"
#include "tests/unit/catch.h"

namespace looptap {

struct Injected {
  std::string text;
  InjectionReport report;
};

inline Injected inject(const std::string& manifest, InjectionOptions options = {}) {
  if (options.image.empty()) options.image = "looptap:1";
  Injected injected;
  injected.text = inject_manifest(manifest, options, injected.report);
  InjectionReport again;
  CHECK(inject_manifest(injected.text, options, again) == injected.text);
  return injected;
}

inline std::string complaint(const std::string& manifest, const InjectionOptions& options = {}) {
  try {
    inject(manifest, options);
  } catch (const YamlError& error) {
    return std::to_string(error.place.line) + ":" + std::to_string(error.place.column) + ": " + error.what();
  }
  return "";
}

/// A pod with one container, whose lines are given.
inline std::string pod(const std::string& container) {
  std::string text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: web\n";
  for (size_t at = 0; at < container.size();) {
    const size_t end = container.find('\n', at) + 1;
    text += "    " + container.substr(at, end - at);
    at = end;
  }
  return text;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline size_t count(const std::string& text, const std::string& part) {
  size_t times = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) times++;
  return times;
}

}  // namespace looptap
