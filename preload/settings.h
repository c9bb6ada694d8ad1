/* What the host's environment asks of the probe (LOOPTAP_*).
 *
 * For:      the probe only. C++.
 * Threads:  read by the first caller; the settings are constant afterwards. g_settings_status is stored with release
 *           once they are complete.
 * Signals:  async-signal-safe; no system call.
 * Errors:   a kill switch that is misspelt must not be silent: any value of LOOPTAP_DISABLE disables but those that
 *           say no. A wrong LOOPTAP_LOOPS falls back to the default, unknown words of LOOPTAP_WAITS are ignored, names
 *           that are too long are cut off: the segment's header carries which, and LOOPTAP_VERBOSE=1 reports it. A
 *           LOOPTAP_DIR that is too long becomes empty: no segment is created.
 *
 * Read and copied once, before main() where there is a constructor: nginx clears its environment before it forks its
 * workers, and other programs write their process title over it.
 */
#ifndef LOOPTAP_SETTINGS_H
#define LOOPTAP_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "preload/segment_layout.h"
#include "preload/text.h"

/* Weak: a program without libc (Go) may load the probe. */
extern "C" __attribute__((weak)) char** environ;

namespace looptap {

/* What glibc's loader hands to the constructor: the environment of a program that has no libc. */
inline char** g_loader_environment;

/* The value of an environment variable; nullptr where it is not set. */
inline const char* environment(const char* name) {
  char** entry = &environ && environ ? environ : g_loader_environment;
  for (; entry && *entry; entry++) {
    const char *at = *entry, *wanted = name;
    while (*wanted && *at == *wanted) at++, wanted++;
    if (!*wanted && *at == '=') return at + 1;
  }
  return nullptr;
}

/* Whether the text is one of the comma-separated words, in whatever case. */
inline bool is_one_of(const char* words, const char* text) {
  while (*words) {
    const char* at = text;
    for (; *words && *words != ','; words++)
      if (at && (*at | 0x20) == (*words | 0x20) && *at)
        at++;
      else
        at = nullptr;
    if (at && !*at) return true;
    if (*words) words++;
  }
  return false;
}

/* Set, and to none of the words that say no. */
inline bool environment_flag(const char* name) {
  const char* value = environment(name);
  return value && *value && !is_one_of("0,false,no,off", value);
}

/* Which calls are a loop's waits: LOOPTAP_WAITS, a list of epoll, poll and select; epoll unless it is set.
 * poll stands for ppoll, too, and select for pselect. */
enum : uint32_t { kWaitsEpoll = 1, kWaitsPoll = 2, kWaitsSelect = 4 };

inline uint32_t read_waits(uint32_t& wrong) {
  const char* at = environment("LOOPTAP_WAITS");
  if (!at || !*at) return kWaitsEpoll;
  uint32_t waits = 0;
  while (*at) {
    uint32_t found = 0;
    constexpr const char* kWords[] = {"epoll", "poll", "select"};
    for (uint32_t i = 0; i < 3; i++) {
      size_t length = 0;
      while (kWords[i][length] && at[length] == kWords[i][length]) length++;
      if (!kWords[i][length] && (!at[length] || at[length] == ',')) found = 1u << i;
    }
    waits |= found;
    if (!found) wrong |= LOOPTAP_SETTING_WAITS;
    while (*at && *at != ',') at++;
    if (*at) at++;
  }
  return waits ? waits : kWaitsEpoll;
}

constexpr const char* kDefaultDirectory = "/dev/shm/looptap";

struct Settings {
  bool disabled;         // LOOPTAP_DISABLE
  bool verbose;          // LOOPTAP_VERBOSE
  char directory[1024];  // LOOPTAP_DIR; empty when it does not fit
  char name[64];         // LOOPTAP_NAME, cut to that; empty when unset
  char exclude[256];     // LOOPTAP_EXCLUDE, cut to that; empty when unset
  uint32_t waits;        // LOOPTAP_WAITS
  uint32_t loops;        // LOOPTAP_LOOPS
  uint32_t wrong;        // LOOPTAP_SETTING_* whose value was not understood
};

inline void read_settings(Settings& settings) {
  const char* value;
  settings.disabled = environment_flag("LOOPTAP_DISABLE");
  settings.verbose = environment_flag("LOOPTAP_VERBOSE");
  settings.wrong = 0;
  if (settings.verbose && !is_one_of("1,true,yes,on", environment("LOOPTAP_VERBOSE")))
    settings.wrong |= LOOPTAP_SETTING_VERBOSE;
  if (!(value = environment("LOOPTAP_DIR")) || !*value) value = kDefaultDirectory;
  size_t length = 0;
  while (value[length] && length < sizeof settings.directory) length++;
  copy_line(settings.directory, sizeof settings.directory, length < sizeof settings.directory ? value : "");
  if ((value = environment("LOOPTAP_NAME")) && !copy_line(settings.name, sizeof settings.name, value))
    settings.wrong |= LOOPTAP_SETTING_NAME;
  if ((value = environment("LOOPTAP_EXCLUDE")) &&
      !copy_line(settings.exclude, sizeof settings.exclude, value))
    settings.wrong |= LOOPTAP_SETTING_EXCLUDE;
  settings.waits = read_waits(settings.wrong);
  settings.loops = LOOPTAP_DEFAULT_LOOPS;
  if ((value = environment("LOOPTAP_LOOPS")) && *value) {
    uint64_t number = 0;
    const char* at = value;
    for (; *at >= '0' && *at <= '9' && number <= LOOPTAP_MOST_LOOPS; at++)
      number = number * 10 + static_cast<uint64_t>(*at - '0');
    if (!*at && number >= 1 && number <= LOOPTAP_MOST_LOOPS)
      settings.loops = static_cast<uint32_t>(number);
    else
      settings.wrong |= LOOPTAP_SETTING_LOOPS;
  }
}

enum : uint32_t { kSettingsUnread, kSettingsBeingRead, kSettingsRead };
inline Settings g_settings;
inline uint32_t g_settings_status;

/* The settings; nullptr while another thread reads them, which happens only where no constructor ran. */
inline const Settings* settings() {
  uint32_t status = __atomic_load_n(&g_settings_status, __ATOMIC_ACQUIRE);  // pairs with the store below
  if (__builtin_expect(status == kSettingsRead, 1)) return &g_settings;
  if (status != kSettingsUnread ||
      !__atomic_compare_exchange_n(&g_settings_status, &status, kSettingsBeingRead, false, __ATOMIC_ACQ_REL,
                                   __ATOMIC_ACQUIRE))
    return nullptr;
  read_settings(g_settings);
  __atomic_store_n(&g_settings_status, kSettingsRead, __ATOMIC_RELEASE);
  return &g_settings;
}

}  // namespace looptap

#endif
