#include "exporter/sources/bpf/bpf_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

#include "bpf/looptap.skel.h"
#include "exporter/base/capabilities.h"
#include "exporter/base/log.h"
#include "exporter/sources/bpf/bpf_requirements.h"
#include "exporter/sources/bpf/libc_files.h"
#include "exporter/sources/bpf/mapped_array.h"
#include "exporter/sources/bpf/syscall_tracepoints.h"
#include "exporter/sources/bpf/wanted_cgroups.h"

namespace looptap {

namespace {

/// The kernel does not let us, for a reason that another hook may not share.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

int log_of_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[1024];
  vsnprintf(line, sizeof line, format, arguments);
  line[strcspn(line, "\n")] = 0;
  log(LogLevel::kDebug, line);
  return 0;
}

std::string reason(long result) { return strerror(static_cast<int>(-result)); }

void check_pid(uint32_t pid) {
  const std::string number = std::to_string(pid);
  std::ifstream status("/proc/" + number + "/status");
  std::string group;
  for (std::string line; std::getline(status, line);)
    if (line.rfind("Tgid:", 0) == 0) group = line.substr(line.find_first_of("0123456789"));
  if (group.empty()) throw std::runtime_error("--bpf.target=pid:" + number + ": there is no such process");
  if (group != number)
    throw std::runtime_error("--bpf.target=pid:" + number + " is a thread of process " + group +
                             ": name that one");
}

constexpr const char* kEpollWaits[] = {"epoll_wait", "epoll_pwait", "epoll_pwait2"};
constexpr pid_t kEverybody = -1;

}  // namespace

struct BpfPrograms::Loaded {
  looptap_bpf* skeleton = nullptr;
  std::vector<bpf_link*> links;
  bpf_link* iterator = nullptr;
  MappedArray slots, owners, event_queues;
  BpfHook hook = BpfHook::kAuto;
  bool with_event_queues = false;

  ~Loaded() {
    for (bpf_link* link : links) bpf_link__destroy(link);
    bpf_link__destroy(iterator);
    looptap_bpf__destroy(skeleton);
  }

  std::string hook_needs() const { return std::string("--bpf.hook=") + name_of(hook) + ": "; }

  void open(const BpfOptions& options) {
    skeleton = looptap_bpf__open();
    if (!skeleton) throw std::runtime_error(std::string("cannot open the BPF programs: ") + strerror(errno));
    for (bpf_map* map : {skeleton->maps.slots, skeleton->maps.owners, skeleton->maps.free_slots,
                         skeleton->maps.processes, skeleton->maps.instances})
      bpf_map__set_max_entries(map, options.max_loops);
    for (bpf_map* map : {skeleton->maps.event_queues, skeleton->maps.ready_since})
      bpf_map__set_max_entries(map, with_event_queues ? options.max_loops : 1);
    skeleton->rodata->match_all = options.targets.all;
    skeleton->rodata->match_names = !options.targets.names.empty();
    skeleton->rodata->match_cgroups = !options.targets.cgroups.empty();
    skeleton->rodata->measure_event_queues = with_event_queues;
  }

  void choose_programs() {
    bpf_program* program;
    bpf_object__for_each_program(program, skeleton->obj) {
      if (is_chosen(program)) bpf_program__set_autoload(program, true);
    }
  }

  /// Whether the program is one of the hook's.
  bool is_chosen(const bpf_program* program) const {
    const std::string section = bpf_program__section_name(program);
    if (program == skeleton->progs.ep_poll_callback_entry) return with_event_queues;
    switch (hook) {
      case BpfHook::kFentry:
        return section.starts_with("fentry/") || section.starts_with("fexit/");
      case BpfHook::kTracepoint:
        return section == "tracepoint";
      case BpfHook::kUprobe:
        return section == "uprobe" || section == "uretprobe";
      case BpfHook::kAuto:
        break;
    }
    return false;
  }

  void load() {
    if (const int result = looptap_bpf__load(skeleton))
      throw Refused(hook_needs() + "the kernel refuses the BPF programs: " + reason(result));
  }

  void keep(bpf_link* link, const std::string& what) {
    if (!link) throw Refused(hook_needs() + "cannot attach to " + what + ": " + strerror(errno));
    links.push_back(link);
  }

  /// By itself: where it goes is in its section.
  void attach(bpf_program* program) {
    keep(bpf_program__attach(program), bpf_program__section_name(program));
  }

  void attach_tracepoint(bpf_program* program, const std::string& name, bool may_be_missing = false) {
    const int event = open_syscall_tracepoint(name);
    if (event < 0 && may_be_missing) return;
    if (event < 0) throw Refused(hook_needs() + "this kernel has no tracepoint " + name);
    bpf_link* link = bpf_program__attach_perf_event(program, event);
    if (!link) close(event);
    keep(link, name);
  }

  /// pid: kEverybody, or whose calls alone are trapped.
  void attach_to_function(bpf_program* program, bool at_return, pid_t pid, const LibcFile& libc,
                          const char* function) {
    LIBBPF_OPTS(bpf_uprobe_opts, uprobe);
    uprobe.retprobe = at_return;
    uprobe.func_name = function;
    bpf_link* link = bpf_program__attach_uprobe_opts(program, pid, libc.path.c_str(), 0, &uprobe);
    if (!link && errno == ENOENT) return;  // an older libc
    const bool refused = !link && (errno == EPERM || errno == EACCES);
    keep(link, std::string(function) + " of " + libc.path +
                   (refused ? " (some kernels want CAP_SYS_ADMIN for it)" : ""));
  }

  void attach_process_events() {
    for (bpf_program* program :
         {skeleton->progs.process_fork, skeleton->progs.process_exec, skeleton->progs.process_rename,
          skeleton->progs.cgroup_attach, skeleton->progs.thread_exit})
      attach(program);
    iterator = bpf_program__attach_iter(skeleton->progs.iterate_processes, nullptr);
    if (!iterator) throw Refused(std::string("cannot look at the processes that run: ") + strerror(errno));
  }

  void attach_waits(const BpfOptions& options) {
    switch (hook) {
      case BpfHook::kFentry:
        bpf_program* program;
        bpf_object__for_each_program(program, skeleton->obj) {
          if (is_chosen(program)) attach(program);
        }
        break;
      case BpfHook::kTracepoint:
        attach_tracepoint(skeleton->progs.enter_close, "sys_enter_close");
        attach_tracepoint(skeleton->progs.enter_exit, "sys_enter_exit");
        attach_tracepoint(skeleton->progs.enter_exit_group, "sys_enter_exit_group");
        for (const char* change : {"close_range", "dup2", "dup3"})
          attach_tracepoint(skeleton->progs.leave_change, std::string("sys_exit_") + change, true);
        attach_tracepoint(skeleton->progs.leave_epoll_create, "sys_exit_epoll_create1");
        attach_tracepoint(skeleton->progs.leave_epoll_create, "sys_exit_epoll_create", true);
        for (const char* wait : {"epoll_wait", "epoll_pwait", "epoll_pwait2", "io_uring_enter"})
          attach_tracepoint(skeleton->progs.leave_syscall, std::string("sys_exit_") + wait, true);
        // Not every architecture has epoll_wait.
        attach_tracepoint(skeleton->progs.enter_milliseconds, "sys_enter_epoll_wait", true);
        attach_tracepoint(skeleton->progs.enter_milliseconds, "sys_enter_epoll_pwait");
        attach_tracepoint(skeleton->progs.enter_timespec, "sys_enter_epoll_pwait2", true);
        attach_tracepoint(skeleton->progs.enter_io_uring, "sys_enter_io_uring_enter", true);
        break;
      case BpfHook::kUprobe:
        attach_to_libc(options);
        break;
      case BpfHook::kAuto:
        break;
    }
  }

  void attach_to_libc(const BpfOptions& options) {
    const BpfTargets& targets = options.targets;
    if (targets.names.empty() && targets.cgroups.empty() && !targets.all)
      for (const uint32_t pid : targets.pids)
        attach_to_files(static_cast<pid_t>(pid), find_libc_files({pid}),
                        "process " + std::to_string(pid) + " has no");
    else
      attach_to_files(kEverybody, find_libc_files({}), "no process has a");
  }

  void attach_to_files(pid_t pid, const std::vector<LibcFile>& files, const std::string& none) {
    if (files.empty()) throw std::runtime_error(hook_needs() + none + " libc that could be probed");
    for (const LibcFile& libc : files) {
      for (const char* create : {"epoll_create", "epoll_create1"})
        attach_to_function(skeleton->progs.return_epoll_create, true, pid, libc, create);
      for (const char* wait : kEpollWaits) {
        // musl's epoll_wait calls its epoll_pwait.
        if (libc.is_musl && wait == kEpollWaits[0]) continue;
        const bool has_timespec = wait == kEpollWaits[2];
        attach_to_function(skeleton->progs.return_wait, true, pid, libc, wait);
        attach_to_function(has_timespec ? skeleton->progs.call_timespec : skeleton->progs.call_milliseconds,
                           false, pid, libc, wait);
      }
    }
  }

  void iterate_processes(uint32_t what) {
    skeleton->bss->iterator_mode = what;
    const int fd = bpf_iter_create(bpf_link__fd(iterator));
    if (fd < 0) throw std::runtime_error("cannot look at the processes that run: " + reason(fd));
    char nothing[64];
    while (read(fd, nothing, sizeof nothing) > 0) continue;
    close(fd);
  }

  std::vector<std::string> mapped_files(uint32_t tgid) {
    skeleton->bss->mappings_of = tgid;
    // Before Linux 6.1 this says nothing, and all processes are looked at for the one.
    bpf_iter_link_info only_it{};
    only_it.task.tid = tgid;
    LIBBPF_OPTS(bpf_iter_attach_opts, parameters);
    parameters.link_info = &only_it;
    parameters.link_info_len = sizeof only_it;
    std::vector<std::string> names;
    bpf_link* link = bpf_program__attach_iter(skeleton->progs.iterate_mappings, &parameters);
    const int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -errno;
    if (fd < 0) log(LogLevel::kDebug, "cannot look at what a process maps: " + reason(fd));
    looptap_mapped_file mapped;
    while (fd >= 0 && read(fd, &mapped, sizeof mapped) == sizeof mapped) names.emplace_back(mapped.name);
    if (fd >= 0) close(fd);
    bpf_link__destroy(link);
    return names;
  }

  /// From an epoll instance and a ring of our own the programs learn how to tell them from other files.
  void discover() {
    const int instance = epoll_create1(EPOLL_CLOEXEC);
    io_uring_params parameters{};
    const int ring = static_cast<int>(syscall(SYS_io_uring_setup, 1, &parameters));  // may be switched off
    skeleton->bss->discover_epoll_fd = static_cast<uint32_t>(instance);
    skeleton->bss->discover_ring_fd = static_cast<uint32_t>(ring);
    iterate_processes(LOOPTAP_DISCOVER);
    close(instance);
    if (ring >= 0) close(ring);
    if (!skeleton->bss->epoll_operations)
      throw std::runtime_error("the BPF programs cannot tell what an epoll instance is on this kernel");
  }

  template <class Key, class Value>
  static void put(const bpf_map* map, const Key& key, const Value& value) {
    bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, BPF_ANY);
  }

  void fill_maps(const BpfOptions& options) {
    for (uint32_t slot = 0; slot < options.max_loops; slot++)
      bpf_map__update_elem(skeleton->maps.free_slots, nullptr, 0, &slot, sizeof slot, BPF_ANY);
    constexpr uint32_t kYes = 1;
    for (const uint32_t pid : options.targets.pids) put(skeleton->maps.wanted_pids, pid, kYes);
    for (const std::string& name : options.targets.names) {
      char comm[16] = {};
      name.copy(comm, sizeof comm - 1);
      put(skeleton->maps.wanted_names, comm, kYes);
    }
    for (const std::string& path : options.targets.cgroups)
      for (const auto& cgroup : find_wanted_cgroups(path)) {
        put(skeleton->maps.wanted_cgroups, cgroup, kYes);
        if (cgroup.hierarchy) skeleton->bss->match_older_cgroups = 1;
      }
  }

  void start(const BpfOptions& options, BpfHook with, bool event_queues_too) {
    hook = with;
    with_event_queues = event_queues_too;
    open(options);
    choose_programs();
    load();
    slots.map(skeleton->maps.slots);
    owners.map(skeleton->maps.owners);
    event_queues.map(skeleton->maps.event_queues);
    fill_maps(options);
    attach_process_events();
    discover();
    attach_waits(options);
    iterate_processes(LOOPTAP_SCAN);
  }
};

BpfPrograms::BpfPrograms(const BpfOptions& options) {
  for (const uint32_t pid : options.targets.pids) check_pid(pid);
  for (const std::string& path : options.targets.cgroups) find_wanted_cgroups(path);
  check_bpf_requirements();
  libbpf_set_print(log_of_libbpf);

  struct Attempt {
    BpfHook hook;
    bool event_queues;
  };
  std::vector<Attempt> attempts;
  if (options.hook == BpfHook::kAuto || options.hook == BpfHook::kFentry) {
    if (options.event_queue) attempts.push_back({BpfHook::kFentry, true});
    attempts.push_back({BpfHook::kFentry, false});
  }
  if (options.hook == BpfHook::kAuto) attempts.push_back({BpfHook::kTracepoint, false});
  if (attempts.empty()) attempts.push_back({options.hook, false});
  for (size_t i = 0; i < attempts.size(); i++) {
    try {
      loaded_ = std::make_unique<Loaded>();
      loaded_->start(options, attempts[i].hook, attempts[i].event_queues);
      break;
    } catch (const Refused& refusal) {
      loaded_.reset();
      if (i + 1 == attempts.size()) throw;
      log(LogLevel::kDebug, refusal.what());
    }
  }
  if (options.event_queue && !event_queues())
    log(LogLevel::kInfo, std::string("eventloop_event_queue_seconds is left out: ") +
                             (hook() == BpfHook::kFentry ? "the kernel refuses fentry on ep_poll_callback"
                                                         : "it takes --bpf.hook=fentry"));
}

BpfPrograms::~BpfPrograms() = default;

BpfHook BpfPrograms::hook() const { return loaded_->hook; }

const SlotMemory& BpfPrograms::slots() const { return loaded_->slots; }

const SlotMemory* BpfPrograms::event_queues() const {
  return loaded_->with_event_queues ? &loaded_->event_queues : nullptr;
}

std::vector<looptap_slot_owner> BpfPrograms::owners() const {
  std::vector<looptap_slot_owner> copy(bpf_map__max_entries(loaded_->skeleton->maps.owners));
  loaded_->owners.read(0, copy.data(), copy.size() * sizeof copy[0]);
  return copy;
}

std::vector<looptap_process> BpfPrograms::processes() const {
  const bpf_map* map = loaded_->skeleton->maps.processes;
  std::vector<looptap_process> found;
  uint64_t generation = 0;
  bool is_first = true;
  while (bpf_map__get_next_key(map, is_first ? nullptr : &generation, &generation, sizeof generation) == 0) {
    is_first = false;
    looptap_process process;
    if (bpf_map__lookup_elem(map, &generation, sizeof generation, &process, sizeof process, 0) == 0)
      found.push_back(process);
  }
  return found;
}

std::vector<std::string> BpfPrograms::mapped_files(uint32_t tgid) const {
  return loaded_->mapped_files(tgid);
}

void BpfPrograms::reap() { loaded_->iterate_processes(LOOPTAP_REAP); }

void BpfPrograms::exclude(const looptap_process& process) {
  constexpr uint32_t kYes = 1;
  auto* numbers = loaded_->skeleton->bss;
  Loaded::put(loaded_->skeleton->maps.excluded, process.tgid, kYes);
  if (bpf_map__delete_elem(loaded_->skeleton->maps.targets, &process.tgid, sizeof process.tgid, 0) == 0)
    __atomic_fetch_sub(&numbers->target_marks[process.tgid % std::size(numbers->target_marks)], 1,
                       __ATOMIC_RELEASE);
  __atomic_fetch_add(&numbers->exclusions, 1, __ATOMIC_RELEASE);
  forget(process.generation);
}

void BpfPrograms::forget(uint64_t generation) {
  const auto& maps = loaded_->skeleton->maps;
  bpf_map__delete_elem(maps.processes, &generation, sizeof generation, 0);
  const auto all = owners();
  for (uint32_t slot = 0; slot < all.size(); slot++) {
    if (all[slot].generation != generation) continue;
    const looptap_instance instance{generation, all[slot].file};
    bpf_map__delete_elem(maps.instances, &instance, sizeof instance, 0);
    loaded_->owners.clear(slot);
    loaded_->slots.clear(slot);
    if (event_queues()) {
      bpf_map__delete_elem(maps.ready_since, &all[slot].instance, sizeof all[slot].instance, 0);
      loaded_->event_queues.clear(slot);
    }
    bpf_map__update_elem(maps.free_slots, nullptr, 0, &slot, sizeof slot, BPF_ANY);
  }
}

uint64_t BpfPrograms::dropped() const {
  const auto* numbers = loaded_->skeleton->bss;
  return __atomic_load_n(&numbers->dropped_loops, __ATOMIC_RELAXED) +
         __atomic_load_n(&numbers->dropped_targets, __ATOMIC_RELAXED);
}

}  // namespace looptap
