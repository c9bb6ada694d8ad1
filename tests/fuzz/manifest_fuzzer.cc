// libFuzzer over looptap inject: whatever the manifest is, it is refused with one line or taken; what was taken means
// what it meant, and a second time changes nothing.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "exporter/inject/manifest_injection.h"
#include "exporter/inject/yaml_aliases.h"
#include "exporter/inject/yaml_reader.h"
#include "exporter/inject/yaml_writer.h"

namespace {

using namespace looptap;

void demand(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  InjectionOptions options;
  options.image = "looptap:1";
  options.classic = data[0] & 1;
  InjectionReport report;
  std::string injected;
  try {
    injected = inject_manifest(text, options, report);
  } catch (const YamlError& error) {
    demand(error.place.line > 0 && error.place.column > 0);
    demand(std::string(error.what()).find("cannot be written again") == std::string::npos);
    return 0;
  }
  InjectionReport again;
  demand(inject_manifest(injected, options, again) == injected);
  return 0;
}
