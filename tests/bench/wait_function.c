#define _GNU_SOURCE
#include "tests/bench/wait_function.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "preload/segment_layout.h"

const char* segment_directory;

void fail(const char* what) {
  perror(what);
  exit(1);
}

uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

long times_preempted(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage)) fail("getrusage");
  return usage.ru_nivcsw;
}

void pin_to_cpu(int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (sched_setaffinity(0, sizeof only, &only)) fail("sched_setaffinity");
}

// What is behind the wrappers.

static __attribute__((noinline)) int return_at_once(int fd, struct epoll_event* events, int most,
                                                    int timeout_ms) {
  asm volatile("" ::"r"(fd), "r"(events), "r"(most), "r"(timeout_ms) : "memory");
  return 1;
}

static WaitFunction behind = return_at_once;

void use_stub(void) { behind = return_at_once; }
void use_real_call(void) { behind = epoll_wait; }

int next_wait(int fd, struct epoll_event* events, int most, int timeout_ms) {
  return behind(fd, events, most, timeout_ms);
}

// The wrappers to compare with. They load the next function from memory, as a probe does.

static WaitFunction next_function = next_wait;
static __thread uint64_t entered_ticks, left_ticks;

static inline uint64_t read_ticks(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#endif
}

int wait_empty(int fd, struct epoll_event* events, int most, int timeout_ms) {
  const int result = __atomic_load_n(&next_function, __ATOMIC_ACQUIRE)(fd, events, most, timeout_ms);
  asm volatile("" ::: "memory");  // no tail call: something comes after the wait
  return result;
}

int wait_tsc(int fd, struct epoll_event* events, int most, int timeout_ms) {
  entered_ticks = read_ticks();
  const int result = __atomic_load_n(&next_function, __ATOMIC_ACQUIRE)(fd, events, most, timeout_ms);
  left_ticks = read_ticks();
  return result;
}

// Probes. They ask dlsym for the next function, and this program's own dlsym stands before libc's.

static void* (*libc_dlsym)(void*, const char*);

__attribute__((constructor)) static void find_dlsym(void) {
  for (const char* const* version = (const char* const[]){"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5", NULL};
       *version; version++)
    if (!libc_dlsym) libc_dlsym = (void* (*)(void*, const char*))dlvsym(RTLD_NEXT, "dlsym", *version);
}

void* dlsym(void* handle, const char* name) {
  if (handle == RTLD_NEXT) return strcmp(name, "epoll_wait") ? NULL : (void*)next_wait;
  return libc_dlsym ? libc_dlsym(handle, name) : NULL;
}

static const char* segment_folder(const char* name) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", segment_directory, name);
  return path;
}

WaitFunction wait_of_probe(const char* library, const char* name, int fd) {
  const char* folder = segment_folder(name);
  if (mkdir(folder, 0700)) fail(folder);
  setenv("LOOPTAP_DIR", folder, 1);
  void* loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!loaded) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  const WaitFunction wait = (WaitFunction)dlsym(loaded, "epoll_wait");
  if (!wait) fail(library);

  struct epoll_event event;
  wait(fd, &event, 1, 0);
  unsetenv("LOOPTAP_DIR");
  return wait;
}

uint64_t waits_in_segment(const char* name) {
  uint64_t waits = 0;
  DIR* folder = opendir(segment_folder(name));
  if (!folder) fail(segment_folder(name));
  for (struct dirent* entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    const int fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
    struct stat file;
    if (fd < 0 || fstat(fd, &file)) fail(entry->d_name);
    const unsigned char* at = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) fail(entry->d_name);
    const struct looptap_header* header = (const struct looptap_header*)at;
    for (uint32_t i = 0; i < header->region_count; i++) {
      const struct looptap_region* region = &header->regions[i];
      if (region->kind != LOOPTAP_REGION_LOOPS) continue;
      for (uint64_t loop = 0; loop < region->count && loop < header->loops_used; loop++)
        waits += ((const struct looptap_loop*)(at + region->offset + region->stride * loop))->waits;
    }
    munmap((void*)at, (size_t)file.st_size);
  }
  closedir(folder);
  return waits;
}

int ready_epoll(void) {
  const int loop = epoll_create1(EPOLL_CLOEXEC), ready = eventfd(1, EFD_CLOEXEC);
  struct epoll_event interest = {.events = EPOLLIN};
  if (loop < 0 || ready < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, ready, &interest)) fail("epoll");
  return loop;
}
