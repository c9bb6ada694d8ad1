/* event_queue CASE: says "ready", and when it is told to go on makes events become ready for its loop in the way
 * that CASE names, in some rounds. Then it prints what eventloop_event_queue_seconds has to say of the loop,
 * "queue observed=N least_ns=N most_ns=N": so many observations, whose sum lies between these. Says "waited", and
 * ends when it is told to. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/victims/own_record.h"

enum { ROUNDS = 5, BUSY_MS = 200, SOON_MS = 20 };

/* A descriptor that another thread makes ready. */
struct arrival {
  int fd, epoll; /* epoll: by arming it there once more; -1: by writing to it */
  int64_t after_ms;
  int64_t before_ns, done_ns; /* it happened between these */
  pthread_t thread;
};

static int loop;                            /* the epoll instance */
static int event;                           /* an eventfd in it */
static int64_t entered_ns, left_ns;         /* the last wait */
static int64_t observed, least_ns, most_ns; /* what is to be said of the loop */

static void watch_as(int epoll, int operation, int fd, uint32_t events) {
  struct epoll_event how = {.events = events};
  if (epoll_ctl(epoll, operation, fd, &how)) own_fail("epoll_ctl");
}

static int new_event(void) {
  const int fd = eventfd(0, EFD_NONBLOCK);
  if (fd < 0) own_fail("eventfd");
  return fd;
}

static void write_to(int fd) {
  const uint64_t one = 1;
  if (write(fd, &one, sizeof one) != sizeof one) own_fail("write");
}

static void take_from(int fd) {
  uint64_t value;
  if (read(fd, &value, sizeof value) != sizeof value) own_fail("read");
}

static void* arrive(void* told) {
  struct arrival* arrival = told;
  own_sleep_ms(arrival->after_ms);
  arrival->before_ns = own_now_ns();
  if (arrival->epoll < 0)
    write_to(arrival->fd);
  else
    watch_as(arrival->epoll, EPOLL_CTL_MOD, arrival->fd, EPOLLIN | EPOLLONESHOT);
  arrival->done_ns = own_now_ns();
  return NULL;
}

static void begin(struct arrival* arrival) {
  if (pthread_create(&arrival->thread, NULL, arrive, arrival)) own_fail("pthread_create");
}

static void finish(struct arrival* arrival) {
  if (pthread_join(arrival->thread, NULL)) own_fail("pthread_join");
}

static struct arrival arrived(int fd) {
  struct arrival arrival = {.fd = fd, .epoll = -1};
  begin(&arrival);
  finish(&arrival);
  return arrival;
}

static void wait_for(int most, int timeout_ms, int count) {
  struct epoll_event events[8];
  entered_ns = own_now_ns();
  const int result = epoll_wait(loop, events, most, timeout_ms);
  left_ns = own_now_ns();
  if (result == count) return;
  fprintf(stderr, "%d events, not %d\n", result, count);
  exit(1);
}

/* The last wait has returned it, and nothing older. */
static void observe(const struct arrival* arrival) {
  observed++;
  if (entered_ns > arrival->done_ns) least_ns += entered_ns - arrival->done_ns;
  most_ns += left_ns - arrival->before_ns;
}

/* What becomes ready while the loop is busy. */
static void busy(void) {
  struct arrival arrival = arrived(event);
  own_sleep_ms(BUSY_MS);
  wait_for(8, -1, 1);
  observe(&arrival);
  take_from(event);
}

/* What becomes ready while the loop waits. */
static void waiting(void) {
  struct arrival arrival = {.fd = event, .epoll = -1, .after_ms = SOON_MS};
  own_sleep_ms(BUSY_MS);
  begin(&arrival);
  wait_for(8, -1, 1);
  finish(&arrival);
  observe(&arrival);
  take_from(event);
}

/* What the program takes without waiting for it counts for nothing: neither for the next event, */
static void taken(void) {
  struct arrival arrival = {.fd = event, .epoll = -1, .after_ms = SOON_MS};
  arrived(event);
  take_from(event);
  own_sleep_ms(BUSY_MS);
  begin(&arrival);
  wait_for(8, -1, 1);
  finish(&arrival);
  observe(&arrival);
  take_from(event);
}

/* nor for one that comes without being told, as it is armed when it is ready. */
static void taken_then_armed(void) {
  static int armed = -1;
  if (armed < 0) {
    armed = new_event();
    write_to(armed);
    watch_as(loop, EPOLL_CTL_ADD, armed, EPOLLIN | EPOLLONESHOT);
    wait_for(8, -1, 1);
  }
  struct arrival arming = {.fd = armed, .epoll = loop, .after_ms = SOON_MS};
  arrived(event);
  take_from(event);
  own_sleep_ms(BUSY_MS);
  begin(&arming);
  wait_for(8, -1, 1);
  finish(&arming);
}

/* The same, where the loop has asked in between, and nothing was ready. */
static void taken_then_added(void) {
  const int added = new_event();
  write_to(added);
  arrived(event);
  take_from(event);
  own_sleep_ms(BUSY_MS);
  wait_for(8, 0, 0);
  watch_as(loop, EPOLL_CTL_ADD, added, EPOLLIN);
  wait_for(8, -1, 1);
  close(added);
}

/* Level-triggered, and left unread: it is no new event. */
static void unread(void) {
  struct arrival arrival = arrived(event);
  own_sleep_ms(BUSY_MS);
  wait_for(8, -1, 1);
  observe(&arrival);
  for (int again = 0; again < 3; again++) {
    own_sleep_ms(BUSY_MS / 4);
    wait_for(8, -1, 1);
  }
  take_from(event);
}

/* Edge-triggered: each time that something comes is an event, whether or not what came before was read. */
static void edge(void) {
  watch_as(loop, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLET);
  for (int again = 0; again < 2; again++) {
    struct arrival arrival = arrived(event);
    own_sleep_ms(BUSY_MS);
    wait_for(8, -1, 1);
    observe(&arrival);
    wait_for(8, 0, 0);
  }
  take_from(event);
}

/* One shot: what comes before it is armed again is not told, and has no instant. */
static void oneshot(void) {
  watch_as(loop, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLONESHOT);
  struct arrival arrival = arrived(event);
  own_sleep_ms(BUSY_MS);
  wait_for(8, -1, 1);
  observe(&arrival);
  arrived(event);
  own_sleep_ms(BUSY_MS);
  watch_as(loop, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLONESHOT);
  own_sleep_ms(BUSY_MS);
  wait_for(8, -1, 1);
  take_from(event);
}

/* The same, with a descriptor that does not say for what it is ready. */
static void oneshot_signal(void) {
  static int signals = -1;
  struct signalfd_siginfo taken;
  if (signals < 0) {
    sigset_t user;
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    signals = signalfd(-1, &user, 0);
    if (signals < 0 || sigprocmask(SIG_BLOCK, &user, NULL)) own_fail("signalfd");
    watch_as(loop, EPOLL_CTL_ADD, signals, EPOLLIN | EPOLLONESHOT);
  }
  watch_as(loop, EPOLL_CTL_MOD, signals, EPOLLIN | EPOLLONESHOT);
  struct arrival arrival = {.before_ns = own_now_ns()};
  raise(SIGUSR1);
  arrival.done_ns = own_now_ns();
  own_sleep_ms(BUSY_MS);
  wait_for(8, -1, 1);
  observe(&arrival);
  if (read(signals, &taken, sizeof taken) != sizeof taken) own_fail("read");
  raise(SIGUSR1);
  own_sleep_ms(BUSY_MS);
  watch_as(loop, EPOLL_CTL_MOD, signals, EPOLLIN | EPOLLONESHOT);
  wait_for(8, -1, 1);
  if (read(signals, &taken, sizeof taken) != sizeof taken) own_fail("read");
}

/* What the loop has not asked for is no event. */
static void unwanted(void) {
  static int ends[2] = {-1, -1};
  if (ends[0] < 0) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) own_fail("socketpair");
    watch_as(loop, EPOLL_CTL_ADD, ends[0], EPOLLRDHUP);
  }
  write_to(ends[1]);
  own_sleep_ms(BUSY_MS);
  struct arrival arrival = arrived(event);
  wait_for(8, -1, 1);
  observe(&arrival);
  take_from(event);
}

/* Of several events the oldest one counts, once. */
static void several(void) {
  const int second = new_event();
  watch_as(loop, EPOLL_CTL_ADD, second, EPOLLIN);
  struct arrival oldest = arrived(event);
  own_sleep_ms(BUSY_MS);
  arrived(second);
  wait_for(8, -1, 2);
  observe(&oldest);
  take_from(event);
  close(second);
}

/* What a wait leaves over, as it may return no more, has no instant in the next one. */
static void left_over(void) {
  const int second = new_event();
  watch_as(loop, EPOLL_CTL_ADD, second, EPOLLIN);
  struct arrival oldest = arrived(event);
  arrived(second);
  own_sleep_ms(BUSY_MS);
  wait_for(1, -1, 1);
  observe(&oldest);
  take_from(event);
  own_sleep_ms(BUSY_MS);
  wait_for(1, -1, 1);
  close(second);
}

/* Instances come and go, at the same addresses; one of them ends with an event that nobody has waited for. */
static void recreated(void) {
  close(loop);
  loop = own_create();
  own_add(loop, event);
  wait_for(8, 0, 0);
  struct arrival arrival = arrived(event);
  own_sleep_ms(BUSY_MS);
  wait_for(8, -1, 1);
  observe(&arrival);
  arrived(event);
  take_from(event);
}

/* Another process waits on the same instance, takes what is there, and may then close its descriptor. */
static void wait_in_child(int is_to_close) {
  const pid_t child = fork();
  if (child < 0) own_fail("fork");
  if (!child) {
    wait_for(8, -1, 1);
    take_from(event);
    if (is_to_close) close(loop);
    _exit(0);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status) own_fail("child");
}

static void shared(void) {
  arrived(event);
  own_sleep_ms(BUSY_MS);
  wait_in_child(0);
  struct arrival arrival = arrived(event);
  wait_for(8, -1, 1);
  observe(&arrival);
  take_from(event);
}

/* The instance is not known any more, until the next wait on it has returned. */
static void closed_by_another(void) {
  arrived(event);
  wait_in_child(1);
  arrived(event);
  wait_for(8, -1, 1);
  take_from(event);
  busy();
}

static const struct {
  const char* name;
  void (*round)(void);
} cases[] = {{"busy", busy},
             {"waiting", waiting},
             {"taken", taken},
             {"taken_then_armed", taken_then_armed},
             {"unread", unread},
             {"edge", edge},
             {"oneshot", oneshot},
             {"oneshot_signal", oneshot_signal},
             {"unwanted", unwanted},
             {"several", several},
             {"left_over", left_over},
             {"recreated", recreated},
             {"shared", shared},
             {"taken_then_added", taken_then_added},
             {"closed_by_another", closed_by_another}};

int main(int argc, char** argv) {
  void (*round)(void) = NULL;
  for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
    if (!strcmp(argv[1], cases[i].name)) round = cases[i].round;
  if (!round) return 2;
  loop = own_create();
  event = new_event();
  own_add(loop, event);
  own_hold("ready");
  wait_for(8, 0, 0); /* from its first wait on an instance is known */
  for (int i = 0; i < ROUNDS; i++) round();
  printf("queue observed=%lld least_ns=%lld most_ns=%lld\n", (long long)observed, (long long)least_ns,
         (long long)most_ns);
  own_hold("waited");
  return 0;
}
