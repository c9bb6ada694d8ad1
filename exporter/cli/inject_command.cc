#include "exporter/cli/inject_command.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "exporter/base/log.h"
#include "exporter/inject/yaml_aliases.h"
#include "exporter/inject/yaml_reader.h"
#include "exporter/inject/yaml_writer.h"

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

int inject(const InjectCommand& command) {
  const std::string name = command.manifest == "-" ? "stdin" : command.manifest;
  InjectionReport report;
  const std::string manifest = read_file(command.manifest, name);
  std::string out;
  try {
    out = inject_manifest(manifest, command.options, report);
  } catch (const YamlError& error) {
    throw std::runtime_error(name + ":" + std::to_string(error.place.line) + ":" +
                             std::to_string(error.place.column) + ": " + error.what());
  }
  for (const std::string& pod : report.pods) log(LogLevel::kInfo, pod);
  for (const std::string& warning : report.warnings) log(LogLevel::kWarn, name + ":" + warning);
  // A container whose image is not to be had keeps the application's containers from starting.
  if (out != manifest && command.options.image.starts_with("localhost/"))
    log(LogLevel::kWarn,
        "every node needs the image " + command.options.image + ", or the pods do not start (see --image)");
  if (report.pods.empty()) log(LogLevel::kWarn, name + ": no pods in it");
  if (fwrite(out.data(), 1, out.size(), stdout) != out.size() || fflush(stdout) != 0)
    throw std::runtime_error(std::string("stdout: ") + strerror(errno));
  return EXIT_SUCCESS;
}

}  // namespace looptap
