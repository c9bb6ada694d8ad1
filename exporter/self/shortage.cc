#include "exporter/self/shortage.h"

#include <cerrno>
#include <cstring>

#include "exporter/base/limited_log.h"
#include "exporter/self/own_metrics.h"

namespace looptap::self {

namespace {

/// The series are found once, so that counting takes no memory, which may be what is short.
struct Series {
  Counter descriptors = shortages("descriptors");
  Counter memory = shortages("memory");
  Counter time = shortages("time");
  Counter turns = shortages("turns");

  Counter& of(int error) {
    return error == EMFILE || error == ENFILE ? descriptors
           : error == ENOMEM                  ? memory
           : error == ETIME                   ? time
                                              : turns;
  }
};

Series& series() {
  static Series series;
  return series;
}

}  // namespace

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == EINTR || error == EAGAIN;
}

void tell_of_shortage(int error, std::string_view what) noexcept {
  series().of(error).increment();
  static LimitedLog shortages(LogLevel::kWarn, "what is short");
  shortages.write([&] { return std::string(what) + ": " + strerror(error) + "; it is tried again"; });
}

Shortage::Shortage(int error, const std::string& what) : std::runtime_error(what + ": " + strerror(error)) {
  tell_of_shortage(error, what);
}

void declare_shortages() { series(); }

}  // namespace looptap::self
