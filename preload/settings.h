/* What the host's environment tells the probe. Read once, without a syscall; nothing is copied, since the
 * values are looked at before the segment is made and not kept.
 */
#ifndef LOOPTAP_SETTINGS_H
#define LOOPTAP_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "preload/segment_layout.h"
#include "preload/text.h"

/* Weak: a program without libc (Go) loads the probe, too. */
extern "C" __attribute__((weak)) char** environ;

namespace looptap {

/* The value of an environment variable; nullptr where there is none. */
inline const char* environment(const char* name) {
  if (!&environ || !environ) return nullptr;
  for (char** entry = environ; *entry; entry++) {
    const char *at = *entry, *wanted = name;
    while (*wanted && *at == *wanted) at++, wanted++;
    if (!*wanted && *at == '=') return at + 1;
  }
  return nullptr;
}

inline bool environment_says_yes(const char* name) {
  const char* value = environment(name);
  return value && value[0] == '1' && !value[1];
}

/* Which calls are a loop's waits: LOOPTAP_WAITS, a list of epoll, poll and select; epoll unless it is set.
 * poll stands for ppoll, too, and select for pselect. */
enum : uint32_t { kWaitsEpoll = 1, kWaitsPoll = 2, kWaitsSelect = 4, kWaitsUnknownWord = 8 };

inline uint32_t read_waits() {
  const char* at = environment("LOOPTAP_WAITS");
  if (!at || !*at) return kWaitsEpoll;
  uint32_t waits = 0;
  while (*at) {
    uint32_t found = kWaitsUnknownWord;
    constexpr const char* kWords[] = {"epoll", "poll", "select"};
    for (uint32_t i = 0; i < 3; i++) {
      size_t length = 0;
      while (kWords[i][length] && at[length] == kWords[i][length]) length++;
      if (!kWords[i][length] && (!at[length] || at[length] == ',')) found = 1u << i;
    }
    waits |= found;
    while (*at && *at != ',') at++;
    if (*at) at++;
  }
  return waits;
}

constexpr const char* kDefaultDirectory = "/dev/shm/looptap";

struct Settings {
  bool verbose;           // LOOPTAP_VERBOSE=1
  const char* directory;  // LOOPTAP_DIR
  const char* name;       // LOOPTAP_NAME; "" when unset
  const char* exclude;    // LOOPTAP_EXCLUDE; "" when unset
  uint32_t waits;         // LOOPTAP_WAITS
  uint32_t loops;         // LOOPTAP_LOOPS
  bool bad_loops;         // LOOPTAP_LOOPS was not a number of 1 .. LOOPTAP_MOST_LOOPS
};

inline Settings read_settings() {
  Settings settings{};
  const char* value;
  settings.verbose = environment_says_yes("LOOPTAP_VERBOSE");
  settings.directory = (value = environment("LOOPTAP_DIR")) && *value ? value : kDefaultDirectory;
  settings.name = (value = environment("LOOPTAP_NAME")) ? value : "";
  settings.exclude = (value = environment("LOOPTAP_EXCLUDE")) ? value : "";
  settings.waits = read_waits();
  settings.loops = LOOPTAP_DEFAULT_LOOPS;
  if ((value = environment("LOOPTAP_LOOPS")) && *value) {
    uint64_t number = 0;
    const char* at = value;
    for (; *at >= '0' && *at <= '9' && number <= LOOPTAP_MOST_LOOPS; at++)
      number = number * 10 + static_cast<uint64_t>(*at - '0');
    if (!*at && number >= 1 && number <= LOOPTAP_MOST_LOOPS)
      settings.loops = static_cast<uint32_t>(number);
    else
      settings.bad_loops = true;
  }
  return settings;
}

}  // namespace looptap

#endif
