// What the flags of the commands say.
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "exporter/cli/inject_flags.h"
#include "exporter/cli/install_flags.h"
#include "exporter/cli/run_flags.h"
#include "exporter/cli/serve_flags.h"
#include "tests/unit/catch.h"
#include "tests/unit/cli/test_command_line.h"

using namespace looptap;

namespace {

ServeOptions serve(std::vector<std::string> flags) {
  return options_of<ServeFlags>("serve", std::move(flags));
}
RunOptions run(std::vector<std::string> words) { return options_of<RunFlags>("run", std::move(words)); }

}  // namespace

TEST_CASE("serve has the defaults of the design") {
  unsetenv("LOOPTAP_DIR");
  const ExporterOptions options = serve({}).exporter;
  CHECK(options.web.listen_addresses == std::vector<std::string>{":10064"});
  CHECK(options.web.telemetry_path == "/metrics");
  CHECK(options.segments.directory == "/dev/shm/looptap");
  CHECK(options.segments.linger_ns == 30'000'000'000);
  CHECK(options.latency.window_ns == 60'000'000'000);
  CHECK(options.latency.quantiles == std::vector<double>{0.5, 0.95, 0.99});
  CHECK(options.latency.bounds_ns.size() == 13);
  CHECK(options.latency.bounds_ns.front() == 1'000'000);
  CHECK(options.latency.bounds_ns.back() == 10'000'000'000);
  CHECK(options.latency.stall_threshold_ns == 100'000'000);
}

TEST_CASE("flags are heard") {
  const ExporterOptions options =
      serve({"--web.listen-address=127.0.0.1:1", "--web.listen-address", "127.0.0.1:2", "--segments.dir=/x",
             "--latency.window=15s", "--latency.quantiles=0.9,0.5", "--latency.buckets=1ms,1s",
             "--stall.threshold", "1s", "--web.telemetry-path=/m"})
          .exporter;
  CHECK(options.web.listen_addresses == std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:2"});
  CHECK(options.segments.directory == "/x");
  CHECK(options.latency.window_ns == 15'000'000'000);
  CHECK(options.latency.quantiles == std::vector<double>{0.5, 0.9});
  CHECK(options.latency.bounds_ns == Bounds{1'000'000, 1'000'000'000});
  CHECK(options.latency.stall_threshold_ns == 1'000'000'000);
  CHECK(options.web.telemetry_path == "/m");
}

TEST_CASE("targets of eBPF") {
  const auto bpf = serve({"--bpf.target=pid:12", "--bpf.target", "comm:a:b c", "--bpf.target=cgroup:/x.slice",
                          "--bpf.target=pid:4194304", "--bpf.hook=uprobe", "--bpf.max-loops=7",
                          "--bpf.event-queue", "--bpf.include-preloaded"})
                       .exporter.bpf;
  CHECK(bpf.targets.pids == std::vector<uint32_t>{12, 4194304});
  CHECK(bpf.targets.names == std::vector<std::string>{"a:b c"});
  CHECK(bpf.targets.cgroups == std::vector<std::string>{"/x.slice"});
  CHECK_FALSE(bpf.targets.all);
  CHECK(bpf.hook == BpfHook::kUprobe);
  CHECK(bpf.max_loops == 7);
  CHECK(bpf.event_queue);
  CHECK(bpf.include_preloaded);
  CHECK(serve({"--bpf.target=all"}).exporter.bpf.targets.all);
}

TEST_CASE("several processes in one target, as pidof prints them, quoted or not") {
  const auto pids = [](std::vector<std::string> flags) {
    return serve(std::move(flags)).exporter.bpf.targets.pids;
  };
  for (const char* flag :
       {"--bpf.target=pid:12 34 5", "--bpf.target=pid:12,34,5", "--bpf.target=pid:12, 34\n5\n"})
    CHECK(pids({flag}) == std::vector<uint32_t>{12, 34, 5});
  CHECK(pids({"--bpf.target=pid:12", "34", "5", "--log.level=warn"}) == std::vector<uint32_t>{12, 34, 5});
  CHECK(pids({"--bpf.target", "pid:12", "34", "--bpf.target=pid:5"}) == std::vector<uint32_t>{12, 34, 5});
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--bpf.target=comm:x", "34"},
                                                {"--bpf.target=34"},
                                                {"--bpf.target=pid:12", "x"},
                                                {"--bpf.target=pid:12,x"},
                                                {"--bpf.target=pid: "},
                                                {"--bpf.target=all", "12"},
                                                {"--bpf.target=pid:12 0"}})
    CHECK_THROWS_AS(serve(flags), std::invalid_argument);
}

TEST_CASE("flags of eBPF that would do nothing are refused") {
  for (const char* flag :
       {"--bpf.hook=uprobe", "--bpf.max-loops=7", "--bpf.event-queue", "--bpf.include-preloaded"}) {
    CHECK(refusal([&] { serve({flag}); }).ends_with("without --bpf.target, such as --bpf.target=all"));
    CHECK_NOTHROW(serve({flag, "--bpf.target=all"}));
  }
}

TEST_CASE("durations that make no sense are refused, and the largest that do are not") {
  for (const auto& [flag, most] : {std::pair{"--latency.window=", "1h"},
                                   {"--stall.threshold=", "1h"},
                                   {"--latency.buckets=", "1h"},
                                   {"--segments.linger=", "24h"}}) {
    CHECK_NOTHROW(serve({flag + std::string(most)}));
    CHECK(refusal([&, over = flag + std::string(most) + "1s"] {
            serve({over});
          }).starts_with(std::string(flag, strlen(flag) - 1) + ": at most " + most + ", as "));
  }
}

TEST_CASE("without a target there is no eBPF") {
  const auto bpf = serve({}).exporter.bpf;
  CHECK(bpf.targets.empty());
  CHECK(bpf.hook == BpfHook::kAuto);
  CHECK(bpf.max_loops == 1024);
  CHECK_FALSE(bpf.event_queue);
  CHECK_FALSE(bpf.include_preloaded);
}

TEST_CASE("wrong targets and hooks of eBPF are refused") {
  for (const char* flag : {"--bpf.target=", "--bpf.target=pid", "--bpf.target=pid:", "--bpf.target=pid:0",
                           "--bpf.target=pid:-1", "--bpf.target=pid:1x", "--bpf.target=pid:4194305",
                           "--bpf.target=comm:", "--bpf.target=comm:0123456789abcdef",
                           "--bpf.target=cgroup:", "--bpf.target=all:", "--bpf.target=ALL",
                           "--bpf.hook=kprobe", "--bpf.hook=", "--bpf.max-loops=0", "--bpf.max-loops=16385",
                           "--bpf.max-loops=many", "--bpf.event-queue=maybe"})
    CHECK_THROWS_AS(serve({flag}), std::invalid_argument);
  CHECK_THROWS_AS(run({"--bpf.target=all", "--", "true"}), std::invalid_argument);
}

TEST_CASE("the segment directory: the flag, else the environment, else the default") {
  setenv("LOOPTAP_DIR", "/from/environment", 1);
  CHECK(serve({}).exporter.segments.directory == "/from/environment");
  CHECK(serve({"--segments.dir=/y"}).exporter.segments.directory == "/y");
  unsetenv("LOOPTAP_DIR");
  CHECK(run({"--", "true"}).exporter.segments.directory.empty());
}

TEST_CASE("the command's own flags are its own") {
  const RunOptions options = run({"--latency.window=5s", "--", "sh", "-c", "x", "--", "--help"});
  CHECK(options.command == std::vector<std::string>{"sh", "-c", "x", "--", "--help"});
  CHECK(options.exporter.latency.window_ns == 5'000'000'000);
  CHECK(options.exporter.web.listen_addresses == std::vector<std::string>{"127.0.0.1:0"});
}

TEST_CASE("install takes a directory, inject a manifest") {
  CHECK(options_of<InstallFlags>("install", {"/x"}).directory == "/x");
  const auto inject = options_of<InjectFlags>(
      "inject", {"-f", "-", "--port=8080", "--requests=none", "--containers=web,worker"});
  CHECK(inject.manifest == "-");
  CHECK(inject.injection.port == 8080);
  CHECK(inject.injection.requests.empty());
  CHECK(inject.injection.limits == ResourceList{{"cpu", "200m"}, {"memory", "64Mi"}});
  CHECK(inject.injection.containers == std::vector<std::string>{"web", "worker"});
}

TEST_CASE("a wrong value gets one line that names its flag") {
  for (const char* flag :
       {"--latency.window=5", "--latency.window=10ms", "--latency.quantiles=1.5",
        "--latency.quantiles=", "--latency.quantiles=0.5,0.5", "--latency.quantiles=nan",
        "--latency.buckets=1s,1ms", "--latency.buckets=0s,1s", "--stall.threshold=0s",
        "--metrics.aggregate=thread", "--log.level=loud", "--web.telemetry-path=metrics",
        "--web.telemetry-path=/", "--web.telemetry-path=/a b", "--web.max-connections=0", "--install.dir="}) {
    const std::string word = flag;
    CHECK(refusal([&] { serve({word}); }).starts_with(word.substr(0, word.find('=')) + ": "));
  }
}
