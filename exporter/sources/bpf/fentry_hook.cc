// Entry and exit of the kernel's functions behind the syscalls: the cheapest, where the kernel lets it.
#include "exporter/sources/bpf/wait_hook.h"

namespace looptap {

namespace {

class FentryHook : public WaitHook {
 public:
  explicit FentryHook(bool with_event_queues) : with_event_queues_(with_event_queues) {}

  bool uses(std::string_view program, std::string_view section) const override {
    if (program == "ep_poll_callback_entry") return with_event_queues_;
    return section.starts_with("fentry/") || section.starts_with("fexit/");
  }

  void attach(BpfAttacher& attacher) const override {
    attacher.attach_all(
        [this](std::string_view program, std::string_view section) { return uses(program, section); });
  }

 private:
  const bool with_event_queues_;
};

}  // namespace

std::unique_ptr<WaitHook> make_fentry_hook(bool with_event_queues) {
  return std::make_unique<FentryHook>(with_event_queues);
}

}  // namespace looptap
