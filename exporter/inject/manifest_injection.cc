#include "exporter/inject/manifest_injection.h"

#include "exporter/inject/yaml_aliases.h"
#include "exporter/inject/yaml_reader.h"
#include "exporter/inject/yaml_writer.h"

namespace looptap {

namespace {

/// The line ends of the text in which it is to stand.
std::string with_line_ends_of(const std::string& manifest, std::string text) {
  const size_t newline = manifest.find('\n');
  if (newline == std::string::npos || newline == 0 || manifest[newline - 1] != '\r') return text;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.insert(at, 1, '\r');
  return text;
}

}  // namespace

std::string inject_manifest(const std::string& manifest, const InjectionOptions& options,
                            InjectionReport& report) {
  const std::vector<YamlDocument> documents = read_yaml(manifest);
  if (documents.empty()) return manifest;  // blanks and comments
  std::string out;
  for (const YamlDocument& document : documents) {
    bool changed = false;
    if (may_have_pods(document.root)) {
      YamlNode object = expand_aliases(document.root);
      changed = inject_probe(object, options, report);
      if (changed) out += document.head + with_line_ends_of(manifest, write_yaml(object)) + document.tail;
    }
    if (!changed) out += document.text;
  }
  return out;
}

}  // namespace looptap
