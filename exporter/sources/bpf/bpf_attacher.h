// Attaches loaded BPF programs, by their names, and keeps them attached until it goes.
//
// Thread-safety: none. Errors: BpfRefused where the kernel refuses, which another hook may not share; std::logic_error
// for a name that bpf/looptap.bpf.c does not have.
#pragma once

#include <sys/types.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/sources/bpf/libc_files.h"

struct bpf_link;
struct bpf_object;
struct bpf_program;

namespace looptap {

/// The kernel does not let us, for a reason that another hook may not share.
struct BpfRefused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class BpfAttacher {
 public:
  /// A program by its name and its section.
  using Selection = std::function<bool(std::string_view program, std::string_view section)>;

  /// \param object must outlive this.
  /// \param prefix how the text of a refusal begins.
  BpfAttacher(bpf_object* object, std::string prefix);
  BpfAttacher(const BpfAttacher&) = delete;
  BpfAttacher& operator=(const BpfAttacher&) = delete;
  ~BpfAttacher();

  /// Where its section says.
  void attach(const char* program);
  void attach_all(const Selection& wanted);

  /// To the tracepoint of a syscall, such as "sys_enter_epoll_wait".
  /// \param may_be_missing not every kernel and architecture has it.
  void attach_to_tracepoint(const char* program, const std::string& name, bool may_be_missing = false);

  /// To a function of a C library; nothing is done where an older one does not have it.
  /// \param pid whose calls alone are trapped; -1: everybody's.
  void attach_to_function(const char* program, bool at_return, pid_t pid, const LibcFile& libc,
                          const char* function);

  /// As a refusal's text begins.
  const std::string& prefix() const { return prefix_; }

 private:
  bpf_program* find(const char* name) const;
  void keep(bpf_link* link, const std::string& where);

  bpf_object* object_;
  std::string prefix_;
  std::vector<bpf_link*> links_;
};

}  // namespace looptap
