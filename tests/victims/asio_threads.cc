// asio_threads THREADS SLOW QUICK: so many threads run one io_context of Boost.Asio. SLOW times, one after
// the other, a timer goes off after 5 ms and its handler sleeps for 120 ms; beside that, a chain of QUICK
// handlers that post each other. All of it is begun by a timer's handler, so after a wait. Prints wall_ns, the time from
// before the threads are started until the io_context is gone; and inner_ns, from that handler to the end of the last
// one: the loop's own time contains that, and is contained in the other.
#include <utility>  // before Boost 1.74, which forgets it

#if __has_include(<boost/asio.hpp>)
#include <boost/asio.hpp>
namespace asio = boost::asio;
#else
#include <asio.hpp>
#endif

#include <algorithm>
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
  std::chrono::steady_clock::time_point begun, slow_done, quick_done;
  std::function<void()> start_timer = [&] {
    if (slow-- <= 0) {
      slow_done = std::chrono::steady_clock::now();
      return;
    }
    timer->expires_after(5ms);
    timer->async_wait([&](const auto&) {
      std::this_thread::sleep_for(120ms);
      start_timer();
    });
  };
  std::function<void()> chain = [&] {
    if (quick-- > 0)
      asio::post(*context, chain);
    else
      quick_done = std::chrono::steady_clock::now();
  };
  std::optional<asio::steady_timer> beginning(std::in_place, *context);
  beginning->expires_after(0ms);
  beginning->async_wait([&](const auto&) {
    begun = std::chrono::steady_clock::now();
    start_timer();
    chain();
  });

  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) threads.emplace_back([&] { context->run(); });
  for (std::thread& thread : threads) thread.join();
  const std::chrono::nanoseconds inner = std::max(slow_done, quick_done) - begun;
  timer.reset();
  beginning.reset();
  context.reset();
  const std::chrono::nanoseconds wall = std::chrono::steady_clock::now() - start;
  std::printf("wall_ns=%lld\ninner_ns=%lld\n", static_cast<long long>(wall.count()),
              static_cast<long long>(inner.count()));
}
