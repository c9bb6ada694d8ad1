/* handoff TURNS: three threads pass one loop on, as tokio's workers do: who has it waits 4 times for 2 ms,
 * works a little, and hands it to the next. After half of the turns each ends and another thread takes its
 * place. Prints the record of that one loop. */
#include <pthread.h>

#include "tests/victims/own_record.h"

enum { kThreads = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t passed_on = PTHREAD_COND_INITIALIZER;
static struct own_loop loop = {.name = "main"};
static int instance, turn, turns;

struct worker {
  int number, last_turn;
};

static void* work(void* argument) {
  const struct worker* self = argument;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (turn < self->last_turn && turn % kThreads != self->number) pthread_cond_wait(&passed_on, &lock);
    if (turn >= self->last_turn) break;
    for (int i = 0; i < 4; i++) own_wait(&loop, instance, 2);
    own_sleep_ms(1);
    turn++;
    pthread_cond_broadcast(&passed_on);
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void run_until(int last_turn) {
  pthread_t threads[kThreads];
  struct worker workers[kThreads];
  for (int i = 0; i < kThreads; i++) {
    workers[i] = (struct worker){i, last_turn};
    pthread_create(&threads[i], NULL, work, &workers[i]);
  }
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  turns = atoi(argv[1]);
  instance = own_create();
  run_until(turns / 2);
  run_until(turns);
  own_close(&loop, instance);
  own_print(&loop);
  return 0;
}
