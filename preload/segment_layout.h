/* The layout of the segment: the file by which a process publishes what its loops do. docs/segment.md describes it.
 *
 * For:      preload/, bpf/, exporter/. C subset, nothing but fixed-width types.
 * Threads:  the process writes while any number of exporters read. Each field says who writes it:
 *             [creation]  the probe, before the file gets its name; constant afterwards
 *             [first]     the thread that first waits on the loop, or takes its slot over
 *             [threads]   any thread of the process, atomically, at any time
 * Errors:   a reader checks everything: the file is untrusted input. Texts end at the first NUL or at the field's
 *           end; their bytes are the host's and may be anything.
 * Units:    in each field's name or comment. Instants are CLOCK_MONOTONIC ns of the writer, within 1 ms. Numbers are
 *           in the host's byte order and aligned to their size.
 *
 * The rule for changing it: fields are only ever appended, in reserved space or in a region of a new kind; what changes
 * its meaning or place gets a new LOOPTAP_LAYOUT_VERSION. The asserts below pin the offsets.
 */
#ifndef LOOPTAP_SEGMENT_LAYOUT_H
#define LOOPTAP_SEGMENT_LAYOUT_H

#include <stdint.h>

#ifdef __cplusplus
#define LOOPTAP_STATIC_ASSERT static_assert
#else
#define LOOPTAP_STATIC_ASSERT _Static_assert
#endif
#define LOOPTAP_AT(type, field, offset) \
  LOOPTAP_STATIC_ASSERT(__builtin_offsetof(struct type, field) == (offset), #type "." #field)

#define LOOPTAP_MAGIC "looptap\n" /* 8 bytes, without the NUL */

enum {
  LOOPTAP_LAYOUT_VERSION = 1,

  LOOPTAP_BUCKETS = 1024,     /* of histogram_scheme.h */
  LOOPTAP_FIRST_SUMMED = 320, /* buckets above 2^-10 s also carry the sum of their durations */
  LOOPTAP_SUMMED_BUCKETS = LOOPTAP_BUCKETS - LOOPTAP_FIRST_SUMMED,

  LOOPTAP_DEFAULT_LOOPS = 16,
  LOOPTAP_MOST_LOOPS = 1024,
  LOOPTAP_LONG_ITERATIONS = 64, /* entries of the ring; a power of two */
  LOOPTAP_MOST_REGIONS = 8,
  LOOPTAP_PAGE = 4096 /* regions and slots start at multiples of this */
};

#define LOOPTAP_LONG_ITERATION_NS 10000000ull /* iterations from here on go into the ring */
#define LOOPTAP_POLL_NS 976562ull             /* 2^-10 s: no poll takes longer, unless it is preempted */
#define LOOPTAP_NO_DEADLINE UINT64_MAX
#define LOOPTAP_OWNER_GONE UINT64_MAX

/* Kinds of region; a reader skips those it does not know. */
enum {
  LOOPTAP_REGION_LOOPS = 1,           /* struct looptap_loop, by ordinal */
  LOOPTAP_REGION_LONG_ITERATIONS = 2, /* one struct looptap_ring */
};

enum { LOOPTAP_CLOCK_MONOTONIC = 1 };

/* Settings in the environment (LOOPTAP_LOOPS, ...) that have a value which the probe does not understand. */
enum {
  LOOPTAP_SETTING_LOOPS = 1,   /* the default is used */
  LOOPTAP_SETTING_WAITS = 2,   /* the words that are known are used, epoll if there are none */
  LOOPTAP_SETTING_NAME = 4,    /* it was too long and is cut off */
  LOOPTAP_SETTING_EXCLUDE = 8, /* so was this */
  LOOPTAP_SETTING_VERBOSE = 16 /* taken for 1 */
};

struct looptap_region {
  uint32_t kind;   /* [creation] LOOPTAP_REGION_* */
  uint32_t count;  /* [creation] elements */
  uint64_t offset; /* [creation] bytes from the file's start */
  uint64_t stride; /* [creation] bytes from one element to the next */
};

struct looptap_header {
  char magic[8];           /* [creation] LOOPTAP_MAGIC */
  uint32_t version;        /* [creation] LOOPTAP_LAYOUT_VERSION */
  uint32_t header_size;    /* [creation] bytes of this struct */
  uint64_t file_size;      /* [creation] bytes */
  uint32_t clock;          /* [creation] LOOPTAP_CLOCK_MONOTONIC */
  uint32_t pid;            /* [creation] in its own PID namespace */
  uint64_t pid_namespace;  /* [creation] inode; 0: /proc did not tell */
  uint64_t start_ticks;    /* [creation] /proc/self/stat, field 22; 0: did not tell */
  uint64_t created_ns;     /* [creation] instant */
  uint64_t exited_ns;      /* [threads] instant of a normal exit; 0: none so far */
  uint64_t loops_used;     /* [threads] slots that hold a loop or held one */
  uint64_t loops_dropped;  /* [threads] loops that found no slot */
  char boot_id[40];        /* [creation] 36 characters; empty: /proc did not tell */
  char comm[16];           /* [creation] name of the process */
  char name[64];           /* [creation] LOOPTAP_NAME; empty: none */
  uint32_t region_count;   /* [creation] */
  uint32_t wrong_settings; /* [creation] LOOPTAP_SETTING_* whose value was not understood */
  struct looptap_region regions[LOOPTAP_MOST_REGIONS]; /* [creation] */
};
LOOPTAP_AT(looptap_header, version, 8);
LOOPTAP_AT(looptap_header, file_size, 16);
LOOPTAP_AT(looptap_header, pid, 28);
LOOPTAP_AT(looptap_header, pid_namespace, 32);
LOOPTAP_AT(looptap_header, created_ns, 48);
LOOPTAP_AT(looptap_header, loops_used, 64);
LOOPTAP_AT(looptap_header, boot_id, 80);
LOOPTAP_AT(looptap_header, name, 136);
LOOPTAP_AT(looptap_header, region_count, 200);
LOOPTAP_AT(looptap_header, wrong_settings, 204);
LOOPTAP_AT(looptap_header, regions, 208);
LOOPTAP_STATIC_ASSERT(sizeof(struct looptap_header) == 400, "the header's size");

/* struct looptap_loop.state, one word, so that one compare-and-swap makes a transition:
 *   bits 0..15   threads inside a wait of the loop
 *   bit 16..     the flags below
 *   bits 24..63  transitions begun, modulo 2^40; all have added their counters when `settled` equals it */
#define LOOPTAP_WAITERS 0xffffull
#define LOOPTAP_SLEEPING (1ull << 16) /* a wait of the current waiting period may sleep (timeout not 0) */
#define LOOPTAP_DORMANT (1ull << 17)  /* nobody waits and no iteration is open: new, ended, or not run */
#define LOOPTAP_ENDED (1ull << 18)    /* the epoll instance was closed; the slot may be taken over */
#define LOOPTAP_NESTED (1ull << 19)   /* it runs inside an iteration of another loop of its thread */
#define LOOPTAP_SHARED (1ull << 20)   /* more than one thread has waited on it: `deadline_ns` does not hold */
#define LOOPTAP_MAY_POLL \
  (1ull << 21) /* a wait of the current waiting period has a timeout that is known only once it
                                         has returned. Without LOOPTAP_SLEEPING the period counts as a poll if it
                                         takes at most LOOPTAP_POLL_NS, and as a sleep if it takes longer */
#define LOOPTAP_ONE_TRANSITION (1ull << 24)
#define LOOPTAP_TRANSITIONS (~0ull >> 24)

struct looptap_loop {
  /* What the loop does now. Valid together when the transitions of `state` equal `settled`, before and
     after. An instant is valid while the loop is in the state that it belongs to. */
  uint64_t state;         /* [threads] */
  uint64_t settled;       /* [threads] transitions that have added their counters */
  uint64_t away_since_ns; /* [threads] instant of the last waiter's return: the open iteration's start */
  uint64_t wait_since_ns; /* [threads] instant of the first waiter's entry */
  uint64_t deadline_ns;   /* [threads] when the wait should end at the latest; LOOPTAP_NO_DEADLINE: never */
  uint64_t last_leaver;   /* [threads] number of the thread that last returned from a wait */
  uint64_t owner;         /* [first] number of the thread that first waited on it, the probe's own numbering
                             from 1, never used twice in a process; 0: the slot is unused;
                             LOOPTAP_OWNER_GONE: that thread has ended */
  uint64_t born_ns;       /* [first] instant of the first wait on the present epoll instance */

  /* Counters: they only grow, also from one epoll instance to the next. */
  uint64_t waits;               /* [threads] waits that returned */
  uint64_t events;              /* [threads] events they returned */
  uint64_t short_iterations_ns; /* [threads] duration of the closed iterations of at most 2^-10 s; that of the
                                   longer ones is the sum of iteration_sums_ns */
  uint64_t wait_ns;             /* [threads] time in waiting periods that may sleep */
  uint64_t poll_ns;             /* [threads] time in waiting periods that may not */
  uint64_t wakeup_delay_ns;     /* [threads] sum of the wakeup delays */
  uint64_t zero_iterations;     /* [threads] closed iterations of at most 2^-20 s */
  uint64_t zero_wakeup_delays;  /* [threads] wakeup delays of at most 2^-20 s */

  uint64_t instances;   /* [first] epoll instances this slot has stood for */
  uint32_t thread_id;   /* [first] the owner's, in the process' PID namespace */
  uint32_t reserved0;   /* 0 */
  char thread_name[16]; /* [first] the owner's name at that time */

  /* Around each addition to a bucket that carries a sum: count and sum belong together when these two are
     equal before, and unchanged after. Such iterations are long, so a reader soon finds it so, even in a loop
     that makes transitions faster than a slot can be copied. Every other counter is read by itself. */
  uint64_t long_begun;   /* [threads] iterations above 2^-10 s that are being counted, or have been */
  uint64_t long_settled; /* [threads] those that have been */
  uint64_t reserved[10]; /* 0 */

  uint64_t iterations[LOOPTAP_BUCKETS];               /* [threads] closed iterations by bucket */
  uint64_t iteration_sums_ns[LOOPTAP_SUMMED_BUCKETS]; /* [threads] their durations, from bucket 320 on */
  uint64_t wakeup_delays[LOOPTAP_BUCKETS];            /* [threads] timed-out waits by delay */
};
LOOPTAP_AT(looptap_loop, settled, 8);
LOOPTAP_AT(looptap_loop, owner, 48);
LOOPTAP_AT(looptap_loop, waits, 64);
LOOPTAP_AT(looptap_loop, zero_wakeup_delays, 120);
LOOPTAP_AT(looptap_loop, instances, 128);
LOOPTAP_AT(looptap_loop, thread_name, 144);
LOOPTAP_AT(looptap_loop, long_settled, 168);
LOOPTAP_AT(looptap_loop, iterations, 256);
LOOPTAP_AT(looptap_loop, iteration_sums_ns, 256 + 8 * 1024);
LOOPTAP_AT(looptap_loop, wakeup_delays, 256 + 8 * 1024 + 8 * 704);
LOOPTAP_STATIC_ASSERT(sizeof(struct looptap_loop) == 22272, "a slot's size");

/* The last iterations of LOOPTAP_LONG_ITERATION_NS or more. No reader uses them so far. */
struct looptap_long_iteration {
  uint64_t serial;      /* [threads] 0 while being written, else 1 + its number in the order of writing */
  uint64_t start_ns;    /* [threads] instant */
  uint64_t duration_ns; /* [threads] */
  uint32_t loop;        /* [threads] ordinal */
  uint32_t thread_id;   /* [threads] of the thread that closed it by waiting again */
};
LOOPTAP_STATIC_ASSERT(sizeof(struct looptap_long_iteration) == 32, "a ring entry's size");

struct looptap_ring {
  uint64_t written; /* [threads] entries ever begun; number n goes to entries[n % 64] */
  uint64_t reserved[3];
  struct looptap_long_iteration entries[LOOPTAP_LONG_ITERATIONS];
};
LOOPTAP_STATIC_ASSERT(sizeof(struct looptap_ring) == 2080, "the ring's size");

#endif
