#include "formats/json.h"

#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formats/json_scan.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {

namespace {

// Builds a J from scan events.
template <typename J>
class Builder final : public JsonScan {
 public:
  using JsonScan::JsonScan;

  J Build() {
    Run();
    return std::move(root_);
  }

 private:
  static constexpr bool kOrdered = std::is_same_v<J, OrderedJson>;

  // A container that is still open.
  struct Level {
    J* container;
    J* slot = nullptr;                     // of an object: the value of the last key
    std::unordered_set<std::string> keys;  // of an ordered object: its own look-up is linear
  };

  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(int64_t value) override { return Put(value); }
  bool number_unsigned(uint64_t value) override { return Put(value); }
  bool number_float(double value, const std::string&) override { return Put(value); }
  bool string(std::string& value) override { return Put(std::move(value)); }
  bool start_object(size_t) override { return Open(J::object()); }
  bool start_array(size_t) override { return Open(J::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(std::string& key) override {
    Level& level = levels_.back();
    auto& object = level.container->template get_ref<typename J::object_t&>();
    if constexpr (kOrdered) {
      if (!level.keys.insert(key).second) FailDuplicate(key);
      level.slot = &object.emplace_back(std::move(key), J()).second;
    } else {
      const auto [at, is_new] = object.try_emplace(std::move(key));
      if (!is_new) FailDuplicate(at->first);
      level.slot = &at->second;
    }
    return true;
  }

  [[noreturn]] void FailDuplicate(const std::string& key) const {
    FailHere(Status::kFormat, "duplicate key " + Quote(key));
  }

  J* Place(J value) {
    J* slot = &root_;
    if (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.container->is_array()) {
        auto& array = level.container->template get_ref<typename J::array_t&>();
        array.push_back(std::move(value));
        return &array.back();
      }
      slot = level.slot;
    }
    *slot = std::move(value);
    return slot;
  }

  bool Put(J value) {
    Place(std::move(value));
    return true;
  }

  bool Open(J container) {
    if (levels_.size() == kMaxJsonDepth) {
      FailHere(Status::kLimit, fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    }
    levels_.push_back({Place(std::move(container)), nullptr, {}});
    return true;
  }

  bool Close() {
    levels_.pop_back();
    return true;
  }

  J root_;
  std::vector<Level> levels_;
};

}  // namespace

Json ParseJson(std::string_view text, std::string_view name) {
  return Builder<Json>(text, name).Build();
}

OrderedJson ParseOrderedJson(std::string_view text, std::string_view name) {
  return Builder<OrderedJson>(text, name).Build();
}

Json ReadJsonFile(const std::string& path, uint64_t max_bytes) {
  return ReadJsonFile(File::Open(path), max_bytes);
}

Json ReadJsonFile(const File& file, uint64_t max_bytes) {
  return ParseJson(ReadTextFile(file, max_bytes), file.path());
}

}  // namespace inference
