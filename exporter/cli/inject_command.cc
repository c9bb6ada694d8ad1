#include "exporter/cli/inject_command.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "exporter/base/log.h"
#include "exporter/inject/manifest_injection.h"
#include "exporter/inject/yaml_reader.h"

namespace looptap {

namespace {

constexpr size_t kLargest = 64 << 20;

std::string read_file(const std::string& path, const std::string& name) {
  const bool standard_input = path == "-";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      standard_input ? stdin : fopen(path.c_str(), "re"),
      [](FILE* open) { return open == stdin ? 0 : fclose(open); });
  if (!file) throw std::runtime_error(name + ": " + strerror(errno));
  std::string text;
  char buffer[65536];
  while (const size_t size = fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, size);
    if (text.size() > kLargest) throw std::runtime_error(name + ": larger than 64 MiB");
  }
  if (ferror(file.get())) throw std::runtime_error(name + ": " + strerror(errno));
  return text;
}

}  // namespace

int inject(const InjectOptions& options) {
  const std::string name = options.manifest == "-" ? "stdin" : options.manifest;
  InjectionReport report;
  const std::string manifest = read_file(options.manifest, name);
  std::string out;
  try {
    out = inject_manifest(manifest, options.injection, report);
  } catch (const YamlError& error) {
    throw std::runtime_error(name + ":" + std::to_string(error.place.line) + ":" +
                             std::to_string(error.place.column) + ": " + error.what());
  }
  for (const std::string& pod : report.pods) log(LogLevel::kInfo, pod);
  for (const std::string& warning : report.warnings) log(LogLevel::kWarn, name + ":" + warning);
  // A container whose image is not to be had keeps the application's containers from starting.
  if (out != manifest && options.injection.image.starts_with("localhost/"))
    log(LogLevel::kWarn,
        "every node needs the image " + options.injection.image + ", or the pods do not start (see --image)");
  if (report.pods.empty()) log(LogLevel::kWarn, name + ": no pods in it");
  if (fwrite(out.data(), 1, out.size(), stdout) != out.size() || fflush(stdout) != 0)
    throw std::runtime_error(std::string("stdout: ") + strerror(errno));
  return EXIT_SUCCESS;
}

}  // namespace looptap
