// Token texts and their ids. Texts lie in one block of memory: a vocabulary has 50K to 260K of
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inference {

class Vocabulary {
 public:
  static constexpr int64_t kMaxTokens = int64_t{1} << 22;

  // `name` (a path) begins every message.
  explicit Vocabulary(std::string name) : name_(std::move(name)), table_(1024, kEmpty) {}

  // FORMAT for a text or an id that is there already (the same pair twice is allowed, as
  // added tokens repeat the vocabulary), LIMIT past kMaxTokens.
  void Add(std::string_view text, int64_t id);
  // As Add, for lists that may repeat a text: the first id keeps it, both ids have the text.
  void AddAllowingRepeats(std::string_view text, int64_t id);

  // What comes later is added beside the model's own tokens. Where it is not called nothing is.
  void EndModel() { model_entries_ = entries_.size(); }
  // Call once after the last Add: FORMAT unless the ids are 0..size-1.
  void Finish();

  const std::string& name() const { return name_; }
  int32_t size() const { return static_cast<int32_t>(entries_.size()); }
  bool Has(int64_t id) const { return id >= 0 && id < size(); }
  std::string_view Text(int32_t id) const;  // id in range
  std::optional<int32_t> Find(std::string_view text) const;
  // As Find; FORMAT naming `name` (file and field) where there is none.
  int32_t Get(std::string_view text, std::string_view name) const;
  // Whether the token came after EndModel. After Finish, id in range.
  bool IsOnlyAdded(int32_t id) const { return by_id_[static_cast<size_t>(id)] >= model_entries_; }

 private:
  struct Entry {
    uint64_t offset;
    uint32_t length;
    uint32_t hash;
    int32_t id;
  };
  static constexpr uint32_t kEmpty = ~uint32_t{0};

  void Append(std::string_view text, int64_t id, uint32_t hash);
  void Insert(uint32_t index);
  uint32_t FindEntry(std::string_view text, uint32_t hash) const;  // kEmpty where absent
  std::string_view TextOf(const Entry& entry) const {
    return {texts_.data() + entry.offset, entry.length};
  }

  std::string name_;
  std::string texts_;
  std::vector<Entry> entries_;   // in the order of Add
  std::vector<uint32_t> table_;  // indexes of entries, open addressing, a power of two
  std::vector<uint32_t> by_id_;  // after Finish: index of the entry of an id
  size_t model_entries_ = SIZE_MAX;
};

// The byte that a byte-fallback token such as "<0x0A>" stands for.
std::optional<uint8_t> ParseByteToken(std::string_view text);

}  // namespace inference
