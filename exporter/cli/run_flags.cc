#include "exporter/cli/run_flags.h"

namespace looptap {

void RunFlags::declare(FlagSet& set) {
  exporter_.declare(set);
  set.add_trailing_command(command_);
  set.add_note("It sees what it would see without looptap, and gets every signal, once.");
  set.add_note(
      "looptap ends as it ends, by exit status or signal; 127: no such command, 126: cannot be executed.");
}

}  // namespace looptap
