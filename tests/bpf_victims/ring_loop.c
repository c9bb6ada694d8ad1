/* ring_loop WAITS [registered]: waits so many times on an io_uring, through liburing, for a timer of 1 ms each; told to,
 * it registers the ring, whose descriptor its waits then do not use. Prints how many completions it took. */
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  struct __kernel_timespec timer = {0, 1000000};
  struct io_uring ring;
  struct io_uring_cqe* completion;
  int taken = 0;
  if (argc < 2) return 2;
  if (io_uring_queue_init(8, &ring, 0) < 0) {
    puts("no io_uring");
    return 77;
  }
  if (argc > 2 && io_uring_register_ring_fd(&ring) != 1) return 1;
  for (int i = 0; i < atoi(argv[1]); i++) {
    io_uring_prep_timeout(io_uring_get_sqe(&ring), &timer, 0, 0);
    io_uring_submit(&ring);
    if (io_uring_wait_cqe(&ring, &completion)) return 1;
    io_uring_cqe_seen(&ring, completion);
    taken++;
  }
  io_uring_queue_exit(&ring);
  printf("%d\n", taken);
}
