#include "exporter/metrics/process_families.h"

#include <string>
#include <utility>

#include "exporter/metrics/scalar_metrics.h"

namespace looptap {

ProcessFamilies::ProcessFamilies(SeriesWriter& writer) : writer_(writer) {
  for (const ProcessScalar& scalar : kProcessScalars)
    scalars_.push_back({scalar.name, scalar.help, scalar.type, {}});
}

void ProcessFamilies::add(const ProcessSnapshot& process) {
  if (!process.alive) return;
  const std::string pid_namespace = std::to_string(process.pid_namespace);
  Labels labels = {{"process", process.name}, {"pid", process.pid}, {"pid_namespace", pid_namespace}};
  writer_.set_labels(labels);
  writer_.add_value(info_, 1);
  const ContainerIdentity& container = process.container;
  if (container != ContainerIdentity()) {
    writer_.set_labels({{"process", process.name},
                        {"pid", process.pid},
                        {"pod_uid", container.pod_uid},
                        {"container_id", container.container_id},
                        {"runtime", container.runtime},
                        {"unit", container.unit}});
    writer_.add_value(target_, 1);
  }
  if (!process.figures) return;
  labels.pop_back();
  writer_.set_labels(labels);
  for (size_t i = 0; i < std::size(kProcessScalars); i++)
    writer_.add_value(scalars_[i], kProcessScalars[i].figure(*process.figures));
}

void ProcessFamilies::move_to(std::vector<MetricFamily>& families) {
  families.push_back(std::move(info_));
  families.push_back(std::move(target_));
  for (MetricFamily& family : scalars_) families.push_back(std::move(family));
}

}  // namespace looptap
