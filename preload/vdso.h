/* CLOCK_MONOTONIC straight from the vDSO, bypassing libc and whatever is preloaded over it (libfaketime).
 *
 * For:      clock.h. C++.
 * Threads:  any.
 * Signals:  async-signal-safe. find_vdso_clock() opens a file in /proc.
 * Errors:   nullptr where there is no vDSO, or no /proc; monotonic_ns() then makes the system call. errno is kept.
 * Units:    ns of CLOCK_MONOTONIC.
 *
 * The vDSO is an ELF image that the kernel maps; Documentation/ABI/stable/vdso says how to find a function in it.
 */
#ifndef LOOPTAP_VDSO_H
#define LOOPTAP_VDSO_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/sys.h"

namespace looptap {

struct KernelTime {
  int64_t seconds;
  int64_t nanoseconds;
};
using ClockGettime = int (*)(int clock, KernelTime* time);

/* The address of the vDSO's image, from /proc/self/auxv; nullptr where that cannot be read. */
inline const unsigned char* find_vdso_image() {
  // Read in one piece: the vector has some 20 pairs of words.
  uint64_t pairs[128];
  long got = sys::read_file("/proc/self/auxv", reinterpret_cast<char*>(pairs), sizeof pairs);
  for (long i = 0; got > 0 && (i + 2) * 8 <= got && pairs[i] != AT_NULL; i += 2)
    if (pairs[i] == AT_SYSINFO_EHDR) return reinterpret_cast<const unsigned char*>(pairs[i + 1]);
  return nullptr;
}

inline bool same_text(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* The vDSO's clock_gettime, or nullptr. */
inline ClockGettime find_vdso_clock() {
#if defined(__x86_64__)
  const char* wanted = "__vdso_clock_gettime";
#else
  const char* wanted = "__kernel_clock_gettime";
#endif
  const unsigned char* image = find_vdso_image();
  if (!image) return nullptr;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image);
  const auto* segments = reinterpret_cast<const Elf64_Phdr*>(image + header->e_phoff);
  const Elf64_Dyn* dynamic = nullptr;
  uint64_t bias = 0;
  for (int i = 0; i < header->e_phnum; i++) {
    if (segments[i].p_type == PT_LOAD && !bias)
      bias = reinterpret_cast<uint64_t>(image) + segments[i].p_offset - segments[i].p_vaddr;
    if (segments[i].p_type == PT_DYNAMIC)
      dynamic = reinterpret_cast<const Elf64_Dyn*>(image + segments[i].p_offset);
  }
  if (!dynamic) return nullptr;

  const Elf64_Sym* symbols = nullptr;
  const char* names = nullptr;
  const uint32_t *hash = nullptr, *gnu_hash = nullptr;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    uint64_t at = dynamic->d_un.d_ptr + bias;
    if (dynamic->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const Elf64_Sym*>(at);
    if (dynamic->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(at);
    if (dynamic->d_tag == DT_HASH) hash = reinterpret_cast<const uint32_t*>(at);
    if (dynamic->d_tag == DT_GNU_HASH) gnu_hash = reinterpret_cast<const uint32_t*>(at);
  }
  if (!symbols || !names) return nullptr;

  // Only the hash tables say how many symbols there are. Newer kernels have just the GNU one: there the end of the
  // last chain gives the number.
  uint32_t count = 0;
  if (hash) {
    count = hash[1];
  } else if (gnu_hash) {
    const uint32_t buckets = gnu_hash[0], first = gnu_hash[1], words = gnu_hash[2];
    const uint32_t* bucket = gnu_hash + 4 + 2 * words;
    const uint32_t* chain = bucket + buckets;
    for (uint32_t i = 0; i < buckets; i++)
      if (bucket[i] > count) count = bucket[i];
    if (count >= first) {
      while (!(chain[count - first] & 1)) count++;
      count++;
    }
  }
  for (uint32_t i = 0; i < count; i++)
    if (symbols[i].st_shndx != SHN_UNDEF && same_text(names + symbols[i].st_name, wanted))
      return reinterpret_cast<ClockGettime>(symbols[i].st_value + bias);
  return nullptr;
}

/* CLOCK_MONOTONIC in ns; `vdso` may be nullptr. */
inline uint64_t monotonic_ns(ClockGettime vdso) {
  KernelTime time{0, 0};
  constexpr int kMonotonic = 1;
  if (!vdso || vdso(kMonotonic, &time) != 0) sys::call(SYS_clock_gettime, kMonotonic, sys::address(&time));
  return static_cast<uint64_t>(time.seconds) * 1000000000u + static_cast<uint64_t>(time.nanoseconds);
}

}  // namespace looptap

#endif
