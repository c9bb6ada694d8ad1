// cancelled HOW: a thread waits on an epoll instance without end and is cancelled there (wait), or ends
// between its waits (end). Says "gone", and what its destructors have done; goes on when it is told to:
// another thread waits on the same instance. Prints the records.
#include <pthread.h>
#include <semaphore.h>

#include <cstring>

#include "tests/victims/own_record.h"

namespace {

own_loop loop = {"main", 0, 0, 0, 0, 0, 0, 0, 0};
int epoll;
bool cancel;
sem_t rested;  // the thread has done its four waits

struct Guard {
  ~Guard() { own_say("destroyed"); }
};

void* run(void*) {
  const Guard guard;
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
  sem_post(&rested);
  if (cancel) own_wait(&loop, epoll, -1);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  cancel = !std::strcmp(argv[1], "wait");
  epoll = own_create();
  sem_init(&rested, 0, 0);
  pthread_t thread;
  pthread_create(&thread, nullptr, run, nullptr);
  int64_t before_ns = 0;
  sem_wait(&rested);
  if (cancel) {
    own_hold("waits");
    before_ns = loop.left_ns;
    pthread_cancel(thread);
  }
  void* result = nullptr;
  pthread_join(thread, &result);
  if ((result == PTHREAD_CANCELED) != cancel) return 1;
  if (cancel) {  // after its last iteration it waited until it was gone
    own_iteration_ends(&loop, before_ns);
    loop.left_ns = own_now_ns();
    loop.wait_ns += loop.left_ns - before_ns;
  }
  own_iteration_ends(&loop, own_now_ns());  // with the thread
  own_hold("gone");
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
  own_close(&loop, epoll);
  own_print(&loop);
}
