#include "exporter/cli/command_line.h"

#include <cstdlib>
#include <stdexcept>

#include "tests/unit/catch.h"

using namespace looptap;

namespace {

Command parse(std::vector<std::string> words) {
  words.insert(words.begin(), "looptap");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

}  // namespace

TEST_CASE("serve has the defaults of the design") {
  unsetenv("LOOPTAP_DIR");
  const auto serve = std::get<ServeCommand>(parse({"serve"})).exporter;
  CHECK(serve.listen_addresses == std::vector<std::string>{":10064"});
  CHECK(serve.telemetry_path == "/metrics");
  CHECK(serve.segments_directory == "/dev/shm/looptap");
  CHECK(serve.linger_ns == 30'000'000'000);
  CHECK(serve.window_ns == 60'000'000'000);
  CHECK(serve.quantiles == std::vector<double>{0.5, 0.95, 0.99});
  CHECK(serve.latency_bounds_ns.size() == 13);
  CHECK(serve.latency_bounds_ns.front() == 1'000'000);
  CHECK(serve.latency_bounds_ns.back() == 10'000'000'000);
  CHECK(serve.stall_threshold_ns == 100'000'000);
}

TEST_CASE("flags are heard") {
  const auto serve =
      std::get<ServeCommand>(
          parse({"serve", "--web.listen-address=127.0.0.1:1", "--web.listen-address", "127.0.0.1:2",
                 "--segments.dir=/x", "--latency.window=15s", "--latency.quantiles=0.9,0.5",
                 "--latency.buckets=1ms,1s", "--stall.threshold", "1s", "--web.telemetry-path=/m"}))
          .exporter;
  CHECK(serve.listen_addresses == std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:2"});
  CHECK(serve.segments_directory == "/x");
  CHECK(serve.window_ns == 15'000'000'000);
  CHECK(serve.quantiles == std::vector<double>{0.5, 0.9});
  CHECK(serve.latency_bounds_ns == Bounds{1'000'000, 1'000'000'000});
  CHECK(serve.stall_threshold_ns == 1'000'000'000);
  CHECK(serve.telemetry_path == "/m");
}

TEST_CASE("targets of eBPF") {
  const auto bpf = std::get<ServeCommand>(
                       parse({"serve", "--bpf.target=pid:12", "--bpf.target", "comm:a:b c",
                              "--bpf.target=cgroup:/x.slice", "--bpf.target=pid:4194304", "--bpf.hook=uprobe",
                              "--bpf.max-loops=7", "--bpf.event-queue", "--bpf.measure-carriers"}))
                       .exporter.bpf;
  CHECK(bpf.targets.pids == std::vector<uint32_t>{12, 4194304});
  CHECK(bpf.targets.names == std::vector<std::string>{"a:b c"});
  CHECK(bpf.targets.cgroups == std::vector<std::string>{"/x.slice"});
  CHECK_FALSE(bpf.targets.all);
  CHECK(bpf.hook == BpfHook::kUprobe);
  CHECK(bpf.max_loops == 7);
  CHECK(bpf.event_queue);
  CHECK(bpf.measure_carriers);
  CHECK(std::get<ServeCommand>(parse({"serve", "--bpf.target=all"})).exporter.bpf.targets.all);
}

TEST_CASE("without a target there is no eBPF") {
  const auto bpf = std::get<ServeCommand>(parse({"serve"})).exporter.bpf;
  CHECK(bpf.targets.empty());
  CHECK(bpf.hook == BpfHook::kAuto);
  CHECK(bpf.max_loops == 1024);
  CHECK_FALSE(bpf.event_queue);
  CHECK_FALSE(bpf.measure_carriers);
}

TEST_CASE("wrong targets and hooks of eBPF are refused") {
  for (const char* flag : {"--bpf.target=", "--bpf.target=pid", "--bpf.target=pid:", "--bpf.target=pid:0",
                           "--bpf.target=pid:-1", "--bpf.target=pid:1x", "--bpf.target=pid:4194305",
                           "--bpf.target=comm:", "--bpf.target=comm:0123456789abcdef",
                           "--bpf.target=cgroup:", "--bpf.target=all:", "--bpf.target=ALL",
                           "--bpf.hook=kprobe", "--bpf.hook=", "--bpf.max-loops=0", "--bpf.max-loops=16385",
                           "--bpf.max-loops=many", "--bpf.event-queue=maybe"})
    CHECK_THROWS_AS(parse({"serve", flag}), std::invalid_argument);
  CHECK_THROWS_AS(parse({"run", "--bpf.target=all", "--", "true"}), std::invalid_argument);
}

TEST_CASE("the segment directory: the flag, else the environment, else the default") {
  setenv("LOOPTAP_DIR", "/from/environment", 1);
  CHECK(std::get<ServeCommand>(parse({"serve"})).exporter.segments_directory == "/from/environment");
  CHECK(std::get<ServeCommand>(parse({"serve", "--segments.dir=/y"})).exporter.segments_directory == "/y");
  unsetenv("LOOPTAP_DIR");
  CHECK(std::get<RunCommand>(parse({"run", "--", "true"})).exporter.segments_directory.empty());
}

TEST_CASE("the command's own flags are its own") {
  const auto run =
      std::get<RunCommand>(parse({"run", "--latency.window=5s", "--", "sh", "-c", "x", "--", "--help"}));
  CHECK(run.command == std::vector<std::string>{"sh", "-c", "x", "--", "--help"});
  CHECK(run.exporter.window_ns == 5'000'000'000);
  CHECK(run.exporter.listen_addresses == std::vector<std::string>{"127.0.0.1:0"});
}

TEST_CASE("help and version are printed") {
  CHECK(std::get<Print>(parse({"--version"})).text.starts_with("looptap "));
  CHECK(std::get<Print>(parse({"--help"})).text.find("serve") != std::string::npos);
  CHECK(std::get<Print>(parse({"serve", "--help"})).text.find("--latency.window") != std::string::npos);
}

TEST_CASE("what is wrong gets one line") {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"sing"},
                                             {"serve", "--nonsense"},
                                             {"serve", "extra"},
                                             {"serve", "--", "sh"},
                                             {"serve", "--latency.window=5"},
                                             {"serve", "--latency.window=10ms"},
                                             {"serve", "--latency.quantiles=1.5"},
                                             {"serve", "--latency.quantiles="},
                                             {"serve", "--latency.quantiles=0.5,0.5"},
                                             {"serve", "--latency.quantiles=nan"},
                                             {"serve", "--latency.buckets=1s,1ms"},
                                             {"serve", "--latency.buckets=0s,1s"},
                                             {"serve", "--stall.threshold=0s"},
                                             {"serve", "--metrics.aggregate=thread"},
                                             {"serve", "--log.level=loud"},
                                             {"serve", "--web.telemetry-path=metrics"},
                                             {"serve", "--web.telemetry-path=/"},
                                             {"serve", "--web.telemetry-path=/a b"},
                                             {"run"},
                                             {"run", "--"},
                                             {"run", "sh"},
                                             {"install"},
                                             {"install", "a", "b"}}) {
    std::string line;
    for (const std::string& word : words) line += word + " ";
    INFO(line);
    try {
      parse(words);
      FAIL("accepted");
    } catch (const std::invalid_argument& error) {
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
      CHECK_FALSE(std::string(error.what()).empty());
    }
  }
}
