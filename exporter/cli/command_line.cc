#include "exporter/cli/command_line.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include "bpf/records.h"
#include "exporter/base/build_info.h"
#include "exporter/base/duration.h"
#include "exporter/base/log.h"
#include "exporter/model/latency_window.h"

namespace looptap {

namespace {

constexpr const char* kDefaultDirectory = "/dev/shm/looptap";
constexpr uint64_t kLeastWindow_ns = 1'000'000'000;  // 12 ticks of 83 ms
constexpr size_t kMostBounds = 100;

/// The flags as they were written.
struct ExporterFlags {
  std::vector<std::string> listen_addresses;
  std::string telemetry_path = "/metrics";
  std::string max_connections = "128";
  std::string segments_directory;
  std::string linger = "30s";
  std::string window = "60s";
  std::string quantiles = "0.5,0.95,0.99";
  std::string buckets = "1ms,2.5ms,5ms,10ms,25ms,50ms,100ms,250ms,500ms,1s,2.5s,5s,10s";
  std::string stall_threshold = "100ms";
  std::string aggregate = "none";
  std::string log_level = "info";
  std::vector<std::string> bpf_targets;
  std::string bpf_hook = "auto";
  std::string bpf_max_loops = std::to_string(LOOPTAP_BPF_DEFAULT_LOOPS);
  bool bpf_event_queue = false;
  bool bpf_measure_carriers = false;
};

void add_exporter_flags(CLI::App& app, ExporterFlags& flags, const std::string& default_address,
                        const std::string& default_directory) {
  app.add_option("--web.listen-address", flags.listen_addresses,
                 "HOST:PORT to listen on; repeatable; port 0 picks a free one [" + default_address + "]")
      ->type_name("ADDRESS")
      ->expected(1)
      ->take_all();
  app.add_option("--web.telemetry-path", flags.telemetry_path, "where the metrics are")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option("--web.max-connections", flags.max_connections, "how many connections are served at once")
      ->type_name("NUMBER")
      ->capture_default_str();
  app.add_option("--segments.dir", flags.segments_directory,
                 "the segment directory [LOOPTAP_DIR, or " + default_directory + "]")
      ->type_name("DIR");
  app.add_option("--segments.linger", flags.linger, "how long a dead process' final figures are shown")
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--latency.window", flags.window, "what the summaries' quantiles cover")
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--latency.quantiles", flags.quantiles, "the summaries' quantiles")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("--latency.buckets", flags.buckets, "upper bounds of eventloop_latency_seconds")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("--stall.threshold", flags.stall_threshold, "iterations longer than this are stalls")
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--metrics.aggregate", flags.aggregate,
                 "none: series for each loop; process: for all loops of a process together")
      ->type_name("WHAT")
      ->capture_default_str();
  app.add_option("--log.level", flags.log_level, "debug, info, warn or error")
      ->type_name("LEVEL")
      ->capture_default_str();
}

/// Those of `inject`, as they were written.
struct InjectionFlags {
  std::string manifest;
  std::string image = std::string("localhost/looptap:") + build_version();
  bool classic = false;
  std::string port = "10064";
  std::string requests = "cpu=10m,memory=32Mi";
  std::string limits = "memory=64Mi";
  std::string containers;
  std::string excluded_containers;
};

void add_injection_flags(CLI::App& app, InjectionFlags& flags) {
  app.add_option("-f,--filename", flags.manifest, "the manifest, YAML or JSON; - is stdin")
      ->type_name("FILE")
      ->required();
  app.add_option("--image", flags.image, "looptap's image, where your cluster finds it")
      ->type_name("IMAGE")
      ->capture_default_str();
  app.add_flag("--classic", flags.classic, "for clusters before 1.29, which have no native sidecars");
  app.add_option("--port", flags.port, "where looptap serves the metrics")
      ->type_name("PORT")
      ->capture_default_str();
  app.add_option("--requests", flags.requests, "resources that looptap's container requests; or none")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("--limits", flags.limits, "its limits; or none")->type_name("LIST")->capture_default_str();
  app.add_option(
         "--containers", flags.containers,
         "measure only these; init containers (others' native sidecars) are measured only if named here")
      ->type_name("LIST");
  app.add_option("--exclude-containers", flags.excluded_containers, "do not measure these")
      ->type_name("LIST");
}

void add_bpf_flags(CLI::App& app, ExporterFlags& flags) {
  app.add_option("--bpf.target", flags.bpf_targets,
                 "measure running processes with eBPF: pid:N, comm:NAME, cgroup:PATH or all; repeatable")
      ->type_name("TARGET")
      ->expected(1)
      ->take_all();
  app.add_option(
         "--bpf.hook", flags.bpf_hook,
         "where eBPF learns of waits: fentry, tracepoint, uprobe; auto: the first of these two that works")
      ->type_name("HOOK")
      ->capture_default_str();
  app.add_option("--bpf.max-loops", flags.bpf_max_loops,
                 "how many loops eBPF measures at once, in 22 KB each")
      ->type_name("NUMBER")
      ->capture_default_str();
  app.add_flag(
      "--bpf.event-queue", flags.bpf_event_queue,
      "measure also how long events are ready before a wait returns them; takes fentry, and 8 KB for each "
      "loop");
  app.add_flag("--bpf.measure-carriers", flags.bpf_measure_carriers,
               "measure with eBPF also processes that carry the probe, unless their segments are seen here");
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t at = 0;;) {
    const size_t comma = list.find(',', at);
    parts.push_back(list.substr(at, comma - at));
    if (comma == std::string::npos) return parts;
    at = comma + 1;
  }
}

std::vector<double> parse_quantiles(const std::string& text) {
  std::vector<double> quantiles;
  for (const std::string& part : split(text)) {
    double q = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), q);
    if (part.empty() || error != std::errc() || end != part.data() + part.size() || !(q >= 0 && q <= 1))
      throw std::invalid_argument("--latency.quantiles: \"" + part + "\" is not a number from 0 to 1");
    quantiles.push_back(q);
  }
  std::sort(quantiles.begin(), quantiles.end());
  if (std::adjacent_find(quantiles.begin(), quantiles.end()) != quantiles.end())
    throw std::invalid_argument("--latency.quantiles: a quantile is named twice");
  return quantiles;
}

uint64_t parse_duration_flag(const std::string& flag, const std::string& text) {
  try {
    return parse_duration(text);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(flag + ": " + error.what());
  }
}

Bounds parse_bounds(const std::string& text) {
  Bounds bounds;
  for (const std::string& part : split(text))
    bounds.push_back(parse_duration_flag("--latency.buckets", part));
  if (bounds.size() > kMostBounds) throw std::invalid_argument("--latency.buckets: more than 100 bounds");
  if (bounds.front() == 0 || !std::is_sorted(bounds.begin(), bounds.end(), std::less_equal<>()))
    throw std::invalid_argument(
        "--latency.buckets: the bounds must be above 0 and grow from one to the next");
  return bounds;
}

LogLevel parse_log_level(const std::string& text) {
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warn", LogLevel::kWarn},
                                                  {"error", LogLevel::kError}};
  const auto level = levels.find(text);
  if (level == levels.end())
    throw std::invalid_argument("--log.level: \"" + text + "\" is not debug, info, warn or error");
  return level->second;
}

std::string parse_telemetry_path(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char byte) {
    return isalnum(byte) || byte == '/' || byte == '-' || byte == '_' || byte == '.';
  });
  if (text.size() < 2 || text[0] != '/' || !plain || text.starts_with("/-/") || text.starts_with("/api/"))
    throw std::invalid_argument("--web.telemetry-path: \"" + text + "\" is not a path like /metrics");
  return text;
}

unsigned parse_number(const std::string& flag, const std::string& text, unsigned most) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number < 1 || number > most)
    throw std::invalid_argument(flag + ": \"" + text + "\" is not a number from 1 to " +
                                std::to_string(most));
  return number;
}

ExporterOptions check(const ExporterFlags& flags, const std::string& default_address,
                      const std::string& default_directory) {
  ExporterOptions options;
  options.listen_addresses = flags.listen_addresses;
  if (options.listen_addresses.empty()) options.listen_addresses = {default_address};
  options.telemetry_path = parse_telemetry_path(flags.telemetry_path);
  options.max_connections = parse_number("--web.max-connections", flags.max_connections, 1000);
  options.segments_directory =
      flags.segments_directory.empty() ? default_directory : flags.segments_directory;
  options.linger_ns = parse_duration_flag("--segments.linger", flags.linger);
  options.window_ns = parse_duration_flag("--latency.window", flags.window);
  if (options.window_ns < kLeastWindow_ns) throw std::invalid_argument("--latency.window: at least 1s");
  options.quantiles = parse_quantiles(flags.quantiles);
  options.latency_bounds_ns = parse_bounds(flags.buckets);
  options.stall_threshold_ns = parse_duration_flag("--stall.threshold", flags.stall_threshold);
  if (options.stall_threshold_ns < 1'000'000) throw std::invalid_argument("--stall.threshold: at least 1ms");
  if (flags.aggregate != "none" && flags.aggregate != "process")
    throw std::invalid_argument("--metrics.aggregate: \"" + flags.aggregate + "\" is not none or process");
  options.aggregate_processes = flags.aggregate == "process";
  options.bpf.targets = parse_bpf_targets(flags.bpf_targets);
  options.bpf.hook = parse_bpf_hook(flags.bpf_hook);
  options.bpf.max_loops = parse_number("--bpf.max-loops", flags.bpf_max_loops, LOOPTAP_BPF_MOST_LOOPS);
  options.bpf.event_queue = flags.bpf_event_queue;
  options.bpf.measure_carriers = flags.bpf_measure_carriers;
  set_log_level(parse_log_level(flags.log_level));
  return options;
}

std::vector<std::string> parse_names(const std::string& flag, const std::string& text) {
  if (text.empty()) return {};
  std::vector<std::string> names = split(text);
  if (std::find(names.begin(), names.end(), "") != names.end())
    throw std::invalid_argument(flag + ": \"" + text + "\" is not a list like web,worker");
  return names;
}

ResourceList parse_resources(const std::string& flag, const std::string& text) {
  if (text == "none") return {};
  ResourceList list;
  for (const std::string& part : parse_names(flag, text)) {
    const size_t equals = part.find('=');
    const bool written = equals != std::string::npos && equals != 0 && equals + 1 != part.size();
    if (!written || !isdigit(static_cast<unsigned char>(part[equals + 1])) ||
        std::any_of(list.begin(), list.end(),
                    [&](const auto& known) { return known.first == part.substr(0, equals); }))
      throw std::invalid_argument(flag + ": \"" + text +
                                  "\" is not a list like cpu=10m,memory=32Mi, nor none");
    list.emplace_back(part.substr(0, equals), part.substr(equals + 1));
  }
  return list;
}

InjectCommand check(const InjectionFlags& flags) {
  InjectCommand command;
  command.manifest = flags.manifest;
  InjectionOptions& options = command.options;
  options.image = flags.image;
  const bool one_word =
      std::all_of(flags.image.begin(), flags.image.end(), [](unsigned char byte) { return byte > ' '; });
  if (flags.image.empty() || !one_word)
    throw std::invalid_argument("--image: \"" + flags.image + "\" is not an image's name");
  options.classic = flags.classic;
  const char* const end = flags.port.data() + flags.port.size();
  const auto [stop, error] = std::from_chars(flags.port.data(), end, options.port);
  if (error != std::errc() || stop != end || options.port < 1 || options.port > 65535)
    throw std::invalid_argument("--port: \"" + flags.port + "\" is not a number from 1 to 65535");
  options.requests = parse_resources("--requests", flags.requests);
  options.limits = parse_resources("--limits", flags.limits);
  options.containers = parse_names("--containers", flags.containers);
  options.excluded_containers = parse_names("--exclude-containers", flags.excluded_containers);
  return command;
}

std::string environment_directory() {
  const char* value = getenv("LOOPTAP_DIR");
  return value && *value ? value : "";
}

/// Help and errors of CLI11 end in newlines, and some of its errors have several lines.
std::string first_line(std::string text) {
  text.erase(std::find(text.begin(), text.end(), '\n'), text.end());
  return text;
}

}  // namespace

Command parse_command_line(int argc, char** argv) {
  CLI::App app("Event-loop latency of unmodified programs, for Prometheus.", "looptap");
  app.set_version_flag("--version",
                       std::string("looptap ") + build_version() + " (" + build_revision() + ")");
  app.require_subcommand(1);
  app.footer(
      "  looptap run [flags] -- COMMAND [ARG...]\n  looptap serve [flags]\n  looptap install DIR\n"
      "  looptap inject [flags] -f MANIFEST\n"
      "looptap SUBCOMMAND --help lists the flags.");

  ExporterFlags serve_flags, run_flags;
  CLI::App* serve = app.add_subcommand("serve", "the exporter: serves what the probes have measured");
  const std::string serve_address = ":10064";
  add_exporter_flags(*serve, serve_flags, serve_address, kDefaultDirectory);
  std::string install_directory;
  CLI::Option* install_flag = serve
                                  ->add_option("--install.dir", install_directory,
                                               "put liblooptap.so into DIR first, as a sidecar does")
                                  ->type_name("DIR");
  add_bpf_flags(*serve, serve_flags);

  CLI::App* run = app.add_subcommand("run", "start COMMAND with the probe, and the exporter beside it");
  run->footer("The command comes after --:  looptap run [flags] -- COMMAND [ARG...]");
  const std::string run_address = "127.0.0.1:0";
  add_exporter_flags(*run, run_flags, run_address, "a private one");

  InstallCommand install_command;
  CLI::App* install = app.add_subcommand("install", "put liblooptap.so into DIR");
  install->add_option("DIR", install_command.directory, "an existing directory")->required();

  InjectionFlags injection_flags;
  CLI::App* inject = app.add_subcommand("inject", "add looptap to the pods of a Kubernetes manifest");
  add_injection_flags(*inject, injection_flags);

  // The command's own arguments are none of our business: CLI11 sees only what stands before "--".
  std::vector<std::string> command;
  int ours = argc;
  for (int i = 1; i < argc && ours == argc; i++) {
    if (std::string(argv[i]) != "--") continue;
    ours = i;
    command.assign(argv + i + 1, argv + argc);
  }

  if (ours > 1 && argv[1][0] != '-' && std::string(argv[1]) != "run" && std::string(argv[1]) != "serve" &&
      std::string(argv[1]) != "install" && std::string(argv[1]) != "inject")
    throw std::invalid_argument("unknown command \"" + std::string(argv[1]) +
                                "\": it is run, serve, install or inject");

  try {
    app.parse(ours, argv);
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    return Print{(chosen.empty() ? app : *chosen.front()).help()};
  } catch (const CLI::CallForVersion& version) {
    return Print{std::string(version.what()) + "\n"};
  } catch (const CLI::Error& error) {
    std::string what = first_line(error.what());
    if (run->parsed() && dynamic_cast<const CLI::ExtrasError*>(&error))
      what += " (the command comes after --: looptap run [flags] -- COMMAND [ARG...])";
    throw std::invalid_argument(what);
  }

  if (serve->parsed()) {
    if (ours != argc) throw std::invalid_argument("serve takes no command");
    if (*install_flag && install_directory.empty())
      throw std::invalid_argument("--install.dir: an empty name");
    const std::string directory = environment_directory();
    return ServeCommand{check(serve_flags, serve_address, directory.empty() ? kDefaultDirectory : directory),
                        install_directory};
  }
  if (run->parsed()) {
    if (command.empty())
      throw std::invalid_argument("no command to run: looptap run [flags] -- COMMAND [ARG...]");
    return RunCommand{check(run_flags, run_address, environment_directory()), std::move(command)};
  }
  if (inject->parsed()) {
    if (ours != argc) throw std::invalid_argument("inject takes no command");
    return check(injection_flags);
  }
  if (ours != argc) throw std::invalid_argument("install takes one directory");
  return install_command;
}

}  // namespace looptap
