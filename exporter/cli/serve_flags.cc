#include "exporter/cli/serve_flags.h"

#include <stdexcept>

namespace looptap {

void ServeFlags::declare(FlagSet& set) {
  exporter_.declare(set);
  set.add("--install.dir", install_directory_, "DIR", "put liblooptap.so into DIR first, as a sidecar does");
  bpf_.declare(set);
}

ServeOptions ServeFlags::check() const {
  if (install_directory_ && install_directory_->empty())
    throw std::invalid_argument("--install.dir: an empty name");
  ServeOptions options{exporter_.check(), install_directory_.value_or("")};
  options.exporter.bpf = bpf_.check();
  return options;
}

}  // namespace looptap
