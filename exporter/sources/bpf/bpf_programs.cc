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
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "bpf/looptap.skel.h"
#include "exporter/base/capabilities.h"
#include "exporter/base/descriptor.h"
#include "exporter/base/log.h"
#include "exporter/sources/bpf/bpf_attacher.h"
#include "exporter/sources/bpf/bpf_requirements.h"
#include "exporter/sources/bpf/mapped_array.h"
#include "exporter/sources/bpf/retired_slots.h"
#include "exporter/sources/bpf/wait_hook.h"
#include "exporter/sources/bpf/wanted_cgroups.h"

namespace looptap {

namespace {

int log_of_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[1024];
  vsnprintf(line, sizeof line, format, arguments);
  line[strcspn(line, "\n")] = 0;
  log(LogLevel::kDebug, line);  // throws nothing, through libbpf's C frames
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

/// Reads what an iterator writes, in pieces of one size. The kernel gives EAGAIN where it has looked at very many objects and
/// written nothing yet. \return 0, or -errno where it did not come to its end.
template <class Each>
long read_all(int fd, void* to, size_t size, const Each& each) {
  for (;;) {
    const ssize_t got = read(fd, to, size);
    if (got > 0)
      each();
    else if (got == 0)
      return 0;
    else if (errno != EINTR && errno != EAGAIN)
      return -errno;
  }
}

std::unique_ptr<WaitHook> make_hook(BpfHook hook, const BpfTargets& targets, bool with_event_queues) {
  switch (hook) {
    case BpfHook::kFentry:
      return make_fentry_hook(with_event_queues);
    case BpfHook::kTracepoint:
      return make_tracepoint_hook();
    case BpfHook::kUprobe:
      return make_uprobe_hook(targets);
    case BpfHook::kAuto:
      break;
  }
  throw std::logic_error("no hook was chosen");
}

}  // namespace

struct BpfPrograms::Loaded {
  looptap_bpf* skeleton = nullptr;
  std::optional<BpfAttacher> attacher;
  bpf_link* iterator = nullptr;
  MappedArray slots, owners, event_queues;
  RetiredSlots retired;
  BpfHook hook = BpfHook::kAuto;
  bool with_event_queues = false;

  ~Loaded() {
    attacher.reset();
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

  void choose_programs(const WaitHook& wait_hook) {
    bpf_program* program;
    bpf_object__for_each_program(program, skeleton->obj) {
      if (wait_hook.uses(bpf_program__name(program), bpf_program__section_name(program)))
        bpf_program__set_autoload(program, true);
    }
  }

  void load() {
    if (const int result = looptap_bpf__load(skeleton))
      throw BpfRefused(hook_needs() + "the kernel refuses the BPF programs: " + reason(result));
  }

  void attach_process_events() {
    for (const char* program :
         {"process_fork", "process_exec", "process_rename", "cgroup_attach", "thread_exit"})
      attacher->attach(program);
    iterator = bpf_program__attach_iter(skeleton->progs.iterate_processes, nullptr);
    if (!iterator) throw BpfRefused(std::string("cannot look at the processes that run: ") + strerror(errno));
  }

  void iterate_processes(uint32_t what) {
    skeleton->bss->iterator_mode = what;
    const Descriptor run(bpf_iter_create(bpf_link__fd(iterator)));
    if (run.get() < 0)
      throw std::runtime_error("cannot look at the processes that run: " + reason(run.get()));
    char nothing[64];
    if (const long result = read_all(run.get(), nothing, sizeof nothing, [] {}))
      throw std::runtime_error("cannot look at all the processes that run: " + reason(result));
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
    const std::unique_ptr<bpf_link, int (*)(bpf_link*)> link(
        bpf_program__attach_iter(skeleton->progs.iterate_mappings, &parameters), bpf_link__destroy);
    const Descriptor run(link ? bpf_iter_create(bpf_link__fd(link.get())) : -errno);
    looptap_mapped_file mapped;
    const long result =
        run.get() < 0 ? run.get()
                      : read_all(run.get(), &mapped, sizeof mapped, [&] { names.emplace_back(mapped.name); });
    if (result < 0) throw std::runtime_error("cannot look at what a process maps: " + reason(result));
    return names;
  }

  /// From an epoll instance and a ring of our own the programs learn how to tell them from other files.
  void discover() {
    const Descriptor instance(epoll_create1(EPOLL_CLOEXEC));
    if (instance.get() < 0)
      throw std::runtime_error(std::string("cannot make an epoll instance: ") + strerror(errno));
    io_uring_params parameters{};
    const Descriptor ring(
        static_cast<int>(syscall(SYS_io_uring_setup, 1, &parameters)));  // may be switched off
    skeleton->bss->discover_epoll_fd = static_cast<uint32_t>(instance.get());
    skeleton->bss->discover_ring_fd = static_cast<uint32_t>(ring.get());
    iterate_processes(LOOPTAP_DISCOVER);
    if (!skeleton->bss->epoll_operations)
      throw std::runtime_error("the BPF programs cannot tell what an epoll instance is on this kernel");
  }

  template <class Key, class Value>
  static void put(const bpf_map* map, const Key& key, const Value& value) {
    if (const int result = bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, BPF_ANY))
      throw std::runtime_error(std::string("cannot write to the BPF map ") + bpf_map__name(map) + ": " +
                               reason(result));
  }

  void fill_maps(const BpfOptions& options) {
    for (uint32_t slot = 0; slot < options.max_loops; slot++)
      if (const int result =
              bpf_map__update_elem(skeleton->maps.free_slots, nullptr, 0, &slot, sizeof slot, BPF_ANY))
        throw std::runtime_error("cannot fill the list of free slots: " + reason(result));
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
    const auto wait_hook = make_hook(with, options.targets, event_queues_too);
    open(options);
    choose_programs(*wait_hook);
    load();
    slots.map(skeleton->maps.slots);
    owners.map(skeleton->maps.owners);
    event_queues.map(skeleton->maps.event_queues);
    fill_maps(options);
    attacher.emplace(skeleton->obj, hook_needs());
    attach_process_events();
    discover();
    wait_hook->attach(*attacher);
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
    } catch (const BpfRefused& refusal) {
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

void BpfPrograms::exclude(const looptap_process& process, uint64_t now_ns) {
  constexpr uint32_t kYes = 1;
  auto* numbers = loaded_->skeleton->bss;
  // Where there is no room, it is excluded anew whenever it execs, changes its name or its cgroup.
  bpf_map__update_elem(loaded_->skeleton->maps.excluded, &process.tgid, sizeof process.tgid, &kYes,
                       sizeof kYes, BPF_ANY);
  if (bpf_map__delete_elem(loaded_->skeleton->maps.targets, &process.tgid, sizeof process.tgid, 0) == 0)
    __atomic_fetch_sub(&numbers->target_marks[process.tgid % std::size(numbers->target_marks)], 1,
                       __ATOMIC_RELEASE);
  __atomic_fetch_add(&numbers->exclusions, 1, __ATOMIC_RELEASE);
  const auto slots = slots_of(process.generation);
  loaded_->retired.retire(slots, now_ns);
  disown(process.generation, slots);
}

void BpfPrograms::forget(uint64_t generation) {
  const auto slots = slots_of(generation);
  disown(generation, slots);
  for (const uint32_t slot : slots) free(slot);
}

void BpfPrograms::free_retired_slots(uint64_t now_ns) {
  for (auto slots = loaded_->retired.take_reusable(now_ns); !slots.empty();
       slots = loaded_->retired.take_reusable(now_ns))
    for (const uint32_t slot : slots) free(slot);
}

std::vector<uint32_t> BpfPrograms::slots_of(uint64_t generation) const {
  const auto all = owners();
  std::vector<uint32_t> slots;
  for (uint32_t slot = 0; slot < all.size(); slot++)
    if (all[slot].generation == generation) slots.push_back(slot);
  return slots;
}

void BpfPrograms::disown(uint64_t generation, const std::vector<uint32_t>& slots) {
  const auto& maps = loaded_->skeleton->maps;
  bpf_map__delete_elem(maps.processes, &generation, sizeof generation, 0);
  for (const uint32_t slot : slots) {
    looptap_slot_owner owner{};
    loaded_->owners.read(uint64_t{slot} * sizeof owner, &owner, sizeof owner);
    const looptap_instance instance{generation, owner.file};
    bpf_map__delete_elem(maps.instances, &instance, sizeof instance, 0);
    if (event_queues()) bpf_map__delete_elem(maps.ready_since, &owner.instance, sizeof owner.instance, 0);
    loaded_->owners.clear(slot);
  }
}

void BpfPrograms::free(uint32_t slot) {
  loaded_->slots.clear(slot);
  if (event_queues()) loaded_->event_queues.clear(slot);
  bpf_map__update_elem(loaded_->skeleton->maps.free_slots, nullptr, 0, &slot, sizeof slot, BPF_ANY);
}

uint64_t BpfPrograms::dropped() const {
  const auto* numbers = loaded_->skeleton->bss;
  return __atomic_load_n(&numbers->dropped_loops, __ATOMIC_RELAXED) +
         __atomic_load_n(&numbers->dropped_targets, __ATOMIC_RELAXED);
}

}  // namespace looptap
