// A BPF array map (BPF_F_MMAPABLE), read where it lies.
//
// Thread-safety: see the class. Errors: map() throws, read() tells. Units: bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "exporter/sources/slot_reader.h"

struct bpf_map;

namespace looptap {

/// Empty until map(). Reading is thread-safe, and at any time the programs write, too.
class MappedArray : public SlotMemory {
 public:
  MappedArray() = default;
  MappedArray(const MappedArray&) = delete;
  MappedArray& operator=(const MappedArray&) = delete;
  ~MappedArray() override;

  /// \param map loaded; its values are whole words. It must be told once.
  /// \throws std::runtime_error with one clear line.
  void map(const bpf_map* map);

  bool read(uint64_t offset, void* to, size_t size) const override;

  /// Fills a value with zeros.
  void clear(uint32_t index);

 private:
  unsigned char* bytes_ = nullptr;
  size_t value_size_ = 0;
  size_t size_ = 0;  // in whole pages
};

}  // namespace looptap
