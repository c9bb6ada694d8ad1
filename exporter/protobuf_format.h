// The protobuf format of Prometheus: io.prometheus.client.MetricFamily messages, each behind its length.
// protozero stays behind protobuf_format.cc.
#pragma once

#include <string>

#include "exporter/exposition.h"

namespace looptap {

std::string to_protobuf(const Exposition& exposition);

}  // namespace looptap
