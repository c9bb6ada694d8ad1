/* nested_loops: inside two iterations of its outer loop it runs an inner one, on a second instance, and goes
 * back. Prints its own record of both.
 *
 * nested_loops slowly: the same once, going on when it is told to.
 * nested_loops thread: the inner loop has a thread of its own, which turns away from it. */
#include <pthread.h>
#include <string.h>

#include "tests/victims/own_record.h"

static struct own_loop outer_loop = {.name = "outer"}, inner_loop = {.name = "inner"};
static int outer, inner;

static void run_inner(void) {
  for (int i = 0; i < 10; i++) {
    own_wait(&inner_loop, inner, 3);
    if (i < 9) own_sleep_ms(5);
  }
  inner_loop.left_ns = 0; /* it is dormant from here on */
}

static void nest(void) {
  for (int visit = 0; visit < 2; visit++) {
    for (int i = 0; i < 5; i++) own_wait(&outer_loop, outer, 3);
    run_inner();
  }
  for (int i = 0; i < 5; i++) own_wait(&outer_loop, outer, 3);
}

static void nest_slowly(void) {
  own_hold_waiting(&outer_loop, outer, "outer waits");
  own_hold_waiting(&inner_loop, inner, "inner waits");
  own_hold("inner works");
  own_wait(&inner_loop, inner, 0);
  own_hold_waiting(&outer_loop, outer, "back");
}

static void* turn_away(void* unused) {
  own_wait(&inner_loop, inner, 0);
  own_hold("inner works");
  return unused;
}

static void run_apart(void) {
  pthread_t thread;
  own_wait(&outer_loop, outer, 0);
  pthread_create(&thread, NULL, turn_away, NULL);
  pthread_join(thread, NULL);
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  outer = own_create();
  inner = own_create();
  if (!strcmp(how, "slowly")) {
    own_add(outer, 0);
    own_add(inner, 0);
    nest_slowly();
  } else if (!strcmp(how, "thread")) {
    run_apart();
  } else {
    nest();
  }
  close(inner);
  own_close(&outer_loop, outer);
  own_print(&outer_loop);
  own_print(&inner_loop);
  return 0;
}
