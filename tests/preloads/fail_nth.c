/* Makes one call fail, as a machine short of memory or descriptors does: the n-th of its kind, or all from that one on.
 *
 *   FAULT=KIND:N     from the start, in the whole process; KIND:N+ for all from the n-th on
 *   FAULT_FIRED=FILE is made when it has failed, and tells where: "main" or "before main", then the objects through
 *                    which the call was made, the innermost first
 *
 * or, by a program that looks these up with dlsym(): fault_arm(KIND, n, and_later), fault_disarm(). Kinds: malloc (and what is
 * made of it, operator new too), open, mmap, read, write, fcntl, epoll, stat. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { MALLOC, OPEN, MMAP, READ, WRITE, FCNTL, EPOLL, STAT, KINDS };
static const char* const kNames[KINDS] = {"malloc", "open",  "mmap",  "read",
                                          "write",  "fcntl", "epoll", "stat"};
static const int kErrors[KINDS] = {ENOMEM, EMFILE, ENOMEM, ENOMEM, ENOSPC, ENOMEM, ENOMEM, ENOMEM};

static atomic_int g_kind = KINDS; /* KINDS: none is armed */
static atomic_long g_left;        /* calls of that kind until the one that fails */
static int g_and_later;
static atomic_int g_fired;
static const char* g_fired_file;

static atomic_int g_in_main;

static void tell(long fd, const char* text) { syscall(SYS_write, fd, text, strlen(text)); }

static void fire(void) {
  if (atomic_exchange(&g_fired, 1) || !g_fired_file) return;
  const long fd = syscall(SYS_openat, AT_FDCWD, g_fired_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return;
  tell(fd, atomic_load(&g_in_main) ? "main\n" : "before main\n");
  void* frames[64];
  const int count = backtrace(frames, 64);
  for (int i = 0; i < count; i++) {
    Dl_info where;
    if (!dladdr(frames[i], &where)) continue;
    tell(fd, where.dli_fname);
    tell(fd, " ");
    tell(fd, where.dli_sname ? where.dli_sname : "");
    tell(fd, "\n");
  }
  syscall(SYS_close, fd);
}

/* Whether this call is to fail; then errno is set. */
static int fails(enum kind kind) {
  if (atomic_load_explicit(&g_kind, memory_order_relaxed) != (int)kind) return 0;
  const long left = atomic_fetch_sub(&g_left, 1);
  if (left != 1 && !(g_and_later && left < 1)) return 0;
  fire();
  errno = kErrors[kind];
  return 1;
}

/* \return 0, or -1 for a kind that there is not. */
int fault_arm(const char* kind, long n, int and_later) {
  for (int i = 0; i < KINDS; i++) {
    if (strcmp(kind, kNames[i]) != 0) continue;
    atomic_store(&g_fired, 0);
    atomic_store(&g_left, n);
    g_and_later = and_later;
    atomic_store(&g_kind, i);
    return 0;
  }
  return -1;
}

/* Whether it has failed. */
int fault_disarm(void) {
  atomic_store(&g_kind, KINDS);
  return atomic_load(&g_fired);
}

__attribute__((constructor)) static void begin(void) {
  const char* told = getenv("FAULT");
  const char* colon = told ? strchr(told, ':') : NULL;
  if (!colon || colon - told >= 16) return;
  char kind[16] = "";
  memcpy(kind, told, (size_t)(colon - told));
  g_fired_file = getenv("FAULT_FIRED");
  void* frame[1];
  backtrace(frame, 1); /* the first time it takes memory */
  char* end;
  const long n = strtol(colon + 1, &end, 10);
  if (fault_arm(kind, n, *end == '+') != 0) _exit(99);
}

/* ---- Memory: glibc's own functions by their other names, as dlsym() takes memory itself. */

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t size) { return fails(MALLOC) ? NULL : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return fails(MALLOC) ? NULL : __libc_calloc(count, size); }
void* realloc(void* old, size_t size) { return fails(MALLOC) ? NULL : __libc_realloc(old, size); }
void* memalign(size_t alignment, size_t size) {
  return fails(MALLOC) ? NULL : __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** at, size_t alignment, size_t size) {
  void* made = memalign(alignment, size);
  if (made) *at = made;
  return made ? 0 : ENOMEM;
}

/* ---- System calls */

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPENS(name)                                          \
  int name(const char* path, int flags, ...) {               \
    va_list more;                                            \
    va_start(more, flags);                                   \
    const int mode = va_arg(more, int);                      \
    va_end(more);                                            \
    return fails(OPEN) ? -1 : NEXT(name)(path, flags, mode); \
  }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                               \
  int name(int folder, const char* path, int flags, ...) {           \
    va_list more;                                                    \
    va_start(more, flags);                                           \
    const int mode = va_arg(more, int);                              \
    va_end(more);                                                    \
    return fails(OPEN) ? -1 : NEXT(name)(folder, path, flags, mode); \
  }
OPENS_AT(openat)
OPENS_AT(openat64)

FILE* fopen(const char* path, const char* mode) { return fails(OPEN) ? NULL : NEXT(fopen)(path, mode); }
FILE* fopen64(const char* path, const char* mode) { return fails(OPEN) ? NULL : NEXT(fopen64)(path, mode); }
DIR* opendir(const char* path) { return fails(OPEN) ? NULL : NEXT(opendir)(path); }

#define MAPS(name, offset_type)                                                              \
  void* name(void* at, size_t size, int protection, int flags, int fd, offset_type offset) { \
    return fails(MMAP) ? MAP_FAILED : NEXT(name)(at, size, protection, flags, fd, offset);   \
  }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)

ssize_t read(int fd, void* to, size_t size) { return fails(READ) ? -1 : NEXT(read)(fd, to, size); }
ssize_t pread(int fd, void* to, size_t size, off_t at) {
  return fails(READ) ? -1 : NEXT(pread)(fd, to, size, at);
}
ssize_t pread64(int fd, void* to, size_t size, off64_t at) {
  return fails(READ) ? -1 : NEXT(pread64)(fd, to, size, at);
}
struct dirent* readdir(DIR* folder) {
  return fails(READ) ? NULL : NEXT(readdir)(folder);
}
struct dirent64* readdir64(DIR* folder) {
  return fails(READ) ? NULL : NEXT(readdir64)(folder);
}

ssize_t write(int fd, const void* from, size_t size) {
  return fails(WRITE) ? -1 : NEXT(write)(fd, from, size);
}

#define FCNTLS(name)                                              \
  int name(int fd, int command, ...) {                            \
    va_list more;                                                 \
    va_start(more, command);                                      \
    void* argument = va_arg(more, void*);                         \
    va_end(more);                                                 \
    return fails(FCNTL) ? -1 : NEXT(name)(fd, command, argument); \
  }
FCNTLS(fcntl)
FCNTLS(fcntl64)

int epoll_create(int size) { return fails(EPOLL) ? -1 : NEXT(epoll_create)(size); }
int epoll_create1(int flags) { return fails(EPOLL) ? -1 : NEXT(epoll_create1)(flags); }
int epoll_ctl(int set, int what, int fd, struct epoll_event* event) {
  return fails(EPOLL) ? -1 : NEXT(epoll_ctl)(set, what, fd, event);
}
int epoll_wait(int set, struct epoll_event* events, int most, int timeout) {
  return fails(EPOLL) ? -1 : NEXT(epoll_wait)(set, events, most, timeout);
}

#define STATS(name, type) \
  int name(const char* path, type* facts) { return fails(STAT) ? -1 : NEXT(name)(path, facts); }
STATS(stat, struct stat)
STATS(lstat, struct stat)
STATS(stat64, struct stat64)
STATS(lstat64, struct stat64)
int fstat(int fd, struct stat* facts) { return fails(STAT) ? -1 : NEXT(fstat)(fd, facts); }
int fstat64(int fd, struct stat64* facts) { return fails(STAT) ? -1 : NEXT(fstat64)(fd, facts); }
int fstatat(int folder, const char* path, struct stat* facts, int flags) {
  return fails(STAT) ? -1 : NEXT(fstatat)(folder, path, facts, flags);
}
int fstatat64(int folder, const char* path, struct stat64* facts, int flags) {
  return fails(STAT) ? -1 : NEXT(fstatat64)(folder, path, facts, flags);
}

/* ---- main() */

static int (*g_main)(int, char**, char**);

static int begin_main(int count, char** arguments, char** environment) {
  atomic_store(&g_in_main, 1);
  return g_main(count, arguments, environment);
}

int __libc_start_main(int (*main)(int, char**, char**), int count, char** arguments, void (*init)(void),
                      void (*fini)(void), void (*end)(void), void* stack) {
  g_main = main;
  return ((__typeof__(&__libc_start_main))dlsym(RTLD_NEXT, "__libc_start_main"))(begin_main, count, arguments,
                                                                                 init, fini, end, stack);
}
