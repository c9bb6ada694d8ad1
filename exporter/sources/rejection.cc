#include "exporter/sources/rejection.h"

namespace looptap {

const char* name_of(Rejection rejection) {
  switch (rejection) {
    case Rejection::kNotAFile:
      return "not_a_file";
    case Rejection::kUnreadable:
      return "unreadable";
    case Rejection::kForeign:
      return "foreign";
    case Rejection::kVersion:
      return "version";
    case Rejection::kTruncated:
      return "truncated";
    case Rejection::kMalformed:
      return "malformed";
    case Rejection::kOtherBoot:
      return "other_boot";
    case Rejection::kFuture:
      return "future";
    case Rejection::kImplausible:
      return "implausible";
    case Rejection::kRegressed:
      return "regressed";
    case Rejection::kLink:
      return "link";
    case Rejection::kTooMany:
      return "too_many";
  }
  return "unknown";
}

}  // namespace looptap
