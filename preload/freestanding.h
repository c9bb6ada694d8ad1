/* memset and memcpy, which the compiler may call by itself: the probe links no libc.
 *
 * For:      probe.cc only. Hidden symbols: the host's own are not replaced.
 * Signals:  async-signal-safe. Slow, byte by byte: nothing on the path of a wait calls them.
 */
#ifndef LOOPTAP_FREESTANDING_H
#define LOOPTAP_FREESTANDING_H

#include <stddef.h>

extern "C" {
__attribute__((visibility("hidden"), used)) inline void* memset(void* to, int value, size_t size) {
  unsigned char* at = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < size; i++) {
    at[i] = static_cast<unsigned char>(value);
    asm volatile("" ::: "memory");  // without it gcc turns the loop into a call of memset
  }
  return to;
}
__attribute__((visibility("hidden"), used)) inline void* memcpy(void* __restrict to,
                                                                const void* __restrict from, size_t size) {
  unsigned char* at = static_cast<unsigned char*>(to);
  const unsigned char* source = static_cast<const unsigned char*>(from);
  for (size_t i = 0; i < size; i++) {
    at[i] = source[i];
    asm volatile("" ::: "memory");
  }
  return to;
}
}

#endif
