// libFuzzer over what takes texts from scrapers, users and measured processes: the Accept headers, durations, the command line, and the
// bytes that become labels. The first byte chooses.

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "exporter/base/duration.h"
#include "exporter/base/label_text.h"
#include "exporter/base/log.h"
#include "exporter/cli/inject_flags.h"
#include "exporter/cli/install_flags.h"
#include "exporter/cli/run_flags.h"
#include "exporter/cli/serve_flags.h"
#include "exporter/metrics/exposition/exposition.h"
#include "exporter/metrics/exposition/text_format.h"
#include "exporter/web/gzip.h"

namespace {

using namespace looptap;

void demand(bool condition) {
  if (!condition) abort();
}

/// The flags of every command, which then does nothing.
std::vector<Command> idle_commands() {
  const auto do_nothing = [](const auto&) { return 0; };
  return {command<ServeFlags>("serve", "", "", do_nothing), command<RunFlags>("run", "", "", do_nothing),
          command<InstallFlags>("install", "", "", do_nothing),
          command<InjectFlags>("inject", "", "", do_nothing)};
}

void read_command_line(const std::string& text) {
  std::vector<std::string> words = {"looptap"};
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  try {
    const Request request =
        parse_command_line(idle_commands(), static_cast<int>(words.size()), pointers.data());
    if (request.run) (void)request.run();
  } catch (const std::invalid_argument&) {
    // The only way in which it may fail.
  }
}

void read_duration(const std::string& text) {
  try {
    demand(parse_duration(text) <= 9'000'000'000'000'000'000);
  } catch (const std::invalid_argument&) {
    // As above.
  }
}

/// A label's value, whatever it was made of, is one line of text and stays what it is.
void show_label(const std::string& bytes) {
  const std::string text = label_text(bytes);
  demand(label_text(text) == text);
  TextWriter writer(TextDialect::kPrometheus);
  MetricFamily family{"a", text.c_str(), MetricType::kGauge, {}};
  writer.set_labels({{"b", text}});
  writer.add_value(family, 1);
  const std::string shown = writer.join({family});
  size_t lines = 0;
  for (const char byte : shown) lines += byte == '\n';
  demand(lines == 3);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 5) {
    case 0:
      demand(content_type(choose_format(text)) != nullptr);
      break;
    case 1:
      (void)accepts_gzip(text);
      break;
    case 2:
      read_duration(text);
      break;
    case 3:
      read_command_line(text);
      break;
    default:
      show_label(text);
  }
  return 0;
}
