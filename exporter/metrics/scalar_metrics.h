// The metrics that are one number for each loop or process: a table, one line a metric. CONTRIBUTING.md shows how one is added.
//
// Constants and pure functions: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>

#include "exporter/metrics/exposition/exposition.h"
#include "exporter/model/loop_figures.h"
#include "exporter/monitor/snapshot.h"

namespace looptap {

enum class Unit { kCount, kNanoseconds };

/// How the loops of a process add up where they share one set of series (--metrics.aggregate).
enum class Aggregation {
  kSum,
  kMax,
  kNone  ///< not shown there
};

/// What an interval that is still open is part of can turn out smaller than it was shown: clamped by MonotonicCounters.
enum class Interval { kClosed, kOpen };

struct LoopScalar {
  const char* name;
  const char* help;
  MetricType type;
  Aggregation aggregation;
  Interval interval;
  Unit unit;
  uint64_t LoopFigures::*figure;  ///< LoopFigures::kNotKnown: the series is left out
};

struct ProcessScalar {
  const char* name;
  const char* help;
  MetricType type;
  double (*figure)(const ProcessFigures&);  ///< in base units
};

// The tables, in the order in which they are served. In a namespace of their own for the sake of short lines.
namespace scalar_tables {

using enum MetricType;
using enum Aggregation;
using enum Interval;
using enum Unit;

inline constexpr LoopScalar kLoopScalars[] = {
    // clang-format off
    {"eventloop_busy_seconds_total", "Time away from waiting, and in waits with timeout 0.", kCounter, kSum, kOpen, kNanoseconds, &LoopFigures::busy_ns},
    {"eventloop_wait_seconds_total", "Time in waits that may sleep.", kCounter, kSum, kOpen, kNanoseconds, &LoopFigures::wait_ns},
    {"eventloop_blocked_seconds", "How long the loop has now been away from waiting, or late in its wait; 0 while it waits.", kGauge, kMax, kClosed, kNanoseconds, &LoopFigures::blocked_ns},
    {"eventloop_stalls_total", "Iterations longer than looptap_stall_threshold_seconds.", kCounter, kSum, kOpen, kCount, &LoopFigures::stalls},
    {"eventloop_waits_total", "Waits that have returned.", kCounter, kSum, kClosed, kCount, &LoopFigures::waits},
    {"eventloop_events_total", "Events that the waits have returned.", kCounter, kSum, kClosed, kCount, &LoopFigures::events},
    {"eventloop_thread_cpu_seconds_total", "Time that the loop's thread has run on a CPU.", kCounter, kNone, kClosed, kNanoseconds, &LoopFigures::thread_cpu_ns},
    {"eventloop_thread_runqueue_seconds_total", "Time that the loop's thread was ready to run and got no CPU, or no quota.", kCounter, kNone, kClosed, kNanoseconds, &LoopFigures::thread_runqueue_ns},
    // clang-format on
};

inline constexpr ProcessScalar kProcessScalars[] = {
    // clang-format off
    {"eventloop_process_cpu_seconds_total", "CPU time of the process, in user and system mode.", kCounter, [](const ProcessFigures& of) { return of.cpu_seconds; }},
    {"eventloop_process_resident_memory_bytes", "Resident memory of the process.", kGauge, [](const ProcessFigures& of) { return static_cast<double>(of.resident_bytes); }},
    {"eventloop_process_start_time_seconds", "When the process started, since the Unix epoch.", kGauge, [](const ProcessFigures& of) { return of.start_time_seconds; }},
    // clang-format on
};

}  // namespace scalar_tables

using scalar_tables::kLoopScalars;
using scalar_tables::kProcessScalars;

/// The figures, by line of kLoopScalars.
using LoopScalars = std::array<uint64_t, std::size(kLoopScalars)>;
LoopScalars loop_scalars(const LoopFigures& figures);

/// Adds a loop's scalars to those of its process.
void aggregate_scalars(LoopFigures& all, const LoopFigures& loop);

/// In base units.
double in_base_units(uint64_t figure, Unit unit);

}  // namespace looptap
