#include "exporter/sources/bpf/mapped_array.h"

#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace looptap {

MappedArray::~MappedArray() {
  if (bytes_) munmap(bytes_, size_);
}

void MappedArray::map(const bpf_map* map) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  value_size_ = bpf_map__value_size(map);
  size_ = (value_size_ * bpf_map__max_entries(map) + page - 1) / page * page;
  void* at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (at == MAP_FAILED)
    throw std::runtime_error(std::string("cannot map the BPF map ") + bpf_map__name(map) + ": " +
                             strerror(errno));
  bytes_ = static_cast<unsigned char*>(at);
}

bool MappedArray::read(uint64_t offset, void* to, size_t size) const {
  if (offset > size_ || size > size_ - offset) return false;
  // Word by word: the programs write at the same time.
  const auto* source = reinterpret_cast<const uint64_t*>(bytes_ + offset);
  auto* target = static_cast<uint64_t*>(to);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (size_t i = 0; i < size / 8; i++) target[i] = __atomic_load_n(source + i, __ATOMIC_ACQUIRE);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return true;
}

void MappedArray::clear(uint32_t index) { memset(bytes_ + index * value_size_, 0, value_size_); }

}  // namespace looptap
