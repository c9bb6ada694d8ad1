// The flags of `looptap inject`.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <string>

#include "exporter/cli/command_parser.h"
#include "exporter/inject/pod_injection.h"

namespace looptap {

struct InjectOptions {
  std::string manifest;  ///< a path; "-": stdin
  InjectionOptions injection;
};

class InjectFlags {
 public:
  InjectFlags();
  void declare(FlagSet& set);
  InjectOptions check() const;

 private:
  std::string manifest_;
  std::string image_;
  bool classic_ = false;
  std::string port_ = "10064";
  std::string requests_ = "cpu=10m,memory=32Mi";
  std::string limits_ = "cpu=200m,memory=64Mi";
  std::string containers_;
  std::string excluded_containers_;
};

}  // namespace looptap
