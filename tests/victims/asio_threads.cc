// asio_threads THREADS SLOW QUICK: so many threads run one io_context of Boost.Asio. SLOW times, one after
// the other, a timer goes off after 5 ms and its handler sleeps for 120 ms; beside that, a chain of QUICK
// handlers that post each other. Prints wall_ns, the time from before the threads are started until the
// io_context is gone.
#include <utility>  // before Boost 1.74, which forgets it

#if __has_include(<boost/asio.hpp>)
#include <boost/asio.hpp>
namespace asio = boost::asio;
#else
#include <asio.hpp>
#endif

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const int count = std::atoi(argv[1]);
  int slow = std::atoi(argv[2]);
  long quick = std::atol(argv[3]);

  const auto start = std::chrono::steady_clock::now();
  std::optional<asio::io_context> context(std::in_place);
  std::optional<asio::steady_timer> timer(std::in_place, *context);
  std::function<void()> start_timer = [&] {
    if (slow-- <= 0) return;
    timer->expires_after(5ms);
    timer->async_wait([&](const auto&) {
      std::this_thread::sleep_for(120ms);
      start_timer();
    });
  };
  std::function<void()> chain = [&] {
    if (quick-- > 0) asio::post(*context, chain);
  };
  start_timer();
  chain();

  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) threads.emplace_back([&] { context->run(); });
  for (std::thread& thread : threads) thread.join();
  timer.reset();
  context.reset();
  const std::chrono::nanoseconds wall = std::chrono::steady_clock::now() - start;
  std::printf("wall_ns=%lld\n", static_cast<long long>(wall.count()));
}
