/* The maps, and what else the programs and the exporter share. Sizes that depend on flags are set by the
 * exporter before it loads them. */
#ifndef LOOPTAP_BPF_MAPS_H
#define LOOPTAP_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/kernel_types.h"
#include "bpf/records.h"
#include "preload/segment_layout.h"

/* Read by the exporter where they are. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, LOOPTAP_BPF_DEFAULT_LOOPS);
  __type(key, uint32_t);
  __type(value, struct looptap_loop);
} slots SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, LOOPTAP_BPF_DEFAULT_LOOPS);
  __type(key, uint32_t);
  __type(value, struct looptap_slot_owner);
} owners SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, LOOPTAP_BPF_DEFAULT_LOOPS);
  __type(key, uint32_t);
  __type(value, struct looptap_event_queue);
} event_queues SEC(".maps");

/* Filled by the exporter, also again with the slots of processes that have been dead for long enough. */
struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, LOOPTAP_BPF_DEFAULT_LOOPS);
  __uint(key_size, 0);
  __uint(value_size, sizeof(uint32_t));
} free_slots SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 32768);
  __type(key, uint32_t);
  __type(value, struct looptap_target);
} targets SEC(".maps");

/* Those that are never targets, by tgid: the probe measures them. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 32768);
  __type(key, uint32_t);
  __type(value, uint32_t);
} excluded SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, LOOPTAP_BPF_DEFAULT_LOOPS);
  __type(key, uint64_t);
  __type(value, struct looptap_process);
} processes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, LOOPTAP_BPF_DEFAULT_LOOPS);
  __type(key, struct looptap_instance);
  __type(value, uint32_t);
} instances SEC(".maps");

/* By the address of an epoll instance, whichever processes wait on it: the instant (CLOCK_MONOTONIC) at which the
 * first of the events that no wait has returned became ready; 0: there is none. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, LOOPTAP_BPF_DEFAULT_LOOPS);
  __type(key, uint64_t);
  __type(value, uint64_t);
} ready_since SEC(".maps");

struct wanted_name {
  char comm[16];
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, struct wanted_name);
  __type(value, uint32_t);
} wanted_names SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct looptap_wanted_cgroup);
  __type(value, uint32_t);
} wanted_cgroups SEC(".maps");

/* By the pid in the exporter's namespace; for LOOPTAP_SCAN. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, uint32_t);
  __type(value, uint32_t);
} wanted_pids SEC(".maps");

const volatile uint32_t match_all, match_names, match_cgroups;
const volatile uint32_t measure_event_queues;
const volatile uint32_t own_pid; /* the exporter's, as it sees it itself */

/* How many targets there are whose tgid ends in these bits. Where there is none, that is all there is to look at. */
enum { TARGET_MARKS = 1 << 14 };
uint32_t target_marks[TARGET_MARKS];
uint32_t exclusions; /* targets that the exporter has taken back so far */

uint64_t generations, thread_numbers; /* given so far */
uint64_t dropped_loops;               /* that found no slot */
uint64_t dropped_targets;             /* processes for which there was no room */
uint32_t own_tgid;                    /* the exporter's, in the initial PID namespace */
uint32_t match_older_cgroups;         /* some of the wanted are in hierarchies of v1 */
uint32_t iterator_mode;               /* LOOPTAP_DISCOVER, ... */
uint32_t discover_epoll_fd, discover_ring_fd;
uint64_t epoll_operations, ring_operations; /* the f_op of such files */

#endif
