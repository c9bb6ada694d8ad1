// Stands in for libFuzzer where its runtime is not there: main() for LLVMFuzzerTestOneInput.
//
//   replay RUNS FILE...: runs the target on each file, then on RUNS inputs that chance makes of them
//
// Chance begins the same each time, so that a crash can be repeated; before an input is run it is written to the file
// that the environment's REPLAY_INPUT names.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kMostBytes = 2048;

void run(const std::string& input) {
  if (const char* file = std::getenv("REPLAY_INPUT")) std::ofstream(file, std::ios::binary) << input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

/// Changes, removes, doubles or takes from another input some bytes in a row.
std::string mutated(std::string input, const std::string& other, std::mt19937_64& chance) {
  const auto below = [&](size_t most) { return most == 0 ? 0 : chance() % most; };
  for (auto changes = 1 + below(4); changes != 0; --changes) {
    const size_t at = below(input.size() + 1);
    const size_t count = 1 + below(8);
    switch (below(5)) {
      case 0:
        input.insert(at, other.substr(below(other.size()), below(64)));
        break;
      case 1:
        input.erase(at, count);
        break;
      case 2:
        input.insert(at, input.substr(at, count));
        break;
      case 3:
        input.insert(at, count, static_cast<char>(below(256)));
        break;
      default:
        for (size_t place = at; place < input.size() && place < at + count; ++place) {
          input[place] = static_cast<char>(below(2) == 0 ? below(256) : input[place] ^ (1 << below(8)));
        }
    }
  }
  if (input.size() > kMostBytes) input.resize(kMostBytes);
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: replay RUNS FILE...\n", stderr);
    return 2;
  }
  std::vector<std::string> inputs;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "replay: cannot read %s\n", argv[i]);
      return 2;
    }
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  for (const std::string& input : inputs) run(input);
  std::mt19937_64 chance(1);
  for (long runs = std::atol(argv[1]); runs > 0; --runs) {
    run(mutated(inputs[chance() % inputs.size()], inputs[chance() % inputs.size()], chance));
  }
  std::printf("%zu inputs, %s more made of them\n", inputs.size(), argv[1]);
}
