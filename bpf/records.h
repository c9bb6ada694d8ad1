/* What the programs tell the exporter beside the slots: which process and which epoll instance a slot is for.
 * Fixed-width and the same for both sides, which are built together.
 *
 * A generation is what a process is from its start, or from an exec, to the next exec or its end. Its number is
 * given once, as long as the programs are loaded.
 */
#ifndef LOOPTAP_BPF_RECORDS_H
#define LOOPTAP_BPF_RECORDS_H

#include <stdint.h>

#include "preload/segment_layout.h"

enum {
  LOOPTAP_BPF_DEFAULT_LOOPS = 1024,
  LOOPTAP_BPF_MOST_LOOPS = 16384 /* slots are numbered with 16 bits; 22 KB each */
};

/* Map `targets`, by the thread group's id in the initial PID namespace. */
struct looptap_target {
  uint64_t generation;
  uint32_t by_pid; /* named by --bpf.target=pid:N: stays a target past exec */
  uint32_t reserved;
};

/* Map `processes`, by generation: those that have a loop, or had one. */
struct looptap_process {
  uint64_t generation;
  uint64_t began_ns;          /* CLOCK_MONOTONIC: when its first loop was seen */
  uint64_t exiting_ns;        /* CLOCK_MONOTONIC: it has called exit_group; 0: not so far */
  uint64_t ended_ns;          /* CLOCK_MONOTONIC: it was gone, or by exec another; 0: it is alive */
  uint64_t start_boottime_ns; /* since boot, suspend included */
  uint64_t pid_namespace;     /* inode */
  uint32_t tgid;              /* in the initial PID namespace */
  uint32_t pid;               /* in its own */
  uint32_t was_killed;        /* it ended by a signal */
  uint32_t loops;             /* ordinals given so far */
  uint32_t newest;            /* 1 + slot of the loop with the highest ordinal; 0: none */
  uint32_t reserved;
  char comm[16];
};

enum { LOOPTAP_BPF_REGISTERED = 1u << 31 }; /* in an fd: a registered ring's index */

/* Map `owners`: whom the slot of the same index is for. Zero: it is free. */
struct looptap_slot_owner {
  uint64_t generation;
  uint64_t file;     /* address of the epoll instance's or the ring's struct file */
  uint32_t number;   /* 1 + the loop's ordinal in the process; 0: not ready yet */
  uint32_t fd;       /* a descriptor that stands for it */
  uint32_t next;     /* 1 + slot of the loop of the process that came before it; 0: none */
  uint32_t is_ring;  /* an io_uring's, not an epoll instance's */
  uint64_t instance; /* address of the epoll instance's struct eventpoll; 0: its queue is not measured */
};

/* Map `event_queues`, by slot: for how long the oldest event that a wait returned had been ready. Added to by
 * whatever thread waits, atomically, the bucket first; they only grow. */
struct looptap_event_queue {
  uint64_t total_ns;                /* sum of the durations */
  uint64_t zero_count;              /* those of at most 2^-20 s */
  uint64_t counts[LOOPTAP_BUCKETS]; /* the others, by bucket of preload/histogram_scheme.h */
};

/* Map `instances`: the slot of an instance that is open. */
struct looptap_instance {
  uint64_t generation;
  uint64_t file;
};

/* What the iterator over mappings tells: a file's name without its folder, cut where it is longer. Only names that begin
 * with a digit, as those of segments do. */
struct looptap_mapped_file {
  char name[64];
};

/* Map `wanted_cgroups`. */
struct looptap_wanted_cgroup {
  uint64_t id;
  uint32_t hierarchy; /* 0: v2 */
  uint32_t reserved;
};

/* What the iterator is to do: set before it is run. */
enum {
  LOOPTAP_DISCOVER = 1, /* note what epoll instances and rings look like, from the exporter's own */
  LOOPTAP_SCAN = 2,     /* make the processes that match targets */
  LOOPTAP_REAP = 3      /* end the loops whose instance is closed */
};

#endif
