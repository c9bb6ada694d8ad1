/* Bounded texts without libc: file names, numbers, patterns.
 *
 * For:      the probe only. C++.
 * Threads:  any; no shared state.
 * Signals:  async-signal-safe; no allocation.
 * Errors:   what does not fit is cut off; nothing is written past the given size.
 * Units:    bytes, the NUL included.
 */
#ifndef LOOPTAP_TEXT_H
#define LOOPTAP_TEXT_H

#include <stddef.h>
#include <stdint.h>

namespace looptap {

/* Builds a text of at most Size - 1 bytes. `cut` is set when something did not fit. */
template <size_t Size>
struct Text {
  char bytes[Size];
  size_t length = 0;
  bool cut = false;

  Text() { bytes[0] = 0; }

  Text& add(const char* text) {
    while (*text) put(*text++);
    return *this;
  }

  Text& add(uint64_t number) {
    char digits[20];
    int count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number);
    while (count) put(digits[--count]);
    return *this;
  }

 private:
  void put(char byte) {
    if (length + 1 < Size) {
      bytes[length++] = byte;
      bytes[length] = 0;
    } else {
      cut = true;
    }
  }
};

/* Copies at most size - 1 bytes of a text up to a NUL or newline and fills the rest with NULs. Returns whether all of
 * the line did fit. */
inline bool copy_line(char* to, size_t size, const char* from) {
  size_t i = 0;
  for (; i + 1 < size && from[i] && from[i] != '\n'; i++) to[i] = from[i];
  const bool fits = !from[i] || from[i] == '\n';
  for (; i < size; i++) to[i] = 0;
  return fits;
}

/* Decimal digits at the text's start; 0 where there are none. */
inline uint64_t leading_number(const char* text) {
  uint64_t number = 0;
  for (; *text >= '0' && *text <= '9'; text++) number = number * 10 + static_cast<uint64_t>(*text - '0');
  return number;
}

/* Whether the text matches one of the comma-separated patterns, in which * stands for any text and ? for
 * any one byte. */
inline bool matches_any(const char* patterns, const char* text) {
  while (*patterns) {
    const char *pattern = patterns, *at = text;
    const char *star = nullptr, *star_at = nullptr;
    bool matches = true;
    while (matches && *at) {
      if (*pattern == '*') {
        star = ++pattern;
        star_at = at;
      } else if (*pattern && *pattern != ',' && (*pattern == '?' || *pattern == *at)) {
        pattern++;
        at++;
      } else if (star) {
        pattern = star;
        at = ++star_at;
      } else {
        matches = false;
      }
    }
    while (*pattern == '*') pattern++;
    if (matches && (!*pattern || *pattern == ',')) return true;
    while (*patterns && *patterns != ',') patterns++;
    if (*patterns) patterns++;
  }
  return false;
}

}  // namespace looptap

#endif
